// Drive: carries a workload out against the endpoints; the part that put and range share.
//
// Laws     1. Before anything is measured every connection has answered a Status call.
//          2. Ctrl-C and SIGTERM end the run early; what was measured so far is the result.
// Threads  one run at a time per program.
// Errors   InvalidArgument for options that make no sense, Unavailable when an endpoint does not
//          answer.
#ifndef SOCLE_BENCH_WORKLOAD_DRIVE_H_
#define SOCLE_BENCH_WORKLOAD_DRIVE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/load_runner.h"
#include "bench/load/progress.h"
#include "kv/base/clock.h"

namespace socle::bench {

struct DriveOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  uint64_t clients = 1;
  uint64_t conns = 1;
  uint64_t total = 10'000;
  double rate = 0;
  int64_t timeout_nanos = 30 * kNanosPerSecond;
  pid_t server_pid = 0;  // 0: not known
  Progress::Style progress = Progress::Style::kNone;
  Progress::Sink progress_sink;

  absl::Status Validate() const;
};

struct DriveResult {
  LoadResult load;
  int64_t client_cpu_nanos = 0;
  int64_t server_cpu_nanos = -1;  // -1: not known
};

absl::StatusOr<DriveResult> Drive(const DriveOptions& options, RequestSource* source);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_DRIVE_H_
