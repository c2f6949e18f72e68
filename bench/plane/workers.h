// Workers: a number of clients that share a count of calls, each with one call in flight.
//
// Threads  Run blocks; `call` runs on the workers' threads, with the worker's own client.
#ifndef SOCLE_BENCH_PLANE_WORKERS_H_
#define SOCLE_BENCH_PLANE_WORKERS_H_

#include <cstdint>
#include <functional>
#include <string>

#include <absl/status/status.h>

#include "bench/plane/plane_load.h"
#include "bench/rest/rest_client.h"

namespace socle::bench {

// Makes call number `sequence`. What is not OK is counted under its message.
using Call = std::function<absl::Status(RestClient* client, uint64_t sequence)>;

class Workers {
 public:
  explicit Workers(const PlaneLoadOptions* options) : options_(options) {}

  // Calls 0 … count-1, with progress; CPU of the server is that of the whole phase.
  PhaseResult Run(const std::string& name, uint64_t count, const Call& call) const;

 private:
  const PlaneLoadOptions* const options_;
};

// 0 without a pid.
int64_t ServerCpuNanos(const PlaneLoadOptions& options);
int64_t ServerRssBytes(const PlaneLoadOptions& options);

// OK when the answer has this status; otherwise what it was.
absl::Status Expect(const absl::StatusOr<RestResponse>& response, int status);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PLANE_WORKERS_H_
