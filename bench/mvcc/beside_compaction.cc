// What a compaction costs puts: etcd before #9511 walked the whole index while nothing else went on.
#include <memory>
#include <semaphore>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "bench/mvcc/load.h"
#include "bench/mvcc/workload.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr double kPutRate = 3'000;
constexpr size_t kValueBytes = 256;

const Way kWays[] = {
    {"now", {}},
    {"the index is walked at once", {.compaction_walks_index = true}},
};

Histogram PutsFor(mvcc::Store* store, uint64_t keys, double seconds) {
  return AtRateAsync(kPutRate, seconds, [=](uint64_t n, std::function<void()> done) {
    store->Put({.key = KeyOf((n * 104'729) % keys), .value = std::string(kValueBytes, 'w')},
               [done = std::move(done)](const absl::StatusOr<mvcc::PutResult>& result) {
                 CHECK(result.ok());
                 done();
               });
  });
}

}  // namespace

std::vector<Row> PutsBesideCompaction(const MvccBenchOptions& options) {
  std::vector<Row> rows;
  for (const Way& way : kWays) {
    const std::unique_ptr<mvcc::Store> store = OpenFresh(options, {.old_ways = way.old_ways});
    Fill(store.get(), options.keys, kValueBytes);
    Fill(store.get(), options.keys, kValueBytes);  // supersedes all of the first
    CHECK_OK(store->CommitAndRead().status());  // What filling left to do is not what is measured.
    const Histogram alone = PutsFor(store.get(), options.keys, options.seconds);

    Clock* const clock = Clock::Real();
    const int64_t start = clock->MonotonicNanos();
    std::binary_semaphore is_done(0);
    int64_t took = 0;
    store->Compact(store->current_revision(), /*physical=*/true,
                   [&](const absl::StatusOr<mvcc::CompactResult>& result) {
                     CHECK(result.ok());
                     took = clock->MonotonicNanos() - start;
                     is_done.release();
                   });
    const Histogram beside = PutsFor(store.get(), options.keys, options.seconds);
    is_done.acquire();
    rows.push_back(
        {.work = "puts at 3,000/s p99.9, beside a compaction",
         .way = way.name,
         .alone = Millis(alone, 99.9),
         .beside = Millis(beside, 99.9),
         .unit = "ms",
         .bar = way.name == "now" ? 1.3 : 0,
         .remark = fmt::format("{} revisions gone in {:.2f} s; longest put {:.1f} ms", options.keys,
                               static_cast<double>(took) * 1e-9, Millis(beside, 100))});
  }
  return rows;
}

}  // namespace socle::bench
