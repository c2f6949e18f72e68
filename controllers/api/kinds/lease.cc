// Lease: who holds a role, or which node is alive.
#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {

Kind LeaseKind() {
  return Kind{
      .group = "coordination.k8s.io",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Lease",
      .list_kind = "LeaseList",
      .resource = "leases",
      .singular = "lease",
      .storage_resource = "leases",
      .columns = {NameColumn(),
                  {.name = "Holder", .path = {"spec", "holderIdentity"}},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .may_create_on_update = true,
      .may_update_unconditionally = false,
      .definition_prefix = "io.k8s.api.coordination",
      .schema = TopLevel("Who holds a role, or which node is alive.")
                    .Field("spec", Object()
                                       .Field("holderIdentity", String())
                                       .Field("leaseDurationSeconds", Int32().Min(1))
                                       .Field("leaseTransitions", Int32().Min(0))
                                       .Field("acquireTime", MicroTime())
                                       .Field("renewTime", MicroTime())
                                       .Field("preferredHolder", String())
                                       .Field("strategy", String())
                                       .Default(JsonObject())),
  };
}

}  // namespace socle::api
