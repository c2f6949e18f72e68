// Change: from an object as it is and as it is wanted to what is written; the rules of every update.
#include <utility>

#include <fmt/format.h>

#include "controllers/api/defaulting.h"
#include "controllers/api/validation.h"
#include "controllers/registry/registry_impl.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Find;
using api::Json;
using api::JsonObject;
using api::JsonView;
using Part = ChangeRequest::Part;

namespace {

// Only the status of `object` counts: everything else is put back.
void KeepAllButStatus(const Json& old, Json* object) {
  JsonObject& members = object->get_object();
  if (Json* metadata = members.if_contains("metadata");
      metadata != nullptr && metadata->is_object()) {
    metadata->get_object().erase("resourceVersion");
  }
  std::vector<std::string> added;
  for (const auto& member : members) {
    if (member.key() != "status" && !old.get_object().contains(member.key())) {
      added.emplace_back(api::View(member.key()));
    }
  }
  for (const std::string& name : added) {
    members.erase(JsonView(name));
  }
  for (const auto& member : old.get_object()) {
    if (member.key() == "status") {
      continue;
    }
    Json& now = members[member.key()];
    if (now != member.value()) {
      now = member.value();
    }
  }
}

void KeepStatus(const Json& old, Json* object) {
  const Json* status = Find(old, {"status"});
  JsonObject& members = object->get_object();
  if (status == nullptr) {
    members.erase("status");
    return;
  }
  Json& now = members["status"];
  if (now != *status) {
    now = *status;
  }
}

// A template that did not change gets no new defaults, so that old objects do not grow a new revision
// (spec 1.11).
void DefaultChanged(const api::ServedKind& served, const Json& old, Json* object) {
  const Json* before = Find(old, {"spec", "template"});
  const Json* after = Find(*object, {"spec", "template"});
  const bool keeps_template = before != nullptr && after != nullptr && *before == *after;
  api::DefaultObject(served, object);
  if (keeps_template) {
    api::Set(&api::EnsureObject(object, {"spec"}), "template", *before);
  }
}

void DefaultStatus(const api::ServedKind& served, Json* object) {
  const api::Property* status = served.schema.Member("status");
  if (status == nullptr) {
    return;
  }
  JsonObject& members = object->get_object();
  if (Find(members, "status") == nullptr) {
    if (!status->schema->default_value.has_value()) {
      return;
    }
    api::Set(&members, "status", *status->schema->default_value);
  }
  api::ApplyDefaults(*status->schema, &members["status"]);
}

// The members that differ, by their schema alone.
void ValidateChanged(const api::ServedKind& served, const Json& old, const Json& object,
                     api::Causes* causes) {
  for (const api::Property& member : served.schema.members) {
    const Json* after = Find(object, {member.name});
    const Json* before = Find(old, {member.name});
    if (after == nullptr) {
      if (member.schema->is_required) {
        causes->Required(member.name);
      }
    } else if (before == nullptr || *before != *after) {
      api::ValidateAgainst(*member.schema, *after, member.name, causes);
    }
  }
}

api::Causes Validate(const api::ServedKind& served, Part part, const Json& old,
                     const Json& object) {
  if (part == Part::kMain) {
    api::Causes causes = api::ValidateUpdate(served, object, old);
    CheckFinalizers(old, object, &causes);
    return causes;
  }
  api::Causes causes;
  if (part == Part::kWhole) {
    ValidateChanged(served, old, object, &causes);
    return causes;
  }
  const api::Property* status = served.schema.Member("status");
  const Json* value = Find(object, {"status"});
  if (status != nullptr && value != nullptr) {
    api::ValidateAgainst(*status->schema, *value, "status", &causes);
  }
  return causes;
}

}  // namespace

absl::Status Present::Parse(const api::ServedKind& served) {
  boost::json::parse_options options;
  options.max_depth = api::kJsonDepthMax;
  boost::json::error_code error;
  stored_.emplace(boost::json::parse(JsonView(view_.document), error, &memory_, options));
  if (error || !stored_->is_object()) {
    return absl::DataLossError(fmt::format("{}: not a JSON object", view_.key));
  }
  if (served.hides_nothing) {
    api::Set(&stored_->get_object(), "apiVersion", Json(JsonView(served.ApiVersion())));
    api::Set(&stored_->get_object(), "kind", Json(JsonView(served.kind->kind)));
    return absl::OkStatus();
  }
  shown_.emplace(*stored_, &memory_);
  api::ToServed(served, &*shown_);
  return absl::OkStatus();
}

Json Present::Draft() {
  Json draft = Copy(old());
  api::Set(&api::EnsureObject(&draft, {"metadata"}), "resourceVersion",
           Json(JsonView(fmt::format("{}", view_.mod_revision))));
  return draft;
}

absl::StatusOr<Decision> RegistryImpl::Conclude(const WriteContext& context, const Target& target,
                                                const ChangeKind& change, const Present& present,
                                                Json* object) {
  const api::ServedKind& served = *target.served;
  const api::Kind& kind = *served.kind;
  const Json& old = present.old();
  if (!object->is_object()) {
    return BadRequest("the object is not a JSON object");
  }
  if (change.part == Part::kStatus) {
    KeepAllButStatus(old, object);
  } else {
    KeepSystemFields(old, object);
    if (change.part == Part::kMain && kind.has_status) {
      KeepStatus(old, object);
    }
  }
  if (*object == old) {
    return Decision{};
  }
  if (change.part == Part::kStatus) {
    DefaultStatus(served, object);
  } else {
    DefaultChanged(served, old, object);
  }
  const Caller caller{.user = context.user, .is_plane = context.is_plane};
  const AdmissionRequest request{.verb = Verb::kUpdate,
                                 .served = &served,
                                 .subresource = change.subresource,
                                 .ns = target.ns,
                                 .name = target.name,
                                 .old = &old,
                                 .caller = &caller,
                                 .is_dry_run = context.is_dry_run};
  RETURN_IF_ERROR(Admit(request, object));
  if (*object == old) {
    return Decision{};
  }
  if (change.part != Part::kStatus && kind.has_generation && SpecDiffers(old, *object)) {
    BumpGeneration(old, object);
  }
  if (change.is_checked) {
    RETURN_IF_ERROR(AsInvalid(kind, target.name, Validate(served, change.part, old, *object)));
  }
  RETURN_IF_ERROR(Check(request, *object));
  const bool is_released = change.part != Part::kStatus && IsReleased(*object);
  if (!served.hides_nothing) {
    api::ToStored(served, &present.stored(), object);
  }
  return Decision{.act = is_released ? Decision::Act::kRemove : Decision::Act::kReplace,
                  .document = EncodeStored(kind, *object)};
}

absl::StatusOr<Decision> RegistryImpl::DecideChange(const WriteContext& context,
                                                    const ChangeRequest& request,
                                                    const storage::ObjectView& current) {
  const api::Kind& kind = *request.target.served->kind;
  if (request.expected_revision != 0 && request.expected_revision != current.mod_revision) {
    return Conflict(kind.group, kind.resource, request.target.name, kModifiedDetail);
  }
  Present present(current);
  RETURN_IF_ERROR(present.Parse(*request.target.served));
  RETURN_IF_ERROR(CheckPreconditions(kind, request.target.name, present.old(), 0, request.uid, 0));
  Json object = present.Draft();
  if (absl::Status changed = request.change(&object); !changed.ok()) {
    return absl::IsCancelled(changed) ? absl::StatusOr<Decision>(Decision{}) : changed;
  }
  if (request.part == Part::kWhole && object.is_object()) {
    // Not even the plane gives an object another identity.
    JsonObject& metadata = api::EnsureObject(&object, {"metadata"});
    for (const char* member : {"name", "namespace", "uid", "creationTimestamp"}) {
      metadata.erase(member);
    }
  }
  const ChangeKind change{.part = request.part,
                          .subresource = request.part == Part::kStatus ? "status" : ""};
  return Conclude(context, request.target, change, present, &object);
}

void RegistryImpl::Change(WriteContext context, ChangeRequest request, Done done) {
  const api::Kind& kind = *request.target.served->kind;
  auto write = std::make_unique<GuardedWrite>();
  write->done = Counted(std::move(done));
  if (request.part == Part::kWhole && !context.is_plane) {
    write->done(Forbidden(kind.group, kind.resource, request.target.name,
                          "only the plane may change the whole object"));
    return;
  }
  if (request.part == Part::kStatus && !kind.has_status) {
    write->done(BadRequest(fmt::format("{} have no status", kind.resource)));
    return;
  }
  write->context = context;
  write->target = request.target;
  write->decide = [this, context = std::move(context),
                   request = std::move(request)](const storage::ObjectView& current) {
    return DecideChange(context, request, current);
  };
  Start(std::move(write));
}

}  // namespace socle::registry
