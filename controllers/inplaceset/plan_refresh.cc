// What pods do by themselves: steps of updates in place that are due, hooks that let go, nodes on which they
// do not come to run.
#include <algorithm>

#include "controllers/inplaceset/planner.h"
#include "kv/base/clock.h"

namespace socle::inplaceset {

using workload::InPlaceStage;
using workload::LifecycleState;
using workload::PodFacts;
using workload::PodFactsRef;
using workload::PodPhase;

namespace {

bool IsAdvanceDue(const workload::InPlaceFacts& in_place, int64_t now_nanos) {
  switch (in_place.stage) {
    case InPlaceStage::kGrace:
      return now_nanos >= in_place.grace_until_nanos;
    case InPlaceStage::kGraceOutdated:
    case InPlaceStage::kNextBatch:
    case InPlaceStage::kDone:
      return true;
    case InPlaceStage::kIdle:
    case InPlaceStage::kWaiting:
      return false;
  }
  return false;
}

bool LacksGateCondition(const PodFacts& pod) {
  return std::any_of(
      pod.readiness_gates.begin(), pod.readiness_gates.end(), [&](const std::string& gate) {
        return (gate == workload::kInPlaceReadyCondition || gate == "KruisePodReady") &&
               pod.Condition(gate) == nullptr;
      });
}

// The node has refused it: it failed before any of its containers was there.
bool IsRefused(const PodFacts& pod) {
  return pod.phase == PodPhase::kFailed && !pod.node.empty() &&
         std::none_of(pod.containers.begin(), pod.containers.end(),
                      [](const workload::ContainerFacts& one) { return one.has_status; });
}

int64_t BoundAt(const PodFacts& pod) {
  const workload::ConditionFacts* scheduled = pod.Condition("PodScheduled");
  return scheduled != nullptr && scheduled->is_true && scheduled->since_nanos > 0
             ? scheduled->since_nanos
             : pod.created_nanos;
}

}  // namespace

void Planner::Refresh() {
  for (const Slot& slot : slots_) {
    if (slot.pod != nullptr && !slot.pod->is_deleting) {
      RefreshPod(slot.pod, slot.ordinal);
    }
  }
  for (const auto& [ordinal, pod] : condemned_) {
    if (!pod->is_deleting) {
      RefreshPod(pod, ordinal);
    }
  }
}

void Planner::RefreshPod(const PodFactsRef& pod, int64_t ordinal) {
  if (pod->lifecycle == LifecycleState::kPreparingDelete) {
    if (!workload::IsHooked(set_.hooks.pre_delete, *pod->object)) {
      DeletePod(pod, ordinal, DeletionCause::kReleased);
    }
    return;  // there is no way back
  }
  const bool is_advancing = IsAdvanceDue(pod->in_place, input_.now_nanos);
  if (is_advancing) {
    ChangeOf(pod, ordinal).advances = true;
  } else if (pod->in_place.stage == InPlaceStage::kGrace) {
    WakeAt(pod->in_place.grace_until_nanos);
  }
  if (LacksGateCondition(*pod)) {
    ChangeOf(pod, ordinal).opens_gates = true;
  }
  const bool is_done =
      pod->in_place.stage == InPlaceStage::kIdle || pod->in_place.stage == InPlaceStage::kDone;
  const std::optional<LifecycleState> next = workload::NextLifecycleState(
      set_.hooks, *pod->object, pod->lifecycle, pod->revision == input_.update_revision, is_done);
  if (next.has_value()) {
    ChangeOf(pod, ordinal).state = next;
  }
  if (is_advancing || next.has_value()) {
    refreshed_.insert(pod->name());
  }
}

// What is kept of pods that are wanted and have not come to run.
void Planner::FollowRetries() {
  if (!set_.retry.is_enabled) {
    plan_.node_retries.clear();
    return;
  }
  StringMap<NodeRetry> known;
  for (const NodeRetry& retry : set_.node_retries) {
    known.insert_or_assign(retry.pod, retry);
  }
  plan_.node_retries.clear();
  for (const Slot& slot : slots_) {
    const std::string name = PodName(set_.name(), slot.ordinal);
    const auto found = known.find(name);
    NodeRetry retry = found == known.end() ? NodeRetry{.pod = name, .nodes = {}} : found->second;
    if (slot.pod != nullptr) {
      FollowRetry(slot.pod, &retry);
    }
    if (!retry.nodes.empty()) {
      plan_.node_retries.push_back(std::move(retry));
    }
  }
}

void Planner::FollowRetry(const PodFactsRef& pod, NodeRetry* retry) {
  if (pod->phase == PodPhase::kRunning || pod->phase == PodPhase::kSucceeded) {
    retry->nodes.clear();
    return;
  }
  const bool is_held_by_claim = std::any_of(
      pod->claim_volumes.begin(), pod->claim_volumes.end(),
      [&](const auto& volume) { return input_.claims_on_nodes.contains(volume.second); });
  const bool is_refused = IsRefused(*pod);
  const bool is_waiting = pod->phase == PodPhase::kPending && !pod->node.empty();
  if (is_held_by_claim || (!is_refused && !is_waiting)) {
    return;
  }
  const bool is_lost = input_.lost_nodes.contains(pod->node);
  // Times of conditions are cut to seconds: one more, or a pod may have had no time at all.
  const int64_t due = BoundAt(*pod) + (set_.retry.timeout_seconds + 1) * kNanosPerSecond;
  if (!is_refused && input_.now_nanos < due) {
    WakeAt(due);
    return;
  }
  if (std::find(retry->nodes.begin(), retry->nodes.end(), pod->node) != retry->nodes.end()) {
    const auto ordinal = OrdinalOf(set_.name(), pod->name()).value_or(0);
    DeletePod(pod, ordinal, DeletionCause::kRetried, is_lost);
    return;
  }
  if (!pod->is_deleting && static_cast<int64_t>(retry->nodes.size()) < set_.retry.retries_max) {
    // Written down before the pod goes: what replaces it must know, whoever creates it.
    retry->nodes.push_back(pod->node);
    ++plan_.new_retries;
    refreshed_.insert(pod->name());
  }
}

}  // namespace socle::inplaceset
