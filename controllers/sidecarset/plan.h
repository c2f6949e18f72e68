// Plan: which pods of a set are upgraded next, from what is known of all of them.
//
//   not at the latest hash ─► selected ─► only images differ ─► in order ─► minus partition ─► within budget
//
// Laws     1. budget = maxUnavailable - (upgraded pods that are not settled) - (waiting pods whose upgrade to
//             an earlier revision is not through); a pod that is not ready anyway costs none of it.
//          2. The partition leaves the last of the order, out of all matched pods; less than 100% of it lets
//             at least one pod through.
//          3. Pods that differ in more than images are never upgraded, only reported.
//          4. A pass either flips finished hot upgrades or begins upgrades, never both.
// Threads  pure functions.
// Source   spec controllers 4.3, 4.6, 4.7; 7.6 E10 - E14.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_PLAN_H_
#define SOCLE_CONTROLLERS_SIDECARSET_PLAN_H_

#include <cstdint>
#include <vector>

#include "controllers/registry/object.h"
#include "controllers/sidecarset/pod_state.h"
#include "controllers/sidecarset/sidecar_set.h"

namespace socle::sidecarset {

struct PlanPod {
  PodState state;
  const registry::Object* object = nullptr;  // labels of it
};

struct PlanInput {
  const UpdateStrategy* strategy = nullptr;
  // Fingerprints of the set.
  uint64_t hash = 0;
  uint64_t hash_without_image = 0;
  std::vector<PlanPod> pods;  // active ones that the set has injected and still matches
};

struct Counts {
  int64_t matched = 0;
  int64_t updated = 0;
  int64_t ready = 0;
  int64_t updated_ready = 0;

  bool operator==(const Counts&) const = default;
};

// Indexes into the pods of the input.
struct Plan {
  Counts counts;
  std::vector<size_t> flips;
  std::vector<size_t> upgrades;        // in order
  std::vector<size_t> not_upgradable;  // that wait for the latest revision in vain
  // Whose condition has to say so, or has to take it back.
  std::vector<size_t> refused;
  std::vector<size_t> readmitted;
};

Plan MakePlan(const PlanInput& input);

// ---- taking the containers of a set that goes away

struct RemovalPod {
  PlanPod pod;
  bool shows_removed = false;
};

struct RemovalPlan {
  std::vector<size_t> strip_containers;   // in order
  std::vector<size_t> strip_annotations;  // of pods that have settled without the containers
  bool is_done = false;                   // no pod has anything of the set
};

// Follows paused, maxUnavailable and the order; partition and selector don't hold back what has to end.
RemovalPlan MakeRemovalPlan(const UpdateStrategy& strategy, const std::vector<RemovalPod>& pods);

// ---- the parts, for tests

// The candidates (indexes into pods) in the order of upgrades: by state, then priority, then scattered.
std::vector<size_t> UpgradeOrder(const UpdateStrategy& strategy, const std::vector<PlanPod>& pods,
                                 std::vector<size_t> candidates);
// Pods that stay old out of `total`.
int64_t PartitionOf(const UpdateStrategy& strategy, int64_t total);
int64_t MaxUnavailableOf(const UpdateStrategy& strategy, int64_t total);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_PLAN_H_
