// What watchers cost the hub: puts that match none, with the interval index and with the walk over all ranges
// that it replaced; one put that many watch, encoded once and once for each.
//
//   BM_PutNobodyWatches/watchers/kind       kind 0 single keys, 1 ranges (tree), 2 ranges (linear)
//   BM_PutWatchedByMany/watchers/streams    until the consumers have taken everything
//   BM_EncodeForMany/watchers/shared
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/testing/fault_env.h"
#include "mvcc/schema.h"
#include "mvcc/watch_hub.h"

namespace socle::mvcc {
namespace {

enum Kind : int64_t { kKeys = 0, kRanges = 1, kLinearRanges = 2 };

// A hub whose write loop is this thread: it publishes puts of one key without a store behind them.
class HubBench {
 public:
  explicit HubBench(WatchHubOptions options = {}) {
    CHECK(env_.CreateDirs("/s").ok());
    auto engine = kv::OpenBolt(&env_, "/s/db", {.map_size_bytes = uint64_t{64} << 20U});
    kv::BackendOptions backend_options;
    backend_options.buckets = BucketNames();
    backend_ = kv::Backend::Open(*std::move(engine), backend_options).value();
    applier_ = std::make_unique<Applier>(backend_.get(), nullptr);
    const Index::Version version = applier_->index()->Publish();
    view_.Publish(new ReadView(applier_->state(), applier_->index(), version.version));
    hub_ = std::make_unique<WatchHub>([this] { return view_.Take(); }, Clock::Real(), options);
  }

  ~HubBench() {
    streams_.clear();
    hub_.reset();
    view_.Publish(nullptr);
    applier_->index()->Collect();
  }

  void OpenStreams(int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      streams_.push_back(hub_->NewStream([] {}));
    }
  }

  WatchStream* stream(int64_t i) {
    return streams_[static_cast<size_t>(i) % streams_.size()].get();
  }

  void Publish(int64_t puts) {
    EventBatch batch;
    for (int64_t i = 0; i < puts; ++i) {
      batch.events.push_back({.revision = ++revision_,
                              .kv = {.key = kKey,
                                     .create_revision = 2,
                                     .mod_revision = revision_,
                                     .version = revision_ - 1,
                                     .value = value_}});
    }
    batch.revision = revision_;
    hub_->Publish(std::move(batch));
  }

  // Takes responses until the hub has worked on everything given before; how many there were.
  int64_t TakeAll() {
    streams_[0]->RequestProgress();
    int64_t taken = 0;
    for (bool is_behind = true; is_behind;) {
      for (const auto& stream : streams_) {
        while (std::optional<WatchResponse> response = stream->Next()) {
          ++taken;
          is_behind = is_behind && response->watch_id != -1;
        }
      }
    }
    // The progress is in the first stream, behind its events; others got theirs before it.
    for (const auto& stream : streams_) {
      while (stream->Next()) {
        ++taken;
      }
    }
    return taken;
  }

  static constexpr std::string_view kKey = "/registry/pods/default/one";

 private:
  FaultEnv env_{1};
  std::unique_ptr<kv::Backend> backend_;
  std::unique_ptr<Applier> applier_;
  Published<ReadView> view_;
  std::unique_ptr<WatchHub> hub_;
  std::vector<std::unique_ptr<WatchStream>> streams_;
  const std::string value_ = std::string(256, 'v');
  int64_t revision_ = 1;
};

void BM_PutNobodyWatches(benchmark::State& state) {
  const int64_t watchers = state.range(0);
  const int64_t kind = state.range(1);
  const int64_t puts = kind == kLinearRanges ? 2 : 5'000;
  HubBench bench({.ranges = kind == kLinearRanges ? WatcherIndex::Ranges::kLinear
                                                  : WatcherIndex::Ranges::kTree});
  bench.OpenStreams(1);
  for (int64_t i = 0; i < watchers; ++i) {
    WatchRequest request{.key = fmt::format("/registry/nodes/{:08}", i)};
    if (kind != kKeys) {
      request.range_end = fmt::format("/registry/nodes/{:08}", i + 1);
    }
    bench.stream(0)->Create(std::move(request));
  }
  bench.TakeAll();
  for (auto _ : state) {
    bench.Publish(puts);
    bench.TakeAll();
  }
  state.SetItemsProcessed(state.iterations() * puts);
}

void BM_PutWatchedByMany(benchmark::State& state) {
  HubBench bench;
  bench.OpenStreams(state.range(1));
  for (int64_t i = 0; i < state.range(0); ++i) {
    bench.stream(i)->Create({.key = std::string(HubBench::kKey)});
  }
  bench.TakeAll();
  int64_t deliveries = 0;
  for (auto _ : state) {
    bench.Publish(1);
    deliveries += bench.TakeAll() - 1;
  }
  CHECK_EQ(deliveries, state.iterations() * state.range(0));
  state.SetItemsProcessed(deliveries);
}

// The events' part of the messages, as a transport appends it.
void BM_EncodeForMany(benchmark::State& state) {
  const std::string value(256, 'v');
  const std::vector<WatchEvent> events = {
      {.kv = {.key = HubBench::kKey, .create_revision = 2, .mod_revision = 9, .value = value},
       .prev_kv = std::nullopt,
       .encoded = {}}};
  std::string out;
  for (auto _ : state) {
    out.clear();
    EventBlockRef block;
    for (int64_t i = 0; i < state.range(0); ++i) {
      if (block == nullptr || state.range(1) == 0) {
        block = std::make_shared<EventBlock>(events);
      }
      out.append(block->Encoded(0, 1));
    }
    benchmark::DoNotOptimize(out.data());
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}

BENCHMARK(BM_PutNobodyWatches)
    ->Args({0, kKeys})
    ->Args({100'000, kKeys})
    ->Args({100'000, kRanges})
    ->Args({100'000, kLinearRanges})
    ->Iterations(10)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_PutWatchedByMany)
    ->Args({10'000, 1})
    ->Args({10'000, 100})
    ->Iterations(50)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);
BENCHMARK(BM_EncodeForMany)->Args({10'000, 1})->Args({10'000, 0})->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace socle::mvcc
