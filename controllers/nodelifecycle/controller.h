// NodeLifecycle: what happens to nodes that fall silent, are cordoned or vanish, and to their pods.
//
//   node, lease, pod changes ──► one key per node ──► look, plan, taint ──► evict what must not stay
//
// Laws     1. One look per node and grace period while it speaks; a renewal of a lease costs nothing.
//          2. Pods leave by NoExecute taints when their tolerations run out, at most `evictions_per_pass` of
//             a node in a pass; when more than half of the nodes are silent nobody is evicted: then it is
//             the plane that is cut off.
//          3. Pods of a node that is gone, or out of service, are removed at once.
//          4. Silence is counted from when this process first looked: a restart condemns nobody.
// Threads  as runtime::Controller.
// Source   spec controllers 8.1, 11 (T21).
#ifndef SOCLE_CONTROLLERS_NODELIFECYCLE_CONTROLLER_H_
#define SOCLE_CONTROLLERS_NODELIFECYCLE_CONTROLLER_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"

namespace socle::nodelifecycle {

struct NodeLifecycleOptions {
  int64_t grace_nanos = 40 * kNanosPerSecond;
  size_t evictions_per_pass = 50;
  int64_t pass_interval_nanos = 250 * kNanosPerMilli;
};

// `runtime` outlives it.
std::unique_ptr<runtime::Controller> StartNodeLifecycle(runtime::Runtime* runtime,
                                                        NodeLifecycleOptions options = {});

}  // namespace socle::nodelifecycle

#endif  // SOCLE_CONTROLLERS_NODELIFECYCLE_CONTROLLER_H_
