// Scheduler: gives every waiting pod a node, and says why when it can't.
//
//   changes of the cache, results of bindings ──► inbox ──► scheduling thread: Engine ──► Binder
//
// Laws     1. One thread decides; observers, timers and the store's thread only put things into the inbox.
//          2. A binding goes through the registry, as that of any client; many are under way at once.
//          3. Everything is rebuilt from stored state at the start.
// Threads  thread-safe.
// Source   spec controllers 9.3 (binding), 11 (T2, T3).
#ifndef SOCLE_CONTROLLERS_SCHEDULER_CONTROLLER_H_
#define SOCLE_CONTROLLERS_SCHEDULER_CONTROLLER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"

namespace socle::scheduler {

struct SchedulerOptions {
  std::string scheduler_name = "default-scheduler";
  uint64_t seed = 1;
  int percentage_of_nodes = 0;  // scored of those that fit; 0: by the size of the cluster
  size_t binds_in_flight_max = 1024;
  size_t conditions_in_flight_max = 256;
};

// `runtime` outlives it. stats(): a reconcile is a decision, a failure a binding that was refused.
std::unique_ptr<runtime::Controller> StartScheduler(runtime::Runtime* runtime,
                                                    SchedulerOptions options = {});

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_CONTROLLER_H_
