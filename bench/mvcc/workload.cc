#include "bench/mvcc/workload.h"

#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"

namespace socle::bench {

std::unique_ptr<mvcc::Store> OpenFresh(const MvccBenchOptions& options, mvcc::StoreOptions store) {
  static int number = 0;
  store.directory = fmt::format("{}/{}", options.dir, ++number);
  absl::StatusOr<std::unique_ptr<mvcc::Store>> opened = mvcc::Store::Open(std::move(store));
  CHECK_OK(opened.status());
  return *std::move(opened);
}

double Millis(const Histogram& latency, double percent) {
  return static_cast<double>(latency.Percentile(percent)) / kNanosPerMilli;
}

}  // namespace socle::bench
