// Services: what the calls of one server work on.
//
// Threads  thread-safe, as the services are.
// Memory   node, meter and observer must outlive it, and it every call.
#ifndef SOCLE_SERVER_H2_SERVICES_H_
#define SOCLE_SERVER_H2_SERVICES_H_

#include <cstddef>
#include <cstdint>

#include "kv/base/clock.h"
#include "server/h2/kept_bytes.h"
#include "server/ops/call_observer.h"
#include "server/ops/rpc_meter.h"
#include "server/service/auth_service.h"
#include "server/service/cluster_service.h"
#include "server/service/election_service.h"
#include "server/service/kv_service.h"
#include "server/service/lease_service.h"
#include "server/service/lock_service.h"
#include "server/service/maintenance_service.h"
#include "server/service/node.h"

namespace socle::server::h2 {

inline constexpr size_t kKeptBytesMax = size_t{256} << 20U;
inline constexpr int64_t kKeptPatienceNanos = 30 * kNanosPerSecond;

struct Services {
  Services(Node* node_in, RpcMeter* meter_in, const CallObserver* observer_in = nullptr,
           size_t sent_bytes_max_in = kSentBytesMax, size_t kept_bytes_max = kKeptBytesMax,
           int64_t kept_patience_nanos = kKeptPatienceNanos)
      : node(node_in),
        meter(meter_in),
        observer(observer_in),
        message_bytes_max(static_cast<size_t>(node_in->request_bytes_max() + kGrpcOverheadBytes)),
        sent_bytes_max(sent_bytes_max_in),
        kept(kept_bytes_max, kept_patience_nanos),
        kv(node_in, sent_bytes_max_in),
        lease(node_in),
        maintenance(node_in),
        cluster(node_in),
        auth(node_in),
        lock(node_in),
        election(node_in) {}

  Node* const node;
  RpcMeter* const meter;
  const CallObserver* const observer;  // null: nobody wants to know of calls
  const size_t message_bytes_max;      // of one that is received
  const size_t sent_bytes_max;         // of one that is sent; under 2 GiB
  KeptBytes kept;                      // of requests that have not come whole
  KvService kv;
  LeaseService lease;
  MaintenanceService maintenance;
  ClusterService cluster;
  AuthService auth;
  LockService lock;
  ElectionService election;
};

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_SERVICES_H_
