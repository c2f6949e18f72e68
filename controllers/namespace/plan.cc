#include "controllers/namespace/plan.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/timestamp.h"

namespace socle::namespaces {
namespace {

struct Condition {
  std::string_view type;
  bool is_true = false;
  std::string_view reason;
  std::string message;
};

std::string Counted(const std::map<std::string, int64_t>& counts, std::string_view between) {
  std::vector<std::string> parts;
  for (const auto& [what, count] : counts) {
    parts.push_back(fmt::format("{}{}{} resource instances", what, between, count));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

api::Json Text(std::string_view text) {
  return api::Json(api::JsonView(text));
}

api::Json Document(const Condition& condition, const api::JsonArray* before, int64_t wall_nanos) {
  const std::string_view status = condition.is_true ? "True" : "False";
  std::string since = api::FormatTime(wall_nanos);
  for (size_t i = 0; before != nullptr && i < before->size(); ++i) {
    if (api::StringAt((*before)[i], {"type"}) == condition.type &&
        api::StringAt((*before)[i], {"status"}) == status) {
      since = api::StringAt((*before)[i], {"lastTransitionTime"});
    }
  }
  return api::JsonObject{{"type", Text(condition.type)},
                         {"status", Text(status)},
                         {"lastTransitionTime", Text(since)},
                         {"reason", Text(condition.reason)},
                         {"message", Text(condition.message)}};
}

}  // namespace

void Remainder::Add(const registry::Object& object) {
  const api::Kind& kind = *object.kind;
  ++objects[kind.group.empty() ? std::string(kind.resource)
                               : fmt::format("{}.{}", kind.resource, kind.group)];
  for (const std::string& finalizer : object.finalizers) {
    ++finalizers[finalizer];
  }
}

api::JsonArray Conditions(const Remainder& remainder, const std::string& failure,
                          const api::JsonArray* before, int64_t wall_nanos) {
  Condition failed{.type = "NamespaceDeletionContentFailure",
                   .reason = "ContentDeleted",
                   .message = "All content successfully deleted, may be waiting on finalization"};
  if (!failure.empty()) {
    failed.is_true = true;
    failed.reason = "ContentDeletionFailed";
    failed.message = failure;
  }
  Condition content{.type = "NamespaceContentRemaining",
                    .reason = "ContentRemoved",
                    .message = "All content successfully removed"};
  if (!remainder.objects.empty()) {
    content.is_true = true;
    content.reason = "SomeResourcesRemain";
    content.message =
        fmt::format("Some resources are remaining: {}", Counted(remainder.objects, " has "));
  }
  Condition held{.type = "NamespaceFinalizersRemaining",
                 .reason = "ContentHasNoFinalizers",
                 .message = "All content-preserving finalizers finished"};
  if (!remainder.finalizers.empty()) {
    held.is_true = true;
    held.reason = "SomeFinalizersRemain";
    held.message = fmt::format("Some content in the namespace has finalizers remaining: {}",
                               Counted(remainder.finalizers, " in "));
  }
  api::JsonArray conditions;
  for (const Condition* condition : {&failed, &content, &held}) {
    conditions.push_back(Document(*condition, before, wall_nanos));
  }
  return conditions;
}

}  // namespace socle::namespaces
