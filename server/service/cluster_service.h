// ClusterService: etcdserverpb.Cluster of a single member, without transport.
//
// Laws     1. There is one member, for ever: adding is refused, removing the last one too.
//          2. Headers carry no revision (spec etcd 1.2).
//          3. With authentication on, the list needs a user, every change root.
// Threads  thread-safe.
// Source   spec etcd 1.8.
#ifndef SOCLE_SERVER_SERVICE_CLUSTER_SERVICE_H_
#define SOCLE_SERVER_SERVICE_CLUSTER_SERVICE_H_

#include "etcd/rpc.pb.h"

#include "kv/base/mutex.h"
#include "server/service/node.h"

namespace socle::server {

class ClusterService {
 public:
  explicit ClusterService(Node* node) : node_(node), member_(node->identity().member) {}

  absl::Status MemberList(const Caller& caller, etcdserverpb::MemberListResponse* response) const;
  absl::Status MemberAdd(const Caller& caller, const etcdserverpb::MemberAddRequest& request) const;
  absl::Status MemberRemove(const Caller& caller,
                            const etcdserverpb::MemberRemoveRequest& request) const;
  void MemberUpdate(const Caller& caller, const etcdserverpb::MemberUpdateRequest& request,
                    etcdserverpb::MemberUpdateResponse* response, Done done);
  absl::Status MemberPromote(const Caller& caller,
                             const etcdserverpb::MemberPromoteRequest& request) const;

 private:
  MemberRecord Current() const;

  Node* const node_;
  mutable Mutex mu_;
  MemberRecord member_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_CLUSTER_SERVICE_H_
