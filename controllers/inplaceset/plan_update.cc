// The rolling update: which pods of another revision are replaced or changed in place now.
#include <algorithm>

#include <fmt/format.h>

#include "controllers/inplaceset/planner.h"
#include "kv/base/status_macros.h"

namespace socle::inplaceset {

using workload::LifecycleState;
using workload::PodFacts;
using workload::PodFactsRef;
using workload::UpdateGate;

namespace {

// It will not become ready by waiting: an image that can't be pulled, a container that ends again and again.
bool IsBroken(const PodFacts& pod) {
  return std::any_of(
      pod.containers.begin(), pod.containers.end(), [](const workload::ContainerFacts& one) {
        return one.waiting_reason == "ImagePullBackOff" || one.waiting_reason == "ErrImagePull" ||
               one.waiting_reason == "CrashLoopBackOff" ||
               one.waiting_reason == "InvalidImageName" ||
               one.waiting_reason == "CreateContainerConfigError";
      });
}

}  // namespace

void Planner::Update() {
  if (set_.is_on_delete || set_.rolling.is_paused) {
    return;
  }
  if (is_stopped_) {
    RepairRollout();
    return;
  }
  for (const Slot& slot : slots_) {
    if (slot.pod == nullptr) {
      NoteAway(PodName(set_.name(), slot.ordinal));
    }
  }
  DeleteSpecified();
  bool is_budget_gone = false;
  for (const Slot* slot : Targets()) {
    if (MayDeleteNoMore() || !VisitTarget(*slot, &is_budget_gone)) {
      return;
    }
  }
}

bool Planner::MayDeleteNoMore() const {
  return set_.is_ordered && begins_deletion_;
}

// OrderedReady waits for a pod that a later template may have mended: nothing is lost by giving it that.
void Planner::RepairRollout() {
  if (!input_.repairs_broken_rollout || stopped_at_ == nullptr || stopped_at_->pod == nullptr) {
    return;
  }
  const PodFactsRef& pod = stopped_at_->pod;
  const bool is_target = stopped_at_ - slots_.data() >= set_.rolling.partition;
  if (!is_target || pod->is_healthy() || pod->is_deleting || pod->is_finished() ||
      pod->revision == input_.update_revision || refreshed_.contains(pod->name())) {
    return;
  }
  UpdatePod(pod, stopped_at_->ordinal);
}

void Planner::DeleteSpecified() {
  const int64_t most = set_.MaxUnavailable();
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    if (MayDeleteNoMore()) {
      return;
    }
    if (slot->pod == nullptr || !slot->pod->is_specified_delete || slot->pod->is_deleting) {
      continue;
    }
    if (IsAway(*slot) || static_cast<int64_t>(away_.size()) < most) {
      DeletePod(slot->pod, slot->ordinal, DeletionCause::kSpecified);
    }
  }
}

std::vector<const Planner::Slot*> Planner::Targets() const {
  std::vector<const Slot*> targets;
  const auto count =
      std::max<int64_t>(0, static_cast<int64_t>(slots_.size()) - set_.rolling.partition);
  if (!set_.rolling.is_unordered) {
    for (auto slot = slots_.rbegin();
         slot != slots_.rend() && targets.size() < static_cast<size_t>(count); ++slot) {
      targets.push_back(&*slot);
    }
    return targets;
  }
  std::vector<PodFactsRef> pods;
  StringMap<const Slot*> slot_of;
  int64_t created_updated = 0;
  for (auto slot = slots_.rbegin(); slot != slots_.rend(); ++slot) {
    if (slot->pod != nullptr) {
      pods.push_back(slot->pod);
      slot_of.insert_or_assign(slot->pod->name(), &*slot);
    } else {
      created_updated += slot->creation_revision == input_.update_revision ? 1 : 0;
    }
  }
  SortForUpdate(set_, input_.update_revision, &pods);
  for (const PodFactsRef& pod : pods) {
    if (static_cast<int64_t>(targets.size()) >= count - created_updated) {
      break;
    }
    targets.push_back(slot_of.find(pod->name())->second);
  }
  return targets;
}

bool Planner::VisitTarget(const Slot& slot, bool* is_budget_gone) {
  const PodFactsRef& pod = slot.pod;
  if (pod == nullptr || pod->revision == input_.update_revision || pod->is_deleting ||
      deleted_.contains(pod->name()) || refreshed_.contains(pod->name())) {
    return true;
  }
  if (!IsAway(slot)) {
    *is_budget_gone |= static_cast<int64_t>(away_.size()) >= set_.MaxUnavailable();
    if (*is_budget_gone) {
      return true;  // only what is broken already is looked for from here on
    }
  } else if (*is_budget_gone && !IsBroken(*pod)) {
    return true;
  }
  return UpdatePod(pod, slot.ordinal);
}

bool Planner::UpdatePod(const PodFactsRef& pod, int64_t ordinal) {
  if (pod->lifecycle == LifecycleState::kPreparingDelete ||
      set_.rolling.policy == PodUpdatePolicy::kReCreate) {
    DeletePod(pod, ordinal, DeletionCause::kOutdated);
    return true;
  }
  const auto found = input_.updates.find(pod->revision);
  if (found != input_.updates.end() && found->second.ok()) {
    return UpdateInPlace(pod, ordinal, *found->second);
  }
  if (set_.rolling.policy == PodUpdatePolicy::kInPlaceIfPossible) {
    DeletePod(pod, ordinal, DeletionCause::kOutdated);
    return true;
  }
  plan_.update_problems.push_back(fmt::format(
      "the update strategy is InPlaceOnly but pod {} can not update in-place: {}", pod->name(),
      found == input_.updates.end() ? std::string_view("its revision is unknown")
                                    : MessageOf(found->second.status())));
  return false;
}

bool Planner::UpdateInPlace(const PodFactsRef& pod, int64_t ordinal,
                            const workload::InPlaceUpdate& update) {
  NoteAway(pod->name());
  switch (workload::GateForUpdate(set_.hooks, *pod->object, pod->lifecycle)) {
    case UpdateGate::kOpen: {
      PodChange& change = ChangeOf(pod, ordinal);
      change.start = &update;
      change.state = LifecycleState::kUpdating;
      break;
    }
    case UpdateGate::kPrepare:
      ChangeOf(pod, ordinal).state = LifecycleState::kPreparingUpdate;
      break;
    case UpdateGate::kRearm: {
      PodChange& change = ChangeOf(pod, ordinal);
      change.state = LifecycleState::kPreparingUpdate;
      change.rearms_hook = true;
      break;
    }
    case UpdateGate::kWait:
      break;
  }
  return true;
}

}  // namespace socle::inplaceset
