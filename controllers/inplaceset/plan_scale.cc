// Slots that want a pod, and pods that have no slot.
#include <fmt/format.h>

#include "controllers/inplaceset/planner.h"
#include "kv/base/clock.h"

namespace socle::inplaceset {

using workload::PodFactsRef;
using workload::PodPhase;

namespace {

// A pod that ends is not made anew sooner than this after it was made: one that can't run would be made and
// deleted as fast as the plane writes.
constexpr int64_t kFinishedRestNanos = 5 * kNanosPerSecond;

}  // namespace

void Planner::Scale() {
  for (const Slot& slot : slots_) {
    creation_budget_used_ += slot.pod != nullptr && IsAway(slot) ? 1 : 0;
    old_count_ += slot.pod != nullptr && slot.pod->revision != input_.update_revision ? 1 : 0;
  }
  for (Slot& slot : slots_) {
    if (VisitSlot(&slot) == Order::kStop && !is_stopped_) {
      is_stopped_ = true;
      stopped_at_ = &slot;
    }
  }
  // Claims of condemned pods get their owners in any case: the pod may go by other hands.
  for (const auto& [ordinal, pod] : condemned_) {
    if (!pod->is_deleting) {
      RepairOwners(pod, ordinal, true);
    }
  }
  for (const auto& condemned : condemned_) {
    if (is_stopped_) {
      return;
    }
    is_stopped_ = VisitCondemned(condemned) == Order::kStop;
  }
}

// Repairs go on behind the slot that OrderedReady waits for; creations and deletions don't.
Planner::Order Planner::VisitSlot(Slot* slot) {
  if (slot->pod == nullptr) {
    return is_stopped_ ? Order::kStop : Create(slot);
  }
  return VisitPod(slot);
}

Planner::Order Planner::VisitPod(Slot* slot) {
  const PodFactsRef& pod = slot->pod;
  const Order stop = set_.is_ordered ? Order::kStop : Order::kGoOn;
  if (pod->is_deleting) {
    return stop;
  }
  if (pod->is_finished()) {
    const int64_t due = pod->created_nanos + kFinishedRestNanos;
    if (input_.now_nanos < due) {
      WakeAt(due);
    } else if (!refreshed_.contains(pod->name()) && !is_stopped_) {
      DeletePod(pod, slot->ordinal, DeletionCause::kFinished);
    }
    return stop;
  }
  if (HasDrifted(set_, *pod, slot->ordinal)) {
    ChangeOf(pod, slot->ordinal).repairs = true;
  }
  RepairOwners(pod, slot->ordinal, false);
  if (pod->phase == PodPhase::kPending) {
    SecureClaims(*slot);
  }
  const bool is_available = pod->IsAvailable(set_.rolling.min_ready_seconds, input_.now_nanos);
  return is_available ? Order::kGoOn : stop;
}

bool Planner::WantsOldRevision(const Slot& slot) const {
  if (set_.is_on_delete || input_.current_revision == input_.update_revision) {
    return false;
  }
  if (!set_.has_rolling_params) {
    return slot.ordinal < set_.start_ordinal + set_.current_replicas;
  }
  if (!set_.rolling.is_unordered) {
    return &slot - slots_.data() < set_.rolling.partition;
  }
  return old_count_ < set_.rolling.partition;
}

Planner::Order Planner::Create(Slot* slot) {
  const Order stop = set_.is_ordered ? Order::kStop : Order::kGoOn;
  const std::optional<int64_t> budget = set_.ScaleMaxUnavailable();
  if (budget.has_value() && creation_budget_used_ >= *budget) {
    return Order::kGoOn;
  }
  slot->creation_revision =
      WantsOldRevision(*slot) ? input_.current_revision : input_.update_revision;
  ++creation_budget_used_;
  old_count_ += slot->creation_revision != input_.update_revision ? 1 : 0;
  if (!SecureClaims(*slot)) {
    return stop;
  }
  Creation creation{.ordinal = slot->ordinal, .revision = slot->creation_revision};
  const std::string name = PodName(set_.name(), slot->ordinal);
  for (const NodeRetry& retry : plan_.node_retries) {
    if (retry.pod == name) {
      creation.failed_nodes = retry.nodes;
    }
  }
  plan_.creations.push_back(std::move(creation));
  return stop;
}

bool Planner::SecureClaims(const Slot& slot) {
  bool is_free = true;
  const std::string pod_name = PodName(set_.name(), slot.ordinal);
  const std::string_view uid = slot.pod == nullptr ? std::string_view() : slot.pod->uid();
  for (const api::Json& claim_template : set_.claim_templates) {
    const std::string name = ClaimName(claim_template, set_.name(), slot.ordinal);
    const auto found = input_.claims.find(name);
    if (found == input_.claims.end()) {
      plan_.claim_creations.push_back({.claim_template = &claim_template, .ordinal = slot.ordinal});
      continue;
    }
    const registry::ObjectRef& claim = found->second;
    const bool is_specified = slot.pod == nullptr && !claim->is_deleting &&
                              claim->HasLabel(workload::kSpecifiedDeleteLabel);
    if (is_specified) {
      plan_.claim_deletions.push_back(claim);
    }
    if (slot.pod == nullptr &&
        (is_specified || claim->is_deleting || IsStaleClaim(*claim, pod_name, uid))) {
      plan_.creation_problems.push_back(
          fmt::format("pod {} waits until the old claim {} is gone", pod_name, name));
      is_free = false;
    }
  }
  return is_free;
}

void Planner::RepairOwners(const PodFactsRef& pod, int64_t ordinal, bool is_condemned) {
  const ClaimOwner wanted = WantedClaimOwner(set_, is_condemned);
  for (const api::Json& claim_template : set_.claim_templates) {
    const auto found = input_.claims.find(ClaimName(claim_template, set_.name(), ordinal));
    if (found != input_.claims.end() && !found->second->is_deleting &&
        HasWrongOwners(set_, *found->second, *pod, wanted)) {
      plan_.claim_changes.push_back({.claim = found->second, .pod = pod, .wanted = wanted});
    }
  }
}

Planner::Order Planner::VisitCondemned(const std::pair<int64_t, PodFactsRef>& condemned) {
  const auto& [ordinal, pod] = condemned;
  const Order stop = set_.is_ordered ? Order::kStop : Order::kGoOn;
  if (pod->is_deleting) {
    return stop;
  }
  if (set_.is_ordered && !pod->is_healthy() && pod != first_unhealthy_) {
    return stop;
  }
  DeletePod(pod, ordinal, DeletionCause::kScaledDown);
  return stop;
}

}  // namespace socle::inplaceset
