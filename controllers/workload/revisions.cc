#include "controllers/workload/revisions.h"

#include <xxhash.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "controllers/api/names.h"
#include "controllers/registry/errors.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_control.h"
#include "kv/base/status_macros.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonObject;
using api::JsonView;

constexpr size_t kLabelBytesMax = 63;
constexpr int kCollisionsMax = 64;
constexpr std::string_view kWriter = "revisions";

registry::Target TargetOf(const runtime::Runtime& runtime, std::string_view ns,
                          std::string_view name) {
  return {.served = runtime.Served("apps", "controllerrevisions"),
          .ns = std::string(ns),
          .name = std::string(name)};
}

registry::ObjectRef Decode(const registry::Target& target, const registry::Written& written) {
  const api::Kind& kind = *target.served->kind;
  absl::StatusOr<registry::ObjectRef> object =
      registry::DecodeObject(kind, registry::ObjectKey(kind, target.ns, target.name),
                             written.document, written.create_revision, written.mod_revision);
  return object.ok() ? *std::move(object) : nullptr;
}

absl::StatusOr<Revision> RevisionIn(const registry::Target& target,
                                    const absl::StatusOr<registry::Written>& written) {
  RETURN_IF_ERROR(written.status());
  const registry::ObjectRef object = Decode(target, *written);
  if (object == nullptr) {
    return absl::DataLossError(fmt::format("revision {} can't be read back", target.name));
  }
  return ReadRevision(object);
}

// Makes `change` on the revision.
absl::StatusOr<Revision> Alter(runtime::Runtime* runtime, const Revision& revision,
                               std::function<void(Json*)> change) {
  registry::ChangeRequest request;
  request.target = TargetOf(*runtime, revision.object->ns, revision.name);
  request.uid = revision.object->uid;
  request.change = [change = std::move(change)](Json* object) {
    change(object);
    return absl::OkStatus();
  };
  const registry::Target target = request.target;
  return RevisionIn(
      target, runtime->registry()->Change(registry::PlaneContext(kWriter), std::move(request)));
}

Json NewRevision(const RevisionForm& form, std::string_view name, std::string_view hash,
                 int64_t number) {
  JsonObject labels;
  for (const auto& [key, value] : form.labels) {
    labels[JsonView(key)] = JsonView(value);
  }
  labels[JsonView(kRevisionHashLabel)] = JsonView(hash);
  Json object = JsonObject{{"apiVersion", "apps/v1"},
                           {"kind", "ControllerRevision"},
                           {"metadata", JsonObject{{"name", JsonView(name)},
                                                   {"namespace", JsonView(form.ns)},
                                                   {"labels", std::move(labels)}}},
                           {"data", form.data},
                           {"revision", number}};
  if (!form.annotations.empty()) {
    api::EnsureObject(&object, {"metadata"})["annotations"] = form.annotations;
  }
  AddController(*form.owner, &object);
  return object;
}

// The revision that has the name already, made the owner's when it holds the form and has no owner;
// nullopt when it is another's or another form.
absl::StatusOr<std::optional<Revision>> Existing(runtime::Runtime* runtime,
                                                 const RevisionForm& form, std::string_view name,
                                                 std::string_view canonical) {
  ASSIGN_OR_RETURN(const registry::ObjectRef object,
                   runtime->registry()->Get(TargetOf(*runtime, form.ns, name)));
  Revision found = ReadRevision(object);
  if (found.canonical != canonical || object->is_deleting) {
    return std::nullopt;
  }
  const registry::OwnerReference* controller = object->Controller();
  if (controller != nullptr) {
    return controller->uid == form.owner->uid ? std::optional(std::move(found)) : std::nullopt;
  }
  const registry::Object& owner = *form.owner;
  return Alter(runtime, found, [&owner](Json* one) { AddController(owner, one); });
}

absl::StatusOr<Revision> Make(runtime::Runtime* runtime, const RevisionForm& form,
                              std::string_view canonical, int64_t number,
                              int64_t* collision_count) {
  for (int tries = 0; tries < kCollisionsMax; ++tries) {
    const std::string hash = RevisionHash(canonical, *collision_count);
    const std::string name = RevisionName(form.owner->name, hash);
    registry::CreateRequest request{.target = TargetOf(*runtime, form.ns, name),
                                    .object = NewRevision(form, name, hash, number)};
    const registry::Target target = request.target;
    absl::StatusOr<registry::Written> written =
        runtime->registry()->Create(registry::PlaneContext(kWriter), std::move(request));
    if (registry::ReasonOf(written.status()) != registry::Reason::kAlreadyExists) {
      return RevisionIn(target, written);
    }
    ASSIGN_OR_RETURN(std::optional<Revision> existing, Existing(runtime, form, name, canonical));
    if (existing.has_value()) {
      return *std::move(existing);
    }
    ++*collision_count;
  }
  return absl::ResourceExhaustedError(
      fmt::format("no free name for a revision of {}", form.owner->name));
}

}  // namespace

Revision ReadRevision(const registry::ObjectRef& object) {
  Revision revision;
  revision.object = object;
  revision.name = object->name;
  Json document = object->Parse();
  revision.number = api::IntAt(document, {"revision"}).value_or(0);
  if (const Json* data = api::Find(document, {"data"})) {
    revision.data = *data;
  }
  revision.canonical = api::CanonicalDump(revision.data);
  if (const JsonObject* annotations = api::FindObject(document, {"metadata", "annotations"})) {
    revision.annotations = *annotations;
  }
  return revision;
}

std::vector<Revision> RevisionsOf(const runtime::Runtime& runtime, const registry::Object& owner) {
  const api::Kind* kind = runtime.Served("apps", "controllerrevisions")->kind;
  std::vector<Revision> revisions;
  for (const registry::ObjectRef& object : runtime.cache()->OwnedBy(kind, owner.uid)) {
    const registry::OwnerReference* controller = object->Controller();
    if (controller != nullptr && controller->uid == owner.uid && !object->is_deleting) {
      revisions.push_back(ReadRevision(object));
    }
  }
  std::sort(revisions.begin(), revisions.end(), [](const Revision& a, const Revision& b) {
    return std::tuple(a.number, a.object->create_revision, std::string_view(a.name)) <
           std::tuple(b.number, b.object->create_revision, std::string_view(b.name));
  });
  return revisions;
}

Json TemplateForm(const Json& pod_template) {
  JsonObject form = pod_template.is_object() ? pod_template.get_object() : JsonObject();
  form["$patch"] = "replace";
  return JsonObject{{"spec", JsonObject{{"template", std::move(form)}}}};
}

Json TemplateOf(const Json& data) {
  const JsonObject* form = api::FindObject(data, {"spec", "template"});
  JsonObject pod_template = form == nullptr ? JsonObject() : *form;
  pod_template.erase("$patch");
  return pod_template;
}

std::string RevisionHash(std::string_view canonical, int64_t collision_count) {
  const uint64_t hash = XXH3_64bits_withSeed(canonical.data(), canonical.size(),
                                             static_cast<uint64_t>(collision_count));
  return api::SafeEncode(fmt::format("{}", hash & 0xFFFF'FFFFU));
}

std::string RevisionName(std::string_view owner, std::string_view hash) {
  // It is the value of a label of every pod as well.
  std::string_view base = owner.substr(0, kLabelBytesMax - 1 - std::min<size_t>(hash.size(), 10));
  while (!base.empty() && (base.back() == '-' || base.back() == '.')) {
    base.remove_suffix(1);
  }
  return fmt::format("{}-{}", base, hash);
}

absl::StatusOr<Revision> SyncRevision(runtime::Runtime* runtime, const RevisionForm& form,
                                      std::vector<Revision>* history, int64_t* collision_count) {
  const std::string canonical = api::CanonicalDump(form.data);
  const int64_t highest = history->empty() ? 0 : history->back().number;
  const auto same = std::find_if(history->rbegin(), history->rend(),
                                 [&](const Revision& one) { return one.canonical == canonical; });
  Revision revision;
  if (same == history->rend()) {
    ASSIGN_OR_RETURN(revision, Make(runtime, form, canonical, highest + 1, collision_count));
  } else {
    revision = *same;
    history->erase(std::next(same).base());
  }
  // Raised when it is not the newest alone, or was found under its name with an old number.
  const bool is_newest = history->empty() || revision.number > history->back().number;
  if (!is_newest) {
    const int64_t next = highest + 1;
    ASSIGN_OR_RETURN(revision, Alter(runtime, revision,
                                     [next](Json* one) { one->get_object()["revision"] = next; }));
  }
  history->push_back(revision);
  return revision;
}

std::vector<std::string> RevisionsToDrop(const std::vector<Revision>& history,
                                         const StringSet& in_use, int64_t limit) {
  std::vector<std::string> unused;
  for (const Revision& one : history) {
    if (!in_use.contains(one.name)) {
      unused.push_back(one.name);
    }
  }
  const auto kept = static_cast<size_t>(std::max<int64_t>(limit, 0));
  unused.resize(unused.size() > kept ? unused.size() - kept : 0);
  return unused;
}

absl::Status DropRevisions(runtime::Runtime* runtime, const std::vector<Revision>& history,
                           const std::vector<std::string>& names) {
  for (const Revision& one : history) {
    if (std::find(names.begin(), names.end(), one.name) == names.end()) {
      continue;
    }
    registry::DeleteRequest request{.target = TargetOf(*runtime, one.object->ns, one.name),
                                    .uid = one.object->uid};
    const absl::StatusOr<registry::Written> written =
        runtime->registry()->Delete(registry::PlaneContext(kWriter), std::move(request));
    if (!written.ok() && registry::ReasonOf(written.status()) != registry::Reason::kNotFound) {
      return written.status();
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::workload
