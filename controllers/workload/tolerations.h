// Taints and tolerations: which pods a node keeps away or drives out.
//
// Laws     1. A taint with effect NoSchedule or NoExecute keeps away a pod that does not tolerate it.
//          2. NoExecute also drives out pods that are there: at once without a toleration, at the
//             smallest tolerationSeconds of those that match with one, never when none of them has it.
// Threads  pure functions.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_TOLERATIONS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_TOLERATIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "controllers/api/json.h"

namespace socle::workload {

enum class TaintEffect : uint8_t { kNoSchedule, kPreferNoSchedule, kNoExecute };

struct Taint {
  std::string key;
  std::string value;
  TaintEffect effect = TaintEffect::kNoSchedule;
  std::optional<int64_t> added_nanos;  // timeAdded

  bool operator==(const Taint&) const = default;
};

struct Toleration {
  std::string key;  // empty: every key
  std::string value;
  bool is_any_value = false;          // operator Exists
  std::optional<TaintEffect> effect;  // nullopt: every effect
  std::optional<int64_t> seconds;

  bool Covers(const Taint& taint) const;
};

// What a cordoned node has besides spec.unschedulable, and what tolerates both.
inline constexpr std::string_view kUnschedulableTaint = "node.kubernetes.io/unschedulable";

// Of spec.taints and spec.tolerations; nullptr and unknown effects are no taints.
std::vector<Taint> ParseTaints(const api::Json* taints);
std::vector<Toleration> ParseTolerations(const api::Json* tolerations);

bool Tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);
// The first taint that keeps the pod away (law 1), or nullptr.
const Taint* FindUntolerated(const std::vector<Taint>& taints,
                             const std::vector<Toleration>& tolerations);
// How many PreferNoSchedule taints the pod does not tolerate.
int CountAvoided(const std::vector<Taint>& taints, const std::vector<Toleration>& tolerations);

// Law 2. When the pod must leave because of the NoExecute taints, on the wall clock; `now_nanos` for at
// once, nullopt for never. A taint without timeAdded counts from now.
std::optional<int64_t> EvictionTime(const std::vector<Taint>& taints,
                                    const std::vector<Toleration>& tolerations, int64_t now_nanos);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_TOLERATIONS_H_
