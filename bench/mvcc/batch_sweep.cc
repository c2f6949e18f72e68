// How often pages are committed: the tail of puts against the bytes that go to the disk (etcd#10283).
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/mvcc/load.h"
#include "bench/mvcc/workload.h"
#include "bench/storage/disk.h"
#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr double kPutRate = 5'000;
constexpr size_t kValueBytes = 256;

struct Setting {
  int64_t interval_millis;
  int64_t limit;
};

constexpr Setting kSettings[] = {{10, 10'000},  {25, 10'000},  {50, 10'000},
                                 {100, 10'000}, {250, 10'000}, {1000, 10'000},
                                 {100, 100},    {100, 1'000},  {1000, 100'000}};

}  // namespace

std::string BatchSweep(const MvccBenchOptions& options) {
  struct Measured {
    Setting setting;
    Histogram latency;
    double bytes_per_put = 0;
  };

  std::vector<Measured> all;
  for (const Setting& setting : kSettings) {
    const std::unique_ptr<mvcc::Store> store =
        OpenFresh(options, {.batch_interval_nanos = setting.interval_millis * kNanosPerMilli,
                            .batch_limit = setting.limit});
    Fill(store.get(), options.keys, kValueBytes);
    const uint64_t before = BytesWritten(options.dir);
    const Histogram latency =
        AtRateAsync(kPutRate, options.seconds, [&](uint64_t n, std::function<void()> done) {
          store->Put(
              {.key = KeyOf((n * 104'729) % options.keys), .value = std::string(kValueBytes, 'w')},
              [done = std::move(done)](const absl::StatusOr<mvcc::PutResult>& result) {
                CHECK(result.ok());
                done();
              });
        });
    all.push_back({.setting = setting,
                   .latency = latency,
                   .bytes_per_put = static_cast<double>(BytesWritten(options.dir) - before) /
                                    static_cast<double>(latency.count())});
  }
  double most = 1;
  for (const Measured& one : all) {
    most = std::max(most, one.bytes_per_put);
  }
  std::string text = fmt::format("{:>12}{:>10}{:>10}{:>10}{:>10}{:>15}\n", "interval ms", "limit",
                                 "p50 ms", "p99 ms", "p99.9 ms", "bytes per put");
  for (const Measured& one : all) {
    const std::string bar(static_cast<size_t>(40 * one.bytes_per_put / most), '#');
    text += fmt::format("{:>12}{:>10}{:>10.2f}{:>10.2f}{:>10.2f}{:>15.0f}  {}\n",
                        one.setting.interval_millis, one.setting.limit, Millis(one.latency, 50),
                        Millis(one.latency, 99), Millis(one.latency, 99.9), one.bytes_per_put, bar);
  }
  return text;
}

}  // namespace socle::bench
