// Schedule: when each request of an open-loop run should be sent, evenly spaced from the start.
//
// Laws     1. Request n is due at start + n / rate, for every n without drift.
//          2. It does not know what was sent: a stalled server does not move it.
// Threads  immutable.
#ifndef SOCLE_BENCH_LOAD_SCHEDULE_H_
#define SOCLE_BENCH_LOAD_SCHEDULE_H_

#include <cstdint>

namespace socle::bench {

class Schedule {
 public:
  // Requires: rate > 0, in requests per second.
  Schedule(int64_t start_nanos, double rate);

  int64_t DueNanos(uint64_t sequence) const;

 private:
  int64_t start_nanos_;
  double nanos_per_request_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_SCHEDULE_H_
