#include "server/auth/auth_state.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

constexpr std::string_view kAuthBucket = "auth";
constexpr std::string_view kUserBucket = "authUsers";
constexpr std::string_view kRoleBucket = "authRoles";
constexpr std::string_view kEnabledKey = "authEnabled";
constexpr std::string_view kRevisionKey = "authRevision";

mvcc::SystemWrite Write(std::string_view bucket, std::string_view key, std::string value) {
  return {.bucket = std::string(bucket), .key = std::string(key), .value = std::move(value)};
}

mvcc::SystemWrite Erase(std::string_view bucket, std::string_view key) {
  return {.bucket = std::string(bucket), .key = std::string(key), .value = {}, .is_delete = true};
}

absl::Status Broken(std::string_view bucket, std::string_view key) {
  return absl::DataLossError(fmt::format("bucket {}: the record '{}' is not etcd's", bucket, key));
}

}  // namespace

bool AuthUser::Has(std::string_view role) const {
  return std::any_of(record.roles().begin(), record.roles().end(),
                     [role](const std::string& name) { return name == role; });
}

absl::StatusOr<AuthState> AuthState::Load(const mvcc::Store& store) {
  AuthState state;
  ASSIGN_OR_RETURN(const auto auth, store.ReadSystem(kAuthBucket));
  for (const auto& [key, value] : auth) {
    if (key == kEnabledKey) {
      state.is_enabled_ = value == std::string_view("\x01");
    } else if (key == kRevisionKey) {
      if (value.size() != sizeof(uint64_t)) {
        return Broken(kAuthBucket, key);
      }
      // A fresh etcd stores 1 at its first start, we with the first change.
      state.revision_ = std::max<uint64_t>(1, GetBigEndian64(value.data()));
    }
  }
  ASSIGN_OR_RETURN(const auto roles, store.ReadSystem(kRoleBucket));
  for (const auto& [key, value] : roles) {
    auto role = std::make_shared<authpb::Role>();
    if (!role->ParseFromString(value)) {
      return Broken(kRoleBucket, key);
    }
    state.roles_[key] = std::move(role);
  }
  ASSIGN_OR_RETURN(const auto users, store.ReadSystem(kUserBucket));
  for (const auto& [key, value] : users) {
    authpb::User user;
    if (!user.ParseFromString(value)) {
      return Broken(kUserBucket, key);
    }
    state.users_[key] = state.MakeUser(std::move(user));
  }
  return state;
}

const AuthUser* AuthState::FindUser(std::string_view name) const {
  const auto found = users_.find(name);
  return found != users_.end() ? found->second.get() : nullptr;
}

const authpb::Role* AuthState::FindRole(std::string_view name) const {
  const auto found = roles_.find(name);
  return found != roles_.end() ? found->second.get() : nullptr;
}

void AuthState::SetEnabled(bool is_enabled) {
  is_enabled_ = is_enabled;
  writes_.push_back(Write(kAuthBucket, kEnabledKey, std::string(1, is_enabled ? '\1' : '\0')));
}

void AuthState::NextRevision() {
  ++revision_;
  writes_.push_back(Write(kAuthBucket, kRevisionKey, BigEndian64(revision_)));
}

void AuthState::PutUser(authpb::User record) {
  std::sort(record.mutable_roles()->begin(), record.mutable_roles()->end());
  writes_.push_back(Write(kUserBucket, record.name(), record.SerializeAsString()));
  const std::string name = record.name();
  users_[name] = MakeUser(std::move(record));
}

void AuthState::DeleteUser(std::string_view name) {
  writes_.push_back(Erase(kUserBucket, name));
  users_.erase(users_.find(name));
}

void AuthState::PutRole(authpb::Role record) {
  std::stable_sort(
      record.mutable_keypermission()->begin(), record.mutable_keypermission()->end(),
      [](const authpb::Permission& a, const authpb::Permission& b) { return a.key() < b.key(); });
  writes_.push_back(Write(kRoleBucket, record.name(), record.SerializeAsString()));
  const std::string name = record.name();
  roles_[name] = std::make_shared<const authpb::Role>(std::move(record));
  RefreshUsersOf(name);
}

void AuthState::DeleteRole(std::string_view name) {
  const std::string role(name);  // `name` may be a view into what goes
  writes_.push_back(Erase(kRoleBucket, role));
  roles_.erase(role);
  const Users before = users_;
  for (const auto& [user_name, user] : before) {
    if (user->Has(role)) {
      authpb::User record = user->record;
      auto* const roles = record.mutable_roles();
      roles->erase(std::remove(roles->begin(), roles->end(), role), roles->end());
      PutUser(std::move(record));
    }
  }
}

std::vector<mvcc::SystemWrite> AuthState::TakeWrites() {
  return std::exchange(writes_, {});
}

std::shared_ptr<const AuthUser> AuthState::MakeUser(authpb::User record) const {
  auto user = std::make_shared<AuthUser>();
  std::vector<KeyInterval> readable;
  std::vector<KeyInterval> writable;
  for (const std::string& role_name : record.roles()) {
    user->is_root = user->is_root || role_name == kRoot;
    const authpb::Role* const role = FindRole(role_name);
    if (role == nullptr) {
      continue;
    }
    for (const authpb::Permission& permission : role->keypermission()) {
      const KeyInterval interval = KeyInterval::Of(permission.key(), permission.range_end());
      const bool is_both = permission.permtype() == authpb::Permission::READWRITE;
      if (is_both || permission.permtype() == authpb::Permission::READ) {
        readable.push_back(interval);
      }
      if (is_both || permission.permtype() == authpb::Permission::WRITE) {
        writable.push_back(interval);
      }
    }
  }
  user->record = std::move(record);
  user->readable = RangeUnion(std::move(readable));
  user->writable = RangeUnion(std::move(writable));
  return user;
}

void AuthState::RefreshUsersOf(std::string_view role) {
  for (auto& [name, user] : users_) {
    if (user->Has(role)) {
      user = MakeUser(user->record);
    }
  }
}

}  // namespace socle::server
