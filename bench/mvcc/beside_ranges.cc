// What long reads cost others: etcd before #9384 let a commit wait for them, and reads wait for the commit.
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bench/mvcc/load.h"
#include "bench/mvcc/workload.h"
#include "kv/base/check.h"

namespace socle::bench {
namespace {

constexpr double kReadRate = 2'000;
constexpr double kPutRate = 3'000;
constexpr int64_t kRangeKeys = 10'000;
constexpr size_t kValueBytes = 256;

const Way kWays[] = {
    {"now", {}},
    {"commits exclude reads", {.commit_excludes_reads = true}},
    {"reads copy what is pending", {.reads_copy_pending = true}},
};

void Put(mvcc::Store* store, uint64_t key, std::function<void()> done) {
  store->Put({.key = KeyOf(key), .value = std::string(kValueBytes, 'w')},
             [done = std::move(done)](const absl::StatusOr<mvcc::PutResult>& result) {
               CHECK(result.ok());
               done();
             });
}

void ReadRange(mvcc::Store* store, uint64_t keys, uint64_t n) {
  const uint64_t first = (n * 7919) % (keys - kRangeKeys + 1);
  const auto range =
      store->Range({.key = KeyOf(first), .range_end = std::string("\0", 1), .limit = kRangeKeys});
  CHECK(range.ok());
  CHECK_EQ(range->kvs.size(), static_cast<size_t>(kRangeKeys));
}

// Puts at a steady rate for as long as it lives, so that there are commits.
class PutsMeanwhile {
 public:
  PutsMeanwhile(mvcc::Store* store, uint64_t keys, double seconds)
      : thread_("puts", [store, keys, seconds] {
          AtRateAsync(kPutRate, seconds, [store, keys](uint64_t n, std::function<void()> done) {
            Put(store, (n * 104'729) % keys, std::move(done));
          });
        }) {}

 private:
  Thread thread_;
};

uint64_t KeysOf(const MvccBenchOptions& options) {
  return std::max<uint64_t>(options.keys, static_cast<uint64_t>(kRangeKeys));
}

}  // namespace

std::vector<Row> ReadsBesideRanges(const MvccBenchOptions& options) {
  std::vector<Row> rows;
  for (const Way& way : kWays) {
    const uint64_t keys = KeysOf(options);
    const std::unique_ptr<mvcc::Store> store = OpenFresh(options, {.old_ways = way.old_ways});
    Fill(store.get(), keys, kValueBytes);
    const auto measure = [&](bool has_ranges) {
      const PutsMeanwhile puts(store.get(), keys, options.seconds);
      std::optional<Background> ranges;
      if (has_ranges) {
        ranges.emplace("ranges", [&](uint64_t n) { ReadRange(store.get(), keys, n); });
      }
      return AtRate(kReadRate, options.seconds, [&](uint64_t n) {
        CHECK(store->Range({.key = KeyOf((n * 15'485'863) % keys)}).ok());
      });
    };
    const Histogram alone = measure(false);
    const Histogram beside = measure(true);
    rows.push_back({.work = "small reads p99.9, beside 10,000-key ranges",
                    .way = way.name,
                    .alone = Millis(alone, 99.9),
                    .beside = Millis(beside, 99.9),
                    .unit = "ms",
                    .bar = way.name == "now" ? 1.5 : 0});
  }
  return rows;
}

std::vector<Row> PutsBesideRanges(const MvccBenchOptions& options) {
  std::vector<Row> rows;
  for (const Way& way : kWays) {
    const uint64_t keys = KeysOf(options);
    const std::unique_ptr<mvcc::Store> store = OpenFresh(options, {.old_ways = way.old_ways});
    Fill(store.get(), keys, kValueBytes);
    const auto measure = [&] {
      return AtRateAsync(kPutRate, options.seconds, [&](uint64_t n, std::function<void()> done) {
        Put(store.get(), (n * 104'729) % keys, std::move(done));
      });
    };
    const Histogram alone = measure();
    Histogram beside;
    {
      const Background ranges("ranges", [&](uint64_t n) { ReadRange(store.get(), keys, n); });
      beside = measure();
    }
    rows.push_back({.work = "puts at 3,000/s p99.9, beside 10,000-key ranges",
                    .way = way.name,
                    .alone = Millis(alone, 99.9),
                    .beside = Millis(beside, 99.9),
                    .unit = "ms",
                    .bar = way.name == "now" ? 2.0 : 0});
  }
  return rows;
}

}  // namespace socle::bench
