// In-place update: a pod gets new images (labels, annotations, resources) and stays where it is.
//
//   idle ─► [grace] ─► updating: the node restarts containers, batch by batch ─► done ─► idle
//
// Laws     1. From the start until done the condition InPlaceUpdateReady is False; the change that starts
//             it, and the one that ends it, are one write each.
//          2. All state is on the pod: anybody may continue at any moment (Advance), idempotently.
//          3. A container with a higher KRUISE_CONTAINER_PRIORITY is changed, and ready, before those with
//             a lower one are touched.
//          4. An update that replaces an unfinished one takes over what that had not written yet.
// Threads  pure functions on documents.
// Source   spec controllers 2.1 - 2.6.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_IN_PLACE_UPDATE_H_
#define SOCLE_CONTROLLERS_WORKLOAD_IN_PLACE_UPDATE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"

namespace socle::workload {

inline constexpr std::string_view kInPlaceReadyCondition = "InPlaceUpdateReady";
inline constexpr std::string_view kInPlaceStateKey = "apps.kruise.io/inplace-update-state";
inline constexpr std::string_view kInPlaceGraceKey = "apps.kruise.io/inplace-update-grace";
inline constexpr std::string_view kOldInPlaceStateKey = "inplace-update-state";
inline constexpr std::string_view kOldInPlaceGraceKey = "inplace-update-grace";
inline constexpr std::string_view kContainerPriorityEnv = "KRUISE_CONTAINER_PRIORITY";

// What is to become of a pod.
struct InPlaceUpdate {
  std::string revision;
  std::vector<std::pair<std::string, std::string>> images;  // container, image
  std::vector<std::pair<std::string, api::Json>> resources;
  // Merge patches of metadata; null removes.
  api::JsonObject labels;
  api::JsonObject annotations;

  bool is_empty() const {
    return images.empty() && resources.empty() && labels.empty() && annotations.empty();
  }
};

struct InPlaceOptions {
  // The gate of vertical scaling: cpu and memory of containers may change.
  bool allows_resources = false;
  // Hashes of the claim templates of the two revisions; different ones that are both known forbid an
  // update in place, unless ignored.
  std::string old_claims_hash = {};
  std::string new_claims_hash = {};
  bool ignores_claims = false;
};

// What turns a pod of the old template ({metadata, spec}) into one of the new. FailedPrecondition, with the
// place that is in the way, when that can't be done in place.
absl::StatusOr<InPlaceUpdate> DiffTemplates(const api::Json& old_template,
                                            const api::Json& new_template,
                                            std::string_view revision, InPlaceOptions options = {});

// Begins: revision label, condition, and with no grace the first batch with its state.
void StartInPlace(const InPlaceUpdate& update, int64_t grace_seconds, int64_t now_nanos,
                  api::Json* pod);

enum class InPlaceStage : uint8_t {
  kIdle,
  kGrace,          // until grace_until_nanos
  kGraceOutdated,  // the revision of the pod has moved on: to be dropped
  kWaiting,        // for the node
  kNextBatch,      // the next containers may be changed
  kDone,           // all containers run as wanted, the condition is still False
};

struct InPlaceFacts {
  InPlaceStage stage = InPlaceStage::kIdle;
  std::string revision;
  int64_t grace_until_nanos = 0;
  std::vector<std::string> unfinished;  // containers of kWaiting
};

InPlaceFacts ReadInPlace(const api::Json& pod);

// Takes the step that is due: end of grace, the next batch, the condition True. False when none is.
bool AdvanceInPlace(int64_t now_nanos, api::Json* pod);

// 2.4 for one container that was changed; `state` is the parsed annotation. For SidecarSet as well.
bool IsContainerUpdated(const api::Json& pod, const api::Json& state, std::string_view container);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_IN_PLACE_UPDATE_H_
