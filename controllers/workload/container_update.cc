#include "controllers/workload/container_update.h"

#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "controllers/workload/container_hash.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/in_place_update.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

// The key that a variable reads: `metadata.labels['x']` → labels, x.
std::optional<std::pair<std::string_view, std::string_view>> MetadataKey(const Json& variable) {
  const std::string_view path = api::StringAt(variable, {"valueFrom", "fieldRef", "fieldPath"});
  for (const auto& [prefix, member] :
       {std::pair<std::string_view, std::string_view>{"metadata.labels['", "labels"},
        {"metadata.annotations['", "annotations"}}) {
    if (path.starts_with(prefix) && path.ends_with("']") && path.size() >= prefix.size() + 2) {
      return std::pair(member, path.substr(prefix.size(), path.size() - prefix.size() - 2));
    }
  }
  return std::nullopt;
}

// nullopt: the node says nothing about the container that runs.
std::optional<RuntimeContainer> RuntimeOf(const Json& pod, std::string_view name,
                                          std::string_view container_id) {
  for (RuntimeContainer& one : ParseRuntimeContainers(AnnotationOf(pod, kRuntimeContainersKey))) {
    if (one.name == name && one.container_id == container_id && !container_id.empty()) {
      return std::move(one);
    }
  }
  return std::nullopt;
}

bool IsSameImage(std::string_view status_image, std::string_view image) {
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const bool has_tag =
      last.find(':') != std::string_view::npos || image.find('@') != std::string_view::npos;
  return status_image == image || (!has_tag && status_image == fmt::format("{}:latest", image));
}

}  // namespace

std::set<std::pair<std::string, std::string>> KeysReadBy(const Json& container) {
  std::set<std::pair<std::string, std::string>> keys;
  const JsonArray* variables = api::FindArray(container, {"env"});
  for (size_t i = 0; variables != nullptr && i < variables->size(); ++i) {
    if (const auto key = MetadataKey((*variables)[i])) {
      keys.emplace(key->first, key->second);
    }
  }
  return keys;
}

int64_t PriorityOf(const Json& container) {
  const JsonArray* variables = api::FindArray(container, {"env"});
  for (size_t i = 0; variables != nullptr && i < variables->size(); ++i) {
    if (api::StringAt((*variables)[i], {"name"}) == kContainerPriorityEnv) {
      const std::string_view text = api::StringAt((*variables)[i], {"value"});
      int64_t priority = 0;
      std::from_chars(text.data(), text.data() + text.size(), priority);
      return priority;
    }
  }
  return 0;
}

const Json* StatusOfContainer(const Json& pod, std::string_view name) {
  return ElementNamed(pod, {"status", "containerStatuses"}, name);
}

bool IsContainerUpdated(const Json& pod, const Json& state, std::string_view container) {
  const Json* spec = ElementNamed(pod, {"spec", "containers"}, container);
  const Json* status = StatusOfContainer(pod, container);
  if (spec == nullptr) {
    return true;  // it is gone
  }
  if (status == nullptr) {
    return false;
  }
  const bool reads_metadata =
      api::BoolAt(state, {"updateEnvFromMetadata"}) && !KeysReadBy(*spec).empty();
  const std::string_view container_id = api::StringAt(*status, {"containerID"});
  if (const std::optional<RuntimeContainer> runtime = RuntimeOf(pod, container, container_id)) {
    const Json* found = api::Find(pod, {"metadata"});
    const Json metadata = found == nullptr ? Json(JsonObject()) : *found;
    return runtime->plain_hash == ContainerHash(*spec) &&
           (!reads_metadata || runtime->env_hash == EnvFromMetadataHash(*spec, metadata));
  }
  if (reads_metadata) {
    return false;  // rule 4 of 2.4
  }
  const std::string_view image_id = api::StringAt(*status, {"imageID"});
  const std::string_view before =
      api::StringAt(state, {"lastContainerStatuses", container, "imageID"});
  const bool is_old_form = AnnotationOf(pod, kInPlaceStateKey).empty() &&
                           !AnnotationOf(pod, kOldInPlaceStateKey).empty();
  if (image_id != before) {
    return true;
  }
  return !is_old_form &&
         IsSameImage(api::StringAt(*status, {"image"}), api::StringAt(*spec, {"image"}));
}

Json ReadAnnotationJson(const Json& pod, std::string_view key, std::string_view old_key) {
  std::string_view text = AnnotationOf(pod, key);
  if (text.empty()) {
    text = AnnotationOf(pod, old_key);
  }
  if (text.empty()) {
    return nullptr;
  }
  absl::StatusOr<Json> parsed = api::ParseJson(text);
  return parsed.ok() && parsed->is_object() ? *std::move(parsed) : Json(nullptr);
}

}  // namespace socle::workload
