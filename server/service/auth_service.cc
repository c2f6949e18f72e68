#include "server/service/auth_service.h"

#include "server/service/error_table.h"

namespace socle::server {

absl::Status AuthService::AuthStatus(etcdserverpb::AuthStatusResponse* response) const {
  node_->FillHeader(response->mutable_header());
  response->set_enabled(false);
  response->set_authrevision(1);
  return absl::OkStatus();
}

absl::Status AuthService::Authenticate() const {
  return WireStatus(EtcdError::kAuthNotEnabled);
}

absl::Status AuthService::AuthEnable() const {
  return WireStatus(EtcdError::kRootUserNotExist);
}

absl::Status AuthService::AuthDisable(etcdserverpb::AuthDisableResponse* response) const {
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status AuthService::UserList(etcdserverpb::AuthUserListResponse* response) const {
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

absl::Status AuthService::RoleList(etcdserverpb::AuthRoleListResponse* response) const {
  node_->FillHeader(response->mutable_header());
  return absl::OkStatus();
}

}  // namespace socle::server
