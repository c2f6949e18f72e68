// PersistentVolumeClaim: storage that outlives pods.
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/fragments/container.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/kinds/kinds.h"
#include "controllers/api/quantity.h"

namespace socle::api {
namespace {

Json StatusCell(const Json& claim, int64_t) {
  if (Find(claim, {"metadata", "deletionTimestamp"}) != nullptr) {
    return Json("Terminating");
  }
  return Json(JsonView(StringAt(claim, {"status", "phase"})));
}

Json ModesCell(const Json& claim, int64_t) {
  constexpr std::pair<std::string_view, std::string_view> kShort[] = {{"ReadWriteOnce", "RWO"},
                                                                      {"ReadOnlyMany", "ROX"},
                                                                      {"ReadWriteMany", "RWX"},
                                                                      {"ReadWriteOncePod", "RWOP"}};
  std::vector<std::string_view> modes;
  const JsonArray* list = FindArray(claim, {"status", "accessModes"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    for (const auto& [mode, text] : kShort) {
      if ((*list)[i].is_string() && View((*list)[i].get_string()) == mode) {
        modes.push_back(text);
      }
    }
  }
  return Json(JsonView(fmt::format("{}", fmt::join(modes, ","))));
}

// The spec is fixed but for a growing request.
void ValidateClaim(const Json& claim, const Json* old, Causes* causes) {
  if (old == nullptr) {
    return;
  }
  const Json* spec = Find(claim, {"spec"});
  const Json* before = Find(*old, {"spec"});
  if (spec == nullptr || before == nullptr || !spec->is_object() || !before->is_object()) {
    return;
  }
  const auto fixed = [](const Json& one) {
    JsonObject part = one.get_object();
    for (const std::string_view member : {"resources", "volumeName", "volumeAttributesClassName"}) {
      part.erase(JsonView(member));
    }
    return part;
  };
  if (fixed(*spec) != fixed(*before)) {
    causes->Forbidden("spec",
                      "spec is immutable after creation except resources.requests and "
                      "volumeAttributesClassName for bound claims");
  }
  const Json* wanted = Find(*spec, {"resources", "requests", "storage"});
  const Json* had = Find(*before, {"resources", "requests", "storage"});
  if (wanted != nullptr && had != nullptr) {
    const absl::StatusOr<Quantity> wanted_amount = Quantity::FromJson(*wanted);
    const absl::StatusOr<Quantity> had_amount = Quantity::FromJson(*had);
    if (wanted_amount.ok() && had_amount.ok() && *wanted_amount < *had_amount) {
      causes->Forbidden("spec.resources.requests.storage",
                        "field can not be less than previous value");
    }
  }
}

}  // namespace

Kind PersistentVolumeClaimKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "PersistentVolumeClaim",
      .list_kind = "PersistentVolumeClaimList",
      .resource = "persistentvolumeclaims",
      .singular = "persistentvolumeclaim",
      .storage_resource = "persistentvolumeclaims",
      .short_names = {"pvc"},
      .subresources = {StatusOf("PersistentVolumeClaim")},
      .columns = {NameColumn(),
                  {.name = "Status", .cell = &StatusCell},
                  {.name = "Volume", .path = {"spec", "volumeName"}},
                  {.name = "Capacity", .path = {"status", "capacity", "storage"}},
                  {.name = "Access Modes", .cell = &ModesCell},
                  {.name = "StorageClass", .path = {"spec", "storageClassName"}},
                  AgeColumn(),
                  {.name = "VolumeMode", .priority = 1, .path = {"spec", "volumeMode"}}},
      .fields = FieldsWithNames(true),
      .has_status = true,
      .definition_prefix = "io.k8s.api.core",
      .schema =
          TopLevel("Storage that outlives pods.")
              .Field("spec", Schema(ClaimSpec()).Required())
              .Field("status",
                     Object()
                         .Field("phase",
                                String().Enum({"Pending", "Bound", "Lost"}).Default("Pending"))
                         .Field("accessModes", ListOf(String()))
                         .Field("capacity", ResourceList())
                         .Field("allocatedResources", ResourceList())
                         .Field("allocatedResourceStatuses", Free())
                         .Field("currentVolumeAttributesClassName", String())
                         .Field("modifyVolumeStatus", Free())
                         .Field("conditions", ListOf(Condition()).MergeKey("type"))
                         .Default(JsonObject())),
      .validate = &ValidateClaim,
  };
}

}  // namespace socle::api
