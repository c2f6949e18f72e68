// Whitelist: which annotations SidecarSets may patch, as the ConfigMap kruise-system/kruise-configuration says.
//
//   SidecarSet_PatchPodMetadata_WhiteList: {"rules":[{"selector":{…},"allowedAnnotationKeyExprs":["^a/"]}]}
//
// Laws     1. Without the ConfigMap, or without the key in it, every annotation is allowed.
//          2. A rule speaks of the sets that its selector matches; without selector, of all.
// Threads  pure functions.
// Errors   causes, by field. A whitelist that can't be read allows nothing.
// Source   spec controllers 4.1 (patchPodMetadata), 7.6 E7.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_WHITELIST_H_
#define SOCLE_CONTROLLERS_SIDECARSET_WHITELIST_H_

#include "controllers/api/causes.h"
#include "controllers/api/json.h"
#include "controllers/api/kind_registry.h"
#include "controllers/registry/object_cache.h"

namespace socle::sidecarset {

// The ConfigMap; nullptr when there is none.
registry::ObjectRef FindWhitelist(const api::KindRegistry& kinds,
                                  const registry::ObjectCache& cache);

void CheckWhitelist(const api::Json& set, const api::Json& config_map, api::Causes* causes);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_WHITELIST_H_
