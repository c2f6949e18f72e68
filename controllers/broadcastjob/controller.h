// BroadcastJob: runs one pod on every node that fits, each exactly once.
//
//   jobs, their pods ──► queue ──► read ─► MakePlan ─► pods ─► status
//   nodes ──► NodeSignal: one pass per unfinished job, however many nodes changed
//
// Laws     1. A pod's name follows from the job's uid and the node: the store itself refuses a second one.
//          2. Everything comes from stored state; deadlines and TTLs are armed again by reconciling.
// Threads  thread-safe.
// Source   spec controllers 5, 7.7.
#ifndef SOCLE_CONTROLLERS_BROADCASTJOB_CONTROLLER_H_
#define SOCLE_CONTROLLERS_BROADCASTJOB_CONTROLLER_H_

#include <cstdint>
#include <memory>

#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/clock.h"

namespace socle::broadcastjob {

struct BroadcastJobOptions {
  int workers = 2;
  // Pods are pinned by affinity and bound by the scheduler, in place of naming the node.
  bool by_scheduler = false;
  // Passes over one job, and passes because of nodes, are at least this far apart.
  int64_t interval_min_nanos = 200 * kNanosPerMilli;
};

// `runtime` outlives it.
std::unique_ptr<runtime::Controller> StartBroadcastJob(runtime::Runtime* runtime,
                                                       BroadcastJobOptions options = {});

}  // namespace socle::broadcastjob

#endif  // SOCLE_CONTROLLERS_BROADCASTJOB_CONTROLLER_H_
