// Restart: how long a server takes from its start until it answers a read, with so many keys in its directory.
//
// Threads  pure function, blocks.
// Errors   as peer/local_server.h; InvalidArgument for options that make no sense.
#ifndef SOCLE_BENCH_WORKLOAD_RESTART_H_
#define SOCLE_BENCH_WORKLOAD_RESTART_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

namespace socle::bench {

struct RestartOptions {
  std::string peer = "socle";
  std::string dir = "/tmp";
  uint64_t keys = 100'000;
  uint64_t val_size = 256;
  uint64_t rounds = 3;
  bool kills = false;
};

struct RestartResult {
  std::vector<int64_t> serve_nanos;  // one for each round
};

absl::StatusOr<RestartResult> RunRestarts(const RestartOptions& options);

std::string RenderRestarts(const RestartOptions& options, const RestartResult& result);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_RESTART_H_
