// Conflicts: what is wrong with a SidecarSet in the company of others: rules that one set's schema can't say.
//
// Laws     1. Two sets conflict only when one pod could get both; a canary and its base never do.
//          2. A volume of the same definition, and JSON annotations with different members, are no conflict.
// Threads  pure functions.
// Errors   causes, by field.
// Source   spec controllers 4.4 (canaries), 4.9, 7.6 E21.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_CONFLICTS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_CONFLICTS_H_

#include <vector>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"
#include "controllers/sidecarset/sidecar_set.h"

namespace socle::sidecarset {

// `others`: those that share a claim with it.
void CheckConflicts(const SidecarSet& set, const std::vector<SidecarSetRef>& others,
                    api::Causes* causes);

// `base`: the set that the canary names, nullptr when there is none.
void CheckBase(const SidecarSet& set, const SidecarSetRef& base, api::Causes* causes);

// Members of patchPodMetadata that would forge what the plane writes, and policies of resources.
void CheckSpec(const api::Json& document, api::Causes* causes);

// On update: containers keep their names, for pods are upgraded container by container.
void CheckContainersKept(const api::Json& document, const api::Json& old, api::Causes* causes);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_CONFLICTS_H_
