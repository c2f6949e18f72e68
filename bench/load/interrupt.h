// InterruptScope: while it lives, SIGINT and SIGTERM ask the run to end early; a second one kills.
//
// Threads  one at a time per program; WasInterrupted: any thread.
#ifndef SOCLE_BENCH_LOAD_INTERRUPT_H_
#define SOCLE_BENCH_LOAD_INTERRUPT_H_

#include <signal.h>

namespace socle::bench {

class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  // True once for each signal.
  static bool WasInterrupted();

 private:
  struct sigaction old_int_ = {};
  struct sigaction old_term_ = {};
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_INTERRUPT_H_
