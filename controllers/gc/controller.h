// The garbage collector: what has lost its owners goes; what is deleted in the foreground waits for what it
// owns; what is orphaned lets go of it.
//
//   owner gone ──────────────► its dependents are judged (plan.h), many at once
//   reference made or changed ► the object is judged
//   foregroundDeletion ──────► dependents are judged; the finalizer goes when none blocks any more
//   orphan ──────────────────► dependents lose the reference, then the finalizer goes
//
// Laws     1. Nothing is deleted for an owner that is missing in the cache alone: the store is asked.
//          2. Deletions are guarded by uid and revision: who was adopted meanwhile is judged again.
// Threads  thread-safe.
// Source   spec controllers 9.3.
#ifndef SOCLE_CONTROLLERS_GC_CONTROLLER_H_
#define SOCLE_CONTROLLERS_GC_CONTROLLER_H_

#include <memory>

#include "controllers/runtime/controller_loop.h"

namespace socle::gc {

struct GcOptions {
  int workers = 4;
};

std::unique_ptr<runtime::Controller> StartGc(runtime::Runtime* runtime, GcOptions options = {});

}  // namespace socle::gc

#endif  // SOCLE_CONTROLLERS_GC_CONTROLLER_H_
