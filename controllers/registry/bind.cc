// Bind: a pod gets its node, once.
#include <utility>

#include <fmt/format.h>

#include "controllers/api/names.h"
#include "controllers/api/timestamp.h"
#include "controllers/registry/registry_impl.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Find;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

namespace {

absl::Status CheckBinding(std::string_view name, const Json& binding) {
  if (!binding.is_object()) {
    return BadRequest("the binding is not a JSON object");
  }
  const std::string_view given = StringAt(binding, {"metadata", "name"});
  if (!given.empty() && given != name) {
    return BadRequest("name in URL does not match name in Binding object");
  }
  api::Causes causes;
  const std::string_view kind = StringAt(binding, {"target", "kind"});
  const std::string_view node = StringAt(binding, {"target", "name"});
  if (!kind.empty() && kind != "Node") {
    causes.NotSupported("target.kind", Json(JsonView(kind)), {"Node", "<empty>"});
  }
  if (node.empty()) {
    causes.Required("target.name");
  } else {
    for (const std::string& problem : api::FormatProblems(api::Format::kDnsSubdomain, node)) {
      causes.Invalid("target.name", Json(JsonView(node)), problem);
    }
  }
  return causes.empty() ? absl::OkStatus() : Invalid("", "Binding", name, causes);
}

// What is against binding the pod; empty when nothing is.
std::string Obstacle(std::string_view name, const Json& pod) {
  const std::string_view node = StringAt(pod, {"spec", "nodeName"});
  if (Find(pod, {"metadata", "deletionTimestamp"}) != nullptr) {
    return fmt::format("pod {} is being deleted, cannot be assigned to a host", name);
  }
  if (!node.empty()) {
    return fmt::format("pod {} is already assigned to node \"{}\"", name, node);
  }
  const JsonArray* gates = api::FindArray(pod, {"spec", "schedulingGates"});
  if (gates != nullptr && !gates->empty()) {
    return fmt::format("pod {} has non-empty .spec.schedulingGates", name);
  }
  return {};
}

void SetScheduled(int64_t wall_nanos, Json* pod) {
  Json condition = JsonObject{{"type", "PodScheduled"}, {"status", "True"}};
  api::Set(&condition.get_object(), "lastTransitionTime",
           Json(JsonView(api::FormatTime(wall_nanos))));
  Json& conditions = api::EnsureObject(pod, {"status"})["conditions"];
  if (!conditions.is_array()) {
    conditions = JsonArray();
  }
  for (Json& one : conditions.get_array()) {
    if (StringAt(one, {"type"}) == "PodScheduled") {
      one = std::move(condition);
      return;
    }
  }
  conditions.get_array().push_back(std::move(condition));
}

}  // namespace

absl::StatusOr<Decision> RegistryImpl::DecideBinding(const WriteContext& context, const Target& pod,
                                                     const Json& binding,
                                                     const storage::ObjectView& current) {
  Present present(current);
  RETURN_IF_ERROR(present.Parse(*pod.served));
  ASSIGN_OR_RETURN(const int64_t expected, RevisionIn(binding));
  RETURN_IF_ERROR(CheckPreconditions(*pod.served->kind, pod.name, present.old(),
                                     current.mod_revision, StringAt(binding, {"metadata", "uid"}),
                                     expected));
  const std::string obstacle = Obstacle(pod.name, present.old());
  if (!obstacle.empty()) {
    return Conflict("", "pods/binding", pod.name, obstacle);
  }
  Json object = present.Copy(present.old());
  api::Set(&api::EnsureObject(&object, {"spec"}), "nodeName",
           Json(JsonView(StringAt(binding, {"target", "name"}))));
  if (const JsonObject* annotations = api::FindObject(binding, {"metadata", "annotations"})) {
    JsonObject& own = api::EnsureObject(&object, {"metadata", "annotations"});
    for (const auto& annotation : *annotations) {
      own[annotation.key()] = annotation.value();
    }
  }
  SetScheduled(options_.clock->WallNanos(), &object);
  return Conclude(context, pod,
                  {.part = ChangeRequest::Part::kWhole,
                   .subresource = "binding",
                   .is_checked = api::Find(binding, {"metadata", "annotations"}) != nullptr},
                  present, &object);
}

void RegistryImpl::Bind(WriteContext context, const Target& pod, const Json& binding, Done done) {
  auto write = std::make_unique<GuardedWrite>();
  write->done = Counted(std::move(done));
  if (absl::Status valid = CheckBinding(pod.name, binding); !valid.ok()) {
    write->done(std::move(valid));
    return;
  }
  write->context = context;
  write->target = pod;
  write->decide = [this, context = std::move(context), pod,
                   binding](const storage::ObjectView& current) {
    return DecideBinding(context, pod, binding, current);
  };
  Start(std::move(write));
}

}  // namespace socle::registry
