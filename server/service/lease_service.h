// LeaseService: etcdserverpb.Lease without transport.
//
// Laws     1. KeepAlive of a dead lease answers TTL 0, TimeToLive of one TTL -1, Revoke an error
//             (trap 20).
//          2. A keep-alive's header is taken before the renewal: its revision never lies beyond it.
// Threads  thread-safe; `done` runs on the caller or the store's write loop.
// Source   spec etcd 1.6.
#ifndef SOCLE_SERVER_SERVICE_LEASE_SERVICE_H_
#define SOCLE_SERVER_SERVICE_LEASE_SERVICE_H_

#include "etcd/rpc.pb.h"

#include "server/service/node.h"

namespace socle::server {

class LeaseService {
 public:
  explicit LeaseService(Node* node) : node_(node) {}

  void Grant(const Caller& caller, const etcdserverpb::LeaseGrantRequest& request,
             etcdserverpb::LeaseGrantResponse* response, Done done);
  void Revoke(const Caller& caller, const etcdserverpb::LeaseRevokeRequest& request,
              etcdserverpb::LeaseRevokeResponse* response, Done done);
  // One message of the stream; the transport keeps them in order by sending the next one after
  // `done`.
  void KeepAlive(const Caller& caller, const etcdserverpb::LeaseKeepAliveRequest& request,
                 etcdserverpb::LeaseKeepAliveResponse* response, Done done);
  absl::Status TimeToLive(const Caller& caller, const etcdserverpb::LeaseTimeToLiveRequest& request,
                          etcdserverpb::LeaseTimeToLiveResponse* response) const;
  absl::Status Leases(const Caller& caller, etcdserverpb::LeaseLeasesResponse* response) const;

 private:
  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_LEASE_SERVICE_H_
