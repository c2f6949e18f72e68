#include "server/service/auth_service.h"

#include <memory>
#include <string>

#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {

namespace pb = etcdserverpb;

template <typename Response, typename Act>
void AuthService::Change(const Caller& caller, Response* response, Done done, Act act) {
  if (const absl::Status may = node_->guard().Root(caller); !may.ok()) {
    done(may);
    return;
  }
  node_->RunOnAuthWorker(
      [this, response, act = std::move(act)](Done answer) {
        const absl::Status status = act();
        if (status.ok()) {
          node_->FillHeader(response->mutable_header());
        }
        answer(status);
      },
      std::move(done));
}

void AuthService::Authenticate(const Caller& /*caller*/, const pb::AuthenticateRequest& request,
                               pb::AuthenticateResponse* response, Done done) {
  // Without a hop: a client that only tries must not wait behind passwords of others.
  if (!node_->auth().is_enabled()) {
    done(WireStatus(EtcdError::kAuthNotEnabled));
    return;
  }
  node_->RunOnAuthWorker(
      [this, &request, response](Done answer) {
        absl::StatusOr<std::string> token =
            node_->auth().Authenticate(request.name(), request.password());
        if (token.ok()) {
          response->set_token(*std::move(token));
          node_->FillHeader(response->mutable_header());
        }
        answer(token.status());
      },
      std::move(done));
}

void AuthService::RoleGrantPermission(const Caller& caller,
                                      const pb::AuthRoleGrantPermissionRequest& request,
                                      pb::AuthRoleGrantPermissionResponse* response, Done done) {
  Change(caller, response, std::move(done), [this, &request] {
    return request.has_perm() ? node_->auth().GrantPermission(request.name(), request.perm())
                              : WireStatus(EtcdError::kPermissionNotGiven);
  });
}

absl::Status AuthService::AuthStatus(const Caller& caller, const pb::AuthStatusRequest& /*request*/,
                                     pb::AuthStatusResponse* response) const {
  RETURN_IF_ERROR(node_->guard().KnownToken(caller));
  const std::shared_ptr<const AuthState> state = node_->auth().state();
  node_->FillHeader(response->mutable_header());
  response->set_enabled(state->is_enabled());
  response->set_authrevision(state->revision());
  return absl::OkStatus();
}

absl::Status AuthService::UserGet(const Caller& caller, const pb::AuthUserGetRequest& request,
                                  pb::AuthUserGetResponse* response) const {
  RETURN_IF_ERROR(node_->guard().AboutUser(caller, request.name()));
  const std::shared_ptr<const AuthState> state = node_->auth().state();
  const AuthUser* const user = state->FindUser(request.name());
  if (user == nullptr) {
    return WireStatus(EtcdError::kUserNotFound);
  }
  *response->mutable_roles() = user->record.roles();
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status AuthService::UserList(const Caller& caller, const pb::AuthUserListRequest& /*request*/,
                                   pb::AuthUserListResponse* response) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  const std::shared_ptr<const AuthState> state = node_->auth().state();
  for (const auto& [name, user] : state->users()) {
    response->add_users(name);
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status AuthService::RoleGet(const Caller& caller, const pb::AuthRoleGetRequest& request,
                                  pb::AuthRoleGetResponse* response) const {
  RETURN_IF_ERROR(node_->guard().AboutRole(caller, request.role()));
  const std::shared_ptr<const AuthState> state = node_->auth().state();
  const authpb::Role* const role = state->FindRole(request.role());
  if (role == nullptr) {
    return WireStatus(EtcdError::kRoleNotFound);
  }
  if (request.role() == kRoot) {
    authpb::Permission* const everything = response->add_perm();
    everything->set_permtype(authpb::Permission::READWRITE);
    everything->set_range_end(std::string(1, '\0'));
  } else {
    *response->mutable_perm() = role->keypermission();
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status AuthService::RoleList(const Caller& caller, const pb::AuthRoleListRequest& /*request*/,
                                   pb::AuthRoleListResponse* response) const {
  RETURN_IF_ERROR(node_->guard().Root(caller));
  const std::shared_ptr<const AuthState> state = node_->auth().state();
  for (const auto& [name, role] : state->roles()) {
    response->add_roles(name);
  }
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

void AuthService::AuthEnable(const Caller& caller, const pb::AuthEnableRequest& /*request*/,
                             pb::AuthEnableResponse* response, Done done) {
  Change(caller, response, std::move(done), [this] { return node_->auth().Enable(); });
}

void AuthService::AuthDisable(const Caller& caller, const pb::AuthDisableRequest& /*request*/,
                              pb::AuthDisableResponse* response, Done done) {
  Change(caller, response, std::move(done), [this] { return node_->auth().Disable(); });
}

void AuthService::UserAdd(const Caller& caller, const pb::AuthUserAddRequest& request,
                          pb::AuthUserAddResponse* response, Done done) {
  Change(caller, response, std::move(done), [this, &request] {
    return node_->auth().AddUser(request.name(), request.password(), request.options());
  });
}

void AuthService::UserDelete(const Caller& caller, const pb::AuthUserDeleteRequest& request,
                             pb::AuthUserDeleteResponse* response, Done done) {
  Change(caller, response, std::move(done),
         [this, &request] { return node_->auth().DeleteUser(request.name()); });
}

void AuthService::UserChangePassword(const Caller& caller,
                                     const pb::AuthUserChangePasswordRequest& request,
                                     pb::AuthUserChangePasswordResponse* response, Done done) {
  Change(caller, response, std::move(done), [this, &request] {
    return node_->auth().ChangePassword(request.name(), request.password());
  });
}

void AuthService::UserGrantRole(const Caller& caller, const pb::AuthUserGrantRoleRequest& request,
                                pb::AuthUserGrantRoleResponse* response, Done done) {
  Change(caller, response, std::move(done),
         [this, &request] { return node_->auth().GrantRole(request.user(), request.role()); });
}

void AuthService::UserRevokeRole(const Caller& caller, const pb::AuthUserRevokeRoleRequest& request,
                                 pb::AuthUserRevokeRoleResponse* response, Done done) {
  Change(caller, response, std::move(done),
         [this, &request] { return node_->auth().RevokeRole(request.name(), request.role()); });
}

void AuthService::RoleAdd(const Caller& caller, const pb::AuthRoleAddRequest& request,
                          pb::AuthRoleAddResponse* response, Done done) {
  Change(caller, response, std::move(done),
         [this, &request] { return node_->auth().AddRole(request.name()); });
}

void AuthService::RoleDelete(const Caller& caller, const pb::AuthRoleDeleteRequest& request,
                             pb::AuthRoleDeleteResponse* response, Done done) {
  Change(caller, response, std::move(done),
         [this, &request] { return node_->auth().DeleteRole(request.role()); });
}

void AuthService::RoleRevokePermission(const Caller& caller,
                                       const pb::AuthRoleRevokePermissionRequest& request,
                                       pb::AuthRoleRevokePermissionResponse* response, Done done) {
  Change(caller, response, std::move(done), [this, &request] {
    return node_->auth().RevokePermission(request.role(), request.key(), request.range_end());
  });
}

}  // namespace socle::server
