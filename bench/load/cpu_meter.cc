#include "bench/load/cpu_meter.h"

#include <time.h>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

int64_t Nanos(const timespec& time) {
  return time.tv_sec * kNanosPerSecond + time.tv_nsec;
}

}  // namespace

int64_t OwnCpuNanos() {
  timespec time{};
  CHECK_EQ(::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time), 0);
  return Nanos(time);
}

absl::StatusOr<int64_t> CpuNanosOf(pid_t pid) {
  // The kernel's own account, to the nanosecond; /proc/PID/stat has the same in ticks of 10 ms.
  clockid_t clock = 0;
  timespec time{};
  if (::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &time) != 0) {
    return absl::NotFoundError(fmt::format("no process with pid {}", pid));
  }
  return Nanos(time);
}

}  // namespace socle::bench
