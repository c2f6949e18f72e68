// DeleteProtection: the label policy.kruise.io/delete-protection keeps an object from being deleted.
//
//   Always      never, as long as the label is there
//   Cascading   not while something would go with it: replicas of a workload, pods of a namespace
//
// Laws     1. Pods are not protected: the controllers that made them replace them.
//          2. A deletion that has begun goes on.
// Threads  thread-safe.
// Source   spec controllers 1.11, 6.4.
#ifndef SOCLE_CONTROLLERS_REGISTRY_DELETE_PROTECTION_H_
#define SOCLE_CONTROLLERS_REGISTRY_DELETE_PROTECTION_H_

#include <string_view>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/admission.h"
#include "controllers/registry/object_cache.h"

namespace socle::registry {

class DeleteProtection final : public AdmissionPlugin {
 public:
  // Both outlive it.
  DeleteProtection(const ObjectCache* cache, const api::KindRegistry* kinds)
      : cache_(cache), kinds_(kinds) {}

  std::string_view name() const override { return "DeleteProtection"; }

  absl::Status Check(const AdmissionRequest& request, const api::Json& object) override;

 private:
  // How many objects would go with this one.
  int64_t CountDependents(const AdmissionRequest& request, const api::Json& object) const;

  const ObjectCache* const cache_;
  const api::KindRegistry* const kinds_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_DELETE_PROTECTION_H_
