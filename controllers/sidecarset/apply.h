// Apply: the writes of one pass over a set's pods, many under way together.
//
// Laws     1. Each is guarded by the pod's uid, and looks again at the pod that it is about to change: what is
//             no longer as planned is left alone.
//          2. At most kWritesTogether are under way at once.
// Threads  confined to the worker that reconciles.
// Errors   the first refusal; a pod that is gone is none.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_APPLY_H_
#define SOCLE_CONTROLLERS_SIDECARSET_APPLY_H_

#include <functional>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/registry/registry.h"
#include "controllers/runtime/runtime.h"

namespace socle::sidecarset {

inline constexpr size_t kWritesTogether = 1'000;

// Changes the document; false: leave it.
using PodEdit = std::function<bool(api::Json* pod)>;

absl::Status EditPods(runtime::Runtime* runtime, const std::vector<registry::ObjectRef>& pods,
                      registry::ChangeRequest::Part part, const PodEdit& edit);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_APPLY_H_
