// ServerMeter: what a server uses while it is under load: processor, memory, disk by the pid of a local one, or by its
// metrics page, which also tells of commits and compactions.
//
// Laws     1. A sample a second, so that reading the page costs the server well under 1 % of a core. What neither pid
//             nor page says is -1.
//          2. A server without a page is asked once.
// Threads  UsageOf is pure; a ServerSampler is confined to the thread that drives the load, and blocks it for the time
//          of an answer, a second at most.
// Errors   UsageOf: NotFound when there is no such pid.
#ifndef SOCLE_BENCH_LOAD_SERVER_METER_H_
#define SOCLE_BENCH_LOAD_SERVER_METER_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/server_metrics.h"
#include "server/wire/client/endpoint.h"

namespace socle::bench {

struct ServerUsage {
  int64_t at_nanos = 0;        // after the start of the run
  int64_t cpu_nanos = -1;      // user and system, since the process began
  int64_t rss_bytes = -1;      // another user's process tells nobody
  int64_t written_bytes = -1;  // given to the disk since the process began; by the page: to the log
  // By the page alone. Since the sample before:
  int64_t commits = -1;
  int64_t commit_p99_nanos = -1;  // 99 % of the commits took at most so long
  int64_t sync_p99_nanos = -1;    // the same of the log's fsync
  bool has_compacted = false;
};

absl::StatusOr<ServerUsage> UsageOf(pid_t pid);

enum class MetricsUse { kWithoutPid, kAlways, kNever };

class ServerSampler {
 public:
  // `pid` 0: not known. The page is that of the endpoint.
  ServerSampler(pid_t pid, const server::Endpoint& endpoint, MetricsUse use);

  // Takes a sample when a second has gone by since the last one; the last sample of a run is taken in any case.
  void SampleIfDue(int64_t elapsed_nanos);
  void Sample(int64_t elapsed_nanos);

  // Processor time by now, asked for anew; -1: not known.
  int64_t CpuNanos() const;

  std::vector<ServerUsage> TakeSamples() { return std::move(samples_); }

  // Why there is nothing from the page; empty when there is, or nobody asked.
  const std::string& why_no_page() const { return why_no_page_; }

 private:
  // False when there is none.
  bool ReadPage(ServerUsage* usage);

  const pid_t pid_;
  const server::Endpoint endpoint_;
  bool reads_page_;
  int64_t next_nanos_ = 0;
  std::optional<ServerMetrics> last_;
  std::string why_no_page_;
  std::vector<ServerUsage> samples_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_SERVER_METER_H_
