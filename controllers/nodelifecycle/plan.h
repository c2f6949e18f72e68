// NodePlan: what has to change on one node, from what is known of it: a pure function.
//
// Laws     1. A node is unreachable when neither its lease nor its status has moved for the grace period; a
//             node that never spoke has that long from its first sight.
//          2. Taints follow the Ready condition and spec.unschedulable; taints of others stay, and
//             those that drive out get the time from which tolerations count.
//          3. A plan for a node that is as planned is empty.
// Threads  pure functions.
// Source   spec controllers 8.1 (controller side).
#ifndef SOCLE_CONTROLLERS_NODELIFECYCLE_PLAN_H_
#define SOCLE_CONTROLLERS_NODELIFECYCLE_PLAN_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"

namespace socle::nodelifecycle {

inline constexpr std::string_view kNotReadyTaint = "node.kubernetes.io/not-ready";
inline constexpr std::string_view kUnreachableTaint = "node.kubernetes.io/unreachable";
// Set by people who know that the machine is off: its pods are gone at once.
inline constexpr std::string_view kOutOfServiceTaint = "node.kubernetes.io/out-of-service";

// When the node was last heard of, on this process's monotonic clock.
struct NodeSeen {
  std::string token;  // changes whenever the node speaks
  int64_t heard_nanos = 0;
  int64_t looked_nanos = 0;
};

// What the node says of itself: moves with each renewal of the lease and each status.
std::string TokenOf(const api::Json& node, const api::Json* lease);

// Takes note of a look at `now`: the node was heard when its lease says so (on the wall clock), but not
// before the last look.
void Look(const std::string& token, const api::Json* lease, int64_t monotonic_nanos,
          int64_t wall_nanos, NodeSeen* seen);

struct NodePlan {
  bool becomes_unknown = false;        // conditions to be written as Unknown
  std::optional<api::Json> taints;     // the whole list, if it has to change
  std::optional<int64_t> again_nanos;  // monotonic: when silence would be too long
};

NodePlan PlanNode(const api::Json& node, const NodeSeen& seen, int64_t grace_nanos,
                  int64_t monotonic_nanos, int64_t wall_nanos);

// Sets the conditions that a silent node can no longer vouch for; true when something changed.
bool MarkUnknown(api::Json* node, int64_t wall_nanos);
// Sets Ready of a pod to False, because its node is lost; true when it was True.
bool MarkPodNotReady(api::Json* pod, int64_t wall_nanos);

}  // namespace socle::nodelifecycle

#endif  // SOCLE_CONTROLLERS_NODELIFECYCLE_PLAN_H_
