// LeaseHook: what the store tells the leases; lease/ implements it.
//
// Laws     1. Every call comes from the write loop, in log order, so that replay after a crash
//             repeats them.
//          2. A key belongs to at most one lease; the store says Detach before Attach to another.
//          3. Deadlines are the hook's: the store knows only ids, granted and remaining TTLs.
// Threads  called from the write loop; during Store::Open from the opening thread.
// Source   spec etcd 1.6, 2.4.
#ifndef SOCLE_MVCC_LEASE_HOOK_H_
#define SOCLE_MVCC_LEASE_HOOK_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "mvcc/record.h"

namespace socle::mvcc {

// What is stored about the end of a lease. All zero: nothing, so that a restart gives it its full
// TTL.
struct LeaseCheckpoint {
  LeaseId id{};
  int64_t remaining_ttl_seconds = 0;  // etcd's; 0: none
  // At wall time `noted_unix_millis` the lease had `left_millis` left; 0: not noted. Where etcd does
  // not look.
  int64_t noted_unix_millis = 0;
  int64_t left_millis = 0;
};

class LeaseHook {
 public:
  virtual ~LeaseHook() = default;

  virtual bool Exists(LeaseId id) const = 0;
  // A new lease. Requires !Exists(id). `remaining_ttl_seconds` is 0 unless a checkpoint was stored.
  virtual void Grant(LeaseId id, int64_t ttl_seconds, int64_t remaining_ttl_seconds) = 0;
  // Removes the lease and its attachments. Requires Exists(id).
  virtual void Revoke(LeaseId id) = 0;
  // Keys attached to the lease, ascending. Requires Exists(id).
  virtual std::vector<std::string> KeysOf(LeaseId id) const = 0;
  // The lease that the key is attached to, kNoLease when to none. Asked for every put: O(1), no
  // lock if it can be.
  virtual LeaseId LeaseOf(std::string_view key) const = 0;
  // The TTL it was granted with. Requires Exists(id).
  virtual int64_t GrantedTtl(LeaseId id) const = 0;
  // A stored checkpoint, in place of the one before. No effect on an unknown lease.
  virtual void Checkpoint(const LeaseCheckpoint& checkpoint) = 0;
  // Requires Exists(id).
  virtual void Attach(LeaseId id, std::string_view key) = 0;
  virtual void Detach(LeaseId id, std::string_view key) = 0;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_LEASE_HOOK_H_
