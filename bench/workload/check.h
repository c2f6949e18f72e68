// Check: reads back what a put run wrote and counts what is missing or wrong.
//
// Laws     1. A key is expected when at least one acknowledged request wrote it; without a run file
//             every request of the shape counts as acknowledged.
//          2. A value is right when it is byte for byte what some request of the run, acknowledged
//             or not, wrote to that key: requests in flight together may be applied in either
//             order.
//          3. All reads are of one revision, in key order, in pages.
// Threads  pure function, blocks.
// Memory   16 bytes per request of the run.
// Errors   what the server answered; InvalidArgument for a shape that makes no sense.
#ifndef SOCLE_BENCH_WORKLOAD_CHECK_H_
#define SOCLE_BENCH_WORKLOAD_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/workload/write_shape.h"
#include "server/wire/client/access.h"

namespace socle::bench {

struct CheckOptions {
  std::string endpoint = "127.0.0.1:2379";
  server::ClientAccess access;
  WriteShape shape;
  uint64_t issued = 0;           // requests 0 … issued-1 were sent
  std::vector<uint64_t> failed;  // ascending; sent but not acknowledged
  bool has_all_failed = true;    // false: `failed` is cut short
};

struct CheckResult {
  int64_t revision = 0;
  uint64_t keys_expected = 0;
  uint64_t keys_right = 0;
  uint64_t keys_missing = 0;
  uint64_t keys_wrong = 0;
  uint64_t keys_unacknowledged = 0;   // absent, and allowed to be
  std::vector<std::string> examples;  // of what is missing or wrong, at most ten

  bool is_good() const { return keys_missing == 0 && keys_wrong == 0; }
};

absl::StatusOr<CheckResult> CheckWrites(const CheckOptions& options);

// The lines that `socle-bench check` prints.
std::string RenderCheck(const CheckOptions& options, const CheckResult& result);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_CHECK_H_
