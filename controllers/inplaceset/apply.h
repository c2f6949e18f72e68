// Apply: carries out a plan: claims first, then pods, many writes under way together.
//
// Laws     1. No pod is created before its claims, none is deleted by scaling before its claims have the
//             owners that the plan wants.
//          2. A pod that is not any more as it was planned with is left alone; the next pass sees it.
// Threads  waits for the store: for workers.
#ifndef SOCLE_CONTROLLERS_INPLACESET_APPLY_H_
#define SOCLE_CONTROLLERS_INPLACESET_APPLY_H_

#include <string>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/inplaceset/plan.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/runtime/runtime.h"
#include "controllers/workload/pod_control.h"
#include "kv/base/bytes.h"

namespace socle::inplaceset {

inline constexpr std::string_view kComponent = "inplaceset-controller";

struct ApplyInput {
  const SetSpec* set = nullptr;
  const Plan* plan = nullptr;
  StringMap<api::Json> templates;  // by name of revision: those that creations want
  int64_t now_nanos = 0;
};

// What of a plan did not succeed; empty texts: nothing.
struct ApplyOutcome {
  std::string creation_problem;
  std::string update_problem;
  absl::Status first_error = absl::OkStatus();
};

ApplyOutcome ApplyPlan(runtime::Runtime* runtime, const ApplyInput& input);

// What one change does to a pod's document. The set and the change outlive the edit.
workload::PodEdit EditOf(const SetSpec& set, const PodChange& change, int64_t now_nanos);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_APPLY_H_
