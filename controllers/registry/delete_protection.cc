#include "controllers/registry/delete_protection.h"

#include <string>

#include <fmt/format.h>

#include "controllers/registry/errors.h"
#include "controllers/registry/metadata.h"

namespace socle::registry {
namespace {

constexpr std::string_view kLabel = "policy.kruise.io/delete-protection";

}  // namespace

int64_t DeleteProtection::CountDependents(const AdmissionRequest& request,
                                          const api::Json& object) const {
  const api::Kind& kind = *request.served->kind;
  if (IsNamespace(kind)) {
    const api::ServedKind* pods = kinds_->Preferred("", "pods");
    return pods == nullptr
               ? 0
               : static_cast<int64_t>(
                     cache_->List({.kind = pods->kind, .ns = std::string(request.name)}).size());
  }
  return kind.scale.has_value() ? api::IntAt(object, {"spec", "replicas"}).value_or(0) : 0;
}

absl::Status DeleteProtection::Check(const AdmissionRequest& request, const api::Json& object) {
  const api::Kind& kind = *request.served->kind;
  if (request.verb != Verb::kDelete || IsPod(kind) ||
      api::Find(object, {"metadata", "deletionTimestamp"}) != nullptr) {
    return absl::OkStatus();
  }
  const std::string_view wish = api::StringAt(object, {"metadata", "labels", kLabel});
  if (wish == "Always") {
    return Forbidden(kind.group, kind.resource, request.name,
                     fmt::format("the label {}=Always forbids its deletion", kLabel));
  }
  if (wish != "Cascading") {
    return absl::OkStatus();
  }
  const int64_t dependents = CountDependents(request, object);
  if (dependents == 0) {
    return absl::OkStatus();
  }
  return Forbidden(kind.group, kind.resource, request.name,
                   fmt::format("the label {}=Cascading forbids its deletion while it has {} {}",
                               kLabel, dependents, IsNamespace(kind) ? "pods" : "replicas"));
}

}  // namespace socle::registry
