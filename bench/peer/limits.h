// Limits: what no server on this machine can go below: one durable append, one round trip.
// Threads  pure function, blocks for up to three seconds.
// Errors   what the kernel refused.
#ifndef SOCLE_BENCH_PEER_LIMITS_H_
#define SOCLE_BENCH_PEER_LIMITS_H_

#include <string>

#include <absl/status/statusor.h>

#include "bench/load/histogram.h"

namespace socle::bench {

struct Limits {
  Histogram sync;        // 4 KiB written to a file that has its size, then fdatasync
  Histogram round_trip;  // one byte there and one back over TCP on 127.0.0.1, between two threads
  // Both in one: the answer goes out when the append is durable. More than their sum where disk and processor fall asleep
  // between two requests of one client; what no durable server gets below.
  Histogram durable_trip;
};

// The file is made within `dir` and removed.
absl::StatusOr<Limits> MeasureLimits(const std::string& dir);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_PEER_LIMITS_H_
