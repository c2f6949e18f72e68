// Hollow: thousands of simulated kubelets in this process: they register nodes, renew leases, run pods.
//
//   StartHollow(runtime, {.nodes = 1000, .seed = 7});
//
// Laws     1. A node with the label socle.dev/hollow=true is hollow, whoever made it; other nodes and their
//             pods are left to kubelets of their own.
//          2. Everything goes on from what is stored: a plane that was down for a while finds its pods
//             running.
//          3. One seed, one course: delays and failures are drawn from seed and uid, never from an order.
// Threads  one of its own owns all records. Start returns at once; nodes appear within seconds.
// Memory   about 2 KB per node, 1 KB per pod; documents are shared with the cache.
// Source   spec controllers 2.5, 8.1, 8.4, 8.8.
#ifndef SOCLE_CONTROLLERS_HOLLOW_CONTROLLER_H_
#define SOCLE_CONTROLLERS_HOLLOW_CONTROLLER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "controllers/hollow/controls.h"
#include "controllers/hollow/node_object.h"
#include "controllers/runtime/controller_loop.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/clock.h"

namespace socle::hollow {

enum class HollowEvents : uint8_t { kNone, kFailures, kAll };

struct HollowOptions {
  // To register, unless they exist: <prefix>0, <prefix>1 … Those that exist are adopted in any case.
  int64_t nodes = 0;
  std::string name_prefix = "hollow-node-";
  uint64_t seed = 0;
  NodeShape shape = {};
  Behaviour behaviour = {};
  HollowEvents events = HollowEvents::kFailures;

  int64_t lease_period_nanos = 10 * kNanosPerSecond;
  int64_t lease_duration_seconds = 40;
  int64_t heartbeat_period_nanos = 300 * kNanosPerSecond;
  // Writes under way together: of nodes and leases, and of pods. Each shares syncs of the log with others.
  int64_t node_writes_max = 256;
  int64_t pod_writes_max = 512;
};

std::unique_ptr<runtime::Controller> StartHollow(runtime::Runtime* runtime,
                                                 HollowOptions options = {});

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_CONTROLLER_H_
