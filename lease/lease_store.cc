#include "lease/lease_store.h"

#include <utility>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/errors.h"

namespace socle::lease {

void LeaseStore::Grant(LeaseId id, int64_t ttl_seconds, mvcc::Callback<Granted> done) {
  const absl::StatusOr<int64_t> ttl = lessor_->GrantableTtl(ttl_seconds);
  if (!ttl.ok()) {
    done(ttl.status());
    return;
  }
  if (id == mvcc::kNoLease) {
    id = lessor_->NewId();
  }
  log_->Grant(id, *ttl,
              [id, granted_ttl = *ttl,
               done = std::move(done)](absl::StatusOr<mvcc::LeaseGrantResult> result) mutable {
                if (!result.ok()) {
                  done(result.status());
                  return;
                }
                done(Granted{id, granted_ttl, result->revision});
              });
}

absl::StatusOr<Granted> LeaseStore::ForKey(int64_t ttl_seconds) const {
  ASSIGN_OR_RETURN(const int64_t granted, lessor_->GrantableTtl(ttl_seconds));
  return Granted{.id = lessor_->NewId(), .ttl_seconds = granted};
}

void LeaseStore::Revoke(LeaseId id, mvcc::Callback<mvcc::LeaseRevokeResult> done) {
  log_->Revoke(id, std::move(done));
}

void LeaseStore::KeepAlive(LeaseId id, mvcc::Callback<int64_t> done) {
  const absl::StatusOr<Lessor::Renewal> renewal = lessor_->Renew(id, &done);
  if (!renewal.ok()) {
    done(renewal.status());
    return;
  }
  switch (renewal->kind) {
    case Lessor::RenewalKind::kRenewed:
      done(renewal->ttl_seconds);
      return;
    case Lessor::RenewalKind::kUnknown:
      done(0);
      return;
    case Lessor::RenewalKind::kWaits:
      PROBE("lease: renewal waits for the revocation");
      return;
    case Lessor::RenewalKind::kNeedsCheckpoint0:
      // Again afterwards: by then the lease may be gone, expired, or have a new checkpoint.
      log_->Checkpoint({{.id = id}},
                       [this, id, done = std::move(done)](absl::StatusOr<int64_t> result) mutable {
                         if (!result.ok()) {
                           done(result.status());
                           return;
                         }
                         KeepAlive(id, std::move(done));
                       });
      return;
  }
  CHECK(false);
}

}  // namespace socle::lease
