// AuthService: etcdserverpb.Auth without transport.
//
// Laws     1. Whoever asks is judged first (Guard): changes and lists need root while authentication is
//             on; a user may look at itself, and at a role it has. AuthStatus and Authenticate are
//             anybody's.
//          2. What hashes or writes runs on the auth workers; what only looks is answered at once.
// Threads  thread-safe; `done` runs on the caller or an auth worker.
// Source   spec etcd 1.9.
#ifndef SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_
#define SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_

#include <utility>

#include "etcd/rpc.pb.h"

#include "server/service/node.h"

namespace socle::server {

class AuthService {
 public:
  // The node has a store of users (Node::Parts::auth).
  explicit AuthService(Node* node) : node_(node) {}

  void AuthEnable(const Caller& caller, const etcdserverpb::AuthEnableRequest& request,
                  etcdserverpb::AuthEnableResponse* response, Done done);
  void AuthDisable(const Caller& caller, const etcdserverpb::AuthDisableRequest& request,
                   etcdserverpb::AuthDisableResponse* response, Done done);
  void Authenticate(const Caller& caller, const etcdserverpb::AuthenticateRequest& request,
                    etcdserverpb::AuthenticateResponse* response, Done done);
  void UserAdd(const Caller& caller, const etcdserverpb::AuthUserAddRequest& request,
               etcdserverpb::AuthUserAddResponse* response, Done done);
  void UserDelete(const Caller& caller, const etcdserverpb::AuthUserDeleteRequest& request,
                  etcdserverpb::AuthUserDeleteResponse* response, Done done);
  void UserChangePassword(const Caller& caller,
                          const etcdserverpb::AuthUserChangePasswordRequest& request,
                          etcdserverpb::AuthUserChangePasswordResponse* response, Done done);
  void UserGrantRole(const Caller& caller, const etcdserverpb::AuthUserGrantRoleRequest& request,
                     etcdserverpb::AuthUserGrantRoleResponse* response, Done done);
  void UserRevokeRole(const Caller& caller, const etcdserverpb::AuthUserRevokeRoleRequest& request,
                      etcdserverpb::AuthUserRevokeRoleResponse* response, Done done);
  void RoleAdd(const Caller& caller, const etcdserverpb::AuthRoleAddRequest& request,
               etcdserverpb::AuthRoleAddResponse* response, Done done);
  void RoleDelete(const Caller& caller, const etcdserverpb::AuthRoleDeleteRequest& request,
                  etcdserverpb::AuthRoleDeleteResponse* response, Done done);
  void RoleGrantPermission(const Caller& caller,
                           const etcdserverpb::AuthRoleGrantPermissionRequest& request,
                           etcdserverpb::AuthRoleGrantPermissionResponse* response, Done done);
  void RoleRevokePermission(const Caller& caller,
                            const etcdserverpb::AuthRoleRevokePermissionRequest& request,
                            etcdserverpb::AuthRoleRevokePermissionResponse* response, Done done);
  absl::Status AuthStatus(const Caller& caller, const etcdserverpb::AuthStatusRequest& request,
                          etcdserverpb::AuthStatusResponse* response) const;
  absl::Status UserGet(const Caller& caller, const etcdserverpb::AuthUserGetRequest& request,
                       etcdserverpb::AuthUserGetResponse* response) const;
  absl::Status UserList(const Caller& caller, const etcdserverpb::AuthUserListRequest& request,
                        etcdserverpb::AuthUserListResponse* response) const;
  absl::Status RoleGet(const Caller& caller, const etcdserverpb::AuthRoleGetRequest& request,
                       etcdserverpb::AuthRoleGetResponse* response) const;
  absl::Status RoleList(const Caller& caller, const etcdserverpb::AuthRoleListRequest& request,
                        etcdserverpb::AuthRoleListResponse* response) const;

 private:
  // Runs `act` (Status()) on an auth worker and fills the header; refuses a caller who is not root.
  template <typename Response, typename Act>
  void Change(const Caller& caller, Response* response, Done done, Act act);

  Node* const node_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_AUTH_SERVICE_H_
