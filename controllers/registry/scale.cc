#include "controllers/registry/scale.h"

#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/label_selector.h"
#include "controllers/registry/registry.h"
#include "kv/base/check.h"

namespace socle::registry {
namespace {

using api::Find;
using api::Json;
using api::JsonObject;
using api::JsonView;

const Json* At(const Json& object, const std::vector<std::string_view>& path) {
  const Json* at = &object;
  for (const std::string_view name : path) {
    at = at == nullptr ? nullptr : Find(*at, {name});
  }
  return at;
}

int64_t CountAt(const Json& object, const std::vector<std::string_view>& path) {
  const Json* found = At(object, path);
  return found == nullptr ? 0 : api::AsInt(*found).value_or(0);
}

// As the controller wrote it; before it did, from the selector itself.
std::string SelectorText(const api::Kind& kind, const Json& object) {
  const Json* told = At(object, kind.scale->status_selector);
  if (told != nullptr && told->is_string() && !told->get_string().empty()) {
    return std::string(api::View(told->get_string()));
  }
  const absl::StatusOr<api::LabelSelector> selector =
      api::LabelSelector::FromJson(Find(object, {"spec", "selector"}));
  return selector.ok() && !selector->is_nothing() ? selector->ToString() : std::string();
}

}  // namespace

Json ScaleDocument(const api::Kind& kind, const Json& object, int64_t mod_revision) {
  JsonObject metadata;
  for (const char* member : {"name", "namespace", "uid", "creationTimestamp"}) {
    if (const Json* value = Find(object, {"metadata", member})) {
      api::Set(&metadata, member, *value);
    }
  }
  api::Set(&metadata, "resourceVersion", Json(JsonView(fmt::format("{}", mod_revision))));
  JsonObject status;
  api::Set(&status, "replicas", CountAt(object, kind.scale->status_replicas));
  api::Set(&status, "selector", Json(JsonView(SelectorText(kind, object))));
  JsonObject scale;
  api::Set(&scale, "kind", "Scale");
  api::Set(&scale, "apiVersion", "autoscaling/v1");
  api::Set(&scale, "metadata", std::move(metadata));
  api::Set(&scale, "spec", JsonObject{{"replicas", CountAt(object, kind.scale->spec_replicas)}});
  api::Set(&scale, "status", std::move(status));
  return scale;
}

absl::Status ApplyScale(const api::Kind& kind, std::string_view name, const Json& scale,
                        Json* object) {
  const std::string_view version = api::StringAt(scale, {"apiVersion"});
  const std::string_view given = api::StringAt(scale, {"kind"});
  if (!scale.is_object() || (!given.empty() && given != "Scale") ||
      (!version.empty() && version != "autoscaling/v1")) {
    return BadRequest(
        fmt::format("{} in version \"{}\" cannot be handled as a Scale", given, version));
  }
  const Json* wanted = Find(scale, {"spec", "replicas"});
  const Json zero = 0;
  const Json& replicas = wanted == nullptr ? zero : *wanted;
  const std::optional<int64_t> count = api::AsInt(replicas);
  api::Causes causes;
  if (!count.has_value() || *count > INT32_MAX) {
    causes.TypeInvalid("spec.replicas", replicas, "integer");
  } else if (*count < 0) {
    causes.Invalid("spec.replicas", replicas, "must be greater than or equal to 0");
  }
  if (!causes.empty()) {
    return Invalid("autoscaling", "Scale", name, causes);
  }
  const std::vector<std::string_view>& path = kind.scale->spec_replicas;
  CHECK(!path.empty());
  Json* at = object;
  for (size_t i = 0; i + 1 < path.size(); ++i) {
    api::EnsureObject(at, {path[i]});
    at = &at->get_object()[JsonView(path[i])];
  }
  api::Set(&at->get_object(), path.back(), *count);
  return absl::OkStatus();
}

absl::StatusOr<Json> ScaleOf(const api::ServedKind& served, const Object& object) {
  const api::Kind& kind = *served.kind;
  if (!kind.scale.has_value()) {
    return NotFound(kind.group, fmt::format("{}/scale", kind.resource), object.name);
  }
  return ScaleDocument(kind, object.Parse(), object.mod_revision);
}

}  // namespace socle::registry
