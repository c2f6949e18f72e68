// ServiceAccount: whom a pod acts as.
#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {

Kind ServiceAccountKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "ServiceAccount",
      .list_kind = "ServiceAccountList",
      .resource = "serviceaccounts",
      .singular = "serviceaccount",
      .storage_resource = "serviceaccounts",
      .short_names = {"sa"},
      .columns = {NameColumn(),
                  {.name = "Secrets",
                   .type = "integer",
                   .cell =
                       [](const Json& object, int64_t) {
                         const JsonArray* secrets = FindArray(object, {"secrets"});
                         return Json(secrets == nullptr ? size_t{0} : secrets->size());
                       }},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("Whom a pod acts as.")
                    .Field("secrets", ListOf(ObjectReference()).MergeKey("name"))
                    .Field("imagePullSecrets", ListOf(LocalObjectReference()))
                    .Field("automountServiceAccountToken", Bool()),
  };
}

}  // namespace socle::api
