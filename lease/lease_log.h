// LeaseLog: where changes of leases become durable and get their order; they come back through the
// LeaseHook.
//
// Laws     1. Each call is answered exactly once, after it was applied; applied in the order of the
//             calls.
// Threads  thread-safe; answers come from the write loop, or at once.
#ifndef SOCLE_LEASE_LEASE_LOG_H_
#define SOCLE_LEASE_LEASE_LOG_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "lease/lease.h"
#include "mvcc/store.h"

namespace socle::lease {

class LeaseLog {
 public:
  virtual ~LeaseLog() = default;

  virtual void Grant(LeaseId id, int64_t ttl_seconds,
                     mvcc::Callback<mvcc::LeaseGrantResult> done) = 0;
  virtual void Revoke(LeaseId id, mvcc::Callback<mvcc::LeaseRevokeResult> done) = 0;
  virtual void Checkpoint(std::vector<mvcc::LeaseCheckpoint> checkpoints,
                          mvcc::Callback<int64_t> done) = 0;
};

// The store's own log.
class StoreLeaseLog final : public LeaseLog {
 public:
  // `store` must outlive this.
  explicit StoreLeaseLog(mvcc::Store* store) : store_(store) {}

  void Grant(LeaseId id, int64_t ttl_seconds,
             mvcc::Callback<mvcc::LeaseGrantResult> done) override {
    store_->LeaseGrant(id, ttl_seconds, std::move(done));
  }

  void Revoke(LeaseId id, mvcc::Callback<mvcc::LeaseRevokeResult> done) override {
    store_->LeaseRevoke(id, std::move(done));
  }

  void Checkpoint(std::vector<mvcc::LeaseCheckpoint> checkpoints,
                  mvcc::Callback<int64_t> done) override {
    store_->LeaseCheckpoints(std::move(checkpoints), std::move(done));
  }

 private:
  mvcc::Store* const store_;
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_LEASE_LOG_H_
