// NamespaceLifecycle: objects are made only in namespaces that are there and stay.
//
// Laws     1. A creation in a missing namespace is NotFound, in one that is going Forbidden with cause
//             NamespaceTerminating.
//          2. A namespace has the finalizer `kubernetes` in its spec until its content is gone; only the
//             subresource finalize changes spec.finalizers.
//          3. The system's own namespaces are not deleted.
// Threads  thread-safe. Reads the store only when the cache does not show an active namespace.
// Source   spec controllers 9.3 (namespace deletion).
#ifndef SOCLE_CONTROLLERS_REGISTRY_NAMESPACE_LIFECYCLE_H_
#define SOCLE_CONTROLLERS_REGISTRY_NAMESPACE_LIFECYCLE_H_

#include <array>
#include <string_view>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/admission.h"
#include "controllers/registry/object_cache.h"
#include "controllers/storage/state_store.h"

namespace socle::registry {

inline constexpr std::array<std::string_view, 4> kSystemNamespaces = {
    "default", "kube-system", "kube-public", "kube-node-lease"};

class NamespaceLifecycle final : public AdmissionPlugin {
 public:
  // All outlive it.
  NamespaceLifecycle(storage::StateStore* store, const ObjectCache* cache,
                     const api::KindRegistry* kinds);

  std::string_view name() const override { return "NamespaceLifecycle"; }

  absl::Status Admit(const AdmissionRequest& request, api::Json* object) override;
  absl::Status Check(const AdmissionRequest& request, const api::Json& object) override;

 private:
  absl::Status CheckRoom(const AdmissionRequest& request, const api::Json& object) const;

  storage::StateStore* const store_;
  const ObjectCache* const cache_;
  const api::Kind* const namespaces_;  // nullptr: there is no such kind, and nothing to check
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_NAMESPACE_LIFECYCLE_H_
