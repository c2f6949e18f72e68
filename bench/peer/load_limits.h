// LoadLimits: what no server on this machine gets past under the loads of `./dev bench server`: appends at a steady
// rate, which share the disk and the processor with whatever else runs here, and requests over many connections, of
// which each is two segments through the kernel's loopback.
// Threads  pure function, blocks for twice `nanos`.
// Errors   what the kernel refused.
#ifndef SOCLE_BENCH_PEER_LOAD_LIMITS_H_
#define SOCLE_BENCH_PEER_LOAD_LIMITS_H_

#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "bench/load/histogram.h"
#include "kv/base/clock.h"

namespace socle::bench {

struct LoadLimitsOptions {
  std::string dir;
  double rate = 5'000;  // appends per second
  int connections = 1'000;
  int64_t nanos = 4 * kNanosPerSecond;  // of each of the two
};

struct LoadLimits {
  // From when an append was due to when it was durable. What fell due during a write and its fdatasync is the next
  // write; the file has its size, and there is neither a network nor a store.
  Histogram steady_append;
  // Answered requests: a put's bytes there and its answer's back, one at a time on each connection, a thread on each
  // side that does nothing but receive and send.
  double exchanges_per_second = 0;
};

// The file is made within `dir` and removed.
absl::StatusOr<LoadLimits> MeasureLoadLimits(const LoadLimitsOptions& options);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PEER_LOAD_LIMITS_H_
