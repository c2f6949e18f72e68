#include "controllers/registry/namespace_lifecycle.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/errors.h"
#include "controllers/registry/metadata.h"
#include "kv/base/status_macros.h"

namespace socle::registry {
namespace {

using api::Json;
using api::StringAt;

constexpr std::string_view kFinalizer = "kubernetes";

bool IsActive(const Object& space) {
  return !space.is_deleting && space.FieldText("status.phase") != "Terminating";
}

absl::Status Terminating(const AdmissionRequest& request, const Json& object) {
  const api::Kind& kind = *request.served->kind;
  const std::string_view prefix = StringAt(object, {"metadata", "generateName"});
  ApiError error = ErrorOf(Forbidden(
      kind.group, kind.resource, request.name.empty() ? prefix : request.name,
      fmt::format("unable to create new content in namespace {} because it is being terminated",
                  request.ns)));
  error.causes = {{.reason = "NamespaceTerminating",
                   .message = fmt::format("namespace {} is being terminated", request.ns),
                   .field = "metadata.namespace"}};
  return MakeStatus(error);
}

void AddFinalizer(Json* object) {
  Json& finalizers = api::EnsureObject(object, {"spec"})["finalizers"];
  if (!finalizers.is_array()) {
    finalizers.emplace_array();
  }
  api::JsonArray& list = finalizers.get_array();
  const bool is_there = std::any_of(list.begin(), list.end(), [](const Json& one) {
    return one.is_string() && api::View(one.get_string()) == kFinalizer;
  });
  if (!is_there) {
    list.emplace_back(api::JsonView(kFinalizer));
  }
}

}  // namespace

NamespaceLifecycle::NamespaceLifecycle(storage::StateStore* store, const ObjectCache* cache,
                                       const api::KindRegistry* kinds)
    : store_(store), cache_(cache), namespaces_([kinds] {
        const api::ServedKind* served = kinds->Preferred("", "namespaces");
        return served == nullptr ? nullptr : served->kind;
      }()) {}

absl::Status NamespaceLifecycle::CheckRoom(const AdmissionRequest& request,
                                           const Json& object) const {
  ObjectRef space = cache_->Get(*namespaces_, "", request.ns);
  if (space == nullptr || !IsActive(*space)) {
    // The cache may lag behind: the store knows.
    std::string key = ObjectKey(*namespaces_, "", request.ns);
    ASSIGN_OR_RETURN(const storage::GetResult got, store_->Get({.key = key}));
    if (!got.object) {
      return NotFound("", "namespaces", request.ns);
    }
    ASSIGN_OR_RETURN(space, DecodeObject(*namespaces_, key, got.object->document,
                                         got.object->create_revision, got.object->mod_revision));
  }
  return IsActive(*space) ? absl::OkStatus() : Terminating(request, object);
}

absl::Status NamespaceLifecycle::Admit(const AdmissionRequest& request, Json* object) {
  if (namespaces_ == nullptr) {
    return absl::OkStatus();
  }
  const bool is_namespace = IsNamespace(*request.served->kind);
  if (request.verb == Verb::kCreate) {
    if (is_namespace) {
      AddFinalizer(object);
    } else if (!request.ns.empty()) {
      return CheckRoom(request, *object);
    }
  } else if (is_namespace && request.subresource.empty() && request.old != nullptr) {
    const Json* finalizers = api::Find(*request.old, {"spec", "finalizers"});
    api::JsonObject& spec = api::EnsureObject(object, {"spec"});
    if (finalizers == nullptr) {
      spec.erase("finalizers");
    } else {
      api::Set(&spec, "finalizers", *finalizers);
    }
  }
  return absl::OkStatus();
}

absl::Status NamespaceLifecycle::Check(const AdmissionRequest& request, const Json&) {
  if (request.verb == Verb::kDelete && IsNamespace(*request.served->kind) &&
      std::find(kSystemNamespaces.begin(), kSystemNamespaces.end(), request.name) !=
          kSystemNamespaces.end()) {
    return Forbidden("", "namespaces", request.name, "this namespace may not be deleted");
  }
  return absl::OkStatus();
}

}  // namespace socle::registry
