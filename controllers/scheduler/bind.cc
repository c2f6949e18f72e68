#include "controllers/scheduler/bind.h"

#include <utility>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/registry/registry.h"
#include "kv/base/log.h"

namespace socle::scheduler {
namespace {

api::Json BindingOf(const registry::Object& pod, std::string_view node) {
  api::Json binding = {{"apiVersion", "v1"}, {"kind", "Binding"}};
  api::JsonObject& metadata = api::EnsureObject(&binding, {"metadata"});
  api::Set(&metadata, "name", api::JsonView(pod.name));
  api::Set(&metadata, "namespace", api::JsonView(pod.ns));
  api::Set(&metadata, "uid", api::JsonView(pod.uid));
  api::JsonObject& target = api::EnsureObject(&binding, {"target"});
  api::Set(&target, "apiVersion", "v1");
  api::Set(&target, "kind", "Node");
  api::Set(&target, "name", api::JsonView(node));
  return binding;
}

// Sets PodScheduled=False; Cancelled when there is nothing to say.
absl::Status SetUnschedulable(std::string_view message, const std::string& now, api::Json* pod) {
  if (!api::StringAt(*pod, {"spec", "nodeName"}).empty()) {
    return absl::CancelledError("bound meanwhile");
  }
  api::JsonObject& status = api::EnsureObject(pod, {"status"});
  api::Json& list = status["conditions"];
  if (!list.is_array()) {
    list.emplace_array();
  }
  api::Json* condition = nullptr;
  for (api::Json& one : list.get_array()) {
    if (api::StringAt(one, {"type"}) == "PodScheduled") {
      condition = &one;
    }
  }
  if (condition == nullptr) {
    condition = &list.get_array().emplace_back(api::JsonObject());
    api::Set(&condition->get_object(), "type", "PodScheduled");
  }
  api::JsonObject& members = condition->get_object();
  const bool was_false = api::StringAt(members, "status") == "False";
  if (was_false && api::StringAt(members, "reason") == "Unschedulable" &&
      api::StringAt(members, "message") == message) {
    return absl::CancelledError("said before");
  }
  if (!was_false) {
    api::Set(&members, "lastTransitionTime", api::JsonView(now));
  }
  api::Set(&members, "status", "False");
  api::Set(&members, "reason", "Unschedulable");
  api::Set(&members, "message", api::JsonView(message));
  return absl::OkStatus();
}

absl::Status SetBound(api::Json* claim) {
  if (api::StringAt(*claim, {"status", "phase"}) == "Bound") {
    return absl::CancelledError("bound before");
  }
  const api::Json* modes = api::Find(*claim, {"spec", "accessModes"});
  const api::Json* amounts = api::Find(*claim, {"spec", "resources", "requests"});
  const api::Json modes_copy = modes == nullptr ? api::Json(nullptr) : *modes;
  const api::Json amounts_copy = amounts == nullptr ? api::Json(nullptr) : *amounts;
  api::JsonObject& status = api::EnsureObject(claim, {"status"});
  api::Set(&status, "phase", "Bound");
  if (!modes_copy.is_null()) {
    api::Set(&status, "accessModes", modes_copy);
  }
  if (!amounts_copy.is_null()) {
    api::Set(&status, "capacity", amounts_copy);
  }
  return absl::OkStatus();
}

}  // namespace

Binder::Binder(runtime::Runtime* runtime, std::shared_ptr<Inbox> inbox, BinderOptions options)
    : runtime_(runtime),
      inbox_(std::move(inbox)),
      options_(std::move(options)),
      pods_(runtime->Served("", "pods")),
      claims_(runtime->Served("", "persistentvolumeclaims")) {}

void Binder::Bind(Decision decision) {
  ++binds_in_flight_;
  unwritten_.erase(decision.pod->uid);
  const registry::Target target{
      .served = pods_, .ns = decision.pod->ns, .name = decision.pod->name};
  const api::Json binding = BindingOf(*decision.pod, decision.node);
  runtime_->registry()->Bind(
      registry::PlaneContext(options_.scheduler_name), target, binding,
      [inbox = inbox_,
       decision = std::move(decision)](absl::StatusOr<registry::Written> written) mutable {
        inbox->Put(BindResult{.decision = std::move(decision), .status = written.status()});
      });
}

void Binder::BindDone(const BindResult& result) {
  --binds_in_flight_;
  const registry::Object& pod = *result.decision.pod;
  if (!result.status.ok()) {
    const registry::Reason reason =
        registry::ReasonOf(result.status).value_or(registry::Reason::kInternal);
    if (reason != registry::Reason::kConflict && reason != registry::Reason::kNotFound) {
      LogWarning("binding failed", {{"pod", pod.name}, {"error", result.status}});
    }
    return;
  }
  runtime_->events()->Record(
      options_.scheduler_name, pod, runtime::EventType::kNormal, "Scheduled",
      fmt::format("Successfully assigned {}/{} to {}", pod.ns, pod.name, result.decision.node));
  for (const std::string& claim : result.decision.claims) {
    BindClaim(pod.ns, claim);
  }
}

void Binder::Explain(const Decision& decision) {
  if (!decision.is_message_new) {
    return;
  }
  runtime_->events()->Record(options_.scheduler_name, *decision.pod, runtime::EventType::kWarning,
                             "FailedScheduling", decision.message);
  const auto [entry, is_new] = unwritten_.insert_or_assign(
      decision.pod->uid, Explanation{.pod = decision.pod, .message = decision.message});
  if (is_new) {
    write_order_.push_back(entry->first);
  }
  WriteConditions();
}

void Binder::WriteConditions() {
  while (writes_in_flight_ < options_.conditions_in_flight_max && !write_order_.empty()) {
    const auto entry = unwritten_.find(write_order_.front());
    write_order_.pop_front();
    if (entry == unwritten_.end()) {
      continue;  // it has a node by now
    }
    const Explanation next = std::move(entry->second);
    unwritten_.erase(entry);
    ++writes_in_flight_;
    registry::ChangeRequest request{
        .target = {.served = pods_, .ns = next.pod->ns, .name = next.pod->name},
        .part = registry::ChangeRequest::Part::kStatus,
        .uid = next.pod->uid};
    request.change = [message = next.message,
                      now = api::FormatTime(runtime_->clock()->WallNanos())](api::Json* pod) {
      return SetUnschedulable(message, now, pod);
    };
    runtime_->registry()->Change(registry::PlaneContext(options_.scheduler_name),
                                 std::move(request),
                                 [inbox = inbox_](absl::StatusOr<registry::Written> written) {
                                   inbox->Put(WriteResult{.status = written.status()});
                                 });
  }
}

void Binder::WriteDone() {
  --writes_in_flight_;
  WriteConditions();
}

void Binder::BindClaim(std::string_view ns, const std::string& name) {
  if (!bound_claims_.insert(fmt::format("{}/{}", ns, name)).second) {
    return;
  }
  ++writes_in_flight_;
  registry::ChangeRequest request{
      .target = {.served = claims_, .ns = std::string(ns), .name = name},
      .part = registry::ChangeRequest::Part::kStatus,
      .change = &SetBound};
  runtime_->registry()->Change(registry::PlaneContext(options_.scheduler_name), std::move(request),
                               [inbox = inbox_](absl::StatusOr<registry::Written> written) {
                                 inbox->Put(WriteResult{.status = written.status()});
                               });
}

void Binder::ClaimDeleted(std::string_view ns, std::string_view name) {
  bound_claims_.erase(fmt::format("{}/{}", ns, name));
}

}  // namespace socle::scheduler
