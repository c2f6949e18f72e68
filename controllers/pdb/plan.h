// The status of a disruption budget, from the pods it covers.
//
// Laws     1. An eviction that the registry has granted counts until its pod is being deleted, or for two
//             minutes when that does not come.
//          2. A percentage is of what the pods' controllers want; pods without one count one each.
// Threads  pure functions.
// Source   spec controllers 9.3 (eviction); the disruption controller of Kubernetes for the arithmetic.
#ifndef SOCLE_CONTROLLERS_PDB_PLAN_H_
#define SOCLE_CONTROLLERS_PDB_PLAN_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "kv/base/clock.h"

namespace socle::pdb {

inline constexpr int64_t kDisruptionNanos = 120 * kNanosPerSecond;

struct CoveredPod {
  std::string name;
  bool is_ready = false;
  bool is_deleting = false;
  // Of a controller that says how many it wants: its uid, and the count.
  std::string controller_uid = {};
  std::optional<int64_t> controller_replicas = {};
};

struct Budget {
  const api::Json* min_available = nullptr;
  const api::Json* max_unavailable = nullptr;
  std::map<std::string, int64_t> disrupted;  // evictions under way: pod, when it was granted
};

struct Plan {
  int64_t current_healthy = 0;
  int64_t desired_healthy = 0;
  int64_t expected_pods = 0;
  int64_t disruptions_allowed = 0;
  std::map<std::string, int64_t> disrupted;
  std::optional<int64_t> look_again_nanos;  // wall time at which an eviction is given up
  std::vector<std::string> given_up;        // pods whose eviction did not come
};

// InvalidArgument for a share that is none.
absl::StatusOr<Plan> PlanBudget(const Budget& budget, const std::vector<CoveredPod>& pods,
                                int64_t wall_nanos);

}  // namespace socle::pdb

#endif  // SOCLE_CONTROLLERS_PDB_PLAN_H_
