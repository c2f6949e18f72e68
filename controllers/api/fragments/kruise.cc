#include "controllers/api/fragments/kruise.h"

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/label_selector.h"

namespace socle::api {
namespace {

void CheckShare(const Json& share, std::string_view path, Causes* causes) {
  if (!share.is_string()) {
    return;
  }
  const std::optional<int64_t> percent = PercentOf(View(share.get_string()));
  if (!percent.has_value() || *percent < 0) {
    causes->Invalid(path, share,
                    "a valid percent string must be a numeric string followed by an ending '%' "
                    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')");
  } else if (*percent > 100) {
    causes->Invalid(path, share, "must not be greater than 100%");
  }
}

void CheckPriority(const Json& priority, std::string_view path, Causes* causes) {
  const bool has_order = Find(priority, {"orderPriority"}) != nullptr;
  const bool has_weight = Find(priority, {"weightPriority"}) != nullptr;
  if (has_order == has_weight) {
    causes->Invalid(path, priority, "exactly one of orderPriority and weightPriority must be set");
  }
}

}  // namespace

Schema Share(std::string_view description) {
  return IntOrString(description).Min(0).Rule(&CheckShare);
}

const Schema& PriorityStrategy() {
  static const Schema& schema = *new Schema(
      Object("Which pods are updated first.")
          .Field("orderPriority", ListOf(Object().Field(
                                      "orderedKey", String("A label key of the pods.").Required())))
          .Field("weightPriority",
                 ListOf(Object()
                            .Field("weight", Int32().Required().Min(1).Max(100))
                            .Field("matchSelector", Schema(LabelSelectorSchema()).Required())))
          .Rule(&CheckPriority));
  return schema;
}

const Schema& LifecycleHooks() {
  static const Schema& schema = *[] {
    const Schema hook =
        Object("Blocks the step while a pod has the labels or finalizers.")
            .Field("labelsHandler",
                   MapOf(String().Like(Format::kLabelValue)).KeysLike(Format::kQualifiedName))
            .Field("finalizersHandler", ListOf(String().Like(Format::kQualifiedName)))
            .Field("markPodNotReady", Bool("Takes the pod out of service while it waits."));
    return new Schema(Object("Hooks of users around deletion and update of pods.")
                          .Field("preDelete", hook)
                          .Field("inPlaceUpdate", hook)
                          .Field("preNormal", hook));
  }();
  return schema;
}

void CheckOwnSelector(const Json& object, std::string_view labels_field, Causes* causes) {
  const Json* given = Find(object, {"spec", "selector"});
  if (given == nullptr || !given->is_object()) {
    return;  // the schema has said so
  }
  const absl::StatusOr<LabelSelector> selector = LabelSelector::FromJson(given);
  if (!selector.ok()) {
    return;
  }
  if (selector->is_everything()) {
    causes->Invalid("spec.selector", *given,
                    fmt::format("empty selector is invalid for {}", StringAt(object, {"kind"})));
    return;
  }
  const JsonObject* labels = FindObject(object, {"spec", "template", "metadata", "labels"});
  if (!labels_field.empty() && !selector->Matches(labels)) {
    causes->Invalid(labels_field, labels == nullptr ? Json(JsonObject()) : Json(*labels),
                    "`selector` does not match template `labels`");
  }
}

}  // namespace socle::api
