// The InplaceSet controller: ordered pods with stable names and storage, updated in place.
//
//   sets, pods, claims change ──► queue ──► read ─► revisions ─► MakePlan ─► ApplyPlan ─► status
//
// Laws     1. A pass of one set never begins before the one before has been answered: no write is decided
//             twice.
//          2. Nothing is remembered between passes but parsed forms of what is stored.
// Threads  workers of the loop, one per set at a time.
// Source   spec controllers 1 - 3.
#ifndef SOCLE_CONTROLLERS_INPLACESET_CONTROLLER_H_
#define SOCLE_CONTROLLERS_INPLACESET_CONTROLLER_H_

#include <cstdint>
#include <memory>

#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/clock.h"

namespace socle::inplaceset {

struct InplaceSetOptions {
  int workers = 2;
  // A storm of pod events is one pass.
  int64_t interval_min_nanos = 20 * kNanosPerMilli;
  // Off: as strict as upstream; a rollout of an OrderedReady set that hangs on a broken pod waits for
  // people (spec 1.7 step 6).
  bool repairs_broken_rollout = true;
};

std::unique_ptr<runtime::Controller> StartInplaceSet(runtime::Runtime* runtime,
                                                     InplaceSetOptions options = {});

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_CONTROLLER_H_
