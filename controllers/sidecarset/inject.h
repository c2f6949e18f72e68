// Inject: puts the containers of matched SidecarSets into a new pod; a pure merge of documents.
//
//   pod's init containers, init sidecars by name
//   sidecars before, the app's containers, sidecars after        in the order of the sets, then of a set
//
// Laws     1. Idempotent: containers, mounts, variables, volumes and secrets are known by name (mounts by
//             path), and injecting again changes nothing but the time in the annotation.
//          2. Nothing of the pod is changed but a container with the name of a sidecar, which becomes it,
//             and annotations by the policy of the set.
//          3. What sidecars share or copy comes from the app's containers, never from sidecars.
// Threads  pure functions.
// Errors   InvalidArgument: an expression of a resourcesPolicy can't be evaluated for this pod.
// Source   spec controllers 4.2, 4.5, 6.3.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_INJECT_H_
#define SOCLE_CONTROLLERS_SIDECARSET_INJECT_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/sidecarset/content.h"

namespace socle::sidecarset {

// A set, with the content that this pod is to get.
struct Injection {
  std::string set;
  ContentRef content;
  std::string revision;  // ControllerRevision of the content
};

// `sets` in the order of 6.3: by name, canaries last. With none the pod is not touched.
absl::Status Inject(const std::vector<Injection>& sets, int64_t wall_nanos, api::Json* pod);

// The two containers of a hot sidecar.
struct HotPair {
  api::Json first;
  api::Json second;
};

HotPair MakeHotPair(const Sidecar& sidecar, const api::Json& container);

// The label or annotation of the pod that `metadata.labels['x']` means; empty when it has none.
std::string_view FieldPathValue(std::string_view path, const api::Json& pod);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_INJECT_H_
