// Drive: carries a workload out against the endpoints; the part that all workloads share.
//
// Laws     1. Before anything is measured every connection has answered a Status call, and every companion is ready.
//          2. Ctrl-C and SIGTERM end the run early; what was measured so far is the result.
// Threads  one run at a time per program.
// Errors   InvalidArgument for options that make no sense, Unavailable when an endpoint does not
//          answer.
#ifndef SOCLE_BENCH_WORKLOAD_DRIVE_H_
#define SOCLE_BENCH_WORKLOAD_DRIVE_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/engine.h"
#include "bench/load/load_runner.h"
#include "bench/load/progress.h"
#include "bench/load/server_meter.h"
#include "bench/workload/companion.h"
#include "kv/base/clock.h"

namespace socle::bench {

// Another stream of requests to the same server, for as long as the load runs.
struct BesideLoad {
  std::string name;
  RequestSource* source = nullptr;
  uint64_t clients = 1;
  double rate = 0;
};

inline constexpr uint64_t kTotalMax = 1'000'000'000'000;

struct DriveOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  server::ClientAccess access;
  EngineKind engine = EngineKind::kFast;
  uint64_t clients = 1;
  uint64_t conns = 1;
  uint64_t total = 10'000;
  double rate = 0;
  int64_t timeout_nanos = 30 * kNanosPerSecond;
  double warmup_seconds = 0;
  double duration_seconds = 0;  // 0: until `total`; else `total` does not count
  pid_t server_pid = 0;         // 0: not known
  MetricsUse metrics = MetricsUse::kWithoutPid;
  std::vector<Companion*> companions;
  std::vector<BesideLoad> beside;
  Progress::Style progress = Progress::Style::kNone;
  Progress::Sink progress_sink;

  absl::Status Validate() const;
};

struct DriveResult {
  LoadResult load;
  int64_t client_cpu_nanos = 0;    // without the warm-up
  int64_t server_cpu_nanos = -1;   // the same; -1: not known
  std::vector<ServerUsage> usage;  // once a second, by pid or metrics page
  std::string why_no_usage;        // when the page was asked for, and there is none
  std::vector<CompanionReport> companions;
  std::vector<std::pair<std::string, LoadResult>> beside;

  // Cores that this program kept busy.
  double client_cores() const {
    return load.elapsed_nanos == 0
               ? 0
               : static_cast<double>(client_cpu_nanos) / static_cast<double>(load.elapsed_nanos);
  }
};

// Why the figures are those of the generator rather than of the server, one sentence each; empty when nothing
// speaks for that.
std::vector<std::string> GeneratorWarnings(const DriveOptions& options, const DriveResult& result);

// In one line that the rate of an open loop was not reached, by 5 % or more; empty when it was.
std::string RateMissed(const DriveOptions& options, const DriveResult& result);

// Whether everything was sent and answered, and the companions saw what they must.
bool IsClean(const DriveResult& result);

// Unavailable, naming the endpoint, when one of them does not answer a Status call.
absl::Status Preflight(server::ClientLoop* loop, const std::vector<Caller*>& callers);

// Each endpoint resolved, and the user logged in there.
absl::StatusOr<std::vector<server::Endpoint>> ReachAll(const std::vector<std::string>& endpoints,
                                                       const server::ClientAccess& access);

absl::StatusOr<DriveResult> Drive(const DriveOptions& options, RequestSource* source);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_DRIVE_H_
