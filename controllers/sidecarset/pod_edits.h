// PodEdits: the changes that a SidecarSet makes to pods that run, as edits of their documents.
//
//   hot upgrade   [old][empty] ──UpgradePod──► [old][new] ──both ready──► FlipPod ──► [empty][new]
//
// Laws     1. Each edit is one write, and does nothing (false) when it has been done already, or when the pod
//             isn't in the state that it was decided for.
//          2. UpgradePod changes images and annotations, nothing else of the spec.
// Threads  pure functions.
// Source   spec controllers 4.5 - 4.7, 4.10.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_POD_EDITS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_POD_EDITS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "controllers/api/json.h"
#include "controllers/sidecarset/content.h"

namespace socle::sidecarset {

// What the edits need of the set.
struct SetForm {
  std::string name;
  ContentRef content;
  std::string revision;  // ControllerRevision of the content
  std::string version;   // resourceVersion of the set: names hot upgrades
};

bool UpgradePod(const SetForm& set, int64_t wall_nanos, api::Json* pod);
bool FlipPod(const SetForm& set, api::Json* pod);

// The condition SidecarSetUpgradable, a word per set.
bool SetUpgradable(std::string_view set, bool is_upgradable, int64_t wall_nanos, api::Json* pod);

// Takes the set's containers, and volumes that nothing mounts any more, out of the pod. The last container
// of a pod stays.
bool StripContainers(const SetForm& set, api::Json* pod);
// Takes the set's marks, the annotations that it patched in, and its word in the condition.
bool StripAnnotations(const SetForm& set, api::Json* pod);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_POD_EDITS_H_
