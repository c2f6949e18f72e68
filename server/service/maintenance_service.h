// MaintenanceService: etcdserverpb.Maintenance of a single member, without transport.
//
// Laws     1. Defragment commits and answers with an empty message: pages are reused in place,
//             files never grow holes that a copy would cure. MoveLeader and Defragment carry no
//             header.
//          2. HashKV is answered as a server that lacks it would (Unimplemented), never with a
//             made-up number.
//          3. With authentication on, Status and asking for alarms need a user, everything else root.
// Threads  thread-safe.
// Source   spec etcd 1.7.
#ifndef SOCLE_SERVER_SERVICE_MAINTENANCE_SERVICE_H_
#define SOCLE_SERVER_SERVICE_MAINTENANCE_SERVICE_H_

#include <functional>
#include <memory>

#include "etcd/rpc.pb.h"

#include "server/service/node.h"
#include "server/service/snapshot_stream.h"

namespace socle::server {

class MaintenanceService {
 public:
  explicit MaintenanceService(Node* node) : node_(node) {}

  void Alarm(const Caller& caller, const etcdserverpb::AlarmRequest& request,
             etcdserverpb::AlarmResponse* response, Done done);
  absl::Status Status(const Caller& caller, etcdserverpb::StatusResponse* response) const;
  void Defragment(const Caller& caller, etcdserverpb::DefragmentResponse* response, Done done);
  void Hash(const Caller& caller, etcdserverpb::HashResponse* response, Done done);
  absl::Status HashKv(const Caller& caller) const;
  absl::Status MoveLeader(const Caller& caller,
                          const etcdserverpb::MoveLeaderRequest& request) const;
  absl::Status Downgrade(const Caller& caller, const etcdserverpb::DowngradeRequest& request,
                         etcdserverpb::DowngradeResponse* response) const;
  absl::StatusOr<std::unique_ptr<SnapshotStream>> Snapshot(const Caller& caller,
                                                           std::function<void()> on_ready);

 private:
  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_MAINTENANCE_SERVICE_H_
