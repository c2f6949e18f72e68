// Apply: the writes of a plan, other than the job's status.
//
// Threads  confined to a worker.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_APPLY_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_APPLY_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/broadcastjob/plan.h"
#include "controllers/registry/object.h"
#include "controllers/runtime/runtime.h"

namespace socle::broadcastjob {

inline constexpr std::string_view kController = "broadcastjob-controller";
inline constexpr std::string_view kJobNameLabel = "broadcastjob-name";
inline constexpr std::string_view kJobUidLabel = "broadcastjob-controller-uid";

// The pod of the job for the node; `by_scheduler`: pinned by affinity, and bound by the scheduler.
api::Json MakePod(const registry::Object& job, const api::Json& document, std::string_view node,
                  bool by_scheduler);

struct Applied {
  absl::Status status = absl::OkStatus();  // the first failure
  int64_t not_created = 0;
  int64_t not_removed = 0;
};

// `pods` in the order of the plan's indexes.
Applied ApplyPods(runtime::Runtime* runtime, const registry::ObjectRef& job,
                  const api::Json& document, const Plan& plan,
                  const std::vector<registry::ObjectRef>& pods, bool by_scheduler);

// Sets spec.paused.
absl::Status PauseJob(runtime::Runtime* runtime, const registry::Object& job);
absl::Status DeleteJob(runtime::Runtime* runtime, const registry::Object& job);

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_APPLY_H_
