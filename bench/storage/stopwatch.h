// Stopwatches: time that passed, and processor time that a thread used.
// Threads  a CpuStopwatch belongs to the thread that made it.
#ifndef SOCLE_BENCH_STORAGE_STOPWATCH_H_
#define SOCLE_BENCH_STORAGE_STOPWATCH_H_

#include <cstdint>

#include "kv/base/clock.h"

namespace socle::bench {

class Stopwatch {
 public:
  double Seconds() const {
    return static_cast<double>(Clock::Real()->MonotonicNanos() - start_) /
           static_cast<double>(kNanosPerSecond);
  }

 private:
  const int64_t start_ = Clock::Real()->MonotonicNanos();
};

// For work that waits for nothing: a ratio then doesn't depend on what else the machine does.
class CpuStopwatch {
 public:
  double Seconds() const { return static_cast<double>(Nanos() - start_) / 1e9; }

 private:
  static int64_t Nanos();

  const int64_t start_ = Nanos();
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_STORAGE_STOPWATCH_H_
