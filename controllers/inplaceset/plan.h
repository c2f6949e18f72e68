// Plan: what one pass over an InplaceSet does, as a pure function of what is stored and of the time.
//
//   set, revisions, pods, claims, now ──► MakePlan ──► creations, changes, deletions, counts, wake
//
// Laws     1. Carrying out a plan takes no pod away beyond maxUnavailable of those that were there: what is
//             away already, whoever took it, uses the budget first.
//          2. OrderedReady: at most one creation or deletion begins by a plan (a hook that lets go ends what an
//             earlier one began), and a creation only when all lower ordinals are available.
//          3. Pods under the partition are not touched by the update.
//          4. The same input gives the same plan; a plan that is carried out half is completed by the next.
// Threads  pure.
// Source   spec controllers 1.5 - 1.9.
#ifndef SOCLE_CONTROLLERS_INPLACESET_PLAN_H_
#define SOCLE_CONTROLLERS_INPLACESET_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/inplaceset/identity.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/registry/object.h"
#include "controllers/workload/in_place_update.h"
#include "controllers/workload/lifecycle_hooks.h"
#include "controllers/workload/pod_facts.h"
#include "kv/base/bytes.h"

namespace socle::inplaceset {

struct PlanInput {
  const SetSpec* set = nullptr;
  std::string current_revision;
  std::string update_revision;
  std::vector<workload::PodFactsRef> pods;  // the members
  StringMap<registry::ObjectRef> claims;    // by name: those of all slots and pods that exist
  StringSet claims_on_nodes;                // names of claims whose volume is bound to a node
  // From the template of an older revision (by name) to the update revision.
  StringMap<absl::StatusOr<workload::InPlaceUpdate>> updates;
  StringSet lost_nodes;  // gone, or not ready
  bool repairs_broken_rollout = true;
  int64_t now_nanos = 0;
};

struct Creation {
  int64_t ordinal = 0;
  std::string revision;
  std::vector<std::string> failed_nodes;
};

// All that is to be written to one pod, in one write.
struct PodChange {
  workload::PodFactsRef pod;
  int64_t ordinal = 0;
  bool opens_gates = false;
  bool repairs = false;
  bool advances = false;                           // AdvanceInPlace
  const workload::InPlaceUpdate* start = nullptr;  // of PlanInput::updates
  std::optional<workload::LifecycleState> state;
  bool rearms_hook = false;
};

enum class DeletionCause : uint8_t {
  kScaledDown,
  kFinished,  // it failed or succeeded
  kOutdated,
  kSpecified,  // the label specified-delete
  kRetried,    // on another node
  kReleased,   // its preDelete hook has let go of it
};

struct PodDeletion {
  workload::PodFactsRef pod;
  DeletionCause cause = DeletionCause::kScaledDown;
  bool is_forced = false;  // grace 0: nobody is there to stop it
};

struct ClaimCreation {
  const api::Json* claim_template = nullptr;
  int64_t ordinal = 0;
};

struct ClaimChange {
  registry::ObjectRef claim;
  workload::PodFactsRef pod;
  ClaimOwner wanted = ClaimOwner::kNobody;
};

struct Counts {
  int64_t replicas = 0;
  int64_t ready = 0;
  int64_t available = 0;
  int64_t current = 0;
  int64_t updated = 0;
  int64_t updated_ready = 0;
  int64_t updated_available = 0;

  bool operator==(const Counts&) const = default;
};

struct Plan {
  std::vector<ClaimCreation> claim_creations;
  std::vector<ClaimChange> claim_changes;
  std::vector<registry::ObjectRef> claim_deletions;
  std::vector<Creation> creations;  // in this order
  std::vector<PodChange> changes;
  std::vector<PodDeletion> deletions;
  // What keeps a pod from being created or updated in place; for conditions and events.
  std::vector<std::string> creation_problems;
  std::vector<std::string> update_problems;

  Counts counts;
  bool is_complete = false;  // all are updated and ready: current becomes update
  std::vector<NodeRetry> node_retries;
  int64_t new_retries = 0;
  // When to look again though nothing changes.
  std::optional<int64_t> wake_nanos;
};

Plan MakePlan(const PlanInput& input);

// Not healthy, not available for minReadySeconds, under update, held by a hook, or marked.
bool IsUnavailable(const SetSpec& set, const workload::PodFacts& pod, int64_t now_nanos);

// Orders pods, given by descending ordinal, as unorderedUpdate wants them: those already updated or going
// first, then by priority.
void SortForUpdate(const SetSpec& set, std::string_view update_revision,
                   std::vector<workload::PodFactsRef>* pods);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_PLAN_H_
