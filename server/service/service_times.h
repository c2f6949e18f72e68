// ServiceTimes: how long the services took for what etcd's metrics name.
//
// Threads  thread-safe.
// Source   spec etcd 1.13.
#ifndef SOCLE_SERVER_SERVICE_SERVICE_TIMES_H_
#define SOCLE_SERVER_SERVICE_SERVICE_TIMES_H_

#include <atomic>
#include <cstdint>

#include "kv/base/clock.h"
#include "kv/base/durations.h"

namespace socle::server {

struct ServiceTimes {
  Durations range{kNanosPerMilli / 10, 20};  // answered
  Durations failed_range{kNanosPerMilli / 10, 20};
  Durations hash{10 * kNanosPerMilli, 15};
  Durations hash_kv{10 * kNanosPerMilli, 15};
  Durations defragment{100 * kNanosPerMilli, 13};
  Durations snapshot{10 * kNanosPerMilli, 17};
  Durations lease_ttl{1, 24};  // in seconds: those that were granted
  std::atomic<int64_t> defragmenting{0};
};

// Observes in `durations` how long it lived.
class Timed {
 public:
  explicit Timed(Durations* durations)
      : durations_(durations), began_nanos_(Clock::Real()->MonotonicNanos()) {}

  ~Timed() { durations_->Observe(Clock::Real()->MonotonicNanos() - began_nanos_); }

  Timed(const Timed&) = delete;
  Timed& operator=(const Timed&) = delete;

  // For what turned out to be another thing.
  void Is(Durations* durations) { durations_ = durations; }

 private:
  Durations* durations_;
  const int64_t began_nanos_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_SERVICE_TIMES_H_
