#include "controllers/apiserver/query_options.h"

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/causes.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {
namespace {

std::optional<int64_t> ParseInt(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

// As Kubernetes reads booleans of queries: what is not false is true.
bool ParseBool(std::string_view text) {
  return !(text == "false" || text == "False" || text == "FALSE" || text == "0");
}

absl::Status InvalidOptions(std::string_view kind, const api::Causes& causes) {
  return registry::Invalid("meta.k8s.io", kind, "", causes);
}

absl::Status Forbidden(std::string_view field, std::string_view detail) {
  api::Causes causes;
  causes.Forbidden(field, detail);
  return InvalidOptions("ListOptions", causes);
}

absl::Status SetNumber(std::string_view name, std::string_view text, std::optional<int64_t>* into) {
  if (text.empty() || into->has_value()) {
    return absl::OkStatus();
  }
  *into = ParseInt(text);
  return into->has_value()
             ? absl::OkStatus()
             : registry::BadRequest(
                   fmt::format("strconv.ParseInt: parsing \"{}\": invalid syntax: {}", text, name));
}

void SetText(std::string text, std::string* into) {
  if (into->empty()) {
    *into = std::move(text);
  }
}

absl::Status SetDryRun(std::string_view text, QueryOptions* options) {
  if (text == "All") {
    options->is_dry_run = true;
    return absl::OkStatus();
  }
  api::Causes causes;
  causes.NotSupported("dryRun", api::Json(api::JsonView(text)), {"All"});
  return InvalidOptions("UpdateOptions", causes);
}

std::string* TextOption(std::string_view name, QueryOptions* options) {
  if (name == "labelSelector") {
    return &options->label_selector;
  }
  if (name == "fieldSelector") {
    return &options->field_selector;
  }
  if (name == "continue") {
    return &options->continue_token;
  }
  if (name == "resourceVersion") {
    return &options->resource_version;
  }
  if (name == "resourceVersionMatch") {
    return &options->resource_version_match;
  }
  if (name == "includeObject") {
    return &options->include_object;
  }
  if (name == "fieldValidation") {
    return &options->field_validation;
  }
  return name == "propagationPolicy" ? &options->propagation_policy : nullptr;
}

absl::Status SetOption(std::string_view name, std::string value, QueryOptions* options) {
  if (std::string* const text = TextOption(name, options); text != nullptr) {
    SetText(std::move(value), text);
  } else if (name == "watch") {
    options->is_watch = ParseBool(value);
  } else if (name == "allowWatchBookmarks") {
    options->allows_bookmarks = ParseBool(value);
  } else if (name == "sendInitialEvents") {
    options->sends_initial_events = ParseBool(value);
  } else if (name == "orphanDependents") {
    options->orphans_dependents = ParseBool(value);
  } else if (name == "timeoutSeconds") {
    return SetNumber(name, value, &options->timeout_seconds);
  } else if (name == "gracePeriodSeconds") {
    return SetNumber(name, value, &options->grace_period_seconds);
  } else if (name == "limit") {
    std::optional<int64_t> limit;
    RETURN_IF_ERROR(SetNumber(name, value, &limit));
    options->limit = std::max<int64_t>(limit.value_or(0), 0);
  } else if (name == "dryRun") {
    return SetDryRun(value, options);
  }
  return absl::OkStatus();
}

absl::Status CheckListOptions(const QueryOptions& options) {
  const std::string& match = options.resource_version_match;
  if (match.empty()) {
    return absl::OkStatus();
  }
  if (match != "Exact" && match != "NotOlderThan") {
    api::Causes causes;
    causes.NotSupported("resourceVersionMatch", api::Json(api::JsonView(match)),
                        {"Exact", "NotOlderThan"});
    return InvalidOptions("ListOptions", causes);
  }
  if (!options.continue_token.empty()) {
    return Forbidden("resourceVersionMatch",
                     "resourceVersionMatch is forbidden when continue is provided");
  }
  if (options.resource_version.empty()) {
    return Forbidden("resourceVersionMatch",
                     "resourceVersionMatch is forbidden unless resourceVersion is provided");
  }
  if (match == "Exact" && options.resource_version == "0") {
    return Forbidden("resourceVersionMatch",
                     "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<QueryOptions> ParseQuery(std::string_view query) {
  QueryOptions options;
  while (!query.empty()) {
    const size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) {
      continue;
    }
    const size_t sign = std::min(pair.find('='), pair.size());
    const std::optional<std::string> name = PercentDecode(pair.substr(0, sign), true);
    std::optional<std::string> value =
        PercentDecode(pair.substr(std::min(sign + 1, pair.size())), true);
    if (!name.has_value() || !value.has_value()) {
      return registry::BadRequest(fmt::format("invalid URL escape in query: {}", pair));
    }
    RETURN_IF_ERROR(SetOption(*name, *std::move(value), &options));
  }
  return options;
}

absl::StatusOr<std::optional<int64_t>> ParseResourceVersion(std::string_view text) {
  if (text.empty()) {
    return std::optional<int64_t>();
  }
  const std::optional<int64_t> version = ParseInt(text);
  if (!version.has_value() || *version < 0) {
    return registry::BadRequest(
        fmt::format("Invalid value: \"{}\": resourceVersion must be a non-negative number", text));
  }
  return version;
}

absl::StatusOr<registry::Selection> SelectionOf(const ResourceRequest& asked,
                                                const QueryOptions& options) {
  registry::Selection selection;
  selection.kind = asked.served->kind;
  selection.ns = asked.ns;
  if (!options.label_selector.empty()) {
    absl::StatusOr<api::LabelSelector> labels = api::LabelSelector::Parse(options.label_selector);
    if (!labels.ok()) {
      return registry::BadRequest(MessageOf(labels.status()));
    }
    selection.labels = *std::move(labels);
  }
  std::string fields = options.field_selector;
  if (!asked.name.empty()) {
    // Names in paths have no character that selectors escape but the backslash and these two.
    fields += fields.empty() ? "metadata.name=" : ",metadata.name=";
    for (const char c : asked.name) {
      fields.append(c == '\\' || c == ',' || c == '=' ? "\\" : "");
      fields.push_back(c);
    }
  }
  if (!fields.empty()) {
    absl::StatusOr<api::FieldSelector> parsed =
        api::FieldSelector::Parse(fields, asked.served->kind->fields);
    if (!parsed.ok()) {
      return registry::BadRequest(MessageOf(parsed.status()));
    }
    selection.fields = *std::move(parsed);
  }
  return selection;
}

absl::StatusOr<registry::ListRequest> ListRequestOf(const ResourceRequest& asked,
                                                    const QueryOptions& options) {
  RETURN_IF_ERROR(CheckListOptions(options));
  ASSIGN_OR_RETURN(registry::Selection selection, SelectionOf(asked, options));
  registry::ListRequest request;
  request.served = asked.served;
  request.ns = std::move(selection.ns);
  request.labels = std::move(selection.labels);
  request.fields = std::move(selection.fields);
  request.limit = options.limit;
  request.continue_token = options.continue_token;
  ASSIGN_OR_RETURN(request.resource_version, ParseResourceVersion(options.resource_version));
  if (!request.continue_token.empty() && request.resource_version.value_or(0) != 0) {
    return registry::BadRequest("specifying resource version is not allowed when using continue");
  }
  if (options.resource_version_match == "Exact") {
    request.match = registry::ListRequest::Match::kExact;
  } else if (options.resource_version_match == "NotOlderThan") {
    request.match = registry::ListRequest::Match::kNotOlderThan;
  }
  return request;
}

absl::Status CheckWatchOptions(const QueryOptions& options) {
  const std::string& match = options.resource_version_match;
  if (!options.sends_initial_events.has_value()) {
    return match.empty()
               ? absl::OkStatus()
               : Forbidden(
                     "resourceVersionMatch",
                     "resourceVersionMatch is forbidden for watch unless sendInitialEvents is "
                     "provided");
  }
  if (match != "NotOlderThan") {
    return Forbidden("resourceVersionMatch",
                     "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  }
  return absl::OkStatus();
}

absl::StatusOr<registry::Strictness> StrictnessOf(const QueryOptions& options) {
  const std::string& text = options.field_validation;
  if (text.empty() || text == "Ignore") {
    return registry::Strictness::kIgnore;
  }
  if (text == "Warn") {
    return registry::Strictness::kWarn;
  }
  if (text == "Strict") {
    return registry::Strictness::kStrict;
  }
  api::Causes causes;
  causes.NotSupported("fieldValidation", api::Json(api::JsonView(text)),
                      {"Ignore", "Strict", "Warn"});
  return InvalidOptions("UpdateOptions", causes);
}

}  // namespace socle::apiserver
