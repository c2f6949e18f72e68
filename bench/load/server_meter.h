// ServerMeter: what a server of this machine has used so far, by its pid: processor, memory, disk.
//
// Threads  pure function.
// Errors   NotFound when there is no such pid.
#ifndef SOCLE_BENCH_LOAD_SERVER_METER_H_
#define SOCLE_BENCH_LOAD_SERVER_METER_H_

#include <sys/types.h>

#include <cstdint>

#include <absl/status/statusor.h>

namespace socle::bench {

struct ServerUsage {
  int64_t at_nanos = 0;    // after the start of the run; the caller's to set
  int64_t cpu_nanos = 0;   // user and system, since the process began
  int64_t rss_bytes = -1;  // -1: not known
  int64_t written_bytes =
      -1;  // given to the disk since the process began; -1: not known (another user's process)
};

absl::StatusOr<ServerUsage> UsageOf(pid_t pid);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_SERVER_METER_H_
