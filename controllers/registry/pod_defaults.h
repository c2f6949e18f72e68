// PodDefaults: what pods get at creation that follows from the plane and not from their schema: the
// service account, the tolerations that let a pod outlive five minutes of a lost node, its priority, its
// quality of service.
//
// Threads  thread-safe: it has no state.
// Source   spec controllers 6.3.
#ifndef SOCLE_CONTROLLERS_REGISTRY_POD_DEFAULTS_H_
#define SOCLE_CONTROLLERS_REGISTRY_POD_DEFAULTS_H_

#include <string_view>

#include "controllers/registry/admission.h"

namespace socle::registry {

class PodDefaults final : public AdmissionPlugin {
 public:
  std::string_view name() const override { return "PodDefaults"; }

  absl::Status Admit(const AdmissionRequest& request, api::Json* object) override;
};

// Guaranteed, Burstable or BestEffort, by the requests and limits of all containers.
std::string_view QosClassOf(const api::Json& pod);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_POD_DEFAULTS_H_
