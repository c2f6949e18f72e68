// InplaceSet: ordered pods with stable names, updated in place; OpenKruise's Advanced StatefulSet.
// Source  spec controllers 1.1 - 1.3, 1.11.
#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/fragments/kruise.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

constexpr std::string_view kReadinessGate = "InPlaceUpdateReady";
constexpr std::string_view kRolling = "spec.updateStrategy.rollingUpdate";
constexpr std::array<std::string_view, 11> kMutable = {"replicas",
                                                       "ordinals",
                                                       "template",
                                                       "reserveOrdinals",
                                                       "lifecycle",
                                                       "revisionHistoryLimit",
                                                       "persistentVolumeClaimRetentionPolicy",
                                                       "volumeClaimTemplates",
                                                       "volumeClaimUpdateStrategy",
                                                       "scaleStrategy",
                                                       "updateStrategy"};

// ------------------------------------------------------------------------------------- defaults

void FillUpdateStrategy(JsonObject* strategy) {
  if (StringAt(*strategy, "type") != "RollingUpdate") {
    return;
  }
  Json* rolling = strategy->if_contains("rollingUpdate");
  if (rolling == nullptr || rolling->is_null()) {
    Set(strategy, "rollingUpdate", JsonObject());
    rolling = strategy->if_contains("rollingUpdate");
  }
  JsonObject* members = rolling->if_object();
  if (members == nullptr) {
    return;
  }
  const std::pair<std::string_view, Json> defaults[] = {{"partition", 0},
                                                        {"maxUnavailable", 1},
                                                        {"podUpdatePolicy", "ReCreate"},
                                                        {"minReadySeconds", 0}};
  for (const auto& [name, value] : defaults) {
    if (Find(*members, name) == nullptr) {
      Set(members, name, value);
    }
  }
}

// --------------------------------------------------------------------------------------- checks

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && number >= 0 &&
                        !text.empty() && text.front() != '-';
  return is_whole ? std::optional<int64_t>(number) : std::nullopt;
}

// A number, or "3-7".
void CheckReservedOrdinal(const Json& ordinal, std::string_view path, Causes* causes) {
  if (!ordinal.is_string()) {
    return;
  }
  const std::string_view text = View(ordinal.get_string());
  const size_t dash = text.find('-');
  const std::optional<int64_t> first = WholeNumber(text.substr(0, dash));
  const std::optional<int64_t> last =
      dash == std::string_view::npos ? first : WholeNumber(text.substr(dash + 1));
  if (!first.has_value() || !last.has_value()) {
    causes->Invalid(path, ordinal, "must be a non-negative integer or a range start-end");
  } else if (*first > *last) {
    causes->Invalid(path, ordinal, "start of the range must not be greater than its end");
  }
}

void CheckMaxUnavailable(const Json& share, std::string_view path, Causes* causes) {
  const bool is_zero =
      AsInt(share) == 0 || (share.is_string() && PercentOf(View(share.get_string())) == 0);
  if (is_zero) {
    causes->Invalid(path, share, "cannot be 0");
  }
}

bool IsInPlace(std::string_view policy) {
  return policy == "InPlaceIfPossible" || policy == "InPlaceOnly";
}

void CheckTemplate(const Json& set, Causes* causes) {
  const Json* restart = Find(set, {"spec", "template", "spec", "restartPolicy"});
  if (restart != nullptr && restart->is_string() && View(restart->get_string()) != "Always") {
    causes->NotSupported("spec.template.spec.restartPolicy", *restart, {"Always"});
  }
  if (Find(set, {"spec", "template", "spec", "activeDeadlineSeconds"}) != nullptr) {
    causes->Forbidden("spec.template.spec.activeDeadlineSeconds",
                      "activeDeadlineSeconds in StatefulSet is not Supported");
  }
}

bool HasReadinessGate(const Json& set) {
  const JsonArray* gates = FindArray(set, {"spec", "template", "spec", "readinessGates"});
  return gates != nullptr && std::any_of(gates->begin(), gates->end(), [](const Json& gate) {
           return StringAt(gate, {"conditionType"}) == kReadinessGate;
         });
}

void CheckRolling(const Json& set, Causes* causes) {
  const Json* rolling = Find(set, {"spec", "updateStrategy", "rollingUpdate"});
  if (rolling == nullptr) {
    return;
  }
  if (StringAt(set, {"spec", "updateStrategy", "type"}) == "OnDelete") {
    causes->Invalid(kRolling, *rolling, "only allowed for updateStrategy 'RollingUpdate'");
    return;
  }
  const bool is_parallel = StringAt(set, {"spec", "podManagementPolicy"}) == "Parallel";
  const Json* unavailable = Find(*rolling, {"maxUnavailable"});
  if (unavailable != nullptr && AsInt(*unavailable) != 1 && !is_parallel) {
    causes->Invalid(fmt::format("{}.maxUnavailable", kRolling), *unavailable,
                    "can only be 1 unless podManagementPolicy is Parallel");
  }
  if (Find(*rolling, {"unorderedUpdate"}) != nullptr && !is_parallel) {
    causes->Forbidden(fmt::format("{}.unorderedUpdate", kRolling),
                      "can only work with Parallel podManagementPolicy");
  }
  const std::string_view policy = StringAt(*rolling, {"podUpdatePolicy"});
  if (IsInPlace(policy) && !HasReadinessGate(set)) {
    causes->Required(
        "spec.template.spec.readinessGates",
        fmt::format("must contain {} when podUpdatePolicy is {}", kReadinessGate, policy));
  }
}

void CheckScaleStrategy(const Json& set, Causes* causes) {
  const Json* unavailable = Find(set, {"spec", "scaleStrategy", "maxUnavailable"});
  if (unavailable != nullptr && StringAt(set, {"spec", "podManagementPolicy"}) != "Parallel") {
    causes->Invalid("spec.scaleStrategy.maxUnavailable", *unavailable,
                    "can only work with Parallel podManagementPolicy");
  }
}

// The template's spec with the images of its containers taken out.
Json WithoutImages(const Json& set) {
  const Json* spec = Find(set, {"spec", "template", "spec"});
  Json copy = spec == nullptr ? Json(nullptr) : *spec;
  Json* containers = copy.is_object() ? copy.get_object().if_contains("containers") : nullptr;
  JsonArray* list = containers == nullptr ? nullptr : containers->if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if (JsonObject* container = (*list)[i].if_object()) {
      container->erase("image");
      container->erase("imagePullPolicy");  // a default may follow the tag
    }
  }
  return copy;
}

std::vector<Json> ClaimsWithoutSize(const Json& set) {
  std::vector<Json> claims;
  const JsonArray* list = FindArray(set, {"spec", "volumeClaimTemplates"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    Json claim = (*list)[i];
    for (const std::string_view group : {"requests", "limits"}) {
      if (Find(claim, {"spec", "resources", group}) != nullptr) {
        EnsureObject(&claim, {"spec", "resources", group}).erase("storage");
      }
    }
    if (JsonObject* members = claim.if_object()) {
      members->erase("status");
    }
    claims.push_back(std::move(claim));
  }
  return claims;
}

void CheckChange(const Json& set, const Json& old, Causes* causes) {
  const Json* spec = Find(set, {"spec"});
  const Json* spec_before = Find(old, {"spec"});
  if (spec == nullptr || spec_before == nullptr || !spec->is_object() ||
      !spec_before->is_object()) {
    return;
  }
  JsonObject after = spec->get_object();
  JsonObject before = spec_before->get_object();
  for (const std::string_view member : kMutable) {
    after.erase(JsonView(member));
    before.erase(JsonView(member));
  }
  // Ours, so not in the words of the refusal.
  after.erase("scheduleStrategy");
  before.erase("scheduleStrategy");
  if (after != before) {
    causes->Forbidden(
        "spec", fmt::format("updates to statefulset spec for fields other than '{}' are forbidden",
                            fmt::join(kMutable, "', '")));
  }
  const std::string_view policy =
      StringAt(set, {"spec", "updateStrategy", "rollingUpdate", "podUpdatePolicy"});
  if (policy == "InPlaceOnly" && WithoutImages(set) != WithoutImages(old)) {
    causes->Invalid(fmt::format("{}.podUpdatePolicy", kRolling), Json(JsonView(policy)),
                    "only images of containers may change with InPlaceOnly");
  }
  if (StringAt(set, {"spec", "volumeClaimUpdateStrategy", "type"}) == "OnPodRollingUpdate" &&
      ClaimsWithoutSize(set) != ClaimsWithoutSize(old)) {
    causes->Forbidden("spec.volumeClaimTemplates",
                      "only storage requests and limits may change with OnPodRollingUpdate");
  }
}

void ValidateSet(const Json& set, const Json* old, Causes* causes) {
  CheckOwnSelector(set, "spec.template.metadata.labels", causes);
  CheckTemplate(set, causes);
  CheckRolling(set, causes);
  CheckScaleStrategy(set, causes);
  if (old != nullptr) {
    CheckChange(set, *old, causes);
  }
}

// ---------------------------------------------------------------------------------------- shape

Schema RollingUpdate() {
  return Object("How a rolling update goes.")
      .Field("partition", Int32("Pods left on the old revision.").Min(0))
      .Field("maxUnavailable",
             Share("Most pods away at once; a percentage of replicas, rounded down.")
                 .Rule(&CheckMaxUnavailable))
      .Field("podUpdatePolicy", String("Whether pods are made anew or changed in place.")
                                    .Enum({"ReCreate", "InPlaceIfPossible", "InPlaceOnly"}))
      .Field("paused", Bool("Stops updating; scaling and repair go on."))
      .Field("unorderedUpdate",
             Object("Updates in an order of priorities.")
                 .Field("priorityStrategy", Schema(PriorityStrategy()).Required()))
      .Field("inPlaceUpdateStrategy",
             Object()
                 .Field("gracePeriodSeconds", Int32("Between not ready and the change.").Min(0))
                 .Field("imagePreDownloadParallelism", IntOrString().Min(0).OnlyIn("v1beta1"))
                 .Field("imagePreDownloadTimeoutSeconds", Int32().Min(0).OnlyIn("v1beta1"))
                 .Field("imagePreDownloadMinUpdatedReadyPods", Int32().Min(0).OnlyIn("v1beta1")))
      .Field("minReadySeconds",
             Int32("Ready for so long before a pod is available.").Min(0).Max(300));
}

Schema ScheduleStrategy() {
  return Object("What happens to pods that do not come to run where they are.")
      .Field(
          "retryOnOtherNodes",
          Object("Deletes a pod that is bound and does not run in time; its successor keeps off "
                 "that node.")
              .Field("enabled", Bool().Default(false))
              .Field("timeoutSeconds", Int32("From being bound to running.").Min(1).Default(60))
              .Field(
                  "maxRetries",
                  Int32("Nodes tried in vain before the pod stays.").Min(1).Max(100).Default(3)));
}

Schema Spec() {
  const Schema retention = String().Enum({"Retain", "Delete"}).Default("Retain");
  return Object("What is wanted of the set.")
      .Field("replicas", Int32("Pods wanted.").Min(0).Default(1))
      .Field("selector",
             Schema(LabelSelectorSchema()).About("Which pods are the set's.").Required())
      .Field("template", Schema(PodTemplateSpec()).Required())
      .Field("volumeClaimTemplates", ListOf(ClaimTemplate(), "One claim per pod and template."))
      .Field("serviceName", String("The headless service that names the pods."))
      .Field("podManagementPolicy", String("One pod after the other, or all at once.")
                                        .Enum({"OrderedReady", "Parallel"})
                                        .Default("OrderedReady"))
      .Field(
          "updateStrategy",
          Object()
              .Field("type", String().Enum({"RollingUpdate", "OnDelete"}).Default("RollingUpdate"))
              .Field("rollingUpdate", RollingUpdate())
              .Fill(&FillUpdateStrategy)
              .Default(JsonObject()))
      .Field("revisionHistoryLimit", Int32("Old revisions kept.").Min(0).Default(10))
      .Field("reserveOrdinals",
             ListOf(IntOrString().Min(0).Rule(&CheckReservedOrdinal), "Ordinals that no pod takes.")
                 .OnlyIn("v1beta1"))
      .Field("lifecycle", Schema(LifecycleHooks()).OnlyIn("v1beta1"))
      .Field("scaleStrategy",
             Object()
                 .Field("maxUnavailable",
                        Share("Most pods away while creating.").Rule(&CheckMaxUnavailable))
                 .OnlyIn("v1beta1"))
      .Field("scheduleStrategy", ScheduleStrategy().OnlyIn("v1beta1"))
      .Field(
          "persistentVolumeClaimRetentionPolicy",
          Object().Field("whenDeleted", retention).Field("whenScaled", retention).OnlyIn("v1beta1"))
      .Field(
          "volumeClaimUpdateStrategy",
          Object()
              .Field("type", String().Enum({"OnDelete", "OnPodRollingUpdate"}).Default("OnDelete"))
              .OnlyIn("v1beta1"))
      .Field(
          "ordinals",
          Object().Field("start", Int32("The first ordinal.").Min(0).Default(0)).OnlyIn("v1beta1"));
}

Schema Status() {
  return Object("How far the set is.")
      .Field("observedGeneration", Int64())
      .Field("replicas", Int32("Pods there are.").Default(0))
      .Field("readyReplicas", Int32().Default(0))
      .Field("availableReplicas", Int32().Default(0))
      .Field("currentReplicas", Int32("Pods at currentRevision.").Default(0))
      .Field("updatedReplicas", Int32("Pods at updateRevision.").Default(0))
      .Field("updatedReadyReplicas", Int32().OnlyIn("v1beta1"))
      .Field("updatedAvailableReplicas", Int32().OnlyIn("v1beta1"))
      .Field("currentRevision", String())
      .Field("updateRevision", String())
      .Field("collisionCount", Int32())
      .Field("conditions", ListOf(Condition()))
      .Field("labelSelector", String("The selector as text, for scale."))
      .Field("retriedPods", Int32("Pods sent to other nodes, ever.").OnlyIn("v1beta1"))
      .Field("nodeRetries",
             ListOf(Object()
                        .Field("podName", String())
                        .Field("nodes", ListOf(String(), "Where the pod did not come to run.")))
                 .OnlyIn("v1beta1"))
      .Field("volumeClaims", ListOf(Object()
                                        .Field("volumeClaimName", String())
                                        .Field("compatibleReplicas", Int32())
                                        .Field("compatibleReadyReplicas", Int32()))
                                 .OnlyIn("v1beta1"));
}

Json ContainersCell(const Json& set, std::string_view member) {
  std::vector<std::string_view> texts;
  const JsonArray* list = FindArray(set, {"spec", "template", "spec", "containers"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    texts.push_back(StringAt((*list)[i], {member}));
  }
  return Json(JsonView(fmt::format("{}", fmt::join(texts, ","))));
}

std::vector<Column> Columns() {
  return {NameColumn(),
          {.name = "Desired",
           .type = "integer",
           .description = "Pods wanted.",
           .path = {"spec", "replicas"}},
          {.name = "Current",
           .type = "integer",
           .description = "Pods there are.",
           .path = {"status", "replicas"}},
          {.name = "Updated",
           .type = "integer",
           .description = "Pods of the new revision.",
           .path = {"status", "updatedReplicas"}},
          {.name = "Ready",
           .type = "integer",
           .description = "Pods that are ready.",
           .path = {"status", "readyReplicas"}},
          AgeColumn(),
          {.name = "Containers",
           .priority = 1,
           .cell = [](const Json& set, int64_t) { return ContainersCell(set, "name"); }},
          {.name = "Images", .priority = 1, .cell = [](const Json& set, int64_t) {
             return ContainersCell(set, "image");
           }}};
}

}  // namespace

Kind InplaceSetKind() {
  return Kind{
      .group = kKruiseGroup,
      .versions = {"v1beta1", "v1alpha1"},
      .storage_version = "v1beta1",
      .kind = "InplaceSet",
      .list_kind = "InplaceSetList",
      .resource = "inplacesets",
      .singular = "inplaceset",
      .storage_resource = "inplacesets",
      .short_names = {"ips"},
      .subresources = {StatusOf("InplaceSet"),
                       {"scale", "autoscaling", "v1", "Scale", {"get", "patch", "update"}}},
      .scale =
          ScalePaths{{"spec", "replicas"}, {"status", "replicas"}, {"status", "labelSelector"}},
      .columns = Columns(),
      .fields = FieldsWithNames(true),
      .name_format = Format::kDnsLabel,
      .has_strategic_merge = false,
      .has_generation = true,
      .has_status = true,
      .definition_prefix = "io.kruise.apps",
      .schema = TopLevel("Ordered pods with stable names and storage, updated in place.")
                    .Field("spec", Spec().Required())
                    .Field("status", Status().Default(JsonObject())),
      .validate = &ValidateSet,
  };
}

Kind KruiseStatefulSetKind() {
  Kind kind = InplaceSetKind();
  kind.kind = "StatefulSet";
  kind.list_kind = "StatefulSetList";
  kind.resource = "statefulsets";
  kind.singular = "statefulset";
  kind.short_names = {"asts", "sts"};
  kind.subresources.front().kind = "StatefulSet";
  return kind;
}

}  // namespace socle::api
