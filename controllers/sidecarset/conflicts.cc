#include "controllers/sidecarset/conflicts.h"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/selectors.h"
#include "kv/base/bytes.h"

namespace socle::sidecarset {
namespace {

using api::Causes;
using api::Json;
using api::JsonArray;
using api::JsonObject;

const JsonArray& ListAt(const Json& root, api::JsonPath path) {
  static const JsonArray& empty = *new JsonArray();
  const JsonArray* list = api::FindArray(root, path);
  return list == nullptr ? empty : *list;
}

const Json* Named(const Json& data, std::string_view list, std::string_view name) {
  for (const Json& element : ListAt(data, {list})) {
    if (api::StringAt(element, {"name"}) == name) {
      return &element;
    }
  }
  return nullptr;
}

bool ArePair(const SidecarSet& a, const SidecarSet& b) {
  return (a.is_canary && a.base == b.name) || (b.is_canary && b.base == a.name);
}

bool MayMeet(const SidecarSet& a, const SidecarSet& b) {
  return !ArePair(a, b) && CanOverlap(a.selector, b.selector) &&
         CanOverlap(a.namespaces, b.namespaces);
}

void CheckNames(const Json& data, const Json& other, std::string_view other_name, Causes* causes) {
  for (const std::string_view list : {"containers", "initContainers"}) {
    const JsonArray& containers = ListAt(data, {list});
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string_view name = api::StringAt(containers[i], {"name"});
      if (Named(other, "containers", name) != nullptr ||
          Named(other, "initContainers", name) != nullptr) {
        causes->Invalid(fmt::format("spec.{}[{}].name", list, i), Text(name),
                        fmt::format("container {} already exist in {}", name, other_name));
      }
    }
  }
  const JsonArray& volumes = ListAt(data, {"volumes"});
  for (size_t i = 0; i < volumes.size(); ++i) {
    const std::string_view name = api::StringAt(volumes[i], {"name"});
    const Json* same = Named(other, "volumes", name);
    if (same != nullptr && api::CanonicalDump(*same) != api::CanonicalDump(volumes[i])) {
      causes->Invalid(fmt::format("spec.volumes[{}].name", i), Text(name),
                      fmt::format("volume {} is in conflict with sidecarset {}", name, other_name));
    }
  }
}

struct AnnotationPatch {
  std::string_view policy;
  std::string_view value;
};

// Those that may overwrite what another set writes.
std::multimap<std::string_view, AnnotationPatch> PatchesOf(const Json& data) {
  std::multimap<std::string_view, AnnotationPatch> patches;
  for (const Json& patch : ListAt(data, {"patchPodMetadata"})) {
    const std::string_view policy = api::StringAt(patch, {"patchPolicy"});
    const JsonObject* annotations = api::FindObject(patch, {"annotations"});
    if (annotations == nullptr || (policy != "Overwrite" && policy != "MergePatchJson")) {
      continue;
    }
    for (const auto& annotation : *annotations) {
      if (annotation.value().is_string()) {
        patches.emplace(
            api::View(annotation.key()),
            AnnotationPatch{.policy = policy, .value = api::View(annotation.value().get_string())});
      }
    }
  }
  return patches;
}

bool ShareMember(std::string_view a, std::string_view b) {
  const absl::StatusOr<Json> left = api::ParseJson(a);
  const absl::StatusOr<Json> right = api::ParseJson(b);
  if (!left.ok() || !right.ok() || !left->is_object() || !right->is_object()) {
    return true;
  }
  for (const auto& member : left->get_object()) {
    if (right->get_object().contains(member.key())) {
      return true;
    }
  }
  return false;
}

void CheckAnnotations(const Json& data, const Json& other, std::string_view other_name,
                      Causes* causes) {
  const std::multimap<std::string_view, AnnotationPatch> theirs = PatchesOf(other);
  for (const auto& [key, patch] : PatchesOf(data)) {
    const auto [begin, end] = theirs.equal_range(key);
    for (auto it = begin; it != end; ++it) {
      const bool are_json =
          patch.policy == "MergePatchJson" && it->second.policy == "MergePatchJson";
      if (!are_json || ShareMember(patch.value, it->second.value)) {
        causes->Invalid(
            "spec.patchPodMetadata", Text(key),
            fmt::format("annotation {} is in conflict with sidecarset {}", key, other_name));
        break;
      }
    }
  }
}

}  // namespace

void CheckConflicts(const SidecarSet& set, const std::vector<SidecarSetRef>& others,
                    Causes* causes) {
  const Json data = api::Literal(set.revision_text());
  for (const SidecarSetRef& other : others) {
    if (causes->full() || other->is_deleting || !MayMeet(set, *other)) {
      continue;
    }
    const Json theirs = api::Literal(other->revision_text());
    CheckNames(data, theirs, other->name, causes);
    CheckAnnotations(data, theirs, other->name, causes);
  }
}

void CheckBase(const SidecarSet& set, const SidecarSetRef& base, Causes* causes) {
  if (!set.is_canary || set.base.empty()) {
    return;
  }
  const std::string field = fmt::format("metadata.labels[{}]", kBaseLabel);
  if (base == nullptr) {
    causes->NotFound(field, Text(set.base));
  } else if (base->is_canary || set.base == set.name) {
    causes->Invalid(field, Text(set.base), "the base of a canary must not be a canary");
  }
}

void CheckSpec(const Json& document, Causes* causes) {
  for (const std::string_view list : {"containers", "initContainers"}) {
    const JsonArray& containers = ListAt(document, {"spec", list});
    for (size_t i = 0; i < containers.size(); ++i) {
      const std::string at = fmt::format("spec.{}[{}].resourcesPolicy", list, i);
      const Json* policy = api::Find(containers[i], {"resourcesPolicy"});
      const absl::Status status = CheckResourcesPolicy(containers[i]);
      if (!status.ok()) {
        causes->Invalid(at, *policy, StdView(status.message()));
      }
      if (policy != nullptr && list == "initContainers" &&
          api::StringAt(containers[i], {"restartPolicy"}) != "Always") {
        causes->Forbidden(at, "only sidecar init containers may have a resourcesPolicy");
      }
    }
  }
  const JsonArray& patches = ListAt(document, {"spec", "patchPodMetadata"});
  for (size_t i = 0; i < patches.size(); ++i) {
    const std::string at = fmt::format("spec.patchPodMetadata[{}].annotations", i);
    const JsonObject* annotations = api::FindObject(patches[i], {"annotations"});
    if (annotations == nullptr || annotations->empty()) {
      causes->Required(at, "no key value pair");
      continue;
    }
    for (const auto& annotation : *annotations) {
      const std::string_view key = api::View(annotation.key());
      const std::string_view domain = key.substr(0, std::min(key.find('/'), key.size()));
      if (domain == "kruise.io" || domain.ends_with(".kruise.io")) {
        causes->Forbidden(fmt::format("{}[{}]", at, key), "the plane writes these annotations");
      }
      if (api::StringAt(patches[i], {"patchPolicy"}) == "MergePatchJson") {
        const absl::StatusOr<Json> value =
            annotation.value().is_string()
                ? api::ParseJson(api::View(annotation.value().get_string()))
                : absl::InvalidArgumentError("no text");
        if (!value.ok() || !value->is_object()) {
          causes->Invalid(fmt::format("{}[{}]", at, key), annotation.value(),
                          "must be a JSON object for MergePatchJson");
        }
      }
    }
  }
}

void CheckContainersKept(const Json& document, const Json& old, Causes* causes) {
  const JsonArray& containers = ListAt(document, {"spec", "containers"});
  const JsonArray& before = ListAt(old, {"spec", "containers"});
  const auto has = [](const JsonArray& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(), [&](const Json& container) {
      return api::StringAt(container, {"name"}) == name;
    });
  };
  for (size_t i = 0; i < containers.size(); ++i) {
    const std::string_view name = api::StringAt(containers[i], {"name"});
    if (!before.empty() && !has(before, name)) {
      causes->Invalid(fmt::format("spec.containers[{}].name", i), Text(name),
                      fmt::format("container {} is not found in the set as it is", name));
    }
  }
}

}  // namespace socle::sidecarset
