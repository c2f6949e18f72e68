// Lifecycle hooks: labels and finalizers with which users hold a pod before deletion, before and after an
// update in place, and before it counts as normal.
//
//   (new) ─► PreparingNormal ─► Normal ─► PreparingUpdate ─► Updating ─► Updated ─► Normal
//                                 any ─► PreparingDelete ─► (deleted)
//
// Laws     1. A pod counts as available only without a state or in Normal.
//          2. There is no way back from PreparingDelete.
// Threads  pure functions.
// Source   spec controllers 3.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_LIFECYCLE_HOOKS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_LIFECYCLE_HOOKS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/registry/object.h"

namespace socle::workload {

inline constexpr std::string_view kLifecycleStateLabel = "lifecycle.apps.kruise.io/state";
inline constexpr std::string_view kLifecycleTimeKey = "lifecycle.apps.kruise.io/timestamp";

enum class LifecycleState : uint8_t {
  kNone,
  kPreparingNormal,
  kNormal,
  kPreparingUpdate,
  kUpdating,
  kUpdated,
  kPreparingDelete,
};

std::string_view LifecycleStateText(LifecycleState state);
// kNone for an unknown text.
LifecycleState ParseLifecycleState(std::string_view text);

struct LifecycleHook {
  bool is_set = false;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<std::string> finalizers;
  bool marks_not_ready = false;
};

struct LifecycleHooks {
  LifecycleHook pre_delete;
  LifecycleHook in_place_update;
  LifecycleHook pre_normal;
};

// spec.lifecycle of a set; nullptr: no hooks.
LifecycleHooks ReadLifecycleHooks(const api::Json* lifecycle);

// Any label value or finalizer of the hook is on the object. False for a hook that is not set.
bool IsHooked(const LifecycleHook& hook, const registry::Object& object);
// All are. True for a hook that is not set.
bool IsAllHooked(const LifecycleHook& hook, const registry::Object& object);
// As above, for a document (the template of a new pod).
bool IsAllHooked(const LifecycleHook& hook, const api::Json& object);

// The state of a pod that is about to be created with these labels and finalizers.
LifecycleState StateOfNewPod(const LifecycleHooks& hooks, const api::Json& pod);

// Where a pod goes by itself, without an update or deletion being wanted; nullopt: it stays.
// `is_updated`: it is of the wanted revision; `is_in_place_done`: no update in place is under way.
std::optional<LifecycleState> NextLifecycleState(const LifecycleHooks& hooks,
                                                 const registry::Object& pod, LifecycleState state,
                                                 bool is_updated, bool is_in_place_done);

// What is to be done with a pod whose update in place is wanted.
enum class UpdateGate : uint8_t {
  kOpen,     // start it: state Updating
  kPrepare,  // state PreparingUpdate; hold it
  kRearm,    // the same, with the labels and finalizers of the hook put back
  kWait,     // it is held
};
UpdateGate GateForUpdate(const LifecycleHooks& hooks, const registry::Object& pod,
                         LifecycleState state);

// What is to be done with a pod that is to be deleted.
enum class DeleteGate : uint8_t {
  kOpen,     // delete it
  kPrepare,  // state PreparingDelete
  kWait,     // it is held
};
DeleteGate GateForDelete(const LifecycleHooks& hooks, const registry::Object& pod,
                         LifecycleState state);

// Writes the state label and the annotation with its time.
void SetLifecycleState(LifecycleState state, int64_t now_nanos, api::Json* pod);
// Puts the labels and finalizers of the hook on the document.
void AddHook(const LifecycleHook& hook, api::Json* pod);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_LIFECYCLE_HOOKS_H_
