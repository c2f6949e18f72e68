// ManualClock: time that stands still until the test moves it.
//
// Laws     1. SleepFor returns when Advance has moved the time past its end, not before.
//          2. Wall and monotonic time move together; JumpWall moves only the wall.
// Threads  thread-safe.
#ifndef SOCLE_KV_TESTING_MANUAL_CLOCK_H_
#define SOCLE_KV_TESTING_MANUAL_CLOCK_H_

#include <cstdint>

#include <absl/base/thread_annotations.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle {

class ManualClock final : public Clock {
 public:
  explicit ManualClock(int64_t wall_nanos = 1'700'000'000 * kNanosPerSecond)
      : wall_nanos_(wall_nanos) {}

  int64_t WallNanos() override {
    MutexLock lock(&mu_);
    return wall_nanos_;
  }

  int64_t MonotonicNanos() override {
    MutexLock lock(&mu_);
    return monotonic_nanos_;
  }

  void SleepFor(int64_t nanos) override {
    MutexLock lock(&mu_);
    const int64_t end = monotonic_nanos_ + nanos;
    ++sleepers_;
    changed_.SignalAll();
    while (monotonic_nanos_ < end) {
      changed_.Wait(&mu_);
    }
    --sleepers_;
    changed_.SignalAll();
  }

  void Advance(int64_t nanos) {
    CHECK_GE(nanos, 0);
    MutexLock lock(&mu_);
    wall_nanos_ += nanos;
    monotonic_nanos_ += nanos;
    changed_.SignalAll();
  }

  void JumpWall(int64_t nanos) {
    MutexLock lock(&mu_);
    wall_nanos_ += nanos;
  }

  // Blocks until `count` threads are inside SleepFor.
  void AwaitSleepers(int count) {
    MutexLock lock(&mu_);
    while (sleepers_ < count) {
      changed_.Wait(&mu_);
    }
  }

 private:
  Mutex mu_;
  CondVar changed_;
  int64_t wall_nanos_ ABSL_GUARDED_BY(mu_);
  int64_t monotonic_nanos_ ABSL_GUARDED_BY(mu_) = 1;
  int sleepers_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle

#endif  // SOCLE_KV_TESTING_MANUAL_CLOCK_H_
