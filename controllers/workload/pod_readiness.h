// KruisePodReady: a readiness gate that several writers hold closed, each with a key of its own, so that
// none opens it while another still needs it closed.
//
// Laws     1. The condition is True exactly when no key is left.
// Threads  pure functions on documents.
// Source   spec controllers 2.7.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_POD_READINESS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_POD_READINESS_H_

#include <cstdint>
#include <string_view>

#include "controllers/api/json.h"

namespace socle::workload {

inline constexpr std::string_view kKruiseReadyCondition = "KruisePodReady";
inline constexpr std::string_view kReadyCondition = "Ready";

// Who holds the gate, and why.
struct NotReadyKey {
  std::string_view user_agent;  // Lifecycle
  std::string_view key;         // the name of the hook
};

// False when the pod has no such gate, or nothing changed. AddNotReadyKey also makes Ready False at once.
bool AddNotReadyKey(const NotReadyKey& key, int64_t now_nanos, api::Json* pod);
bool RemoveNotReadyKey(const NotReadyKey& key, int64_t now_nanos, api::Json* pod);

// Sets a condition of the pod; lastTransitionTime moves only when the status does. False when nothing
// changed.
struct ConditionValue {
  std::string_view type;
  bool is_true = false;
  std::string_view reason = {};
  std::string_view message = {};
};

bool SetPodCondition(const ConditionValue& value, int64_t now_nanos, api::Json* pod);
// The condition, or nullptr.
const api::Json* FindPodCondition(const api::Json& pod, std::string_view type);
bool HasReadinessGate(const api::Json& pod, std::string_view type);
// The gates InPlaceUpdateReady and KruisePodReady that have no condition yet become True. False when there
// are none. Whoever creates pods with such gates calls it once they exist.
bool OpenReadinessGates(int64_t now_nanos, api::Json* pod);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_POD_READINESS_H_
