// MaintenanceService: etcdserverpb.Maintenance of a single member, without transport.
//
// Laws     1. Defragment answers with an empty message when the file is as small as it gets, and
//             blocks nobody meanwhile: pages move in small commits. One whose client has gone goes
//             on. MoveLeader and Defragment carry no header.
//          2. Hash and HashKV read a snapshot on a worker thread: nobody waits for them.
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
  void HashKv(const Caller& caller, const etcdserverpb::HashKVRequest& request,
              etcdserverpb::HashKVResponse* response, Done done);
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
