#include "controllers/storage/ttl_leases.h"

#include <algorithm>

namespace socle::storage {
namespace {

// For how long a lease is given to new objects.
int64_t ReuseSeconds(int64_t ttl_seconds) {
  return std::clamp<int64_t>(ttl_seconds / 20, 1, 60);
}

}  // namespace

void TtlLeases::Find(int64_t ttl_seconds, Done done) {
  const int64_t now = clock_->MonotonicNanos();
  mvcc::LeaseId found = mvcc::kNoLease;
  {
    MutexLock lock(&mu_);
    if (!slots_.contains(ttl_seconds)) {
      absl::erase_if(slots_, [now](const auto& entry) {
        return entry.second.waiting.empty() && entry.second.usable_until_nanos < now;
      });
    }
    Slot& slot = slots_[ttl_seconds];
    if (!slot.waiting.empty()) {
      slot.waiting.push_back(std::move(done));
      return;
    }
    if (slot.id != mvcc::kNoLease && now <= slot.usable_until_nanos && slot.uses < kUsesMax) {
      ++slot.uses;
      found = slot.id;
    } else {
      slot.waiting.push_back(std::move(done));
    }
  }
  if (found != mvcc::kNoLease) {
    done(found);
    return;
  }
  const int64_t reuse_seconds = ReuseSeconds(ttl_seconds);
  // Counted from before the grant: the lease can only live longer than that.
  const int64_t usable_until = now + reuse_seconds * kNanosPerSecond;
  grant_(ttl_seconds + reuse_seconds,
         [this, ttl_seconds, usable_until](const absl::StatusOr<mvcc::LeaseId>& id) {
           Granted(ttl_seconds, usable_until, id);
         });
}

void TtlLeases::Granted(int64_t ttl_seconds, int64_t usable_until_nanos,
                        const absl::StatusOr<mvcc::LeaseId>& id) {
  std::vector<Done> waiting;
  {
    MutexLock lock(&mu_);
    Slot& slot = slots_[ttl_seconds];
    waiting.swap(slot.waiting);
    if (id.ok()) {
      slot.id = *id;
      slot.usable_until_nanos = usable_until_nanos;
      slot.uses = static_cast<int64_t>(waiting.size());
    }
  }
  for (Done& done : waiting) {
    done(id);
  }
}

void TtlLeases::Forget(mvcc::LeaseId id) {
  MutexLock lock(&mu_);
  for (auto& [ttl_seconds, slot] : slots_) {
    if (slot.id == id) {
      slot.id = mvcc::kNoLease;
    }
  }
}

}  // namespace socle::storage
