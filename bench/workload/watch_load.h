// WatchLoad: many watchers, puts that they see, and when each of them saw it.
//
// Laws     1. Nothing is measured before every watcher's creation was answered.
//          2. With a rate the loop is open: put n is due at start + n / rate, and the latency of its
//             events counts from then. Without one `in_flight` puts are under way; the next is sent when
//             one of them was acknowledged and has reached all its watchers.
//          3. Puts that are due within the warm-up are sent, delivered and checked like the rest, and not measured.
//          4. Every watcher must get every put of its key once: what is missing or comes twice is an
//             error of the run.
// Threads  one run at a time; blocks.
// Memory   16 bytes for each put, a slot for each second.
// Errors   InvalidArgument for options that make no sense, Unavailable when an endpoint does not answer.
#ifndef SOCLE_BENCH_WORKLOAD_WATCH_LOAD_H_
#define SOCLE_BENCH_WORKLOAD_WATCH_LOAD_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "bench/load/engine.h"
#include "bench/load/histogram.h"
#include "bench/load/server_meter.h"
#include "bench/load/slots.h"
#include "kv/base/clock.h"

namespace socle::bench {

struct WatchLoadOptions {
  std::vector<std::string> endpoints = {"127.0.0.1:2379"};
  server::ClientAccess access;
  EngineKind engine = EngineKind::kFast;
  uint64_t conns = 10;
  uint64_t streams = 100;
  uint64_t watchers = 10'000;
  uint64_t keys = 1;      // watcher i watches key i modulo keys
  bool prefixes = false;  // watch the range of all keys that begin with the key
  uint64_t total = 200;   // puts
  double rate = 0;        // puts per second; 0: closed loop
  uint64_t in_flight = 4;
  uint64_t val_size = 256;
  double warmup_seconds = 0;
  int64_t idle_timeout_nanos = 30 * kNanosPerSecond;  // without any news the run is over
  pid_t server_pid = 0;                               // 0: not known
  MetricsUse metrics = MetricsUse::kWithoutPid;

  absl::Status Validate() const;
};

struct WatchLoadResult {
  uint64_t puts = 0;  // acknowledged, the warm-up's too
  uint64_t sent = 0;  // of them and the others, how many were sent
  uint64_t deliveries =
      0;  // from here to response_bytes: after the warm-up. Events that reached a watcher
  uint64_t responses = 0;  // messages that carried them
  uint64_t response_bytes = 0;
  uint64_t missing = 0;
  uint64_t repeated = 0;
  std::string error;            // the first thing that went wrong otherwise
  Histogram latency;            // of every delivery
  Histogram last_latency;       // of each put's last delivery
  Histogram put_latency;        // of each put's acknowledgement
  std::vector<LoadSlot> slots;  // deliveries within each second, the warm-up's too
  int64_t create_nanos = 0;
  int64_t warmup_nanos = 0;
  int64_t elapsed_nanos = 0;  // from the first measured put to the last delivery
  int64_t client_cpu_nanos = 0;
  int64_t server_cpu_nanos = -1;  // -1: not known
  std::vector<ServerUsage> usage;
  std::string why_no_usage;

  bool is_good() const { return missing == 0 && repeated == 0 && error.empty(); }

  double deliveries_per_second() const {
    return elapsed_nanos == 0 ? 0
                              : static_cast<double>(deliveries) * kNanosPerSecond /
                                    static_cast<double>(elapsed_nanos);
  }
};

absl::StatusOr<WatchLoadResult> RunWatchLoad(const WatchLoadOptions& options);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_WATCH_LOAD_H_
