// NodeObject: the documents that a hollow kubelet writes about its node: the Node and its Lease.
//
// Laws     1. Addresses follow from the number of the node: no two numbers below 65,536 share one.
//          2. What is on the node already (capacity, labels, other conditions) stays.
// Threads  pure functions.
// Source   spec controllers 8.1.
#ifndef SOCLE_CONTROLLERS_HOLLOW_NODE_OBJECT_H_
#define SOCLE_CONTROLLERS_HOLLOW_NODE_OBJECT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"

namespace socle::hollow {

// The label whose value `true` makes a node hollow.
inline constexpr std::string_view kHollowLabel = "socle.dev/hollow";
inline constexpr std::string_view kLeaseNamespace = "kube-node-lease";
inline constexpr uint32_t kNodesMax = 65'536;   // by addresses
inline constexpr uint32_t kPodAddresses = 256;  // of one node

struct NodeShape {
  std::string cpu = "32";
  std::string memory = "256Gi";
  std::string ephemeral_storage = "1Ti";
  int64_t pods = 110;
  int zones = 0;  // labels topology.kubernetes.io/zone, in turn; 0: none
  std::vector<std::pair<std::string, std::string>> labels;  // more labels
};

// 172.16.0.0/12
std::string NodeAddress(uint32_t number);
// 10.x.y.0/24
std::string PodRange(uint32_t number);
std::string PodAddress(uint32_t number, uint32_t slot);
// The number whose pod range, or the slot whose address this is.
std::optional<uint32_t> NumberOfRange(std::string_view pod_range);
std::optional<uint32_t> SlotOfAddress(uint32_t number, std::string_view address);

// A new node, with its status.
api::Json NewNode(std::string_view name, uint32_t number, const NodeShape& shape, int64_t now_wall);
// Fills in the status of a node that lives; `is_heartbeat`: moves lastHeartbeatTime. False when nothing
// changed.
bool ReportNode(uint32_t number, const NodeShape& shape, int64_t now_wall, bool is_heartbeat,
                api::Json* node);
// Whether the document says all that ReportNode would, heartbeats apart.
bool IsReported(const api::Json& node);

api::Json NewLease(std::string_view name, std::string_view node_uid, int64_t duration_seconds,
                   int64_t now_wall);
void RenewLease(std::string_view name, int64_t duration_seconds, int64_t now_wall,
                api::Json* lease);

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_NODE_OBJECT_H_
