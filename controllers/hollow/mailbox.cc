#include "controllers/hollow/mailbox.h"

#include <utility>

namespace socle::hollow {

void Mailbox::PostChange(registry::ChangeRef change) {
  MutexLock lock(&mu_);
  const std::string_view uid = change->object->uid;
  const auto at = places_.find(uid);
  if (at != places_.end()) {
    // At the end, not in its old place: a pod must not seem bound before another has left.
    const size_t old = at->second;
    places_.erase(at);
    waiting_.changes[old] = nullptr;
  }
  // Places that are empty again are dropped before they outnumber those that are not.
  if (waiting_.changes.size() > 2 * places_.size() + 64) {
    std::vector<registry::ChangeRef> kept;
    kept.reserve(places_.size() + 1);
    places_.clear();
    for (registry::ChangeRef& one : waiting_.changes) {
      if (one != nullptr) {
        places_.emplace(one->object->uid, kept.size());
        kept.push_back(std::move(one));
      }
    }
    waiting_.changes = std::move(kept);
  }
  places_.emplace(uid, waiting_.changes.size());
  waiting_.changes.push_back(std::move(change));
  arrived_.Signal();
}

void Mailbox::PostAnswer(const Answer& answer) {
  MutexLock lock(&mu_);
  waiting_.answers.push_back(answer);
  arrived_.Signal();
}

void Mailbox::PostTick(uint64_t number) {
  MutexLock lock(&mu_);
  waiting_.tick = number;
  arrived_.Signal();
}

void Mailbox::Close() {
  MutexLock lock(&mu_);
  is_closed_ = true;
  arrived_.Signal();
}

bool Mailbox::IsEmpty() const {
  return waiting_.changes.empty() && waiting_.answers.empty() && waiting_.tick == 0;
}

bool Mailbox::Take(Batch* batch) {
  batch->changes.clear();
  batch->answers.clear();
  batch->tick = 0;
  MutexLock lock(&mu_);
  is_working_ = false;
  while (IsEmpty() && !is_closed_) {
    arrived_.Wait(&mu_);
  }
  if (is_closed_) {
    return false;
  }
  is_working_ = true;
  places_.clear();
  std::swap(*batch, waiting_);
  return true;
}

bool Mailbox::is_busy() const {
  MutexLock lock(&mu_);
  return !is_closed_ && (is_working_ || !IsEmpty());
}

}  // namespace socle::hollow
