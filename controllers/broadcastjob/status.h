// Status: the job's status as a plan leaves it.
//
// Laws     1. A status that says the same is not written.
//          2. observedGeneration is that of the object which was read.
// Threads  confined to a worker; SetStatus is a pure function.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_STATUS_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_STATUS_H_

#include <cstdint>

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/broadcastjob/apply.h"
#include "controllers/broadcastjob/plan.h"
#include "controllers/registry/object.h"
#include "controllers/runtime/runtime.h"

namespace socle::broadcastjob {

// Cancelled (law 1) or OK, as ChangeRequest::change has it. `generation`: of the job that was planned for.
absl::Status SetStatus(const Plan& plan, int64_t generation, int64_t now_nanos, api::Json* job);

absl::Status WriteStatus(runtime::Runtime* runtime, const registry::Object& job,
                         const api::Json& document, const Plan& plan, int64_t now_nanos);

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_STATUS_H_
