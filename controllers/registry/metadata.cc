#include "controllers/registry/metadata.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/names.h"
#include "controllers/api/timestamp.h"
#include "controllers/api/validation.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Find;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

std::string Identities::NewUid() {
  uint64_t high = 0;
  uint64_t low = 0;
  {
    MutexLock lock(&mu_);
    high = random_.Next();
    low = random_.Next();
  }
  return fmt::format("{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}", high >> 32U, (high >> 16U) & 0xFFFFU,
                     high & 0xFFFU, 0x8000U | ((low >> 48U) & 0x3FFFU), low & 0xFFFFFFFFFFFFU);
}

std::string Identities::NewName(std::string_view prefix) {
  MutexLock lock(&mu_);
  return api::GenerateName(prefix, &random_);
}

absl::Status CheckType(const api::ServedKind& served, Json* object) {
  if (!object->is_object()) {
    return BadRequest("the object is not a JSON object");
  }
  const Json* metadata = Find(*object, {"metadata"});
  if (metadata != nullptr && !metadata->is_object()) {
    return BadRequest("metadata is not a JSON object");
  }
  const std::string version = served.ApiVersion();
  const std::string_view given = StringAt(*object, {"apiVersion"});
  const std::string_view kind = StringAt(*object, {"kind"});
  if (!given.empty() && given != version) {
    return BadRequest(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    given, version));
  }
  if (!kind.empty() && kind != served.kind->kind) {
    return BadRequest(fmt::format("{} in version \"{}\" cannot be handled as a {}", kind,
                                  served.version, served.kind->kind));
  }
  JsonObject& members = object->get_object();
  api::Set(&members, "apiVersion", Json(JsonView(version)));
  api::Set(&members, "kind", Json(JsonView(served.kind->kind)));
  return absl::OkStatus();
}

absl::Status CheckNamespace(const api::ServedKind& served, std::string_view ns, Json* object) {
  JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  if (!served.kind->is_namespaced) {
    metadata.erase("namespace");
    return absl::OkStatus();
  }
  const std::string_view given = StringAt(metadata, "namespace");
  if (!given.empty() && !ns.empty() && given != ns) {
    return BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  if (given.empty() && !ns.empty()) {
    api::Set(&metadata, "namespace", Json(JsonView(ns)));
  }
  return absl::OkStatus();
}

absl::Status CheckStrictness(const api::ServedKind& served, const Json& object,
                             const std::vector<std::string>& duplicates, Strictness strictness,
                             std::vector<std::string>* warnings) {
  if (strictness == Strictness::kIgnore) {
    return absl::OkStatus();
  }
  const std::vector<std::string> unknown = api::UnknownFields(served.schema, object);
  if (unknown.empty() && duplicates.empty()) {
    return absl::OkStatus();
  }
  if (strictness == Strictness::kStrict) {
    const std::string problem = api::StrictDecodingMessage(unknown, duplicates);
    // Kinds that Kubernetes would have as custom resources are told without the preamble.
    return BadRequest(served.kind->has_strategic_merge
                          ? fmt::format("{} in version \"{}\" cannot be handled as a {}: {}",
                                        served.kind->kind, served.version, served.kind->kind,
                                        problem)
                          : problem);
  }
  for (const std::string& field : unknown) {
    warnings->push_back(fmt::format("unknown field \"{}\"", field));
  }
  for (const std::string& field : duplicates) {
    warnings->push_back(fmt::format("duplicate field \"{}\"", field));
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> RevisionIn(const Json& object) {
  const std::string_view text = StringAt(object, {"metadata", "resourceVersion"});
  int64_t revision = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), revision);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size() || revision < 0)) {
    return BadRequest(fmt::format("metadata.resourceVersion: Invalid value: \"{}\"", text));
  }
  return revision;
}

void StampNew(const api::Kind& kind, std::string_view uid, int64_t wall_nanos, Json* object) {
  JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  for (const char* member :
       {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"}) {
    metadata.erase(member);
  }
  api::Set(&metadata, "uid", Json(JsonView(uid)));
  api::Set(&metadata, "creationTimestamp", Json(JsonView(api::FormatTime(wall_nanos))));
  if (kind.has_generation) {
    api::Set(&metadata, "generation", 1);
  } else {
    metadata.erase("generation");
  }
}

void KeepSystemFields(const Json& old, Json* object) {
  const JsonObject* before = api::FindObject(old, {"metadata"});
  if (before == nullptr) {
    return;
  }
  JsonObject& metadata = api::EnsureObject(object, {"metadata"});
  metadata.erase("resourceVersion");
  metadata.erase("selfLink");
  for (const char* member : {"generation", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    const Json* kept = Find(*before, member);
    if (kept == nullptr) {
      metadata.erase(member);
    } else {
      api::Set(&metadata, member, *kept);
    }
  }
  // These may be left out; given, they must be the same, which validation sees to.
  for (const char* member : {"name", "namespace", "uid", "creationTimestamp"}) {
    const Json* kept = Find(*before, member);
    if (kept != nullptr && Find(metadata, member) == nullptr) {
      api::Set(&metadata, member, *kept);
    }
  }
}

bool SpecDiffers(const Json& old, const Json& object) {
  const auto counts = [](std::string_view name) {
    return name != "metadata" && name != "status" && name != "kind" && name != "apiVersion";
  };
  size_t members = 0;
  for (const auto& member : object.get_object()) {
    if (counts(api::View(member.key())) && !member.value().is_null()) {
      ++members;
      const Json* before = Find(old.get_object(), api::View(member.key()));
      if (before == nullptr || *before != member.value()) {
        return true;
      }
    }
  }
  for (const auto& member : old.get_object()) {
    members -= counts(api::View(member.key())) && !member.value().is_null() ? 1 : 0;
  }
  return members != 0;
}

void BumpGeneration(const Json& old, Json* object) {
  api::Set(&api::EnsureObject(object, {"metadata"}), "generation",
           api::IntAt(old, {"metadata", "generation"}).value_or(0) + 1);
}

void CheckFinalizers(const Json& old, const Json& object, api::Causes* causes) {
  const JsonArray* after = api::FindArray(object, {"metadata", "finalizers"});
  if (after == nullptr || Find(old, {"metadata", "deletionTimestamp"}) == nullptr) {
    return;
  }
  StringSet before;
  const JsonArray* had = api::FindArray(old, {"metadata", "finalizers"});
  for (size_t i = 0; had != nullptr && i < had->size(); ++i) {
    before.insert(api::Dump((*had)[i]));
  }
  std::vector<std::string> added;
  for (const Json& finalizer : *after) {
    std::string text = api::Dump(finalizer);
    if (!before.contains(text)) {
      added.push_back(std::move(text));
    }
  }
  if (!added.empty()) {
    causes->Forbidden("metadata.finalizers",
                      fmt::format("no new finalizers can be added if the object is being deleted, "
                                  "found new finalizers []string{{{}}}",
                                  fmt::join(added, ", ")));
  }
}

bool IsReleased(const Json& object) {
  if (Find(object, {"metadata", "deletionTimestamp"}) == nullptr) {
    return false;
  }
  for (const std::string_view holder : {"metadata", "spec"}) {
    const JsonArray* finalizers = api::FindArray(object, {holder, "finalizers"});
    if (finalizers != nullptr && !finalizers->empty()) {
      return false;
    }
  }
  return api::IntAt(object, {"metadata", "deletionGracePeriodSeconds"}).value_or(0) == 0;
}

absl::Status AsInvalid(const api::Kind& kind, std::string_view name, const api::Causes& causes) {
  return causes.empty() ? absl::OkStatus() : Invalid(kind.group, kind.kind, name, causes);
}

absl::Status CheckPreconditions(const api::Kind& kind, std::string_view name, const Json& object,
                                int64_t mod_revision, std::string_view uid,
                                int64_t expected_revision) {
  const std::string_view own = StringAt(object, {"metadata", "uid"});
  if (!uid.empty() && uid != own) {
    return Conflict(kind.group, kind.resource, name,
                    fmt::format("Precondition failed: UID in precondition: {}, UID in object "
                                "meta: {}",
                                uid, own));
  }
  if (expected_revision != 0 && expected_revision != mod_revision) {
    return Conflict(kind.group, kind.resource, name,
                    fmt::format("Precondition failed: ResourceVersion in precondition: {}, "
                                "ResourceVersion in object meta: {}",
                                expected_revision, mod_revision));
  }
  return absl::OkStatus();
}

bool IsPod(const api::Kind& kind) {
  return kind.group.empty() && kind.resource == "pods";
}

bool IsNamespace(const api::Kind& kind) {
  return kind.group.empty() && kind.resource == "namespaces";
}

}  // namespace socle::registry
