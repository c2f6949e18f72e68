#include "server/auth/auth_store.h"

#include <algorithm>
#include <utility>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "server/service/error_table.h"

namespace socle::server {
namespace {

absl::Status NoPasswordUser() {
  return absl::UnknownError("auth: authentication failed, password was given for no password user");
}

bool IsOn(const authpb::Permission& permission, std::string_view key, std::string_view range_end) {
  return permission.key() == key && permission.range_end() == range_end;
}

}  // namespace

AuthStore::AuthStore(mvcc::Store* store, std::unique_ptr<TokenSource> tokens, int bcrypt_cost)
    : store_(store),
      tokens_(std::move(tokens)),
      bcrypt_cost_(bcrypt_cost),
      state_(std::make_shared<const AuthState>()) {}

absl::Status AuthStore::Load() {
  ASSIGN_OR_RETURN(AuthState state, AuthState::Load(*store_));
  Publish(std::move(state));
  return absl::OkStatus();
}

std::shared_ptr<const AuthState> AuthStore::state() const {
  MutexLock lock(&mu_);
  return state_;
}

void AuthStore::Publish(AuthState state) {
  auto next = std::make_shared<const AuthState>(std::move(state));
  MutexLock lock(&mu_);
  is_enabled_.store(next->is_enabled(), std::memory_order_relaxed);
  state_ = std::move(next);
}

absl::Status AuthStore::Change(absl::FunctionRef<absl::Status(AuthState*)> edit) {
  MutexLock lock(&change_mu_);
  AuthState next = *state();
  RETURN_IF_ERROR(edit(&next));
  std::vector<mvcc::SystemWrite> writes = next.TakeWrites();
  if (writes.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(WireStatus(store_->WriteSystem(std::move(writes)).status()));
  Publish(std::move(next));
  return absl::OkStatus();
}

absl::Status AuthStore::Enable() {
  return Change([](AuthState* next) {
    if (next->is_enabled()) {
      return absl::OkStatus();
    }
    const AuthUser* const root = next->FindUser(kRoot);
    if (root == nullptr) {
      return WireStatus(EtcdError::kRootUserNotExist);
    }
    if (!root->is_root) {
      return WireStatus(EtcdError::kRootRoleNotExist);
    }
    next->SetEnabled(true);
    LogInfo("authentication is on", {{"auth-revision", next->revision()}});
    return absl::OkStatus();
  });
}

absl::Status AuthStore::Disable() {
  RETURN_IF_ERROR(Change([](AuthState* next) {
    if (next->is_enabled()) {
      next->SetEnabled(false);
      next->NextRevision();
      LogInfo("authentication is off", {{"auth-revision", next->revision()}});
    }
    return absl::OkStatus();
  }));
  tokens_->DropAll();
  return absl::OkStatus();
}

absl::StatusOr<std::string> AuthStore::Authenticate(const std::string& user,
                                                    std::string_view password) {
  while (true) {
    const std::shared_ptr<const AuthState> checked = state();
    if (!checked->is_enabled()) {
      return WireStatus(EtcdError::kAuthNotEnabled);
    }
    const AuthUser* const found = checked->FindUser(user);
    if (found == nullptr) {
      return WireStatus(EtcdError::kAuthFailed);
    }
    if (found->record.options().no_password()) {
      return NoPasswordUser();
    }
    if (!IsPassword(password, found->record.password())) {
      return WireStatus(EtcdError::kAuthFailed);
    }
    ASSIGN_OR_RETURN(std::string token, tokens_->Make(user, checked->revision()));
    // A change that came meanwhile may have dropped the user's tokens before this one was made; whether the others
    // go is for that change to say.
    if (state()->revision() == checked->revision()) {
      return token;
    }
    tokens_->DropToken(token);
  }
}

absl::StatusOr<std::string> AuthStore::HashFor(bool no_password, std::string_view password) const {
  return no_password ? absl::StatusOr<std::string>(std::string())
                     : HashPassword(password, bcrypt_cost_);
}

absl::Status AuthStore::AddUser(const std::string& name, std::string_view password,
                                const authpb::UserAddOptions& options) {
  ASSIGN_OR_RETURN(const std::string hash, HashFor(options.no_password(), password));
  return AddHashedUser(name, hash, options);
}

absl::Status AuthStore::AddHashedUser(const std::string& name, std::string_view hash,
                                      const authpb::UserAddOptions& options) {
  return Change([&](AuthState* next) {
    if (name.empty()) {
      return WireStatus(EtcdError::kUserNameEmpty);
    }
    if (next->FindUser(name) != nullptr) {
      return WireStatus(EtcdError::kUserExists);
    }
    authpb::User user;
    user.set_name(name);
    if (!options.no_password()) {
      user.set_password(hash.data(), hash.size());
    }
    *user.mutable_options() = options;
    next->PutUser(std::move(user));
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::DeleteUser(const std::string& name) {
  RETURN_IF_ERROR(Change([&](AuthState* next) {
    if (next->is_enabled() && name == kRoot) {
      return WireStatus(EtcdError::kInvalidAuthManagement);
    }
    if (next->FindUser(name) == nullptr) {
      return WireStatus(EtcdError::kUserNotFound);
    }
    next->DeleteUser(name);
    next->NextRevision();
    return absl::OkStatus();
  }));
  tokens_->Drop(name);
  return absl::OkStatus();
}

absl::Status AuthStore::ChangePassword(const std::string& name, std::string_view password) {
  const std::shared_ptr<const AuthState> before = state();
  const AuthUser* const known = before->FindUser(name);
  const bool no_password = known != nullptr && known->record.options().no_password();
  ASSIGN_OR_RETURN(const std::string hash, HashFor(no_password, password));
  return ChangeHash(name, hash);
}

absl::Status AuthStore::ChangeHash(const std::string& name, std::string_view hash) {
  RETURN_IF_ERROR(Change([&](AuthState* next) {
    const AuthUser* const user = next->FindUser(name);
    if (user == nullptr) {
      return WireStatus(EtcdError::kUserNotFound);
    }
    authpb::User record = user->record;
    record.set_password(record.options().no_password() ? std::string() : std::string(hash));
    next->PutUser(std::move(record));
    next->NextRevision();
    return absl::OkStatus();
  }));
  tokens_->Drop(name);
  return absl::OkStatus();
}

absl::Status AuthStore::GrantRole(const std::string& user_name, const std::string& role) {
  return Change([&](AuthState* next) {
    const AuthUser* const user = next->FindUser(user_name);
    if (user == nullptr) {
      return WireStatus(EtcdError::kUserNotFound);
    }
    if (role != kRoot && next->FindRole(role) == nullptr) {
      return WireStatus(EtcdError::kRoleNotFound);
    }
    if (user->Has(role)) {
      return absl::OkStatus();
    }
    authpb::User record = user->record;
    record.add_roles(role);
    next->PutUser(std::move(record));
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::RevokeRole(const std::string& user_name, const std::string& role) {
  return Change([&](AuthState* next) {
    if (next->is_enabled() && user_name == kRoot && role == kRoot) {
      return WireStatus(EtcdError::kInvalidAuthManagement);
    }
    const AuthUser* const user = next->FindUser(user_name);
    if (user == nullptr) {
      return WireStatus(EtcdError::kUserNotFound);
    }
    if (!user->Has(role)) {
      return WireStatus(EtcdError::kRoleNotGranted);
    }
    authpb::User record = user->record;
    auto* const roles = record.mutable_roles();
    roles->erase(std::remove(roles->begin(), roles->end(), role), roles->end());
    next->PutUser(std::move(record));
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::AddRole(const std::string& name) {
  return Change([&](AuthState* next) {
    if (name.empty()) {
      return WireStatus(EtcdError::kRoleNameEmpty);
    }
    if (next->FindRole(name) != nullptr) {
      return WireStatus(EtcdError::kRoleExists);
    }
    authpb::Role role;
    role.set_name(name);
    next->PutRole(std::move(role));
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::DeleteRole(const std::string& name) {
  return Change([&](AuthState* next) {
    if (next->is_enabled() && name == kRoot) {
      return WireStatus(EtcdError::kInvalidAuthManagement);
    }
    if (next->FindRole(name) == nullptr) {
      return WireStatus(EtcdError::kRoleNotFound);
    }
    next->DeleteRole(name);
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::GrantPermission(const std::string& role_name,
                                        const authpb::Permission& permission) {
  if (!IsGrantableRange(permission.key(), permission.range_end())) {
    return WireStatus(EtcdError::kInvalidAuthManagement);
  }
  return GrantLoggedPermission(role_name, permission);
}

absl::Status AuthStore::GrantLoggedPermission(const std::string& role_name,
                                              const authpb::Permission& permission) {
  return Change([&](AuthState* next) {
    const authpb::Role* const role = next->FindRole(role_name);
    if (role == nullptr) {
      return WireStatus(EtcdError::kRoleNotFound);
    }
    authpb::Role record = *role;
    auto* const permissions = record.mutable_keypermission();
    const auto old = std::find_if(permissions->begin(), permissions->end(),
                                  [&permission](const authpb::Permission& held) {
                                    return IsOn(held, permission.key(), permission.range_end());
                                  });
    if (old != permissions->end()) {
      old->set_permtype(permission.permtype());
    } else {
      *permissions->Add() = permission;
    }
    next->PutRole(std::move(record));
    next->NextRevision();
    return absl::OkStatus();
  });
}

absl::Status AuthStore::RevokePermission(const std::string& role_name, std::string_view key,
                                         std::string_view range_end) {
  return Change([&](AuthState* next) {
    const authpb::Role* const role = next->FindRole(role_name);
    if (role == nullptr) {
      return WireStatus(EtcdError::kRoleNotFound);
    }
    authpb::Role record = *role;
    auto* const permissions = record.mutable_keypermission();
    const auto kept =
        std::remove_if(permissions->begin(), permissions->end(),
                       [&](const authpb::Permission& held) { return IsOn(held, key, range_end); });
    if (kept == permissions->end()) {
      return WireStatus(EtcdError::kPermissionNotGranted);
    }
    permissions->erase(kept, permissions->end());
    next->PutRole(std::move(record));
    next->NextRevision();
    return absl::OkStatus();
  });
}

}  // namespace socle::server
