// MaintenanceService: etcdserverpb.Maintenance of a single member, without transport.
//
// Laws     1. Defragment answers with an empty message when the file is as small as it gets, and
//             blocks nobody meanwhile: pages move in small commits. One whose client has gone goes
//             on. MoveLeader and Defragment carry no header.
//          2. Hash and HashKV read a snapshot on a worker thread: nobody waits for them.
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

  void Alarm(const etcdserverpb::AlarmRequest& request, etcdserverpb::AlarmResponse* response,
             Done done);
  absl::Status Status(etcdserverpb::StatusResponse* response) const;
  void Defragment(etcdserverpb::DefragmentResponse* response, Done done);
  void Hash(etcdserverpb::HashResponse* response, Done done);
  void HashKv(const etcdserverpb::HashKVRequest& request, etcdserverpb::HashKVResponse* response,
              Done done);
  absl::Status MoveLeader(const etcdserverpb::MoveLeaderRequest& request) const;
  absl::Status Downgrade(const etcdserverpb::DowngradeRequest& request,
                         etcdserverpb::DowngradeResponse* response) const;
  std::unique_ptr<SnapshotStream> Snapshot(std::function<void()> on_ready);

 private:
  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_MAINTENANCE_SERVICE_H_
