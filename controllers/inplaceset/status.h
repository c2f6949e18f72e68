// Status: what the set says of itself after a pass.
//
// Laws     1. Counts are those of the state that the plan was made from: truthful, if a moment old.
//          2. It is written only when it changes.
//          3. Ready: all wanted pods are; Updated: and all at the update revision (kubectl wait).
// Threads  NewStatus is pure; WriteStatus waits for the store.
// Source   spec controllers 1.3.
#ifndef SOCLE_CONTROLLERS_INPLACESET_STATUS_H_
#define SOCLE_CONTROLLERS_INPLACESET_STATUS_H_

#include <string>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/inplaceset/plan.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/runtime/runtime.h"

namespace socle::inplaceset {

struct ClaimCounts {
  std::string name;  // of the template
  int64_t compatible = 0;
  int64_t compatible_ready = 0;
};

// How many pods have claims of the size that the template asks for.
std::vector<ClaimCounts> CountClaims(const PlanInput& input);

struct StatusInput {
  const SetSpec* set = nullptr;
  const Plan* plan = nullptr;
  std::string current_revision;
  std::string update_revision;
  int64_t collision_count = 0;
  std::vector<ClaimCounts> claims;
  std::string creation_problem;  // of ApplyOutcome
  std::string update_problem;
  int64_t now_nanos = 0;
};

api::Json NewStatus(const StatusInput& input);

absl::Status WriteStatus(runtime::Runtime* runtime, const SetSpec& set, const api::Json& status);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_STATUS_H_
