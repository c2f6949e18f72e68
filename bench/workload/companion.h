// Companion: something that goes on beside a load, from before its first request until after its last: watchers
// that must see every change, a reader of lists.
//
// Laws     1. Start returns when it is ready to be loaded, Stop when it has seen all that it must.
// Threads  Start, Stop and report are called by the thread that drives the load; never by the loop.
#ifndef SOCLE_BENCH_WORKLOAD_COMPANION_H_
#define SOCLE_BENCH_WORKLOAD_COMPANION_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "bench/load/engine.h"
#include "bench/load/histogram.h"

namespace socle::bench {

struct CompanionReport {
  std::string name;
  std::string latency_of;  // what the histogram holds; empty: nothing
  Histogram latency;
  std::map<std::string, uint64_t> counters;
  std::string error;  // empty: none
};

class Companion {
 public:
  virtual ~Companion() = default;
  virtual absl::Status Start(server::ClientLoop* loop, const std::vector<Caller*>& callers) = 0;
  virtual void Stop() = 0;
  // Requires: Stop returned.
  virtual CompanionReport report() const = 0;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_COMPANION_H_
