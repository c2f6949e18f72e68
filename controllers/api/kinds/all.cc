#include "controllers/api/kinds/kinds.h"

namespace socle::api {

std::vector<Kind> AllKinds() {
  return {ConfigMapKind(),
          EventKind(),
          NamespaceKind(),
          NodeKind(),
          PersistentVolumeClaimKind(),
          PodKind(),
          SecretKind(),
          ServiceAccountKind(),
          ServiceKind(),
          ControllerRevisionKind(),
          LeaseKind(),
          PodDisruptionBudgetKind(),
          InplaceSetKind(),
          KruiseStatefulSetKind(),
          SidecarSetKind(),
          BroadcastJobKind()};
}

}  // namespace socle::api
