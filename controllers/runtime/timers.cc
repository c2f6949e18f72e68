#include "controllers/runtime/timers.h"

#include <chrono>
#include <limits>
#include <map>
#include <utility>

#include <absl/container/flat_hash_map.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::runtime {
namespace {

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

class ClockTimers final : public Timers {
 public:
  ClockTimers(Clock* clock, bool has_thread) : clock_(clock) {
    if (has_thread) {
      thread_ = Thread("timers", [this] { Loop(); });
    }
  }

  ~ClockTimers() override {
    {
      MutexLock lock(&mu_);
      is_stopping_ = true;
      changed_.SignalAll();
    }
    thread_.Join();
  }

  TimerId At(int64_t monotonic_nanos, std::function<void()> run) override {
    MutexLock lock(&mu_);
    const uint64_t id = next_id_++;
    const bool is_first = queue_.empty() || monotonic_nanos < queue_.begin()->first.due;
    queue_.emplace(Place{monotonic_nanos, id}, std::move(run));
    due_.emplace(id, monotonic_nanos);
    if (is_first) {
      changed_.SignalAll();
    }
    return TimerId{id};
  }

  void Cancel(TimerId timer) override {
    const auto id = static_cast<uint64_t>(timer);
    std::function<void()> dropped;  // destroyed without the lock
    MutexLock lock(&mu_);
    const auto at = due_.find(id);
    if (at != due_.end()) {
      const auto place = queue_.find(Place{at->second, id});
      dropped = std::move(place->second);
      queue_.erase(place);
      due_.erase(at);
      return;
    }
    while (running_ == id && id != 0) {
      changed_.Wait(&mu_);
    }
  }

  int64_t NextDue() const override {
    MutexLock lock(&mu_);
    return queue_.empty() ? kNever : queue_.begin()->first.due;
  }

  void RunDue() override {
    uint64_t end = 0;
    {
      // Those that are set meanwhile wait for the next call: one that sets itself again would hold this
      // one for ever.
      MutexLock lock(&mu_);
      end = next_id_;
    }
    while (RunFirst(end)) {
    }
  }

  bool is_busy() const override {
    MutexLock lock(&mu_);
    return running_ != 0 ||
           (!queue_.empty() && queue_.begin()->first.due <= clock_->MonotonicNanos());
  }

  Clock* clock() const override { return clock_; }

 private:
  struct Place {
    int64_t due;
    uint64_t id;

    auto operator<=>(const Place&) const = default;
  };

  // Runs the first timer that is due, if it is older than `end`.
  bool RunFirst(uint64_t end) {
    std::function<void()> run;
    {
      MutexLock lock(&mu_);
      while (running_ != 0 && !is_stopping_) {
        changed_.Wait(&mu_);  // Another thread's RunDue: one at a time keeps the order.
      }
      const int64_t now = clock_->MonotonicNanos();
      auto at = queue_.begin();
      while (at != queue_.end() && at->first.due <= now && at->first.id >= end) {
        ++at;
      }
      if (at == queue_.end() || at->first.due > now || is_stopping_) {
        return false;
      }
      running_ = at->first.id;
      run = std::move(at->second);
      due_.erase(at->first.id);
      queue_.erase(at);
    }
    run();
    run = nullptr;
    MutexLock lock(&mu_);
    running_ = 0;
    changed_.SignalAll();
    return true;
  }

  void Loop() {
    while (true) {
      {
        MutexLock lock(&mu_);
        while (!is_stopping_) {
          if (queue_.empty()) {
            changed_.Wait(&mu_);
            continue;
          }
          const int64_t wait = queue_.begin()->first.due - clock_->MonotonicNanos();
          if (wait <= 0) {
            break;
          }
          changed_.WaitFor(&mu_, std::chrono::nanoseconds(wait));
        }
        if (is_stopping_) {
          return;
        }
      }
      RunDue();
    }
  }

  Clock* const clock_;
  Thread thread_;

  mutable Mutex mu_;
  CondVar changed_;
  std::map<Place, std::function<void()>> queue_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<uint64_t, int64_t> due_ ABSL_GUARDED_BY(mu_);  // of queue_, by id
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
  uint64_t running_ ABSL_GUARDED_BY(mu_) = 0;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace

std::unique_ptr<Timers> Timers::Start(Clock* clock, bool has_thread) {
  return std::make_unique<ClockTimers>(clock, has_thread);
}

}  // namespace socle::runtime
