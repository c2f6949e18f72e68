// Adapters: the services bound to the stock gRPC C++ server by its callback API.
//
// Laws     1. Only files of this folder include grpcpp.
//          2. A call is answered from whatever thread the service answers on: no hop in between.
//          3. One write per stream is outstanding; the next message is pulled when it is done.
// Threads  gRPC's.
// Memory   services and meter must outlive the adapters; the adapters, the gRPC server.
// Source   DEPENDENCIES 3 (pitfalls of gRPC C++ 1.51).
#ifndef SOCLE_SERVER_GRPC_ADAPTERS_H_
#define SOCLE_SERVER_GRPC_ADAPTERS_H_

#include <memory>

#include <grpcpp/impl/codegen/service_type.h>

#include "server/ops/rpc_meter.h"
#include "server/service/auth_service.h"
#include "server/service/cluster_service.h"
#include "server/service/election_service.h"
#include "server/service/kv_service.h"
#include "server/service/lease_service.h"
#include "server/service/lock_service.h"
#include "server/service/maintenance_service.h"

namespace socle::server {

std::unique_ptr<grpc::Service> MakeKvAdapter(KvService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeWatchAdapter(Node* node, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeLeaseAdapter(LeaseService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeMaintenanceAdapter(MaintenanceService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeClusterAdapter(ClusterService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeAuthAdapter(AuthService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeLockAdapter(LockService* service, RpcMeter* meter);
std::unique_ptr<grpc::Service> MakeElectionAdapter(ElectionService* service, RpcMeter* meter);

}  // namespace socle::server

#endif  // SOCLE_SERVER_GRPC_ADAPTERS_H_
