// The kinds that the plane serves: one function and one file for each.
// Threads  each call builds a new description; KindRegistry::Builtin keeps them.
#ifndef SOCLE_CONTROLLERS_API_KINDS_KINDS_H_
#define SOCLE_CONTROLLERS_API_KINDS_KINDS_H_

#include <vector>

#include "controllers/api/kind.h"

namespace socle::api {

Kind NamespaceKind();
Kind NodeKind();
Kind PodKind();
Kind EventKind();
Kind PersistentVolumeClaimKind();
Kind ConfigMapKind();
Kind SecretKind();
Kind ServiceKind();
Kind ServiceAccountKind();
Kind ControllerRevisionKind();
Kind LeaseKind();
Kind PodDisruptionBudgetKind();
Kind InplaceSetKind();
// The same objects under the name that OpenKruise gives them: statefulsets.apps.kruise.io.
Kind KruiseStatefulSetKind();
Kind SidecarSetKind();
Kind BroadcastJobKind();

// All of them, in the order of discovery.
std::vector<Kind> AllKinds();

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_KINDS_KINDS_H_
