// AuthStore: the users and roles of the server, their changes, and the tokens.
//
//   change ─► copy of the state ─► system write, durable ─► published ─► tokens dropped ─► answered
//
// Laws     1. A change is answered when it is durable and every later check sees it.
//          2. Every change of users and roles raises the auth revision, and so does switching off;
//             switching on does not.
//          3. While it is on, user root, role root and root's role root stay.
//          4. A token is given only if the revision did not move while the password was checked.
// Threads  thread-safe. Changes, and Authenticate, wait (for the disk, for bcrypt): only from worker
//          threads.
// Errors   those of the wire (error_table.h).
// Source   spec etcd 1.9.
#ifndef SOCLE_SERVER_AUTH_AUTH_STORE_H_
#define SOCLE_SERVER_AUTH_AUTH_STORE_H_

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "etcd/auth.pb.h"
#include <absl/functional/function_ref.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "mvcc/store.h"
#include "server/auth/auth_state.h"
#include "server/auth/password.h"
#include "server/auth/tokens.h"

namespace socle::server {

class AuthStore {
 public:
  // `store` must outlive this.
  AuthStore(mvcc::Store* store, std::unique_ptr<TokenSource> tokens,
            int bcrypt_cost = kBcryptCostDefault);

  // Reads what is stored; to be called once, before serving.
  absl::Status Load();

  // One relaxed load: what every call pays while authentication is off.
  bool is_enabled() const { return is_enabled_.load(std::memory_order_relaxed); }

  std::shared_ptr<const AuthState> state() const;

  // nullopt: not a token, or not any more.
  std::optional<TokenOwner> OwnerOf(std::string_view token, const AuthState& state) {
    return tokens_->Read(token, state.revision());
  }

  absl::Status Enable();
  absl::Status Disable();
  // A token.
  absl::StatusOr<std::string> Authenticate(const std::string& user, std::string_view password);

  absl::Status AddUser(const std::string& name, std::string_view password,
                       const authpb::UserAddOptions& options);
  absl::Status DeleteUser(const std::string& name);
  absl::Status ChangePassword(const std::string& name, std::string_view password);
  // The same two with the password's bcrypt hash, as it stands in an etcd log.
  absl::Status AddHashedUser(const std::string& name, std::string_view hash,
                             const authpb::UserAddOptions& options);
  absl::Status ChangeHash(const std::string& name, std::string_view hash);
  absl::Status GrantRole(const std::string& user, const std::string& role);
  absl::Status RevokeRole(const std::string& user, const std::string& role);
  absl::Status AddRole(const std::string& name);
  absl::Status DeleteRole(const std::string& name);
  // Replaces the type of a permission on the same range.
  absl::Status GrantPermission(const std::string& role, const authpb::Permission& permission);
  // The same for what stands in an etcd log: 3.4 took ranges without a first or without any key, too.
  absl::Status GrantLoggedPermission(const std::string& role, const authpb::Permission& permission);
  absl::Status RevokePermission(const std::string& role, std::string_view key,
                                std::string_view range_end);

 private:
  // Makes one change durable and visible. `edit` changes the copy; one that records no write changes
  // nothing.
  absl::Status Change(absl::FunctionRef<absl::Status(AuthState*)> edit);
  void Publish(AuthState state);
  // The hash as long as the user has a password.
  absl::StatusOr<std::string> HashFor(bool no_password, std::string_view password) const;

  mvcc::Store* const store_;
  const std::unique_ptr<TokenSource> tokens_;
  const int bcrypt_cost_;

  Mutex change_mu_;  // one change at a time, over its write
  mutable Mutex mu_ ABSL_ACQUIRED_AFTER(change_mu_);
  std::shared_ptr<const AuthState> state_ ABSL_GUARDED_BY(mu_);
  std::atomic<bool> is_enabled_{false};  // of state_
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_AUTH_STORE_H_
