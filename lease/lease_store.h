// LeaseStore: what a client may do with leases; the lease service calls this.
//
//   Lessor lessor;
//   auto store = Store::Open({.directory = dir, .lease_hook = &lessor}).value();
//   lessor.StartDeadlines();
//   StoreLeaseLog log(store.get());
//   LeaseStore leases(&lessor, &log);
//   Expirer expirer(&lessor, &log);   // and expirer.Start()
//
// Stopping, in this order: expirer, lessor.Close(), store, LeaseStore and log, lessor.
//
// Laws     1. Grant, Revoke and a renewal that had to clear a checkpoint are answered when durable;
//             other renewals touch memory only.
// Threads  thread-safe. Answers come at once or from the write loop.
// Errors   kLeaseTtlTooLarge, kLeaseExists, kLeaseNotFound, kStopped, and those of the store.
// Source   spec etcd 1.6, traps 20, 21.
#ifndef SOCLE_LEASE_LEASE_STORE_H_
#define SOCLE_LEASE_LEASE_STORE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "lease/lease.h"
#include "lease/lease_log.h"
#include "lease/lessor.h"
#include "mvcc/store.h"

namespace socle::lease {

struct Granted {
  LeaseId id{};
  int64_t ttl_seconds = 0;
  int64_t revision = 0;
};

class LeaseStore {
 public:
  // Both must outlive this and its unanswered calls.
  LeaseStore(Lessor* lessor, LeaseLog* log) : lessor_(lessor), log_(log) {}

  LeaseStore(const LeaseStore&) = delete;
  LeaseStore& operator=(const LeaseStore&) = delete;

  // `id` kNoLease: a fresh one is chosen.
  void Grant(LeaseId id, int64_t ttl_seconds, mvcc::Callback<Granted> done);
  // What a put has to say (PutRequest::ttl_seconds) so that its key lives so long: a fresh id, and the TTL as granted.
  absl::StatusOr<Granted> ForKey(int64_t ttl_seconds) const;
  // Deletes the keys of the lease, in one revision.
  void Revoke(LeaseId id, mvcc::Callback<mvcc::LeaseRevokeResult> done);
  // Answers with the granted TTL; 0 when the lease is unknown, or expired: then after it was
  // revoked.
  void KeepAlive(LeaseId id, mvcc::Callback<int64_t> done);

  // nullopt for an unknown lease.
  std::optional<LeaseStatus> TimeToLive(LeaseId id, bool with_keys) const {
    return lessor_->TimeToLive(id, with_keys);
  }

  // By remaining time.
  std::vector<LeaseId> Leases() const { return lessor_->Leases(); }

 private:
  Lessor* const lessor_;
  LeaseLog* const log_;
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_LEASE_STORE_H_
