// SidecarSet: containers that are put into the pods of others.
// Source  spec controllers 4.1 - 4.4, 4.9, 4.10.
#include <string>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/fragments/container.h"
#include "controllers/api/fragments/kruise.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/int_or_string.h"
#include "controllers/api/kinds/kinds.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

constexpr std::string_view kCanaryLabel = "apps.kruise.io/sidecarset-canary";
constexpr std::string_view kBaseLabel = "apps.kruise.io/sidecarset-base";

// --------------------------------------------------------------------------------------- checks

void CheckResourcesPolicy(const Json& container, std::string_view path, Causes* causes) {
  const JsonObject* policy = FindObject(container, {"resourcesPolicy"});
  if (policy == nullptr) {
    return;
  }
  const std::string at = fmt::format("{}.resourcesPolicy", path);
  for (const std::string_view group : {"limits", "requests"}) {
    const JsonObject* fixed = FindObject(container, {"resources", group});
    if (fixed != nullptr && !fixed->empty()) {
      causes->Forbidden(at, "may not be set together with resources");
      return;
    }
  }
}

void CheckSidecar(const Json& container, std::string_view path, Causes* causes) {
  if (StringAt(container, {"upgradeStrategy", "upgradeType"}) == "HotUpgrade" &&
      StringAt(container, {"upgradeStrategy", "hotUpgradeEmptyImage"}).empty()) {
    causes->Required(fmt::format("{}.upgradeStrategy.hotUpgradeEmptyImage", path),
                     "must be set when upgradeType is HotUpgrade");
  }
  const JsonArray* transfers = FindArray(container, {"transferEnv"});
  for (size_t i = 0; transfers != nullptr && i < transfers->size(); ++i) {
    const Json& transfer = (*transfers)[i];
    const std::string at = fmt::format("{}.transferEnv[{}]", path, i);
    if (StringAt(transfer, {"sourceContainerName"}).empty() &&
        Find(transfer, {"sourceContainerNameFrom"}) == nullptr) {
      causes->Required(at, "sourceContainerName or sourceContainerNameFrom must be set");
    }
    const JsonArray* names = FindArray(transfer, {"envNames"});
    if (StringAt(transfer, {"envName"}).empty() && (names == nullptr || names->empty())) {
      causes->Required(at, "envName or envNames must be set");
    }
  }
  CheckResourcesPolicy(container, path, causes);
}

bool IsNotNever(const Json* share) {
  if (share == nullptr) {
    return false;
  }
  const bool is_zero =
      AsInt(*share) == 0 || (share->is_string() && PercentOf(View(share->get_string())) == 0);
  return !is_zero;
}

void CheckStrategy(const Json& strategy, std::string_view path, Causes* causes) {
  const Json* partition = Find(strategy, {"partition"});
  if (Find(strategy, {"selector"}) != nullptr && IsNotNever(partition)) {
    causes->Invalid(fmt::format("{}.partition", path), *partition,
                    "partition and selector can not be used together");
  }
}

void CheckContainers(const Json& set, Causes* causes) {
  const JsonArray* containers = FindArray(set, {"spec", "containers"});
  const JsonArray* inits = FindArray(set, {"spec", "initContainers"});
  const bool has_any =
      (containers != nullptr && !containers->empty()) || (inits != nullptr && !inits->empty());
  if (!has_any) {
    causes->Required("spec.containers", "at least one container must be given");
  }
  const bool is_rolling = StringAt(set, {"spec", "updateStrategy", "type"}) == "RollingUpdate";
  for (size_t i = 0; inits != nullptr && i < inits->size(); ++i) {
    if (StringAt((*inits)[i], {"restartPolicy"}) == "Always" && is_rolling) {
      causes->Forbidden(fmt::format("spec.initContainers[{}].restartPolicy", i),
                        "sidecar init containers can not be upgraded: updateStrategy.type must be "
                        "NotUpdate");
    }
  }
}

void CheckCanary(const Json& set, const Json* old, Causes* causes) {
  const std::string_view base = StringAt(set, {"metadata", "labels", kBaseLabel});
  const std::string base_field = fmt::format("metadata.labels[{}]", kBaseLabel);
  if (StringAt(set, {"metadata", "labels", kCanaryLabel}) == "true") {
    if (base.empty()) {
      causes->Required(base_field, "a canary must name its base");
    }
    const std::string_view type = StringAt(set, {"spec", "updateStrategy", "type"});
    if (type != "NotUpdate") {
      causes->Invalid("spec.updateStrategy.type", Json(JsonView(type)),
                      "a canary must be NotUpdate");
    }
  }
  if (old != nullptr && base != StringAt(*old, {"metadata", "labels", kBaseLabel})) {
    causes->Invalid(base_field, Json(JsonView(base)), "field is immutable");
  }
}

void CheckUpgradeTypes(const Json& set, const Json& old, Causes* causes) {
  StringMap<std::string_view> types_before;
  const JsonArray* before = FindArray(old, {"spec", "containers"});
  for (size_t i = 0; before != nullptr && i < before->size(); ++i) {
    types_before.emplace(StringAt((*before)[i], {"name"}),
                         StringAt((*before)[i], {"upgradeStrategy", "upgradeType"}));
  }
  const JsonArray* containers = FindArray(set, {"spec", "containers"});
  for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
    const auto found = types_before.find(StringAt((*containers)[i], {"name"}));
    const std::string_view type = StringAt((*containers)[i], {"upgradeStrategy", "upgradeType"});
    if (found != types_before.end() && type != found->second) {
      causes->Invalid(fmt::format("spec.containers[{}].upgradeStrategy.upgradeType", i),
                      Json(JsonView(type)), "field is immutable");
    }
  }
}

void ValidateSet(const Json& set, const Json* old, Causes* causes) {
  const Json* space_selector = Find(set, {"spec", "namespaceSelector"});
  // All pods of some namespaces may be meant; all pods of all are not.
  if (space_selector == nullptr && StringAt(set, {"spec", "namespace"}).empty()) {
    CheckOwnSelector(set, "", causes);
  }
  if (!StringAt(set, {"spec", "namespace"}).empty() && space_selector != nullptr) {
    causes->Invalid("spec.namespace", *Find(set, {"spec", "namespace"}),
                    "namespace and namespaceSelector can not be used together");
  }
  CheckContainers(set, causes);
  CheckCanary(set, old, causes);
  if (old != nullptr) {
    CheckUpgradeTypes(set, *old, causes);
  }
}

// ---------------------------------------------------------------------------------------- shape

Schema Sidecar(std::string_view default_place) {
  const Schema share_policy = Object().Field("type", String().Enum({"enabled", "disabled"}));
  const Schema expression = Object().Field("cpu", String()).Field("memory", String());
  return Object("A container, and how it is put into pods and upgraded.")
      .FieldsOf(Container())
      .Field("podInjectPolicy", String("Before or after the containers of the pod.")
                                    .Enum({"BeforeAppContainer", "AfterAppContainer"})
                                    .Default(Json(JsonView(default_place))))
      .Field("upgradeStrategy",
             Object()
                 .Field("upgradeType",
                        String().Enum({"ColdUpgrade", "HotUpgrade"}).Default("ColdUpgrade"))
                 .Field("hotUpgradeEmptyImage", String())
                 .Default(JsonObject()))
      .Field("shareVolumePolicy",
             Object("Mount what the other containers mount.")
                 .Field("type", String().Enum({"enabled", "disabled"}).Default("disabled"))
                 .Default(JsonObject()))
      .Field("shareVolumeDevicePolicy", share_policy)
      .Field("transferEnv",
             ListOf(Object("Variables copied from a container of the pod.")
                        .Field("sourceContainerName", String())
                        .Field("sourceContainerNameFrom",
                               Object().Field("fieldRef",
                                              Object()
                                                  .Field("apiVersion", String().Default("v1"))
                                                  .Field("fieldPath", String().Required())))
                        .Field("envName", String())
                        .Field("envNames", ListOf(String()))))
      .Field(
          "resourcesPolicy",
          Object("Resources computed from those of other containers.")
              .Field("targetContainersMode", String().Required().Enum({"sum", "max"}))
              .Field("targetContainersNameRegex", String().Default(".*"))
              .Field("resourcesExpr",
                     Object().Field("limits", expression).Field("requests", expression).Required()))
      .Rule(&CheckSidecar);
}

Schema UpdateStrategy() {
  return Object("How the sidecars of running pods are upgraded.")
      .Field("type", String().Enum({"RollingUpdate", "NotUpdate"}).Default("RollingUpdate"))
      .Field("paused", Bool())
      .Field("selector", Schema(LabelSelectorSchema()).About("Only these pods are upgraded."))
      .Field("partition",
             Share("Pods left on the old revision; a percentage is rounded up.").Default(0))
      .Field("maxUnavailable",
             Share("Most pods away at once; a percentage is rounded up.").Default(1))
      .Field("priorityStrategy", PriorityStrategy())
      .Field("scatterStrategy",
             ListOf(Object().Field("key", String().Required()).Field("value", String().Required())))
      .Rule(&CheckStrategy)
      .Default(JsonObject());
}

Schema InjectionStrategy() {
  return Object("How new pods get the sidecars.")
      .Field("paused", Bool())
      .Field("revision",
             Object("An old revision to put into new pods.")
                 .Field("customVersion", String())
                 .Field("revisionName", String())
                 .Field("policy", String().Enum({"Always", "Partial"}).Default("Always")));
}

Schema Spec() {
  return Object("Which pods, which containers, and how.")
      .Field("selector", Schema(LabelSelectorSchema()).About("Which pods.").Required())
      .Field("namespace",
             String("Only pods of this namespace.").Like(Format::kDnsLabel).OnlyIn("v1alpha1"))
      .Field("namespaceSelector", Schema(LabelSelectorSchema()).About("Only pods of these."))
      .Field("initContainers", ListOf(Sidecar("AfterAppContainer")).MergeKey("name").MapKey("name"))
      .Field("containers", ListOf(Sidecar("BeforeAppContainer")).MergeKey("name").MapKey("name"))
      .Field("volumes", ListOf(Volume()).MergeKey("name").MapKey("name"))
      .Field("updateStrategy", UpdateStrategy())
      .Field("injectionStrategy", InjectionStrategy())
      .Field("imagePullSecrets", ListOf(LocalObjectReference()))
      .Field("revisionHistoryLimit", Int32("Old revisions kept.").Min(0).Default(10))
      .Field(
          "patchPodMetadata",
          ListOf(
              Object()
                  .Field("annotations", MapOf(String()).KeysLike(Format::kQualifiedName))
                  .Field(
                      "patchPolicy",
                      String().Enum({"Retain", "Overwrite", "MergePatchJson"}).Default("Retain"))))
      .Field("deletePolicy", String("What happens to sidecars when the set is deleted.")
                                 .Enum({"Keep", "Remove"})
                                 .Default("Keep"))
      .Field("customVersion", String("A name for this revision.").OnlyIn("v1beta1"));
}

Schema Status() {
  return Object("How far the set is.")
      .Field("observedGeneration", Int64())
      .Field("matchedPods", Int32().Default(0))
      .Field("updatedPods", Int32("Pods with the latest revision.").Default(0))
      .Field("readyPods", Int32().Default(0))
      .Field("updatedReadyPods", Int32())
      .Field("latestRevision", String())
      .Field("collisionCount", Int32())
      .Field("conditions", ListOf(Condition()));
}

}  // namespace

Kind SidecarSetKind() {
  return Kind{
      .group = kKruiseGroup,
      .versions = {"v1beta1", "v1alpha1"},
      .storage_version = "v1beta1",
      .kind = "SidecarSet",
      .list_kind = "SidecarSetList",
      .resource = "sidecarsets",
      .singular = "sidecarset",
      .storage_resource = "sidecarsets",
      .is_namespaced = false,
      .subresources = {StatusOf("SidecarSet")},
      .columns = {NameColumn(),
                  {.name = "Matched", .type = "integer", .path = {"status", "matchedPods"}},
                  {.name = "Updated", .type = "integer", .path = {"status", "updatedPods"}},
                  {.name = "Ready", .type = "integer", .path = {"status", "readyPods"}},
                  AgeColumn()},
      .fields = FieldsWithNames(false),
      .name_format = Format::kKruiseName,
      .has_strategic_merge = false,
      .has_generation = true,
      .has_status = true,
      .definition_prefix = "io.kruise.apps",
      .schema = TopLevel("Containers that are put into the pods of others.")
                    .Field("spec", Spec().Required())
                    .Field("status", Status().Default(JsonObject())),
      .validate = &ValidateSet,
  };
}

}  // namespace socle::api
