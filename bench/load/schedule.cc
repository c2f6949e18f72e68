#include "bench/load/schedule.h"

#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::bench {

Schedule::Schedule(int64_t start_nanos, double rate)
    : start_nanos_(start_nanos), nanos_per_request_(static_cast<double>(kNanosPerSecond) / rate) {
  CHECK(rate > 0);
}

int64_t Schedule::DueNanos(uint64_t sequence) const {
  // Exact to the nanosecond for 2^53 ns, about a hundred days.
  return start_nanos_ + static_cast<int64_t>(static_cast<double>(sequence) * nanos_per_request_);
}

}  // namespace socle::bench
