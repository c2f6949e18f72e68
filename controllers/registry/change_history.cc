#include "controllers/registry/change_history.h"

#include <algorithm>
#include <utility>

#include "kv/base/check.h"

namespace socle::registry {
namespace {

size_t BytesOf(const Change& change) {
  constexpr size_t kOverhead = 400;
  return change.object->document.size() + kOverhead;
}

}  // namespace

void ChangeHistory::Add(ChangeRef change) {
  bytes_ += BytesOf(*change);
  changes_.push_back(std::move(change));
  while (!changes_.empty() &&
         (changes_.size() > bounds_.events_max || bytes_ > bounds_.bytes_max)) {
    start_ = changes_.front()->revision;
    bytes_ -= BytesOf(*changes_.front());
    changes_.pop_front();
  }
}

void ChangeHistory::Restart(int64_t start) {
  changes_.clear();
  bytes_ = 0;
  start_ = start;
}

std::vector<ChangeRef> ChangeHistory::After(int64_t revision) const {
  CHECK_GE(revision, start_);
  const auto from = std::upper_bound(
      changes_.begin(), changes_.end(), revision,
      [](int64_t wanted, const ChangeRef& change) { return wanted < change->revision; });
  return {from, changes_.end()};
}

}  // namespace socle::registry
