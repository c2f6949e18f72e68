// The case of bbolt#141: a large file whose free pages are isolated runs of two.
//
//   freelist_bench                           10^4 … 10^6 free pages
//   SOCLE_BENCH_PAGES=10000000 freelist_bench    and that many
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <benchmark/benchmark.h>

#include "freelist/freelist.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/random.h"

namespace socle::freelist {
namespace {

constexpr uint64_t kBatch = 1000;  // pages per transaction

// Runs of two free pages, a used page after each.
std::vector<PageSpan> IsolatedPairs(uint64_t pages) {
  std::vector<PageSpan> spans;
  spans.reserve(pages / 2);
  for (uint64_t i = 0; i < pages / 2; ++i) {
    spans.push_back({PageId{2 + i * 3}, 2});
  }
  return spans;
}

std::unique_ptr<Freelist> Fragmented(const benchmark::State& state) {
  auto freelist = NewFreelist(state.range(0) == 0 ? FreelistType::kHashmap : FreelistType::kArray);
  freelist->Load(IsolatedPairs(static_cast<uint64_t>(state.range(1))));
  return freelist;
}

double Seconds(int64_t nanos) {
  return static_cast<double>(nanos) * 1e-9;
}

// One page at a time, from many free ones. The allocations are timed, undoing them is not.
void BM_WantOne(benchmark::State& state) {
  const auto freelist = Fragmented(state);
  for (auto _ : state) {
    const int64_t start = Clock::Real()->MonotonicNanos();
    for (uint64_t i = 0; i < kBatch; ++i) {
      benchmark::DoNotOptimize(freelist->Allocate(TxnId{1}, 1));
    }
    state.SetIterationTime(Seconds(Clock::Real()->MonotonicNanos() - start));
    freelist->Rollback(TxnId{1});
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

// Three pages: there is no such run, which a first fit learns by looking at all.
void BM_WantThree(benchmark::State& state) {
  const auto freelist = Fragmented(state);
  for (auto _ : state) {
    std::optional<PageId> found = freelist->Allocate(TxnId{1}, 3);
    benchmark::DoNotOptimize(found);
  }
  state.SetItemsProcessed(state.iterations());
}

// A running store: each transaction takes pages and frees others, all over the file.
void BM_Churn(benchmark::State& state) {
  const auto freelist = Fragmented(state);
  Random random(1);
  std::vector<PageId> used;
  for (uint64_t i = 0; i < static_cast<uint64_t>(state.range(1)) / 2; ++i) {
    used.push_back(PageId{4 + i * 3});
  }
  TxnId txn{1};
  for (auto _ : state) {
    freelist->ReleasePending({});
    for (uint64_t i = 0; i < kBatch; ++i) {
      PageId& page = used[random.Below(used.size())];
      const PageId old = page;
      const std::optional<PageId> fresh = freelist->Allocate(txn, 1);
      CHECK(fresh.has_value());
      page = *fresh;
      freelist->Free(txn, {old, 1});
    }
    freelist->Commit(txn);
    txn = Next(txn);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kBatch));
}

// What writing the freelist page costs.
void BM_List(benchmark::State& state) {
  const auto freelist = Fragmented(state);
  for (auto _ : state) {
    benchmark::DoNotOptimize(freelist->FreeAndPendingSpans());
  }
}

void Sizes(benchmark::internal::Benchmark* bench) {
  std::vector<int64_t> sizes = {10'000, 100'000, 1'000'000};
  if (const char* extra = std::getenv("SOCLE_BENCH_PAGES"); extra != nullptr) {
    sizes.push_back(std::strtoll(extra, nullptr, 10));
  }
  bench->ArgNames({"array", "pages"});
  for (const int64_t type : {0, 1}) {
    for (const int64_t size : sizes) {
      bench->Args({type, size});
    }
  }
}

BENCHMARK(BM_WantOne)->Apply(Sizes)->UseManualTime();
BENCHMARK(BM_WantThree)->Apply(Sizes);
BENCHMARK(BM_Churn)->Apply(Sizes);
BENCHMARK(BM_List)->Apply(Sizes);

}  // namespace
}  // namespace socle::freelist
