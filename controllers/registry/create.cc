// Create: a new object from what a client sent to what is stored.
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/registry_impl.h"
#include "controllers/storage/errors.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Json;
using api::JsonView;
using api::StringAt;

namespace {

// Of eight names of five letters one is free, unless nearly all are taken.
constexpr int kNamesTried = 8;

// Nodes come with their state: who registers a node knows it. Other clients write status later, through
// its subresource; controllers of the process may begin with one.
bool MayBringStatus(const api::Kind& kind, const WriteContext& context) {
  return context.is_plane || (kind.group.empty() && kind.resource == "nodes");
}

}  // namespace

struct RegistryImpl::Creation {
  WriteContext context;
  CreateRequest request;
  std::string name;
  std::string generate_name;  // empty: the name was given
  std::string document;
  std::vector<std::string> warnings;
  Done done;
  int tries = 0;
};

absl::Status RegistryImpl::Prepare(Creation* creation) {
  const api::ServedKind& served = *creation->request.target.served;
  const api::Kind& kind = *served.kind;
  std::string& ns = creation->request.target.ns;
  Json* object = &creation->request.object;
  RETURN_IF_ERROR(CheckType(served, object));
  RETURN_IF_ERROR(CheckStrictness(served, *object, creation->request.duplicate_fields,
                                  creation->request.strictness, &creation->warnings));
  RETURN_IF_ERROR(CheckNamespace(served, ns, object));
  ns = StringAt(*object, {"metadata", "namespace"});
  if (!StringAt(*object, {"metadata", "resourceVersion"}).empty()) {
    return BadRequest("resourceVersion should not be set on objects to be created");
  }
  api::ToServed(served, object);  // Drops what this version does not show.
  if (!creation->request.target.name.empty() && StringAt(*object, {"metadata", "name"}).empty()) {
    api::Set(&api::EnsureObject(object, {"metadata"}), "name",
             Json(JsonView(creation->request.target.name)));
  }
  creation->name = StringAt(*object, {"metadata", "name"});
  if (creation->name.empty()) {
    creation->generate_name = StringAt(*object, {"metadata", "generateName"});
  }
  if (!creation->generate_name.empty()) {
    creation->name = identities_.NewName(creation->generate_name);
    api::Set(&api::EnsureObject(object, {"metadata"}), "name", Json(JsonView(creation->name)));
  }
  StampNew(kind, identities_.NewUid(), options_.clock->WallNanos(), object);
  if (kind.has_status && !MayBringStatus(kind, creation->context)) {
    object->get_object().erase("status");
  }
  api::DefaultObject(served, object);

  const Caller caller{.user = creation->context.user, .is_plane = creation->context.is_plane};
  const AdmissionRequest request{
      .verb = Verb::kCreate,
      .served = &served,
      .ns = ns,
      .name = creation->generate_name.empty() ? creation->name : std::string_view(),
      .caller = &caller,
      .is_dry_run = creation->context.is_dry_run};
  RETURN_IF_ERROR(Admit(request, object));
  if (!options_.admission.empty()) {
    api::DefaultObject(served, object);  // What was added has defaults too.
  }
  RETURN_IF_ERROR(AsInvalid(kind, creation->name, api::ValidateCreate(served, *object)));
  RETURN_IF_ERROR(Check(request, *object));
  api::ToStored(served, nullptr, object);
  creation->document = EncodeStored(kind, *object);
  return absl::OkStatus();
}

void RegistryImpl::Create(WriteContext context, CreateRequest request, Done done) {
  auto creation = std::make_unique<Creation>();
  creation->context = std::move(context);
  creation->request = std::move(request);
  creation->done = Counted(std::move(done));
  if (absl::Status prepared = Prepare(creation.get()); !prepared.ok()) {
    creation->done(std::move(prepared));
    return;
  }
  if (!creation->context.is_dry_run) {
    SubmitCreation(std::move(creation));
    return;
  }
  const api::Kind& kind = *creation->request.target.served->kind;
  const absl::StatusOr<storage::GetResult> got =
      options_.store->Get({.key = ObjectKey(kind, creation->request.target.ns, creation->name)});
  if (!got.ok()) {
    creation->done(got.status());
  } else if (got->object) {
    creation->done(AlreadyExists(kind.group, kind.resource, creation->name));
  } else {
    creation->done(Written{.kind = kind.storing_kind,
                           .document = std::move(creation->document),
                           .is_created = true,
                           .warnings = std::move(creation->warnings)});
  }
}

void RegistryImpl::SubmitCreation(std::unique_ptr<Creation> creation) {
  const api::Kind& kind = *creation->request.target.served->kind;
  storage::Write write{.kind = storage::WriteKind::kCreate,
                       .key = ObjectKey(kind, creation->request.target.ns, creation->name),
                       .document = creation->document,
                       .ttl_seconds = TtlOf(kind),
                       .wants_current = false};
  options_.store->Submit(std::move(write), [this, &kind, creation = std::move(creation)](
                                               const storage::WriteResult& result) mutable {
    if (result.ok()) {
      Written written{.kind = kind.storing_kind,
                      .document = std::move(creation->document),
                      .create_revision = result.revision,
                      .mod_revision = result.revision,
                      .is_created = true,
                      .warnings = std::move(creation->warnings)};
      TellStored(written);
      creation->done(std::move(written));
      return;
    }
    if (storage::ErrorOf(result.status) != storage::StorageError::kAlreadyExists) {
      creation->done(result.status);
      return;
    }
    if (creation->generate_name.empty() || ++creation->tries >= kNamesTried) {
      creation->done(AlreadyExists(kind.group, kind.resource, creation->name));
      return;
    }
    creation->name = identities_.NewName(creation->generate_name);
    Json* object = &creation->request.object;
    api::Set(&api::EnsureObject(object, {"metadata"}), "name", Json(JsonView(creation->name)));
    creation->document = EncodeStored(kind, *object);
    SubmitCreation(std::move(creation));
  });
}

}  // namespace socle::registry
