// LineBudget: how many lines of a kind may go into a log: some in each second, and then a count of what was left out.
//
// Laws     1. Every line is either allowed or counted, and each counted one is told once.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_OPS_LINE_BUDGET_H_
#define SOCLE_SERVER_OPS_LINE_BUDGET_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::server {

class LineBudget {
 public:
  explicit LineBudget(uint64_t lines_per_second) : lines_per_second_(lines_per_second) {}

  // nullopt: leave it out. Else how many were left out since the last line.
  std::optional<uint64_t> Take(int64_t now_nanos) {
    MutexLock lock(&mu_);
    if (!has_begun_ || now_nanos - second_began_ >= kNanosPerSecond) {
      has_begun_ = true;
      second_began_ = now_nanos;
      lines_ = 0;
    }
    if (lines_ >= lines_per_second_) {
      ++left_out_;
      return std::nullopt;
    }
    ++lines_;
    return std::exchange(left_out_, 0);
  }

  // What no line has told yet.
  uint64_t left_out() const {
    MutexLock lock(&mu_);
    return left_out_;
  }

 private:
  const uint64_t lines_per_second_;
  mutable Mutex mu_;
  bool has_begun_ ABSL_GUARDED_BY(mu_) = false;
  int64_t second_began_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t lines_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t left_out_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_LINE_BUDGET_H_
