// Clock: the only source of time. Wall time for what people read, monotonic time for durations.
//
// Laws     1. MonotonicNanos never goes back within a process.
//          2. Code that waits for time to pass takes a Clock, so that tests own time
//             (kv/testing/manual_clock.h).
// Threads  thread-safe.
#ifndef SOCLE_KV_BASE_CLOCK_H_
#define SOCLE_KV_BASE_CLOCK_H_

#include <cstdint>

namespace socle {

class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since the Unix epoch; may jump.
  virtual int64_t WallNanos() = 0;
  // Nanoseconds since an arbitrary start; never goes back.
  virtual int64_t MonotonicNanos() = 0;
  // Blocks the calling thread. Only for pacing of background work and for tools: never for
  // synchronisation.
  virtual void SleepFor(int64_t nanos) = 0;

  // The clock of the machine; lives for ever.
  static Clock* Real();
};

inline constexpr int64_t kNanosPerMicro = 1'000;
inline constexpr int64_t kNanosPerMilli = 1'000'000;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace socle

#endif  // SOCLE_KV_BASE_CLOCK_H_
