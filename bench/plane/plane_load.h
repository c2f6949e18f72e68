// PlaneLoad: what a Kubernetes API server does all day, over HTTP, measured phase by phase.
//
//   create, bind ─► run ─► get, patch status, renew leases ─► list, watch fan-out ─► schedule ─► delete
//
// Laws     1. A phase begins when the one before has settled: no pod is on its way.
//          2. Every answer is checked; one that is not what was asked for is an error and no sample.
//          3. Server CPU is all of the process: nodes, scheduler and controllers of the same process
//             included.
// Threads  one thread per worker; closed loop, as the peer's figures were taken.
// Errors   the first thing that makes the rest pointless; single failures are counted.
// Source   issue "First control plane", shown by 4; the peer's figures were taken the same way.
#ifndef SOCLE_BENCH_PLANE_PLANE_LOAD_H_
#define SOCLE_BENCH_PLANE_PLANE_LOAD_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/histogram.h"
#include "bench/rest/rest_client.h"

namespace socle::bench {

struct PlaneLoadOptions {
  RestAddress server;
  pid_t server_pid = 0;  // 0: CPU and memory are not measured
  uint64_t nodes = 1000;
  uint64_t pods = 30'000;        // of the end-to-end phase
  uint64_t bound_pods = 10'000;  // created without scheduler, then bound
  uint64_t gets = 100'000;
  uint64_t patches = 20'000;
  uint64_t renewals = 20'000;
  uint64_t lists = 5;
  uint64_t watches = 500;
  uint64_t watched_changes = 2'000;
  uint64_t workers = 32;
  uint64_t seed = 1;
  std::function<void(std::string_view)> progress = [](std::string_view) {};
};

struct PhaseResult {
  std::string name;
  std::string unit = "calls";
  uint64_t done = 0;
  std::map<std::string, uint64_t> errors;  // what, how often
  int64_t elapsed_nanos = 0;
  Histogram latency;
  int64_t server_cpu_nanos = 0;  // 0: unknown
  std::string note;

  double per_second() const {
    return elapsed_nanos == 0
               ? 0
               : static_cast<double>(done) * 1e9 / static_cast<double>(elapsed_nanos);
  }

  double cpu_micros_per_unit() const {
    return done == 0 ? 0 : static_cast<double>(server_cpu_nanos) / 1e3 / static_cast<double>(done);
  }
};

struct PlaneLoadResult {
  std::vector<PhaseResult> phases;
  int64_t rss_before_bytes = 0;  // with the nodes, before pods
  int64_t rss_after_bytes = 0;   // with all pods running
  uint64_t pods_at_rss = 0;

  uint64_t errors() const;
};

absl::StatusOr<PlaneLoadResult> RunPlaneLoad(const PlaneLoadOptions& options);

// For people, with the peer's figures where there are some.
std::string RenderPlaneLoad(const PlaneLoadOptions& options, const PlaneLoadResult& result);
std::string PlaneLoadJson(const PlaneLoadResult& result);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PLANE_PLANE_LOAD_H_
