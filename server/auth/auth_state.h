// AuthState: users, roles and what they may do, as of one auth revision.
//
// Laws     1. Lists are sorted: a user's roles by name, a role's permissions by key.
//          2. What a user may read and write is the union over the roles it has; role `root` may
//             everything, whether it exists or not.
//          3. Records go to disk as etcd's: canonical protobuf of authpb.
// Threads  immutable once published (auth_store.h); made by one thread.
// Memory   a state shares the entries that did not change with the one it was copied from.
// Source   spec etcd 1.9, 2.2.
#ifndef SOCLE_SERVER_AUTH_AUTH_STATE_H_
#define SOCLE_SERVER_AUTH_AUTH_STATE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "etcd/auth.pb.h"
#include <absl/status/statusor.h>

#include "mvcc/store.h"
#include "server/auth/range_permission.h"

namespace socle::server {

inline constexpr std::string_view kRoot = "root";  // the user and the role

struct AuthUser {
  authpb::User record;
  bool is_root = false;
  RangeUnion readable;
  RangeUnion writable;

  bool Has(std::string_view role) const;
};

class AuthState {
 public:
  using Users = std::map<std::string, std::shared_ptr<const AuthUser>, std::less<>>;
  using Roles = std::map<std::string, std::shared_ptr<const authpb::Role>, std::less<>>;

  // The state of the buckets auth, authUsers and authRoles.
  static absl::StatusOr<AuthState> Load(const mvcc::Store& store);

  bool is_enabled() const { return is_enabled_; }

  uint64_t revision() const { return revision_; }

  const Users& users() const { return users_; }

  const Roles& roles() const { return roles_; }

  // Null when there is none.
  const AuthUser* FindUser(std::string_view name) const;
  const authpb::Role* FindRole(std::string_view name) const;

  // --- While it is being made. Each records what has to be written.
  void SetEnabled(bool is_enabled);
  void NextRevision();
  void PutUser(authpb::User record);
  void DeleteUser(std::string_view name);
  // Users' permissions follow.
  void PutRole(authpb::Role record);
  void DeleteRole(std::string_view name);

  std::vector<mvcc::SystemWrite> TakeWrites();

 private:
  std::shared_ptr<const AuthUser> MakeUser(authpb::User record) const;
  void RefreshUsersOf(std::string_view role);

  bool is_enabled_ = false;
  uint64_t revision_ = 1;
  Users users_;
  Roles roles_;
  std::vector<mvcc::SystemWrite> writes_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_AUTH_STATE_H_
