// Index: what a search, a new revision and a count cost, what a key takes, and how long a compaction
// keeps a writer waiting.
//
//   index_bench                               20,000 keys of 32 bytes, as Kubernetes names pods
//   SOCLE_BENCH_KEYS=10000000 index_bench     the size the bars are for
//
// "Walk" is what etcd did before etcd#9511: all keys are looked at while the writer waits.

#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"
#include "mvcc/garbage_queue.h"
#include "mvcc/index.h"
#include "mvcc/old_ways.h"

namespace socle::mvcc {
namespace {

// As the write loop does it between two looks at its queue.
constexpr int kCompactionPiece = 16;
constexpr int64_t kCompactionStepNanos = 50'000;

uint64_t KeyCount() {
  const char* const text = std::getenv("SOCLE_BENCH_KEYS");  // NOLINT(concurrency-mt-unsafe)
  return text == nullptr ? 20'000 : std::strtoull(text, nullptr, 10);
}

std::string KeyOf(uint64_t n) {
  return fmt::format("/registry/pods/{:04}/{:012}", n * 977 / KeyCount(), n);
}

// Every key once, at main revisions 2, 3, …
void Fill(Index* index) {
  for (uint64_t i = 0; i < KeyCount(); ++i) {
    index->Add(KeyOf(i), {static_cast<int64_t>(i + 2), 0}, false);
  }
}

const Index& Full() {
  static Index* const index = [] {
    auto* const made = new Index;
    Fill(made);
    return made;
  }();
  return *index;
}

// Keys in random order, so many that searching them in turn finds none in a cache.
const std::vector<std::string>& Wanted() {
  static const std::vector<std::string>* const keys = [] {
    auto* const made = new std::vector<std::string>;
    Random random(1);
    for (int i = 0; i < 1 << 16; ++i) {
      made->push_back(KeyOf(random.Below(KeyCount())));
    }
    return made;
  }();
  return *keys;
}

void BM_Find(benchmark::State& state) {
  const IndexRoot root = Full().root();
  const std::vector<std::string>& keys = Wanted();
  size_t n = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(root.Find(keys[n++ % keys.size()]));
  }
}

void BM_LiveBelow(benchmark::State& state) {
  const IndexRoot root = Full().root();
  const std::vector<std::string>& keys = Wanted();
  size_t n = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(root.LiveBelow(keys[n++ % keys.size()]));
  }
}

// New revisions of known keys, published in batches of 100.
void BM_Supersede(benchmark::State& state) {
  Index index;
  Fill(&index);
  const std::vector<std::string>& keys = Wanted();
  auto main = static_cast<int64_t>(KeyCount() + 2);
  uint64_t open = index.Publish().version;
  size_t n = 0;
  for (auto _ : state) {
    index.Add(keys[n % keys.size()], {main++, 0}, false);
    if (++n % 100 == 0) {
      index.NoteViewClosed(open);
      open = index.Publish().version;
      index.Collect();
    }
  }
  index.NoteViewClosed(open);
}

// Bytes of the heap per key, beyond the 32 of the key itself.
void BM_Memory(benchmark::State& state) {
  for (auto _ : state) {
    const size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
    Index index;
    Fill(&index);
    const size_t after = mallinfo2().uordblks + mallinfo2().hblkhd;
    state.counters["bytes_per_key"] =
        static_cast<double>(after - before) / static_cast<double>(KeyCount()) - 32;
  }
}

// False: nothing is left.
bool CompactPiece(Index* index, GarbageQueue* garbage, int64_t main) {
  for (int i = 0; i < kCompactionPiece; ++i) {
    const auto item = garbage->PopUpTo(main);
    if (!item) {
      return false;
    }
    index->Compact(KeyOf(static_cast<uint64_t>(item->main() - 2)), main);
  }
  return true;
}

// Every key has an older revision that a compaction takes. range(0): 0 in steps, 1 by the walk.
void BM_CompactionPause(benchmark::State& state) {
  Clock* const clock = Clock::Real();
  for (auto _ : state) {
    state.PauseTiming();
    Index index;
    GarbageQueue garbage;
    Fill(&index);
    auto main = static_cast<int64_t>(KeyCount() + 2);
    for (uint64_t i = 0; i < KeyCount(); ++i) {
      garbage.AddSuperseded(*index.Add(KeyOf(i), {main, 0}, false).superseded, main);
      ++main;
    }
    uint64_t open = index.Publish().version;
    state.ResumeTiming();
    std::vector<int64_t> pauses;
    if (state.range(0) == 1) {
      const int64_t start = clock->MonotonicNanos();
      benchmark::DoNotOptimize(WalkIndex(index.root()));
      pauses.push_back(clock->MonotonicNanos() - start);
    } else {
      bool is_done = false;
      while (!is_done) {
        const int64_t start = clock->MonotonicNanos();
        do {
          is_done = !CompactPiece(&index, &garbage, main);
        } while (!is_done && clock->MonotonicNanos() - start < kCompactionStepNanos);
        index.NoteViewClosed(open);
        open = index.Publish().version;
        index.Collect();
        pauses.push_back(clock->MonotonicNanos() - start);
      }
    }
    std::ranges::sort(pauses);
    state.counters["pause_p50_us"] = static_cast<double>(pauses[pauses.size() / 2]) * 1e-3;
    state.counters["pause_p99.9_us"] =
        static_cast<double>(pauses[pauses.size() * 999 / 1'000]) * 1e-3;
    state.counters["pause_max_us"] = static_cast<double>(pauses.back()) * 1e-3;
    index.NoteViewClosed(open);
  }
}

BENCHMARK(BM_Find);
BENCHMARK(BM_LiveBelow);
BENCHMARK(BM_Supersede);
BENCHMARK(BM_Memory)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CompactionPause)
    ->ArgName("walk")
    ->Arg(0)
    ->Arg(1)
    ->Iterations(1)
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace socle::mvcc
