// How often pages are committed: the tail of puts against the bytes that go to the disk (etcd#10283).
#include <memory>
#include <string>

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
  std::string text =
      fmt::format("{:>12}{:>10}{:>10}{:>10}{:>10}{:>14}  written per put\n", "interval ms", "limit",
                  "p50 ms", "p99 ms", "p99.9 ms", "bytes per put");
  for (const Setting& setting : kSettings) {
    const std::unique_ptr<mvcc::Store> store =
        OpenFresh(options, {.batch_interval_nanos = setting.interval_millis * kNanosPerMilli,
                            .batch_limit = setting.limit});
    Fill(store.get(), options.keys, kValueBytes);
    const uint64_t before = BytesWritten();
    const Histogram latency =
        AtRateAsync(kPutRate, options.seconds, [&](uint64_t n, std::function<void()> done) {
          store->Put(
              {.key = KeyOf((n * 104'729) % options.keys), .value = std::string(kValueBytes, 'w')},
              [done = std::move(done)](const absl::StatusOr<mvcc::PutResult>& result) {
                CHECK(result.ok());
                done();
              });
        });
    const auto per_put =
        static_cast<double>(BytesWritten() - before) / static_cast<double>(latency.count());
    const std::string bar(static_cast<size_t>(per_put / 200), '#');
    text += fmt::format("{:>12}{:>10}{:>10.2f}{:>10.2f}{:>10.2f}{:>14.0f}  {}\n",
                        setting.interval_millis, setting.limit, Millis(latency, 50),
                        Millis(latency, 99), Millis(latency, 99.9), per_put, bar);
  }
  return text;
}

}  // namespace socle::bench
