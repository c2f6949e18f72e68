// SlotRecorder: what was answered within each second of a run, warm-up included.
//
// Laws     1. A second without any answer is a slot as well: that is what a stall looks like.
// Threads  confined to the loop of the run.
// Memory   one slot for each second, for eleven days at most.
#ifndef SOCLE_BENCH_LOAD_SLOTS_H_
#define SOCLE_BENCH_LOAD_SLOTS_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "bench/load/histogram.h"
#include "kv/base/clock.h"

namespace socle::bench {

struct LoadSlot {
  int64_t end_nanos = 0;  // after the start of the run
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  int64_t p50_nanos = 0;
  int64_t p99_nanos = 0;
  int64_t p999_nanos = 0;
  int64_t max_nanos = 0;
};

class SlotRecorder {
 public:
  SlotRecorder() { slot_.end_nanos = kNanosPerSecond; }

  // `since_start` never goes back.
  void Count(int64_t since_start, bool is_success, int64_t latency_nanos);

  // What is left becomes a slot that ends now.
  std::vector<LoadSlot> Finish(int64_t since_start);

  // Of the last second with an answer; 0: there was none.
  int64_t recent_p99_nanos() const { return recent_p99_nanos_; }

 private:
  void CloseUpTo(int64_t since_start);
  void Close(int64_t end_nanos);

  LoadSlot slot_;
  Histogram latency_;
  int64_t recent_p99_nanos_ = 0;
  std::vector<LoadSlot> closed_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_SLOTS_H_
