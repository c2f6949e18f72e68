// Namespace: a room of names.
#include <string>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

// Selectors of namespaces find each by its name.
void FillNamespace(JsonObject* object) {
  Json* metadata = object->if_contains("metadata");
  if (metadata == nullptr || StringAt(*metadata, {"name"}).empty()) {
    return;
  }
  const std::string name(StringAt(*metadata, {"name"}));
  Set(&EnsureObject(metadata, {"labels"}), "kubernetes.io/metadata.name", Json(JsonView(name)));
}

}  // namespace

Kind NamespaceKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Namespace",
      .list_kind = "NamespaceList",
      .resource = "namespaces",
      .singular = "namespace",
      .storage_resource = "namespaces",
      .short_names = {"ns"},
      .is_namespaced = false,
      .verbs = {"create", "delete", "get", "list", "patch", "update", "watch"},
      .subresources = {StatusOf("Namespace"), {"finalize", "", "", "Namespace", {"update"}}},
      .columns = {NameColumn(),
                  {.name = "Status",
                   .description = "Active, or Terminating while its content goes.",
                   .path = {"status", "phase"}},
                  AgeColumn()},
      .fields = FieldsWithNames(
          false, {{"status.phase", {"status", "phase"}}, {"name", {"metadata", "name"}}}),
      .name_format = Format::kDnsLabel,
      .has_status = true,
      .definition_prefix = "io.k8s.api.core",
      .schema =
          TopLevel("A room of names: most objects live in one.")
              .Field("spec", Object().Field("finalizers", ListOf(String())).Default(JsonObject()))
              .Field("status",
                     Object()
                         .Field("phase", String().Enum({"Active", "Terminating"}).Default("Active"))
                         .Field("conditions", ListOf(Condition()).MergeKey("type"))
                         .Default(JsonObject()))
              .Fill(&FillNamespace),
  };
}

}  // namespace socle::api
