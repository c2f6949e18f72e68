// LogPermission: may the user that a log entry names do what the entry asks? etcd asks it when it applies the entry, so
// an entry that was refused is in the log all the same.
//
// Laws     1. The rules are those of the versions that write such entries, which are not all of a service's (guard.h):
//             puts in a transaction are not judged by their lease or prev_kv, compactions by nobody.
//          2. Judged by the auth state as of the entry.
// Threads  thread-compatible.
// Errors   those of the wire; the caller only asks whether it is OK.
// Source   spec etcd 1.9, 2.7; CVE-2026-33343 (nested transactions are judged, too).
#ifndef SOCLE_SERVER_MIGRATE_LOG_PERMISSION_H_
#define SOCLE_SERVER_MIGRATE_LOG_PERMISSION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "etcd/raft_internal.pb.h"

#include "server/auth/auth_state.h"

namespace socle::server {

class LogPermission {
 public:
  LogPermission(std::shared_ptr<const AuthState> state,
                const etcdserverpb::RaftRequestHeader& header)
      : state_(std::move(state)),
        revision_(header.auth_revision()),
        user_(header.username().empty() ? nullptr : state_->FindUser(header.username())) {}

  // For requests that change users, roles, or whether authentication is on.
  bool IsRoot() const { return !state_->is_enabled() || (user_ != nullptr && user_->is_root); }

  bool MayRead(std::string_view key, std::string_view range_end) const {
    return May(key, range_end, &AuthUser::readable);
  }

  bool MayWrite(std::string_view key, std::string_view range_end) const {
    return May(key, range_end, &AuthUser::writable);
  }

  // The keys that a lease holds.
  bool MayWriteAll(const std::vector<std::string>& keys) const;

  bool May(const etcdserverpb::DeleteRangeRequest& request) const;
  bool May(const etcdserverpb::TxnRequest& request) const;

 private:
  bool May(std::string_view key, std::string_view range_end, RangeUnion AuthUser::*permitted) const;
  bool May(const etcdserverpb::RequestOp& op) const;

  const std::shared_ptr<const AuthState> state_;
  const uint64_t revision_;  // of the token that was shown; 0: none was
  const AuthUser* const user_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_LOG_PERMISSION_H_
