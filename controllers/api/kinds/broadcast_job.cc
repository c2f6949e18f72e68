// BroadcastJob: one pod on every node that fits, each exactly once.
// Source  spec controllers 5.1, 5.2, 5.4.
#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/kruise.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

void CheckCompletion(const Json& policy, std::string_view path, Causes* causes) {
  if (StringAt(policy, {"type"}) != "Never") {
    return;
  }
  for (const std::string_view member : {"activeDeadlineSeconds", "ttlSecondsAfterFinished"}) {
    if (Find(policy, {member}) != nullptr) {
      causes->Forbidden(fmt::format("{}.{}", path, member), "can only be set when type is Always");
    }
  }
}

void ValidateJob(const Json& job, const Json*, Causes* causes) {
  if (const Json* pod_spec = Find(job, {"spec", "template", "spec"})) {
    CheckMountsHaveVolumes(*pod_spec, "spec.template.spec", causes);
    const Json* restart = Find(*pod_spec, {"restartPolicy"});
    if (restart != nullptr && restart->is_string() && View(restart->get_string()) == "Always") {
      causes->NotSupported("spec.template.spec.restartPolicy", *restart, {"Never", "OnFailure"});
    }
  }
  for (const std::string_view label : {"broadcastjob-name", "broadcastjob-controller-uid"}) {
    if (Find(job, {"spec", "template", "metadata", "labels", label}) != nullptr) {
      causes->Forbidden(fmt::format("spec.template.metadata.labels[{}]", label),
                        "the label is set by the controller");
    }
  }
}

Schema Spec() {
  return Object("What runs, and when the job is over.")
      .Field("parallelism",
             Share("Most pods active at once; a percentage of the nodes is rounded up.")
                 .Default(INT32_MAX))
      .Field("template", Schema(PodTemplateSpec()).Required())
      .Field("completionPolicy",
             Object("When the job is over.")
                 .Field("type", String().Enum({"Always", "Never"}).Default("Always"))
                 .Field("activeDeadlineSeconds", Int64().Min(0))
                 .Field("ttlSecondsAfterFinished", Int32().Min(0))
                 .Rule(&CheckCompletion)
                 .Default(JsonObject()))
      .Field("paused", Bool())
      .Field(
          "failurePolicy",
          Object("What a failed pod means.")
              .Field("type", String().Enum({"FailFast", "Continue", "Pause"}).Default("FailFast"))
              .Field("restartLimit", Int32().Min(0).Default(0))
              .Default(JsonObject()));
}

Schema Status() {
  return Object("How far the job is.")
      .Field("observedGeneration", Int64())
      .Field("conditions", ListOf(Condition()))
      .Field("startTime", Time())
      .Field("completionTime", Time())
      .Field("active", Int32().Default(0))
      .Field("succeeded", Int32().Default(0))
      .Field("failed", Int32().Default(0))
      .Field("desired", Int32().Default(0))
      .Field("phase", String().Enum({"running", "paused", "failed", "completed"}));
}

}  // namespace

Kind BroadcastJobKind() {
  return Kind{
      .group = kKruiseGroup,
      .versions = {"v1beta1", "v1alpha1"},
      .storage_version = "v1beta1",
      .kind = "BroadcastJob",
      .list_kind = "BroadcastJobList",
      .resource = "broadcastjobs",
      .singular = "broadcastjob",
      .storage_resource = "broadcastjobs",
      .short_names = {"bcj", "bj"},
      .categories = {"all"},
      .subresources = {StatusOf("BroadcastJob")},
      .columns = {NameColumn(),
                  {.name = "Desired", .type = "integer", .path = {"status", "desired"}},
                  {.name = "Active", .type = "integer", .path = {"status", "active"}},
                  {.name = "Succeeded", .type = "integer", .path = {"status", "succeeded"}},
                  {.name = "Failed", .type = "integer", .path = {"status", "failed"}},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .name_format = Format::kKruiseName,
      .has_strategic_merge = false,
      .has_generation = true,
      .has_status = true,
      .definition_prefix = "io.kruise.apps",
      .schema = TopLevel("One pod on every node that fits, each exactly once.")
                    .Field("spec", Spec().Required())
                    .Field("status", Status().Default(JsonObject())),
      .validate = &ValidateJob,
  };
}

}  // namespace socle::api
