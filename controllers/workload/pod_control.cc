#include "controllers/workload/pod_control.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/errors.h"
#include "controllers/workload/document_edits.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonObject;
using api::JsonView;

// Slow start: a template that can't be created fails few times, a good one soon goes in thousands.
constexpr size_t kFirstCreations = 16;
constexpr size_t kCreationGrowth = 4;
constexpr size_t kCreationsMax = 1024;

bool IsGone(const absl::Status& status) {
  const std::optional<registry::Reason> reason = registry::ReasonOf(status);
  return reason == registry::Reason::kNotFound || reason == registry::Reason::kConflict;
}

void Keep(const absl::Status& status, absl::Status* first) {
  if (first->ok()) {
    *first = status;
  }
}

}  // namespace

PodControl::PodControl(runtime::Runtime* runtime, std::string source, registry::ObjectRef owner)
    : runtime_(runtime), source_(std::move(source)), owner_(std::move(owner)) {}

PodControl::~PodControl() = default;

registry::Target PodControl::TargetOf(std::string_view ns, std::string_view name) const {
  return {.served = runtime_->Served("", "pods"), .ns = std::string(ns), .name = std::string(name)};
}

void PodControl::Create(Json pod) {
  creations_.push_back(std::move(pod));
}

void PodControl::Change(const registry::Object& pod, PodEdit edit, ChangeEvents events) {
  registry::ChangeRequest request;
  request.target = TargetOf(pod.ns, pod.name);
  request.part = registry::ChangeRequest::Part::kWhole;
  request.uid = pod.uid;
  request.change = std::move(edit);
  pending_.push_back({.act = Act::kChange, .pod = pod.name, .events = std::move(events)});
  runtime_->registry()->Change(registry::PlaneContext(source_), std::move(request), batch_.Add());
}

void PodControl::Delete(const registry::Object& pod, DeleteOptions options) {
  registry::DeleteRequest request;
  request.target = TargetOf(pod.ns, pod.name);
  request.grace_period_seconds = options.grace_period_seconds;
  request.uid = pod.uid;
  pending_.push_back({.act = Act::kDelete,
                      .pod = pod.name,
                      .events = {.success = "SuccessfulDelete", .failure = "FailedDelete"},
                      .extra_event = std::move(options.extra_event)});
  runtime_->registry()->Delete(registry::PlaneContext(source_), std::move(request), batch_.Add());
}

void PodControl::Record(bool is_warning, std::string_view reason, std::string_view message) {
  if (!reason.empty()) {
    runtime_->events()->Record(
        source_, *owner_, is_warning ? runtime::EventType::kWarning : runtime::EventType::kNormal,
        reason, message);
  }
}

void PodControl::Note(const Pending& write, const absl::StatusOr<registry::Written>& result,
                      Outcome* outcome) {
  const std::string_view verb = write.act == Act::kCreate   ? "create"
                                : write.act == Act::kDelete ? "delete"
                                                            : "update";
  const std::string what =
      fmt::format("{} Pod {} in {} {}", verb, write.pod, owner_->kind->kind, owner_->name);
  const bool is_gone = !result.ok() && IsGone(result.status());
  if (!result.ok() && !(write.act == Act::kDelete && is_gone)) {
    Keep(result.status(), write.act == Act::kCreate   ? &outcome->creation
                          : write.act == Act::kDelete ? &outcome->deletion
                                                      : &outcome->change);
    if (write.act == Act::kCreate || !is_gone) {
      Record(true, write.events.failure,
             fmt::format("{} failed error: {}", what, registry::ErrorOf(result.status()).message));
    }
    return;
  }
  const bool is_unchanged = result.ok() && result->is_unchanged;
  switch (write.act) {
    case Act::kCreate:
      ++outcome->created;
      break;
    case Act::kChange:
      outcome->changed += is_unchanged ? 0 : 1;
      break;
    case Act::kDelete:
      ++outcome->deleted;
      break;
  }
  if (!is_unchanged && result.ok()) {
    Record(false, write.events.success, fmt::format("{} successful", what));
    Record(true, write.extra_event, what);
  }
}

void PodControl::CreateInBatches(Outcome* outcome) {
  size_t size = kFirstCreations;
  size_t next = 0;
  while (next < creations_.size() && outcome->creation.ok()) {
    runtime::WriteBatch batch;
    std::vector<Pending> writes;
    const size_t end = std::min(next + size, creations_.size());
    for (; next < end; ++next) {
      registry::CreateRequest request;
      const std::string name(api::StringAt(creations_[next], {"metadata", "name"}));
      request.target = TargetOf(api::StringAt(creations_[next], {"metadata", "namespace"}), name);
      request.object = std::move(creations_[next]);
      writes.push_back({.act = Act::kCreate,
                        .pod = name,
                        .events = {.success = "SuccessfulCreate", .failure = "FailedCreate"}});
      runtime_->registry()->Create(registry::PlaneContext(source_), std::move(request),
                                   batch.Add());
    }
    const std::vector<absl::StatusOr<registry::Written>> results = batch.Wait();
    for (size_t i = 0; i < results.size(); ++i) {
      Note(writes[i], results[i], outcome);
    }
    size = std::min(size * kCreationGrowth, kCreationsMax);
  }
  creations_.clear();
}

PodControl::Outcome PodControl::Wait() {
  Outcome outcome;
  CreateInBatches(&outcome);
  const std::vector<absl::StatusOr<registry::Written>> results = batch_.Wait();
  for (size_t i = 0; i < results.size(); ++i) {
    Note(pending_[i], results[i], &outcome);
  }
  pending_.clear();
  return outcome;
}

absl::Status PodControl::Outcome::FirstError() const {
  for (const absl::Status* one : {&creation, &change, &deletion}) {
    if (!one->ok()) {
      return *one;
    }
  }
  return absl::OkStatus();
}

Json OwnerReferenceTo(const registry::Object& owner, bool is_controller) {
  JsonObject reference{{"apiVersion", JsonView(api::StorageApiVersion(*owner.kind))},
                       {"kind", JsonView(owner.kind->kind)},
                       {"name", JsonView(owner.name)},
                       {"uid", JsonView(owner.uid)}};
  if (is_controller) {
    reference["controller"] = true;
    reference["blockOwnerDeletion"] = true;
  }
  return reference;
}

void AddController(const registry::Object& owner, Json* object) {
  AddOwner(OwnerReferenceTo(owner, true), object);
}

Claimed ClaimPods(const registry::Object& owner, const api::LabelSelector& selector,
                  const std::vector<registry::ObjectRef>& candidates,
                  const std::function<bool(const registry::Object&)>& is_member) {
  Claimed claimed;
  for (const registry::ObjectRef& pod : candidates) {
    JsonObject labels;
    for (const auto& [key, value] : pod->labels) {
      labels[JsonView(key)] = JsonView(value);
    }
    const bool is_matching = selector.Matches(&labels);
    const registry::OwnerReference* controller = pod->Controller();
    if (controller != nullptr && controller->uid == owner.uid) {
      if (!is_member(*pod)) {
        continue;
      }
      if (is_matching || pod->is_deleting || owner.is_deleting) {
        claimed.members.push_back(pod);
      } else {
        claimed.release.push_back(pod);
      }
    } else if (controller == nullptr && is_matching && !pod->is_deleting && !owner.is_deleting &&
               is_member(*pod)) {
      claimed.adopt.push_back(pod);
    }
  }
  return claimed;
}

PodEdit AdoptEdit(const registry::ObjectRef& owner) {
  return [owner](Json* pod) {
    const api::JsonArray* owners = api::FindArray(*pod, {"metadata", "ownerReferences"});
    for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
      if (api::BoolAt((*owners)[i], {"controller"})) {
        return absl::CancelledError("it has a controller");
      }
    }
    if (api::Find(*pod, {"metadata", "deletionTimestamp"}) != nullptr) {
      return absl::CancelledError("it is being deleted");
    }
    AddController(*owner, pod);
    return absl::OkStatus();
  };
}

PodEdit ReleaseEdit(const registry::ObjectRef& owner) {
  return [owner](Json* pod) {
    return RemoveOwner(owner->uid, pod) ? absl::OkStatus()
                                        : absl::CancelledError("it has another owner");
  };
}

}  // namespace socle::workload
