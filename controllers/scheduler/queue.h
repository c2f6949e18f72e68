// Queue: pods that wait for a node: those whose turn comes, those that failed lately, and those that wait
// for something to change.
//
//   Add ─► active ─► Pop ─► placed
//             ▲        └──► Park ─► parked ── Wake ──► backoff over? ─► active
//             └── FlushBackoff ◄── backoff ◄───────────────┘
//
// Laws     1. A pod waits in at most one place.
//          2. Higher priority first; of one priority, the pod that was created first.
//          3. A pod that failed n times is not tried again within 1 s · 2^(n-1), at most 10 s.
// Threads  confined to the scheduling thread.
// Source   kube-scheduler's active, backoff and unschedulable queues.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_QUEUE_H_
#define SOCLE_CONTROLLERS_SCHEDULER_QUEUE_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_set.h>

#include "controllers/scheduler/pod_record.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"

namespace socle::scheduler {

struct QueueOptions {
  int64_t backoff_min_nanos = kNanosPerSecond;
  int64_t backoff_max_nanos = 10 * kNanosPerSecond;
};

class Queue {
 public:
  explicit Queue(QueueOptions options = {}) : options_(options) {}

  // Requires, as Park and Retry do, that it waits nowhere.
  void Add(PodRecord* pod);
  // Law 2; nullptr when none is active.
  PodRecord* Pop();
  // It found no node: until Wake.
  void Park(PodRecord* pod, int64_t now);
  // It lacks this claim, `namespace/name`: until WakeClaim.
  void ParkForClaim(PodRecord* pod, std::string_view claim, int64_t now);
  // Its binding failed: again after its backoff.
  void Retry(PodRecord* pod, int64_t now);
  void Wake(int64_t now);
  void WakeClaim(std::string_view claim, int64_t now);
  void FlushBackoff(int64_t now);
  // From wherever it waits.
  void Remove(PodRecord* pod);

  // When the next backoff ends; INT64_MAX: none.
  int64_t NextDue() const;

  size_t active() const { return active_.size(); }

  size_t waiting() const {
    return active_.size() + backoff_.size() + parked_.size() + lacking_claims_;
  }

 private:
  // Law 2. Two objects have not one create revision.
  struct Turn {
    int64_t priority = 0;
    int64_t create_revision = 0;
    PodRecord* pod = nullptr;

    bool operator<(const Turn& other) const {
      return priority != other.priority ? priority > other.priority
                                        : create_revision < other.create_revision;
    }
  };

  struct Due {
    int64_t at = 0;
    Turn turn;

    bool operator<(const Due& other) const {
      return at != other.at ? at < other.at : turn < other.turn;
    }
  };

  static Turn TurnOf(PodRecord* pod);
  void CountFailure(PodRecord* pod, int64_t now);
  // To active, or to backoff while that lasts.
  void Resume(PodRecord* pod, int64_t now);

  const QueueOptions options_;
  absl::btree_set<Turn> active_;
  absl::btree_set<Due> backoff_;
  absl::flat_hash_set<PodRecord*> parked_;
  StringMap<absl::flat_hash_set<PodRecord*>> by_claim_;
  size_t lacking_claims_ = 0;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_QUEUE_H_
