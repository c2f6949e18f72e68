#include "controllers/inplaceset/plan.h"

#include <algorithm>

#include "controllers/inplaceset/planner.h"

namespace socle::inplaceset {

using workload::DeleteGate;
using workload::LifecycleState;
using workload::PodFacts;
using workload::PodFactsRef;

namespace {

bool IsInNormalState(const PodFacts& pod) {
  return pod.lifecycle == LifecycleState::kNone || pod.lifecycle == LifecycleState::kNormal;
}

}  // namespace

bool IsUnavailable(const SetSpec& set, const PodFacts& pod, int64_t now_nanos) {
  return !pod.IsAvailable(set.rolling.min_ready_seconds, now_nanos) || !IsInNormalState(pod) ||
         pod.in_place.stage != workload::InPlaceStage::kIdle || pod.is_marked_unavailable;
}

Plan MakePlan(const PlanInput& input) {
  return Planner(input).Make();
}

Planner::Planner(const PlanInput& input) : input_(input), set_(*input.set) {}

Plan Planner::Make() {
  Sort();
  FindFirstUnhealthy();
  Count();
  plan_.node_retries = set_.node_retries;
  if (set_.is_deleting) {
    return std::move(plan_);
  }
  Refresh();
  FollowRetries();
  Scale();
  Update();
  return std::move(plan_);
}

void Planner::Sort() {
  for (const int64_t ordinal : SlotOrdinals(set_)) {
    slots_.push_back({.ordinal = ordinal, .pod = nullptr, .creation_revision = {}});
  }
  for (const PodFactsRef& pod : input_.pods) {
    const std::optional<int64_t> ordinal = OrdinalOf(set_.name(), pod->name());
    if (!ordinal.has_value()) {
      continue;
    }
    const auto slot =
        std::lower_bound(slots_.begin(), slots_.end(), *ordinal,
                         [](const Slot& one, int64_t wanted) { return one.ordinal < wanted; });
    if (slot != slots_.end() && slot->ordinal == *ordinal) {
      slot->pod = pod;
    } else {
      condemned_.emplace_back(*ordinal, pod);
    }
  }
  std::sort(condemned_.begin(), condemned_.end(),
            [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const Slot& slot : slots_) {
    if (slot.pod != nullptr && IsUnavailable(set_, *slot.pod, input_.now_nanos)) {
      away_.insert(slot.pod->name());
    }
  }
}

void Planner::FindFirstUnhealthy() {
  for (const Slot& slot : slots_) {
    if (slot.pod != nullptr && !slot.pod->is_healthy()) {
      first_unhealthy_ = slot.pod;
      return;
    }
  }
  for (auto one = condemned_.rbegin(); one != condemned_.rend(); ++one) {
    if (!one->second->is_healthy()) {
      first_unhealthy_ = one->second;
      return;
    }
  }
}

void Planner::Count() {
  Counts& counts = plan_.counts;
  const auto count = [&](const PodFacts& pod) {
    ++counts.replicas;
    const bool is_ready = pod.is_healthy();
    const bool is_available =
        pod.IsAvailable(set_.rolling.min_ready_seconds, input_.now_nanos) && IsInNormalState(pod);
    counts.ready += is_ready ? 1 : 0;
    counts.available += is_available ? 1 : 0;
    if (pod.is_deleting) {
      return;
    }
    counts.current += pod.revision == input_.current_revision ? 1 : 0;
    if (pod.revision == input_.update_revision) {
      ++counts.updated;
      counts.updated_ready += is_ready ? 1 : 0;
      counts.updated_available += is_available ? 1 : 0;
    }
    if (is_ready) {
      WakeAt(pod.AvailableAt(set_.rolling.min_ready_seconds));
    }
  };
  for (const Slot& slot : slots_) {
    if (slot.pod != nullptr) {
      count(*slot.pod);
    }
  }
  for (const auto& [ordinal, pod] : condemned_) {
    count(*pod);
  }
  const auto wanted = static_cast<int64_t>(slots_.size());
  plan_.is_complete =
      counts.replicas == wanted && counts.updated == wanted && counts.ready == wanted;
}

void Planner::WakeAt(int64_t nanos) {
  if (nanos > input_.now_nanos) {
    plan_.wake_nanos = std::min(plan_.wake_nanos.value_or(nanos), nanos);
  }
}

PodChange& Planner::ChangeOf(const PodFactsRef& pod, int64_t ordinal) {
  const auto [at, is_new] = change_of_.try_emplace(pod->name(), plan_.changes.size());
  if (is_new) {
    plan_.changes.push_back({.pod = pod, .ordinal = ordinal});
  }
  return plan_.changes[at->second];
}

void Planner::NoteAway(std::string_view pod) {
  away_.insert(std::string(pod));
}

bool Planner::IsAway(const Slot& slot) const {
  return slot.pod == nullptr || away_.contains(slot.pod->name());
}

void Planner::DeletePod(const PodFactsRef& pod, int64_t ordinal, DeletionCause cause,
                        bool is_forced) {
  NoteAway(pod->name());
  if (pod->is_deleting && !is_forced) {
    return;
  }
  switch (workload::GateForDelete(set_.hooks, *pod->object, pod->lifecycle)) {
    case DeleteGate::kOpen:
      begins_deletion_ |= cause != DeletionCause::kReleased;
      if (deleted_.insert(pod->name()).second) {
        plan_.deletions.push_back({.pod = pod, .cause = cause, .is_forced = is_forced});
      }
      break;
    case DeleteGate::kPrepare: {
      begins_deletion_ = true;
      PodChange& change = ChangeOf(pod, ordinal);
      change.state = LifecycleState::kPreparingDelete;
      change.start = nullptr;
      break;
    }
    case DeleteGate::kWait:
      break;
  }
}

}  // namespace socle::inplaceset
