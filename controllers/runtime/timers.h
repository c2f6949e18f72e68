// Timers: functions to be called at a time of the clock; the only source of later in the control plane.
//
// Laws     1. A function never runs before its time, and runs once; functions due run in order of time.
//          2. After Cancel returns the function does not run and will not.
//          3. With a clock of tests nothing runs by itself: RunDue does it, on the caller's thread.
// Threads  thread-safe. Functions run on the timer thread: quick. They may set timers; they must not
//          cancel themselves.
// Memory   one heap entry per timer.
#ifndef SOCLE_CONTROLLERS_RUNTIME_TIMERS_H_
#define SOCLE_CONTROLLERS_RUNTIME_TIMERS_H_

#include <cstdint>
#include <functional>
#include <memory>

#include "kv/base/clock.h"

namespace socle::runtime {

enum class TimerId : uint64_t { kNone = 0 };

class Timers {
 public:
  // `has_thread`: a thread waits for real time. Without it, RunDue drives.
  static std::unique_ptr<Timers> Start(Clock* clock, bool has_thread);
  virtual ~Timers() = default;  // what is left does not run

  // `monotonic_nanos` of the clock; the past means at once, though never in this call.
  virtual TimerId At(int64_t monotonic_nanos, std::function<void()> run) = 0;
  virtual void Cancel(TimerId id) = 0;

  TimerId After(int64_t nanos, std::function<void()> run) {
    return At(clock()->MonotonicNanos() + nanos, std::move(run));
  }

  // INT64_MAX: none.
  virtual int64_t NextDue() const = 0;
  // Runs what is due now.
  virtual void RunDue() = 0;
  // A function is running, or due.
  virtual bool is_busy() const = 0;

  virtual Clock* clock() const = 0;
};

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_TIMERS_H_
