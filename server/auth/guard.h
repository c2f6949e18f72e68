// Guard: may this caller do that? One method per question; the services ask before they act.
//
// Laws     1. While authentication is off every answer is yes, for one relaxed load.
//          2. Who the caller is, is settled first: a wrong token is refused whatever is asked, no user at
//             all where one is needed is "user name is empty", a token of an older auth revision is told
//             so. Only then permissions are looked at, and a refusal does not say which one failed.
//          3. One call is judged by one state, taken when it came.
//          4. Everything that is not a client's call (expiry, compaction, health) does not come here.
// Threads  thread-safe; quick (no disk, no bcrypt; one signature check with signed tokens).
// Errors   those of the wire.
// Source   spec etcd 1.4 (nested transactions), 1.6, 1.7, 1.8, 1.9.
#ifndef SOCLE_SERVER_AUTH_GUARD_H_
#define SOCLE_SERVER_AUTH_GUARD_H_

#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "lease/lease_store.h"
#include "mvcc/request.h"
#include "server/auth/auth_store.h"
#include "server/auth/caller.h"

namespace socle::server {

class Guard {
 public:
  // `auth` null: authentication is never on. Both must outlive this.
  Guard(AuthStore* auth, lease::LeaseStore* leases) : auth_(auth), leases_(leases) {}

  bool is_on() const { return auth_ != nullptr && auth_->is_enabled(); }

  // Who the caller is, for logs; empty: nobody that is known, or authentication is off.
  std::string NameOf(const Caller& caller) const;

  // The token, if there is one, is good.
  absl::Status KnownToken(const Caller& caller) const;
  absl::Status AnyUser(const Caller& caller) const;
  absl::Status Root(const Caller& caller) const;
  // Root, or who asks about itself, or about a role it has.
  absl::Status AboutUser(const Caller& caller, std::string_view name) const;
  absl::Status AboutRole(const Caller& caller, std::string_view role) const;

  // Requests are valid ones (mvcc/validate.h).
  absl::Status Range(const Caller& caller, const mvcc::RangeRequest& request) const;
  absl::Status Put(const Caller& caller, const mvcc::PutRequest& request) const;
  absl::Status DeleteRange(const Caller& caller, const mvcc::DeleteRangeRequest& request) const;
  // Every operation of both branches, and of the transactions inside.
  absl::Status Txn(const Caller& caller, const mvcc::TxnRequest& request) const;
  absl::Status Watch(const Caller& caller, std::string_view key, std::string_view range_end) const;

  // Revoking and renewing: its keys must be writable.
  absl::Status ChangeLease(const Caller& caller, lease::LeaseId id) const;
  // Its keys must be readable.
  absl::Status SeeLeaseKeys(const Caller& caller, lease::LeaseId id) const;
  absl::Status SeeAllLeases(const Caller& caller) const;

  // A lock or a candidacy: a key of `lease` (none: of a lease still to be made) in [prefix, end).
  absl::Status Contend(const Caller& caller, const std::string& prefix, const std::string& end,
                       lease::LeaseId lease) const;

 private:
  AuthStore* const auth_;
  lease::LeaseStore* const leases_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_AUTH_GUARD_H_
