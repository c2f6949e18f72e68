// The case of bbolt#141: a large file whose free pages are isolated runs of two. How the cost of an
// allocation grows with the list, hashmap beside array.
#include "freelist/freelist.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include <fmt/format.h>

#include "bench/storage/workload.h"
#include "kv/base/check.h"

namespace socle::bench {
namespace {

using freelist::Freelist;
using freelist::FreelistType;

constexpr FreelistType kTypes[] = {FreelistType::kHashmap, FreelistType::kArray};
constexpr const char* kNames[] = {"hashmap", "array"};
// bbolt's hashmap, 10^6 pages in such runs, wanting three (Go, measured on the machine whose figures
// bench/RESULTS.md has; no Go is installed where this runs).
constexpr double kGoHashmapMicros = 0.87;
constexpr uint64_t kTripleRuns = 4000;  // behind all pairs
constexpr uint64_t kGap = 1;

// Runs of two free pages with a used page after each, then some runs of three.
std::unique_ptr<Freelist> Fragmented(FreelistType type, uint64_t pages) {
  std::vector<PageSpan> spans;
  spans.reserve(pages / 2 + kTripleRuns);
  uint64_t next = 2;
  for (uint64_t i = 0; i < pages / 2; ++i, next += 2 + kGap) {
    spans.push_back({PageId{next}, 2});
  }
  for (uint64_t i = 0; i < kTripleRuns; ++i, next += 3 + kGap) {
    spans.push_back({PageId{next}, 3});
  }
  auto list = freelist::NewFreelist(type);
  list->Load(spans);
  return list;
}

// Nanoseconds of one allocation; undoing them is not counted.
double MeasureWant(Freelist* list, uint64_t want, uint64_t allocations) {
  const CpuStopwatch watch;
  for (uint64_t i = 0; i < allocations; ++i) {
    CHECK(list->Allocate(TxnId{1}, want).has_value());
  }
  const double seconds = watch.Seconds();
  list->Rollback(TxnId{1});
  return seconds * 1e9 / static_cast<double>(allocations);
}

// Nanoseconds of taking a page and giving back another, all over the file, releases included.
double MeasureChurn(Freelist* list, uint64_t pages, uint64_t transactions) {
  constexpr uint64_t kPerTxn = 1000;
  Random random(pages);
  std::vector<PageId> used;
  for (uint64_t i = 0; i < pages / 2; ++i) {
    used.push_back(PageId{4 + i * (2 + kGap)});
  }
  const CpuStopwatch watch;
  for (TxnId txn{1}; Raw(txn) <= transactions; txn = Next(txn)) {
    list->ReleasePending({});
    for (uint64_t i = 0; i < kPerTxn; ++i) {
      PageId& page = used[random.Below(used.size())];
      const std::optional<PageId> fresh = list->Allocate(txn, 1);
      CHECK(fresh.has_value());
      list->Free(txn, {std::exchange(page, *fresh), 1});
    }
    list->Commit(txn);
  }
  return watch.Seconds() * 1e9 / static_cast<double>(transactions * kPerTxn);
}

struct Costs {
  Rounds want_one;
  Rounds want_three;
  Rounds churn;
};

// One round of both lists at this size. The array looks at all pages when three are wanted: fewer.
void MeasureSize(uint64_t pages, Costs (*costs)[2]) {
  for (size_t type = 0; type < std::size(kTypes); ++type) {
    const bool is_array = kTypes[type] == FreelistType::kArray;
    Costs& cost = (*costs)[type];
    const auto list = Fragmented(kTypes[type], pages);
    const uint64_t ones = std::min<uint64_t>(pages / 2, 100'000);
    cost.want_one.push_back(MeasureWant(list.get(), 1, ones));
    const uint64_t threes = is_array ? std::clamp<uint64_t>(20'000'000 / pages, 3, 1000) : 2000;
    cost.want_three.push_back(MeasureWant(list.get(), 3, threes));
    cost.churn.push_back(MeasureChurn(list.get(), pages, is_array && pages > 1'000'000 ? 2 : 20));
  }
}

}  // namespace

void RunFreelist(const WorkloadOptions& options, StorageReport* report) {
  Costs costs[4][2];
  std::vector<uint64_t> sizes = {10'000, 100'000, 1'000'000, 10'000'000};
  if (options.keys < 100'000) {
    sizes.resize(2);  // a smoke run
  }
  for (int round = 0; round < options.rounds; ++round) {
    for (size_t size = 0; size < sizes.size(); ++size) {
      MeasureSize(sizes[size], &costs[size]);
    }
  }
  for (size_t size = 0; size < sizes.size(); ++size) {
    for (size_t type = 0; type < std::size(kTypes); ++type) {
      const std::string peer = fmt::format("{}, {} free pages", kNames[type], sizes[size]);
      report->Add("freelist, want 1", peer, "ns", costs[size][type].want_one);
      report->Add("freelist, want 3", peer, "ns", costs[size][type].want_three);
      report->Add("freelist, take 1 and give 1 back", peer, "ns", costs[size][type].churn);
    }
  }
  const size_t last = sizes.size() - 1;
  const size_t million = std::min<size_t>(2, last);
  const auto at = [](uint64_t pages) { return fmt::format(", {:.0e} pages", double(pages)); };
  report->Require("freelist, want 3: growth to" + at(sizes[last]), "× 10⁶ pages (time)",
                  {Bound::Side::kAtMost, 1.5},
                  RatiosOf(costs[last][0].want_three, costs[million][0].want_three));
  report->Require("freelist, want 3" + at(sizes[million]), "× array (speed)",
                  {Bound::Side::kAtLeast, 1000},
                  RatiosOf(costs[million][1].want_three, costs[million][0].want_three));
  Rounds against_go;
  for (const double nanos : costs[million][0].want_three) {
    against_go.push_back(kGoHashmapMicros * 1000 / nanos);
  }
  report->Require("freelist, want 3" + at(sizes[million]), "× Go hashmap, 0.87 µs",
                  {Bound::Side::kAtLeast, 5}, against_go);
  for (size_t size = 0; size < sizes.size(); ++size) {
    report->Require("freelist, want 1" + at(sizes[size]), "× array (speed)",
                    {Bound::Side::kAtLeast, 1},
                    RatiosOf(costs[size][1].want_one, costs[size][0].want_one));
  }
  report->Require("freelist, take 1 and give 1 back" + at(sizes[million]), "× array (speed)",
                  {Bound::Side::kAtLeast, 1},
                  RatiosOf(costs[million][1].churn, costs[million][0].churn));
}

}  // namespace socle::bench
