// Scale: the replicas of an object as autoscaling/v1 Scale, for kinds that say where they stand.
//
// Threads  pure functions.
// Errors   ApiError.
// Source   spec controllers 9.3 (scale), 7.1 A13.
#ifndef SOCLE_CONTROLLERS_REGISTRY_SCALE_H_
#define SOCLE_CONTROLLERS_REGISTRY_SCALE_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/api/kind.h"

namespace socle::registry {

// `object` as it is stored, of a kind with scale paths; its resourceVersion is this.
api::Json ScaleDocument(const api::Kind& kind, const api::Json& object, int64_t mod_revision);

// Sets the replicas that the Scale wants in `object`.
absl::Status ApplyScale(const api::Kind& kind, std::string_view name, const api::Json& scale,
                        api::Json* object);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_SCALE_H_
