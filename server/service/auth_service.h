// AuthService: etcdserverpb.Auth of a server on which authentication is off and no user exists.
//
// Laws     1. Answers are those of an etcd without users; what would make one is Unimplemented (by
//             the transport).
// Threads  thread-safe.
// Source   spec etcd 1.9.
#ifndef SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_
#define SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_

#include "etcd/rpc.pb.h"

#include "server/service/node.h"

namespace socle::server {

class AuthService {
 public:
  explicit AuthService(Node* node) : node_(node) {}

  absl::Status AuthStatus(etcdserverpb::AuthStatusResponse* response) const;
  absl::Status Authenticate() const;
  // There is no root user to guard the door.
  absl::Status AuthEnable() const;
  absl::Status AuthDisable(etcdserverpb::AuthDisableResponse* response) const;
  absl::Status UserList(etcdserverpb::AuthUserListResponse* response) const;
  absl::Status RoleList(etcdserverpb::AuthRoleListResponse* response) const;

 private:
  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_
