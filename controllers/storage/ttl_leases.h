// TtlLeases: leases for objects that live for a while; objects of one TTL share a lease.
//
// Laws     1. A lease from Find lives at least `ttl_seconds` longer; at most a twentieth of the TTL
//             (1 to 60 s) more than that.
//          2. At most kUsesMax objects and one grant under way per TTL; who comes meanwhile waits
//             for it.
// Threads  thread-safe. Callbacks run in the call, or where the grant is answered.
// Memory   one slot per TTL in use; slots whose lease is too old go when another TTL comes.
// Source   spec etcd 5.2: a lease per TTL, reused for up to 1000 objects.
#ifndef SOCLE_CONTROLLERS_STORAGE_TTL_LEASES_H_
#define SOCLE_CONTROLLERS_STORAGE_TTL_LEASES_H_

#include <cstdint>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "mvcc/record.h"

namespace socle::storage {

class TtlLeases {
 public:
  static constexpr int64_t kUsesMax = 1'000;

  using Done = absl::AnyInvocable<void(absl::StatusOr<mvcc::LeaseId>)>;
  // Asks for a new lease.
  using Grant = absl::AnyInvocable<void(int64_t ttl_seconds, Done done) const>;

  // Must outlive the grants under way.
  TtlLeases(Clock* clock, Grant grant) : clock_(clock), grant_(std::move(grant)) {}

  TtlLeases(const TtlLeases&) = delete;
  TtlLeases& operator=(const TtlLeases&) = delete;

  // Requires: 0 < ttl_seconds <= kTtlMaxSeconds.
  void Find(int64_t ttl_seconds, Done done);

  // The lease turned out to be gone.
  void Forget(mvcc::LeaseId id);

 private:
  struct Slot {
    mvcc::LeaseId id = mvcc::kNoLease;
    int64_t usable_until_nanos = 0;
    int64_t uses = 0;
    std::vector<Done> waiting;  // not empty: a grant is under way
  };

  void Granted(int64_t ttl_seconds, int64_t usable_until_nanos,
               const absl::StatusOr<mvcc::LeaseId>& id);

  Clock* const clock_;
  const Grant grant_;

  Mutex mu_;
  absl::flat_hash_map<int64_t, Slot> slots_ ABSL_GUARDED_BY(mu_);  // by TTL
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_TTL_LEASES_H_
