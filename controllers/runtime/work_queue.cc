#include "controllers/runtime/work_queue.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::runtime {
namespace {

class KeyQueue final : public WorkQueue {
 public:
  KeyQueue(Timers* timers, WorkQueueOptions options) : timers_(timers), options_(options) {}

  ~KeyQueue() override {
    Close();
    std::vector<TimerId> armed;
    {
      MutexLock lock(&mu_);
      for (const auto& [due, id] : armed_) {
        armed.push_back(id);
      }
    }
    // Without the lock: what runs takes it.
    for (const TimerId id : armed) {
      timers_->Cancel(id);
    }
  }

  void Add(std::string_view key) override {
    MutexLock lock(&mu_);
    AddNow(key);
  }

  void AddAfter(std::string_view key, int64_t nanos) override {
    MutexLock lock(&mu_);
    Delay(key, nanos);
  }

  void AddRateLimited(std::string_view key) override {
    MutexLock lock(&mu_);
    const int failures = failures_[key]++;
    int64_t delay = options_.backoff_min_nanos;
    for (int i = 0; i < failures && delay < options_.backoff_max_nanos; ++i) {
      delay *= 2;
    }
    Delay(key, std::min(delay, options_.backoff_max_nanos));
  }

  void Forget(std::string_view key) override {
    MutexLock lock(&mu_);
    const auto at = failures_.find(key);
    if (at != failures_.end()) {
      failures_.erase(at);
    }
  }

  std::optional<std::string> Take() override {
    MutexLock lock(&mu_);
    while (ready_.empty() && !is_closed_) {
      changed_.Wait(&mu_);
    }
    if (is_closed_) {
      return std::nullopt;
    }
    std::string key = std::move(ready_.front());
    ready_.pop_front();
    waiting_.erase(key);
    running_.emplace(key);
    return key;
  }

  void Done(std::string_view key) override {
    MutexLock lock(&mu_);
    const auto at = running_.find(key);
    if (at == running_.end()) {
      return;
    }
    running_.erase(at);
    if (waiting_.contains(key)) {
      MakeReady(std::string(key));
    }
  }

  void Close() override {
    MutexLock lock(&mu_);
    is_closed_ = true;
    ready_.clear();
    waiting_.clear();
    delayed_.clear();
    due_.clear();
    changed_.SignalAll();
  }

  size_t waiting() const override {
    MutexLock lock(&mu_);
    return ready_.size();
  }

  bool is_idle() const override {
    MutexLock lock(&mu_);
    return ready_.empty() && running_.empty();
  }

 private:
  void MakeReady(std::string key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ready_.push_back(std::move(key));
    changed_.Signal();
  }

  void AddNow(std::string_view key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_closed_ || !waiting_.emplace(key).second) {
      return;
    }
    // One that runs becomes ready when it is done.
    if (!running_.contains(key)) {
      MakeReady(std::string(key));
    }
  }

  void Delay(std::string_view key, int64_t nanos) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (nanos <= 0) {
      AddNow(key);
      return;
    }
    if (is_closed_) {
      return;
    }
    const int64_t due = timers_->clock()->MonotonicNanos() + nanos;
    const auto [at, is_new] = due_.try_emplace(key, due);
    if (!is_new) {
      if (at->second <= due) {
        return;
      }
      delayed_.erase({at->second, std::string(key)});
      at->second = due;
    }
    delayed_.emplace(due, key);
    Arm();
  }

  // One timer stands for the earliest; those that later ones overtook find nothing to do.
  void Arm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (delayed_.empty()) {
      return;
    }
    const int64_t due = delayed_.begin()->first;
    if (!armed_.empty() && armed_.begin()->first <= due) {
      return;
    }
    armed_.emplace(due, timers_->At(due, [this, due] { OnTimer(due); }));
  }

  void OnTimer(int64_t due) {
    MutexLock lock(&mu_);
    armed_.erase(due);
    const int64_t now = timers_->clock()->MonotonicNanos();
    while (!delayed_.empty() && delayed_.begin()->first <= now) {
      const std::string key = delayed_.begin()->second;
      delayed_.erase(delayed_.begin());
      due_.erase(key);
      AddNow(key);
    }
    Arm();
  }

  Timers* const timers_;
  const WorkQueueOptions options_;

  mutable Mutex mu_;
  CondVar changed_;
  std::deque<std::string> ready_ ABSL_GUARDED_BY(mu_);
  StringSet waiting_ ABSL_GUARDED_BY(mu_);  // in ready_, or added while it ran
  StringSet running_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<int64_t, std::string>> delayed_ ABSL_GUARDED_BY(mu_);
  StringMap<int64_t> due_ ABSL_GUARDED_BY(mu_);  // of delayed_
  std::map<int64_t, TimerId> armed_ ABSL_GUARDED_BY(mu_);
  StringMap<int> failures_ ABSL_GUARDED_BY(mu_);
  bool is_closed_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace

std::unique_ptr<WorkQueue> WorkQueue::Make(Timers* timers, WorkQueueOptions options) {
  return std::make_unique<KeyQueue>(timers, options);
}

}  // namespace socle::runtime
