#include "controllers/scheduler/engine.h"

#include <utility>

#include <fmt/format.h>

#include "controllers/workload/raw_member.h"
#include "kv/base/check.h"

namespace socle::scheduler {
namespace {

std::string KeyOf(std::string_view ns, std::string_view name) {
  return fmt::format("{}/{}", ns, name);
}

bool IsFinished(const registry::Object& pod) {
  const std::string_view phase = pod.FieldText("status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

// Whether what ReadSpec and the affinity terms look at may differ.
bool IsOtherSpec(const registry::Object& before, const registry::Object& after) {
  return before.labels != after.labels || workload::RawMember(before.document, {"spec"}) !=
                                              workload::RawMember(after.document, {"spec"});
}

}  // namespace

Engine::Engine(EngineOptions options)
    : options_(std::move(options)),
      queue_(options_.queue),
      placement_(&cache_, options_.placement) {}

bool Engine::IsMine(const registry::Object& pod) const {
  const std::string_view name = pod.FieldText("spec.schedulerName");
  return !pod.is_deleting && (name == options_.scheduler_name ||
                              (name.empty() && options_.scheduler_name == "default-scheduler"));
}

void Engine::Free(PodRecord* pod) {
  if (pod->slot >= 0) {
    cache_.Unplace(pod);
    wake_wanted_ = true;
  }
}

void Engine::Forget(PodRecord* pod) {
  queue_.Remove(pod);
  Free(pod);
  cache_.Remove(pod);
}

void Engine::PodChanged(const registry::ObjectRef& pod) {
  PodRecord* known = cache_.Find(pod->uid);
  if (known != nullptr && known->object->mod_revision >= pod->mod_revision) {
    return;
  }
  if (IsFinished(*pod)) {
    if (known != nullptr) {
      Forget(known);
    }
    return;
  }
  const std::string_view node = pod->FieldText("spec.nodeName");
  if (!node.empty()) {
    BoundPodChanged(known, pod, node);
  } else {
    PendingPodChanged(known, pod);
  }
}

void Engine::BoundPodChanged(PodRecord* known, const registry::ObjectRef& pod,
                             std::string_view node) {
  if (known == nullptr) {
    known = cache_.Add(pod);
    cache_.ReadSpec(known);
    cache_.Place(known, node);
    return;
  }
  queue_.Remove(known);
  const bool is_there = known->slot >= 0 && cache_.node(known->slot).facts.name == node;
  // The binding of an assumed pod changes nothing but the name of the node.
  const bool is_same = is_there && (known->is_assumed ? known->object->labels == pod->labels
                                                      : !IsOtherSpec(*known->object, *pod));
  if (is_same) {
    known->object = pod;
    known->is_assumed = false;
    return;
  }
  Free(known);
  known->object = pod;
  cache_.ReadSpec(known);
  cache_.Place(known, node);
}

void Engine::PendingPodChanged(PodRecord* known, const registry::ObjectRef& pod) {
  if (known != nullptr && known->is_assumed) {
    if (!IsMine(*pod)) {
      Forget(known);  // it is being deleted: the binding will be refused
    } else if (known->object->labels == pod->labels) {
      known->object = pod;
    }
    return;
  }
  if (!IsMine(*pod)) {
    if (known != nullptr) {
      Forget(known);
    }
    return;
  }
  if (known != nullptr && known->waiting != Waiting::kNowhere &&
      !IsOtherSpec(*known->object, *pod)) {
    known->object = pod;  // mostly our own condition
    return;
  }
  if (known == nullptr) {
    known = cache_.Add(pod);
  }
  queue_.Remove(known);
  Free(known);
  known->object = pod;
  if (cache_.ReadSpec(known)) {
    queue_.Add(known);
  }
}

void Engine::PodDeleted(const registry::Object& pod) {
  if (PodRecord* known = cache_.Find(pod.uid)) {
    Forget(known);
  }
}

void Engine::NodeChanged(const registry::Object& node) {
  wake_wanted_ |= cache_.SetNode(node);
}

void Engine::NodeDeleted(const registry::Object& node) {
  cache_.RemoveNode(node.name);
}

void Engine::ClaimChanged(const registry::Object& claim, int64_t now) {
  const std::string key = KeyOf(claim.ns, claim.name);
  if (claims_.insert(key).second) {
    queue_.WakeClaim(key, now);
  }
}

void Engine::ClaimDeleted(const registry::Object& claim) {
  claims_.erase(KeyOf(claim.ns, claim.name));
}

std::string Engine::LackingClaim(const PodRecord& pod) const {
  for (const std::string& name : pod.claims) {
    std::string key = KeyOf(pod.object->ns, name);
    if (!claims_.contains(key)) {
      return key;
    }
  }
  return {};
}

Decision Engine::Refuse(PodRecord* pod, std::string message) {
  const bool is_new = pod->message != message;
  pod->message = message;
  return Decision{.pod = pod->object, .message = std::move(message), .is_message_new = is_new};
}

std::optional<Decision> Engine::Next(int64_t now) {
  if (wake_wanted_) {
    wake_wanted_ = false;
    queue_.Wake(now);
  }
  queue_.FlushBackoff(now);
  PodRecord* const pod = queue_.Pop();
  if (pod == nullptr) {
    return std::nullopt;
  }
  if (const std::string claim = LackingClaim(*pod); !claim.empty()) {
    queue_.ParkForClaim(pod, claim, now);
    return Refuse(
        pod, fmt::format("0/{0} nodes are available: {0} persistentvolumeclaim \"{1}\" not found.",
                         cache_.nodes_present(), claim.substr(pod->object->ns.size() + 1)));
  }
  Choice choice = placement_.Choose(*pod);
  if (choice.slot < 0) {
    queue_.Park(pod, now);
    return Refuse(pod, std::move(choice.refusal));
  }
  cache_.PlaceAt(pod, choice.slot);
  pod->is_assumed = true;
  pod->message.clear();
  return Decision{
      .pod = pod->object, .node = cache_.node(choice.slot).facts.name, .claims = pod->claims};
}

void Engine::BindFailed(std::string_view uid, int64_t now) {
  PodRecord* const pod = cache_.Find(uid);
  if (pod == nullptr || !pod->is_assumed) {
    return;  // it went meanwhile, or was bound after all
  }
  Free(pod);
  queue_.Retry(pod, now);
}

}  // namespace socle::scheduler
