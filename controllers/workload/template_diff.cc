// DiffTemplates: what may be changed in place, and what is in the way of it.
#include <array>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "controllers/api/quantity.h"
#include "controllers/workload/in_place_update.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

absl::Status Refusal(std::string_view place) {
  return absl::FailedPreconditionError(fmt::format("{} can't be changed in place", place));
}

// The value, with null where there is none.
Json MemberOf(const JsonObject& object, std::string_view name) {
  const Json* value = api::Find(object, name);
  return value == nullptr ? Json(nullptr) : *value;
}

// The first member, but for those of `skipped`, in which the two differ; empty: none.
std::string DifferentMember(const JsonObject& before, const JsonObject& after,
                            const std::set<std::string_view>& skipped) {
  for (const JsonObject* one : {&before, &after}) {
    for (const auto& member : *one) {
      const std::string_view name = api::View(member.key());
      if (!skipped.contains(name) && MemberOf(before, name) != MemberOf(after, name)) {
        return std::string(name);
      }
    }
  }
  return {};
}

// A merge patch between two maps of texts.
JsonObject MapPatch(const JsonObject* before, const JsonObject* after) {
  JsonObject patch;
  for (const auto& member : before == nullptr ? JsonObject() : *before) {
    if (after == nullptr || api::Find(*after, api::View(member.key())) == nullptr) {
      patch[member.key()] = nullptr;
    }
  }
  for (const auto& member : after == nullptr ? JsonObject() : *after) {
    const Json* old = before == nullptr ? nullptr : api::Find(*before, api::View(member.key()));
    if (old == nullptr || *old != member.value()) {
      patch[member.key()] = member.value();
    }
  }
  return patch;
}

// True when they differ in cpu and memory alone.
bool IsScaling(const Json& before, const Json& after) {
  const auto rest = [](const Json& resources) {
    Json copy = resources.is_object() ? resources : Json(JsonObject());
    for (const std::string_view group : {"requests", "limits"}) {
      JsonObject& amounts = api::EnsureObject(&copy, {group});
      amounts.erase("cpu");
      amounts.erase("memory");
    }
    return copy;
  };
  return rest(before) == rest(after);
}

bool IsPositive(const Json* amount) {
  if (amount == nullptr) {
    return false;
  }
  const absl::StatusOr<api::Quantity> quantity = api::Quantity::FromJson(*amount);
  return quantity.ok() && !quantity->is_zero() && !quantity->is_negative();
}

enum class QosClass : uint8_t { kBestEffort, kBurstable, kGuaranteed };

QosClass QosOf(const JsonArray& containers) {
  bool has_any = false;
  bool is_guaranteed = true;
  for (const Json& container : containers) {
    for (const std::string_view name : {"cpu", "memory"}) {
      const Json* request = api::Find(container, {"resources", "requests", name});
      const Json* limit = api::Find(container, {"resources", "limits", name});
      has_any |= IsPositive(request) || IsPositive(limit);
      const bool is_equal = IsPositive(limit) && (request == nullptr || *request == *limit);
      is_guaranteed &= is_equal;
    }
  }
  if (!has_any) {
    return QosClass::kBestEffort;
  }
  return is_guaranteed ? QosClass::kGuaranteed : QosClass::kBurstable;
}

absl::Status DiffContainer(const JsonObject& before, const JsonObject& after, std::string_view path,
                           const InPlaceOptions& options, InPlaceUpdate* update) {
  const std::string name(api::StringAt(after, "name"));
  const std::string_view image = api::StringAt(after, "image");
  const bool has_new_image = api::StringAt(before, "image") != image;
  std::set<std::string_view> handled = {"image", "resources"};
  if (has_new_image) {
    handled.insert("imagePullPolicy");  // its default follows the tag
    update->images.emplace_back(name, image);
  }
  const std::string other = DifferentMember(before, after, handled);
  if (!other.empty()) {
    return Refusal(fmt::format("{}.{}", path, other));
  }
  const Json resources = MemberOf(after, "resources");
  const Json old_resources = MemberOf(before, "resources");
  if (resources != old_resources) {
    if (!options.allows_resources || !IsScaling(old_resources, resources)) {
      return Refusal(fmt::format("{}.resources", path));
    }
    update->resources.emplace_back(name, resources);
  }
  return absl::OkStatus();
}

absl::Status DiffContainers(const JsonArray& before, const JsonArray& after,
                            const InPlaceOptions& options, InPlaceUpdate* update) {
  if (before.size() != after.size()) {
    return Refusal("spec.containers");
  }
  for (size_t i = 0; i < after.size(); ++i) {
    const std::string path = fmt::format("spec.containers[{}]", i);
    if (!before[i].is_object() || !after[i].is_object()) {
      return Refusal(path);
    }
    const absl::Status one =
        DiffContainer(before[i].get_object(), after[i].get_object(), path, options, update);
    if (!one.ok()) {
      return one;
    }
  }
  if (!update->resources.empty() && QosOf(before) != QosOf(after)) {
    return Refusal("the QoS class");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<InPlaceUpdate> DiffTemplates(const Json& old_template, const Json& new_template,
                                            std::string_view revision, InPlaceOptions options) {
  if (!options.ignores_claims && !options.old_claims_hash.empty() &&
      !options.new_claims_hash.empty() && options.old_claims_hash != options.new_claims_hash) {
    return Refusal("volumeClaimTemplates");
  }
  const JsonObject nothing;
  const auto part = [&](const Json& root, std::string_view name) -> const JsonObject& {
    const JsonObject* found = api::FindObject(root, {name});
    return found == nullptr ? nothing : *found;
  };
  InPlaceUpdate update;
  update.revision = revision;
  const JsonObject& metadata = part(new_template, "metadata");
  const JsonObject& old_metadata = part(old_template, "metadata");
  std::string other =
      DifferentMember(old_metadata, metadata, {"labels", "annotations", "creationTimestamp"});
  if (!other.empty()) {
    return Refusal(fmt::format("metadata.{}", other));
  }
  update.labels = MapPatch(api::FindObject(old_template, {"metadata", "labels"}),
                           api::FindObject(new_template, {"metadata", "labels"}));
  update.annotations = MapPatch(api::FindObject(old_template, {"metadata", "annotations"}),
                                api::FindObject(new_template, {"metadata", "annotations"}));
  other = DifferentMember(part(old_template, "spec"), part(new_template, "spec"), {"containers"});
  if (!other.empty()) {
    return Refusal(fmt::format("spec.{}", other));
  }
  const JsonArray* before = api::FindArray(old_template, {"spec", "containers"});
  const JsonArray* after = api::FindArray(new_template, {"spec", "containers"});
  const absl::Status containers =
      DiffContainers(before == nullptr ? JsonArray() : *before,
                     after == nullptr ? JsonArray() : *after, options, &update);
  if (!containers.ok()) {
    return containers;
  }
  return update;
}

}  // namespace socle::workload
