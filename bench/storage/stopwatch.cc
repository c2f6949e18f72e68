#include "bench/storage/stopwatch.h"

#include <sys/resource.h>

#include "kv/base/check.h"

namespace socle::bench {
namespace {

int64_t NanosOf(const timeval& time) {
  return (int64_t{time.tv_sec} * 1'000'000 + time.tv_usec) * 1000;
}

}  // namespace

int64_t CpuStopwatch::Nanos() {
  rusage usage{};
  CHECK_EQ(::getrusage(RUSAGE_THREAD, &usage), 0);
  return NanosOf(usage.ru_utime) + NanosOf(usage.ru_stime);
}

}  // namespace socle::bench
