// What shrinking gives and what it costs: a store of SOCLE_BENCH_KEYS keys loses half of them, is
// compacted and shrunk, while puts come in at a fixed rate. Counters:
//
//   full_mib, small_mib      the file before and after
//   small_per_live           the file after, per byte of keys and values that its pages hold
//   seconds                  how long the shrinking took
//   p50_*, p99_*, p999_*     latency of a put in ms, from when it was due: before, and during
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/random.h"
#include "kv/base/thread.h"
#include "mvcc/store.h"

namespace socle::mvcc {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// Few by default so that the smoke run is quick.
uint64_t KeyCount() {
  return FromEnvironment("SOCLE_BENCH_KEYS", 4'000);
}

uint64_t PutsPerSecond() {
  return FromEnvironment("SOCLE_BENCH_RATE", 1'000);
}

// How long puts are measured without shrinking.
int64_t QuietNanos() {
  return static_cast<int64_t>(FromEnvironment("SOCLE_BENCH_QUIET_MS", 100)) * kNanosPerMilli;
}

std::string KeyOf(uint64_t number) {
  return fmt::format("key{:09}", number);
}

std::string RandomValue(Random* random) {
  std::string value(256, '\0');
  for (char& byte : value) {
    byte = static_cast<char>(random->Below(256));
  }
  return value;
}

// Sends any number of writes and waits for their answers; bounds how many are open.
class Window {
 public:
  explicit Window(uint64_t open_max) : open_max_(open_max) {}

  template <typename T>
  Callback<T> Begin() {
    MutexLock lock(&mu_);
    while (open_ >= open_max_) {
      changed_.Wait(&mu_);
    }
    ++open_;
    return [this](const absl::StatusOr<T>& result) {
      CHECK_OK(result.status());
      MutexLock end(&mu_);
      --open_;
      changed_.SignalAll();
    };
  }

  void Drain() {
    MutexLock lock(&mu_);
    while (open_ > 0) {
      changed_.Wait(&mu_);
    }
  }

 private:
  const uint64_t open_max_;
  Mutex mu_;
  CondVar changed_;
  uint64_t open_ ABSL_GUARDED_BY(mu_) = 0;
};

// Puts at a fixed rate from its own thread, whether answers come or not.
class SteadyPuts {
 public:
  SteadyPuts(Store* store, uint64_t keys)
      : store_(store), keys_(keys), thread_("steady puts", [this] { Run(); }) {}

  // Latencies since the last call, ascending, in nanoseconds.
  std::vector<int64_t> Take() {
    MutexLock lock(&mu_);
    std::vector<int64_t> taken = std::exchange(latencies_, {});
    std::sort(taken.begin(), taken.end());
    return taken;
  }

  void Stop() {
    is_stopping_ = true;
    thread_.Join();
    window_.Drain();
  }

 private:
  void Run() {
    Random random(7);
    const auto gap = kNanosPerSecond / static_cast<int64_t>(PutsPerSecond());
    int64_t due = Clock::Real()->MonotonicNanos();
    while (!is_stopping_) {
      due += gap;
      const int64_t wait = due - Clock::Real()->MonotonicNanos();
      if (wait > 0) {
        Clock::Real()->SleepFor(wait);
      }
      auto done = window_.Begin<PutResult>();
      store_->Put({.key = KeyOf(random.Below(keys_)), .value = RandomValue(&random)},
                  [this, due, done = std::move(done)](absl::StatusOr<PutResult> result) mutable {
                    const int64_t latency = Clock::Real()->MonotonicNanos() - due;
                    {
                      MutexLock lock(&mu_);
                      latencies_.push_back(latency);
                    }
                    done(std::move(result));
                  });
    }
  }

  Store* const store_;
  const uint64_t keys_;
  std::atomic<bool> is_stopping_{false};
  Window window_{100'000};
  Mutex mu_;
  std::vector<int64_t> latencies_ ABSL_GUARDED_BY(mu_);
  Thread thread_;
};

enum class Half { kOldest, kEveryOther };

std::unique_ptr<Store> HalfEmptyStore(const std::string& directory, Half half) {
  auto store = Store::Open({.directory = directory});
  CHECK_OK(store.status());
  Random random(1);
  Window window(2'000);
  const uint64_t keys = KeyCount();
  for (uint64_t i = 0; i < keys; ++i) {
    (*store)->Put({.key = KeyOf(i), .value = RandomValue(&random)}, window.Begin<PutResult>());
  }
  window.Drain();
  for (uint64_t i = 0; i < keys / 2; ++i) {
    (*store)->DeleteRange({.key = KeyOf(half == Half::kOldest ? i : 2 * i)},
                          window.Begin<DeleteRangeResult>());
  }
  window.Drain();
  CHECK_OK((*store)->Compact((*store)->current_revision(), /*physical=*/true).status());
  return *std::move(store);
}

uint64_t LiveBytes(Store* store) {
  const auto pages = store->CommitAndRead();
  CHECK_OK(pages.status());
  uint64_t bytes = 0;
  const auto buckets = (*pages)->Buckets();
  for (const std::string& bucket : *buckets) {
    const auto cursor = (*pages)->NewCursor(bucket);
    for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      bytes += (*cursor)->key().size() + (*cursor)->value().size();
    }
  }
  return bytes;
}

void CountLatencies(const char* when, const std::vector<int64_t>& sorted, benchmark::State* state) {
  if (sorted.empty()) {
    return;
  }
  const auto count = [&](const char* name, double part) {
    const auto at = static_cast<size_t>(part * static_cast<double>(sorted.size() - 1));
    state->counters[fmt::format("{}_{}", name, when)] = static_cast<double>(sorted[at]) / 1e6;
  };
  count("p50", 0.5);
  count("p99", 0.99);
  count("p999", 0.999);
}

void BM_ShrinkUnderPuts(benchmark::State& state) {
  const char* temporary = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
  const std::string directory = fmt::format("{}/shrink_bench", temporary ? temporary : "/tmp");
  constexpr double kMib = 1 << 20;
  for (auto _ : state) {
    state.PauseTiming();
    std::filesystem::remove_all(directory);
    const auto store = HalfEmptyStore(directory, static_cast<Half>(state.range(0)));
    SteadyPuts puts(store.get(), KeyCount());
    Clock::Real()->SleepFor(QuietNanos() / 10);
    puts.Take();
    Clock::Real()->SleepFor(QuietNanos());
    CountLatencies("before", puts.Take(), &state);
    state.counters["full_mib"] = static_cast<double>(store->Stats().db_size_bytes) / kMib;
    state.ResumeTiming();
    const int64_t begin = Clock::Real()->MonotonicNanos();
    CHECK_OK(store->Shrink().status());
    state.counters["seconds"] =
        static_cast<double>(Clock::Real()->MonotonicNanos() - begin) / kNanosPerSecond;
    state.PauseTiming();
    CountLatencies("during", puts.Take(), &state);
    puts.Stop();
    const auto live = static_cast<double>(LiveBytes(store.get()));
    const uint64_t small = std::filesystem::file_size(directory + "/member/snap/db");
    state.counters["small_mib"] = static_cast<double>(small) / kMib;
    state.counters["small_per_live"] = static_cast<double>(small) / live;
    CHECK_OK(store->Check());
    state.ResumeTiming();
  }
  std::filesystem::remove_all(directory);
}

BENCHMARK(BM_ShrinkUnderPuts)
    ->ArgName("every_other")
    ->Arg(static_cast<int>(Half::kOldest))
    ->Arg(static_cast<int>(Half::kEveryOther))
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace socle::mvcc
