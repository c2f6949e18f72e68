// CpuMeter: processor time of this program or of another one by its pid, user and system together.
// Threads  pure functions.
// Errors   NotFound when there is no such pid.
#ifndef SOCLE_BENCH_LOAD_CPU_METER_H_
#define SOCLE_BENCH_LOAD_CPU_METER_H_

#include <sys/types.h>

#include <cstdint>

#include <absl/status/statusor.h>

namespace socle::bench {

int64_t OwnCpuNanos();
absl::StatusOr<int64_t> CpuNanosOf(pid_t pid);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_CPU_METER_H_
