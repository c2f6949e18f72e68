#include "bench/storage/stopwatch.h"

#include <ctime>

#include "kv/base/check.h"

namespace socle::bench {

int64_t CpuStopwatch::Nanos() {
  timespec now{};
  // tidy: allow clock because no Clock knows processor time
  CHECK_EQ(::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now), 0);
  return int64_t{now.tv_sec} * kNanosPerSecond + now.tv_nsec;
}

}  // namespace socle::bench
