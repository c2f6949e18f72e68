#include "controllers/apiserver/body.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/causes.h"
#include "controllers/api/yaml.h"
#include "controllers/apiserver/negotiation.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {
namespace {

using api::Json;
using api::JsonObject;
using api::JsonView;

// YAML is read a hundred times slower than JSON, and nobody else is served by the loop meanwhile: long bodies
// are asked for in JSON.
constexpr size_t kYamlBytesMax = size_t{512} << 10U;

absl::Status UnsupportedMediaType(std::string_view accepted) {
  return registry::MakeStatus(
      {.reason = registry::Reason::kUnsupportedMediaType,
       .message = fmt::format("the body of the request was in an unknown format - accepted media "
                              "types include: {}",
                              accepted)});
}

absl::Status Unreadable(const absl::Status& why) {
  return registry::BadRequest(
      fmt::format("the request body could not be read: {}", MessageOf(why)));
}

absl::StatusOr<Json> ParseText(std::string_view body) {
  absl::StatusOr<Json> parsed = api::ParseJson(body);
  if (!parsed.ok()) {
    return Unreadable(parsed.status());
  }
  return parsed;
}

// The body as JSON text; `storage` keeps it when it came as YAML. Bodies without a type are JSON, as Kubernetes
// takes them.
absl::StatusOr<std::string_view> JsonTextOf(std::string_view content_type, std::string_view body,
                                            std::string* storage) {
  const std::string_view type = MediaType(content_type);
  if (type.empty() || type == "application/json") {
    return body;
  }
  if (type != "application/yaml") {
    return UnsupportedMediaType("application/json, application/yaml");
  }
  if (body.size() > kYamlBytesMax) {
    return registry::MakeStatus(
        {.reason = registry::Reason::kTooLarge,
         .message = fmt::format("Request entity too large: limit of YAML is {}; send it as JSON",
                                kYamlBytesMax)});
  }
  absl::StatusOr<std::string> json = api::YamlToJson(body, kYamlBytesMax);
  if (!json.ok()) {
    return Unreadable(json.status());
  }
  *storage = *std::move(json);
  return std::string_view(*storage);
}

// What apiVersion and kind the body must have.
struct Wanted {
  std::string api_version;
  std::string_view kind;
  bool takes_any_version = false;  // of the group
};

Wanted WantedBy(const ResourceRequest& asked) {
  using Endpoint = ResourceRequest::Endpoint;
  if (asked.endpoint == Endpoint::kReview) {
    return {"authorization.k8s.io/v1", "SelfSubjectAccessReview"};
  }
  if (asked.endpoint == Endpoint::kBindings) {
    return {"v1", "Binding"};
  }
  const api::Subresource* const part = asked.subresource;
  if (part == nullptr || part->version.empty()) {
    return {asked.served->ApiVersion(), part == nullptr ? asked.served->kind->kind : part->kind};
  }
  return {fmt::format("{}/{}", part->group, part->version), part->kind, part->name == "eviction"};
}

std::string_view GroupOf(std::string_view api_version) {
  const size_t slash = api_version.find('/');
  return slash == std::string_view::npos ? std::string_view() : api_version.substr(0, slash);
}

absl::Status CheckType(const Wanted& wanted, JsonObject* object) {
  const std::string_view version = api::StringAt(*object, "apiVersion");
  const std::string_view kind = api::StringAt(*object, "kind");
  const bool is_of_group =
      wanted.takes_any_version && GroupOf(version) == GroupOf(wanted.api_version);
  if (!version.empty() && version != wanted.api_version && !is_of_group) {
    return registry::BadRequest(
        fmt::format("the API version in the data ({}) does not match the expected API version ({})",
                    version, wanted.api_version));
  }
  if (!kind.empty() && kind != wanted.kind) {
    return registry::BadRequest(
        fmt::format("{} in version \"{}\" cannot be handled as a {}", kind,
                    version.empty() ? std::string_view(wanted.api_version) : version, wanted.kind));
  }
  api::Set(object, "kind", Json(JsonView(wanted.kind)));
  api::Set(object, "apiVersion", Json(JsonView(wanted.api_version)));
  return absl::OkStatus();
}

absl::Status CheckName(const ResourceRequest& asked, Json* object) {
  const std::string_view ns = api::StringAt(*object, {"metadata", "namespace"});
  if (!ns.empty() && !asked.ns.empty() && ns != asked.ns) {
    return registry::BadRequest(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  Json* const metadata = object->get_object().if_contains("metadata");
  JsonObject* const members = metadata == nullptr ? nullptr : metadata->if_object();
  if (members != nullptr && ns.empty() && !asked.ns.empty()) {
    api::Set(members, "namespace", Json(JsonView(asked.ns)));
  }
  if (asked.name.empty()) {
    return absl::OkStatus();
  }
  const std::string_view name = api::StringAt(*object, {"metadata", "name"});
  const bool may_lack_name = asked.verb == Verb::kCreate;
  if (name.empty() && !may_lack_name) {
    return registry::BadRequest(fmt::format(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        asked.name));
  }
  if (!name.empty() && name != asked.name) {
    return registry::BadRequest(fmt::format(
        "the name of the object ({}) does not match the name on the URL ({})", name, asked.name));
  }
  return absl::OkStatus();
}

absl::Status ReadPropagation(std::string_view policy, std::optional<bool> orphans,
                             registry::DeleteRequest* request) {
  using registry::Propagation;
  if (policy.empty()) {
    if (orphans.has_value()) {
      request->propagation = *orphans ? Propagation::kOrphan : Propagation::kBackground;
    }
    return absl::OkStatus();
  }
  if (policy == "Background") {
    request->propagation = Propagation::kBackground;
  } else if (policy == "Foreground") {
    request->propagation = Propagation::kForeground;
  } else if (policy == "Orphan") {
    request->propagation = Propagation::kOrphan;
  } else {
    api::Causes causes;
    causes.NotSupported("propagationPolicy", Json(JsonView(policy)),
                        {"Foreground", "Background", "Orphan"});
    return registry::Invalid("meta.k8s.io", "DeleteOptions", "", causes);
  }
  return absl::OkStatus();
}

absl::Status ReadPreconditions(const Json& options, registry::DeleteRequest* request) {
  request->uid = api::StringAt(options, {"preconditions", "uid"});
  const std::string_view version = api::StringAt(options, {"preconditions", "resourceVersion"});
  ASSIGN_OR_RETURN(const std::optional<int64_t> revision, ParseResourceVersion(version));
  request->expected_revision = revision.value_or(0);
  return absl::OkStatus();
}

absl::Status ReadDryRun(const Json& options, bool* is_dry_run) {
  const api::JsonArray* const stages = api::FindArray(options, {"dryRun"});
  for (size_t i = 0; stages != nullptr && i < stages->size(); ++i) {
    if ((*stages)[i] != Json("All")) {
      api::Causes causes;
      causes.NotSupported("dryRun", (*stages)[i], {"All"});
      return registry::Invalid("meta.k8s.io", "DeleteOptions", "", causes);
    }
    *is_dry_run = true;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BodyObject> ParseObject(const ResourceRequest& asked, std::string_view content_type,
                                       std::string_view body, registry::Strictness strictness) {
  std::string converted;
  ASSIGN_OR_RETURN(const std::string_view text, JsonTextOf(content_type, body, &converted));
  BodyObject parsed;
  ASSIGN_OR_RETURN(parsed.object, ParseText(text));
  if (!parsed.object.is_object()) {
    return registry::BadRequest("the request body is no JSON object");
  }
  RETURN_IF_ERROR(CheckType(WantedBy(asked), &parsed.object.get_object()));
  RETURN_IF_ERROR(CheckName(asked, &parsed.object));
  if (strictness != registry::Strictness::kIgnore) {
    parsed.duplicate_fields = api::DuplicateFields(text);
  }
  return parsed;
}

absl::StatusOr<BodyPatch> ParsePatch(const ResourceRequest& asked, std::string_view content_type,
                                     std::string_view body) {
  constexpr std::string_view kJsonPatch = "application/json-patch+json";
  constexpr std::string_view kMergePatch = "application/merge-patch+json";
  constexpr std::string_view kStrategicPatch = "application/strategic-merge-patch+json";
  constexpr std::string_view kApplyPatch = "application/apply-patch+yaml";
  const bool has_strategic = asked.served->kind->has_strategic_merge;
  const std::string accepted =
      fmt::format("{}, {}{}{}", kJsonPatch, kMergePatch, has_strategic ? ", " : "",
                  has_strategic ? kStrategicPatch : std::string_view());
  const std::string_view type = MediaType(content_type);
  BodyPatch parsed;
  if (type == kApplyPatch) {
    return registry::MakeStatus(
        {.reason = registry::Reason::kUnsupportedMediaType,
         .message = fmt::format("server-side apply is not served here: apply on the client's side "
                                "(without --server-side) - accepted media types include: {}",
                                accepted)});
  }
  if (type == kJsonPatch) {
    parsed.type = registry::PatchType::kJson;
  } else if (type == kMergePatch) {
    parsed.type = registry::PatchType::kMerge;
  } else if (type == kStrategicPatch && has_strategic) {
    parsed.type = registry::PatchType::kStrategic;
  } else {
    return UnsupportedMediaType(accepted);
  }
  if (body.empty()) {
    return UnsupportedMediaType(accepted);
  }
  ASSIGN_OR_RETURN(parsed.patch, ParseText(body));
  if (parsed.type == registry::PatchType::kJson ? !parsed.patch.is_array()
                                                : !parsed.patch.is_object()) {
    return registry::BadRequest(parsed.type == registry::PatchType::kJson
                                    ? "the patch is no JSON array of operations"
                                    : "the patch is no JSON object");
  }
  return parsed;
}

absl::StatusOr<DeleteOptions> ParseDeleteOptions(const QueryOptions& query,
                                                 std::string_view content_type,
                                                 std::string_view body) {
  DeleteOptions options{.is_dry_run = query.is_dry_run};
  if (body.empty()) {
    options.request.grace_period_seconds = query.grace_period_seconds;
    RETURN_IF_ERROR(
        ReadPropagation(query.propagation_policy, query.orphans_dependents, &options.request));
    return options;
  }
  std::string converted;
  ASSIGN_OR_RETURN(const std::string_view text, JsonTextOf(content_type, body, &converted));
  ASSIGN_OR_RETURN(const Json parsed, ParseText(text));
  const std::string_view kind = api::StringAt(parsed, {"kind"});
  if (!parsed.is_object() || (!kind.empty() && kind != "DeleteOptions")) {
    return registry::BadRequest("the request body is no DeleteOptions");
  }
  if (const Json* const grace = api::Find(parsed, {"gracePeriodSeconds"}); grace != nullptr) {
    options.request.grace_period_seconds = api::AsInt(*grace);
    if (!options.request.grace_period_seconds.has_value()) {
      return registry::BadRequest("gracePeriodSeconds is no whole number");
    }
  }
  std::optional<bool> orphans;
  if (const Json* const given = api::Find(parsed, {"orphanDependents"}); given != nullptr) {
    orphans = given->is_bool() && given->get_bool();
  }
  RETURN_IF_ERROR(
      ReadPropagation(api::StringAt(parsed, {"propagationPolicy"}), orphans, &options.request));
  RETURN_IF_ERROR(ReadPreconditions(parsed, &options.request));
  RETURN_IF_ERROR(ReadDryRun(parsed, &options.is_dry_run));
  return options;
}

}  // namespace socle::apiserver
