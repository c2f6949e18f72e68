// Update and Patch: whole objects and patches of clients, on an object or one of its subresources.
#include <utility>

#include <fmt/format.h>

#include "controllers/api/json_patch.h"
#include "controllers/api/strategic_merge.h"
#include "controllers/registry/registry_impl.h"
#include "controllers/registry/scale.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Json;
using api::JsonView;
using api::StringAt;
using Part = ChangeRequest::Part;

namespace {

absl::Status CheckSubresource(const Target& target, std::string_view subresource) {
  const api::Kind& kind = *target.served->kind;
  if (subresource.empty() ||
      (kind.HasSubresource(subresource) &&
       (subresource == "status" || subresource == "scale" || subresource == "finalize"))) {
    return absl::OkStatus();
  }
  return NotFound(kind.group, fmt::format("{}/{}", kind.resource, subresource), target.name);
}

absl::Status CheckName(std::string_view name, Json* object) {
  const std::string given(StringAt(*object, {"metadata", "name"}));
  if (given.empty()) {
    api::Set(&api::EnsureObject(object, {"metadata"}), "name", Json(JsonView(name)));
  } else if (given != name) {
    return BadRequest(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", given, name));
  }
  return absl::OkStatus();
}

absl::Status ApplyPatch(const PatchRequest& request, Json* object) {
  const api::Kind& kind = *request.target.served->kind;
  const bool is_scale = request.subresource == "scale";
  absl::Status applied;
  switch (request.type) {
    case PatchType::kJson:
      applied = api::ApplyJsonPatch(request.patch, object);
      break;
    case PatchType::kStrategic:
      if (!kind.has_strategic_merge && !is_scale) {
        return MakeStatus(
            {.reason = Reason::kUnsupportedMediaType,
             .message = "the body of the request was in an unknown format - accepted media types "
                        "include: application/json-patch+json, application/merge-patch+json"});
      }
      if (!is_scale) {
        applied = api::ApplyStrategicMerge(request.target.served->schema, request.patch, object);
        break;
      }
      [[fallthrough]];  // A Scale has no lists: both patches are the same.
    case PatchType::kMerge:
      if (!request.patch.is_object()) {
        return BadRequest("the patch is not a JSON object");
      }
      api::ApplyMergePatch(request.patch, object);
      break;
  }
  if (absl::IsFailedPrecondition(applied)) {
    return MakeStatus({.reason = Reason::kInvalid,
                       .message = "the server rejected our request due to an error in our request",
                       .causes = {{.reason = "UnexpectedServerResponse",
                                   .message = std::string(MessageOf(applied))}}});
  }
  return applied;
}

}  // namespace

absl::StatusOr<Decision> RegistryImpl::AcceptScale(const WriteContext& context,
                                                   const Target& target, Present* present,
                                                   const Json& scale) {
  Json object = present->Copy(present->old());
  RETURN_IF_ERROR(ApplyScale(*target.served->kind, target.name, scale, &object));
  return Conclude(context, target, {.part = Part::kMain, .subresource = "scale"}, *present,
                  &object);
}

absl::StatusOr<Decision> RegistryImpl::Accept(const WriteContext& context, const Target& target,
                                              std::string_view subresource, Present* present,
                                              Json* object) {
  const api::Kind& kind = *target.served->kind;
  ASSIGN_OR_RETURN(const int64_t expected, RevisionIn(*object));
  RETURN_IF_ERROR(CheckPreconditions(kind, target.name, present->old(), 0,
                                     StringAt(*object, {"metadata", "uid"}), 0));
  if (expected == 0 && !kind.may_update_unconditionally && subresource.empty()) {
    api::Causes causes;
    causes.Invalid("metadata.resourceVersion", Json(0), "must be specified for an update");
    return AsInvalid(kind, target.name, causes);
  }
  if (expected != 0 && expected != present->view().mod_revision) {
    return Conflict(kind.group, kind.resource, target.name, kModifiedDetail);
  }
  if (subresource == "scale") {
    return AcceptScale(context, target, present, *object);
  }
  api::ToServed(*target.served, object);  // Drops what this version does not show.
  if (subresource != "finalize") {
    const Part part = subresource == "status" ? Part::kStatus : Part::kMain;
    return Conclude(context, target, {.part = part, .subresource = subresource}, *present, object);
  }
  Json next = present->Copy(present->old());
  const Json* finalizers = api::Find(*object, {"spec", "finalizers"});
  api::Set(&api::EnsureObject(&next, {"spec"}), "finalizers",
           finalizers == nullptr ? Json(api::JsonArray()) : *finalizers);
  return Conclude(context, target, {.part = Part::kMain, .subresource = subresource}, *present,
                  &next);
}

absl::StatusOr<Decision> RegistryImpl::DecideUpdate(const WriteContext& context,
                                                    const UpdateRequest& request,
                                                    const storage::ObjectView& current) {
  Present present(current);
  RETURN_IF_ERROR(present.Parse(*request.target.served));
  Json object = present.Copy(request.object);
  return Accept(context, request.target, request.subresource, &present, &object);
}

absl::StatusOr<Decision> RegistryImpl::DecidePatch(const WriteContext& context,
                                                   const PatchRequest& request,
                                                   const storage::ObjectView& current,
                                                   std::vector<std::string>* warnings) {
  const api::ServedKind& served = *request.target.served;
  Present present(current);
  RETURN_IF_ERROR(present.Parse(served));
  const bool is_scale = request.subresource == "scale";
  Json object =
      is_scale ? ScaleDocument(*served.kind, present.old(), current.mod_revision) : present.Draft();
  RETURN_IF_ERROR(ApplyPatch(request, &object));
  if (!is_scale) {
    RETURN_IF_ERROR(CheckType(served, &object));
    warnings->clear();
    RETURN_IF_ERROR(CheckStrictness(served, object, {}, request.strictness, warnings));
  }
  return Accept(context, request.target, request.subresource, &present, &object);
}

void RegistryImpl::Update(WriteContext context, UpdateRequest request, Done done) {
  auto write = std::make_unique<GuardedWrite>();
  write->done = Counted(std::move(done));
  const api::ServedKind& served = *request.target.served;
  const auto prepare = [&] {
    RETURN_IF_ERROR(CheckSubresource(request.target, request.subresource));
    if (request.subresource != "scale") {
      RETURN_IF_ERROR(CheckType(served, &request.object));
      RETURN_IF_ERROR(CheckStrictness(served, request.object, request.duplicate_fields,
                                      request.strictness, &write->warnings));
    } else if (!request.object.is_object()) {
      return BadRequest("the object is not a JSON object");
    }
    RETURN_IF_ERROR(CheckNamespace(served, request.target.ns, &request.object));
    return CheckName(request.target.name, &request.object);
  };
  if (absl::Status prepared = prepare(); !prepared.ok()) {
    write->done(std::move(prepared));
    return;
  }
  write->context = context;
  write->target = request.target;
  auto shared = std::make_shared<UpdateRequest>(std::move(request));
  write->decide = [this, context, shared](const storage::ObjectView& current) {
    return DecideUpdate(context, *shared, current);
  };
  if (served.kind->may_create_on_update && shared->subresource.empty() &&
      StringAt(shared->object, {"metadata", "resourceVersion"}).empty()) {
    write->when_missing = [this, context, shared](Done missing) mutable {
      Create(std::move(context),
             {.target = std::move(shared->target),
              .object = std::move(shared->object),
              .strictness = shared->strictness,
              .duplicate_fields = std::move(shared->duplicate_fields)},
             std::move(missing));
    };
  }
  Start(std::move(write));
}

void RegistryImpl::Patch(WriteContext context, PatchRequest request, Done done) {
  auto write = std::make_unique<GuardedWrite>();
  write->done = Counted(std::move(done));
  if (absl::Status known = CheckSubresource(request.target, request.subresource); !known.ok()) {
    write->done(std::move(known));
    return;
  }
  write->context = context;
  write->target = request.target;
  std::vector<std::string>* warnings = &write->warnings;  // Lives as long as decide.
  write->decide = [this, warnings, context = std::move(context),
                   request = std::move(request)](const storage::ObjectView& current) {
    return DecidePatch(context, request, current, warnings);
  };
  Start(std::move(write));
}

}  // namespace socle::registry
