#include "controllers/scheduler/queue.h"

#include <algorithm>

#include "kv/base/check.h"

namespace socle::scheduler {

Queue::Turn Queue::TurnOf(PodRecord* pod) {
  return Turn{
      .priority = pod->priority, .create_revision = pod->object->create_revision, .pod = pod};
}

void Queue::Add(PodRecord* pod) {
  CHECK(pod->waiting == Waiting::kNowhere);
  pod->waiting = Waiting::kActive;
  active_.insert(TurnOf(pod));
}

PodRecord* Queue::Pop() {
  if (active_.empty()) {
    return nullptr;
  }
  PodRecord* const pod = active_.begin()->pod;
  active_.erase(active_.begin());
  pod->waiting = Waiting::kNowhere;
  return pod;
}

void Queue::CountFailure(PodRecord* pod, int64_t now) {
  CHECK(pod->waiting == Waiting::kNowhere);
  const uint32_t doublings = std::min<uint32_t>(pod->attempts, 20);
  pod->attempts += 1;
  pod->backoff_until =
      now + std::min(options_.backoff_max_nanos, options_.backoff_min_nanos << doublings);
}

void Queue::Park(PodRecord* pod, int64_t now) {
  CountFailure(pod, now);
  pod->waiting = Waiting::kParked;
  parked_.insert(pod);
}

void Queue::ParkForClaim(PodRecord* pod, std::string_view claim, int64_t now) {
  CountFailure(pod, now);
  pod->waiting = Waiting::kClaim;
  pod->lacking_claim = claim;
  by_claim_[pod->lacking_claim].insert(pod);
  ++lacking_claims_;
}

void Queue::Retry(PodRecord* pod, int64_t now) {
  CountFailure(pod, now);
  Resume(pod, now);
}

void Queue::Resume(PodRecord* pod, int64_t now) {
  if (pod->backoff_until <= now) {
    pod->waiting = Waiting::kActive;
    active_.insert(TurnOf(pod));
  } else {
    pod->waiting = Waiting::kBackoff;
    backoff_.insert(Due{.at = pod->backoff_until, .turn = TurnOf(pod)});
  }
}

void Queue::Wake(int64_t now) {
  for (PodRecord* pod : parked_) {
    Resume(pod, now);
  }
  parked_.clear();
}

void Queue::WakeClaim(std::string_view claim, int64_t now) {
  const auto found = by_claim_.find(claim);
  if (found == by_claim_.end()) {
    return;
  }
  const absl::flat_hash_set<PodRecord*> pods = std::move(found->second);
  by_claim_.erase(found);
  lacking_claims_ -= pods.size();
  for (PodRecord* pod : pods) {
    Resume(pod, now);
  }
}

void Queue::FlushBackoff(int64_t now) {
  while (!backoff_.empty() && backoff_.begin()->at <= now) {
    const Turn turn = backoff_.begin()->turn;
    backoff_.erase(backoff_.begin());
    turn.pod->waiting = Waiting::kActive;
    active_.insert(turn);
  }
}

void Queue::Remove(PodRecord* pod) {
  switch (pod->waiting) {
    case Waiting::kNowhere:
      return;
    case Waiting::kActive:
      active_.erase(TurnOf(pod));
      break;
    case Waiting::kBackoff:
      backoff_.erase(Due{.at = pod->backoff_until, .turn = TurnOf(pod)});
      break;
    case Waiting::kParked:
      parked_.erase(pod);
      break;
    case Waiting::kClaim: {
      const auto found = by_claim_.find(pod->lacking_claim);
      CHECK(found != by_claim_.end());
      found->second.erase(pod);
      if (found->second.empty()) {
        by_claim_.erase(found);
      }
      --lacking_claims_;
      break;
    }
  }
  pod->waiting = Waiting::kNowhere;
}

int64_t Queue::NextDue() const {
  return backoff_.empty() ? INT64_MAX : backoff_.begin()->at;
}

}  // namespace socle::scheduler
