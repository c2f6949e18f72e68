#include "controllers/registry/revision_waiters.h"

#include <utility>
#include <vector>

namespace socle::registry {

absl::Status RevisionWaiters::WaitFor(int64_t revision) {
  {
    MutexLock lock(&mu_);
    if (reached_ >= revision || !failed_.ok()) {
      return failed_;
    }
    ++waiting_threads_;
  }
  nudge_();
  MutexLock lock(&mu_);
  while (reached_ < revision && failed_.ok()) {
    changed_.Wait(&mu_);
  }
  --waiting_threads_;
  return failed_;
}

void RevisionWaiters::WhenReached(int64_t revision, Done done) {
  absl::Status failed;
  {
    MutexLock lock(&mu_);
    if (reached_ < revision && failed_.ok()) {
      callbacks_.emplace(revision, std::move(done));
      done = nullptr;
    }
    failed = failed_;
  }
  if (done == nullptr) {
    nudge_();
  } else {
    done(std::move(failed));
  }
}

void RevisionWaiters::Reached(int64_t revision) {
  std::vector<Done> due;
  {
    MutexLock lock(&mu_);
    if (revision <= reached_) {
      return;
    }
    reached_ = revision;
    if (waiting_threads_ > 0) {
      changed_.SignalAll();
    }
    const auto end = callbacks_.upper_bound(revision);
    for (auto at = callbacks_.begin(); at != end; ++at) {
      due.push_back(std::move(at->second));
    }
    callbacks_.erase(callbacks_.begin(), end);
  }
  for (Done& done : due) {
    done(absl::OkStatus());
  }
}

void RevisionWaiters::Fail(const absl::Status& why) {
  std::multimap<int64_t, Done> all;
  {
    MutexLock lock(&mu_);
    if (!failed_.ok()) {
      return;
    }
    failed_ = why;
    changed_.SignalAll();
    all.swap(callbacks_);
  }
  for (auto& [revision, done] : all) {
    done(why);
  }
}

bool RevisionWaiters::has_waiters() const {
  MutexLock lock(&mu_);
  return waiting_threads_ > 0 || !callbacks_.empty();
}

}  // namespace socle::registry
