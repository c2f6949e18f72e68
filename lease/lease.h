// Lease: what a client is told about one lease, and the limits of TTLs.
//
// Laws     1. TTLs are whole seconds. A TTL below the minimum is raised silently (trap 21); above
//             the maximum it is refused.
// Threads  values.
// Source   spec etcd 1.6.
#ifndef SOCLE_LEASE_LEASE_H_
#define SOCLE_LEASE_LEASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/record.h"

namespace socle::lease {

using mvcc::LeaseId;

inline constexpr int64_t kTtlMaxSeconds = 9'000'000'000;
// ceil(1.5 × election timeout) of etcd's default settings.
inline constexpr int64_t kTtlMinSeconds = 2;

struct LeaseStatus {
  LeaseId id{};
  int64_t granted_ttl_seconds = 0;
  // Truncated toward zero; 0 or negative between the deadline and the revocation.
  int64_t remaining_seconds = 0;
  std::vector<std::string> keys;  // ascending; only when asked for
};

}  // namespace socle::lease

#endif  // SOCLE_LEASE_LEASE_H_
