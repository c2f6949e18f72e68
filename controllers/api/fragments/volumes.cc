// Volumes and claims.
#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/container.h"
#include "controllers/api/fragments/meta.h"
#include "controllers/api/fragments/pod.h"
#include "controllers/api/quantity.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

// Sources that the plane describes; others are kept as they are.
constexpr std::string_view kOtherSources[] = {"awsElasticBlockStore",
                                              "azureDisk",
                                              "azureFile",
                                              "cephfs",
                                              "cinder",
                                              "csi",
                                              "ephemeral",
                                              "fc",
                                              "flexVolume",
                                              "flocker",
                                              "gcePersistentDisk",
                                              "gitRepo",
                                              "glusterfs",
                                              "image",
                                              "iscsi",
                                              "photonPersistentDisk",
                                              "portworxVolume",
                                              "quobyte",
                                              "rbd",
                                              "scaleIO",
                                              "storageos",
                                              "vsphereVolume"};

void CheckVolume(const Json& volume, std::string_view path, Causes* causes) {
  int sources = 0;
  for (const auto& member : volume.get_object()) {
    if (View(member.key()) == "name" || member.value().is_null()) {
      continue;
    }
    if (++sources > 1) {
      causes->Forbidden(fmt::format("{}.{}", path, View(member.key())),
                        "may not specify more than 1 volume type");
    }
  }
  if (sources == 0) {
    causes->Required(path, "must specify a volume type");
  }
}

// A volume without a source is an empty directory.
void FillVolume(JsonObject* volume) {
  if (volume->size() == 1 && volume->contains("name")) {
    Set(volume, "emptyDir", JsonObject());
  }
}

void CheckClaimStorage(const Json& spec, std::string_view path, Causes* causes) {
  const std::string at = fmt::format("{}.resources", path);
  const Json* storage = Find(spec, {"resources", "requests", "storage"});
  if (storage == nullptr) {
    causes->Required(at + "[storage]");
    return;
  }
  const absl::StatusOr<Quantity> amount = Quantity::FromJson(*storage);
  if (amount.ok() && (amount->is_zero() || amount->is_negative())) {
    causes->Invalid(at + "[storage]", *storage, "must be greater than zero");
  }
}

Schema KeyToPath() {
  return Object()
      .Named("io.k8s.api.core.v1.KeyToPath")
      .Field("key", String().Required())
      .Field("path", String().Required())
      .Field("mode", Int32().Min(0).Max(0777));
}

Schema Projection(std::string_view name_field) {
  return Object()
      .Field(name_field, String())
      .Field("items", ListOf(KeyToPath()))
      .Field("defaultMode", Int32().Min(0).Max(0777).Default(0644))
      .Field("optional", Bool());
}

}  // namespace

const Schema& Volume() {
  static const Schema& schema = *[] {
    Schema volume = Object("A place for files that containers mount.")
                        .Named("io.k8s.api.core.v1.Volume")
                        .Field("name", String().Required().Like(Format::kDnsLabel));
    volume.Field("emptyDir", Object().Field("medium", String()).Field("sizeLimit", Amount().Min(0)))
        .Field("hostPath", Object().Field("path", String().Required()).Field("type", String()))
        .Field("configMap", Projection("name"))
        .Field("secret", Projection("secretName"))
        .Field("downwardAPI", Object()
                                  .Field("items", ListOf(Free()))
                                  .Field("defaultMode", Int32().Min(0).Max(0777).Default(0644)))
        .Field("projected", Object()
                                .Field("sources", ListOf(Free()))
                                .Field("defaultMode", Int32().Min(0).Max(0777).Default(0644)))
        .Field("persistentVolumeClaim",
               Object().Field("claimName", String().Required()).Field("readOnly", Bool()))
        .Field("nfs", Object()
                          .Field("server", String().Required())
                          .Field("path", String().Required().Like(Format::kAbsolutePath))
                          .Field("readOnly", Bool()));
    for (const std::string_view source : kOtherSources) {
      volume.Field(source, Free());
    }
    return new Schema(volume.Fill(&FillVolume).Rule(&CheckVolume));
  }();
  return schema;
}

const Schema& ClaimSpec() {
  static const Schema& schema = *new Schema(
      Object("What storage is wanted.")
          .Named("io.k8s.api.core.v1.PersistentVolumeClaimSpec")
          .Field("accessModes", ListOf(String().Enum({"ReadWriteOnce", "ReadOnlyMany",
                                                      "ReadWriteMany", "ReadWriteOncePod"}))
                                    .Required()
                                    .MinItems(1))
          .Field("resources", Object()
                                  .Named("io.k8s.api.core.v1.VolumeResourceRequirements")
                                  .Field("limits", ResourceList())
                                  .Field("requests", ResourceList()))
          .Field("selector", LabelSelectorSchema())
          .Field("storageClassName", String().Like(Format::kDnsSubdomain))
          .Field("volumeAttributesClassName", String())
          .Field("volumeMode", String().Enum({"Block", "Filesystem"}).Default("Filesystem"))
          .Field("volumeName", String())
          .Field("dataSource", Free())
          .Field("dataSourceRef", Free())
          .Rule(&CheckClaimStorage));
  return schema;
}

Schema ClaimTemplate() {
  return Object("A claim that each pod gets one of.")
      .Field("apiVersion", String())
      .Field("kind", String())
      .Field("metadata", ObjectMeta())
      .Field("spec", Schema(ClaimSpec()).Required())
      .Field("status", Free());
}

void CheckMountsHaveVolumes(const Json& pod_spec, std::string_view path, Causes* causes) {
  StringSet volumes;
  if (const JsonArray* list = FindArray(pod_spec, {"volumes"})) {
    for (const Json& volume : *list) {
      volumes.emplace(StringAt(volume, {"name"}));
    }
  }
  for (const std::string_view group : {"initContainers", "containers"}) {
    const JsonArray* containers = FindArray(pod_spec, {group});
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
      for (const std::string_view member : {"volumeMounts", "volumeDevices"}) {
        const JsonArray* mounts = FindArray((*containers)[i], {member});
        for (size_t k = 0; mounts != nullptr && k < mounts->size(); ++k) {
          const std::string_view name = StringAt((*mounts)[k], {"name"});
          if (!name.empty() && !volumes.contains(name)) {
            causes->NotFound(fmt::format("{}.{}[{}].{}[{}].name", path, group, i, member, k),
                             Json(JsonView(name)));
          }
        }
      }
    }
  }
}

}  // namespace socle::api
