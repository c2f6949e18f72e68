// Validate: what can be refused about a request by looking at it alone.
//
// Laws     1. The order of checks is etcd's, since a request can be wrong in two ways and clients
//             match the error.
//          2. A transaction's budget of operations is shared by its nested levels (trap 10); keys
//             written twice in one branch are refused as etcd refuses them, known hole included
//             (trap 11).
// Threads  pure functions.
// Source   spec etcd 1.4.
#ifndef SOCLE_MVCC_VALIDATE_H_
#define SOCLE_MVCC_VALIDATE_H_

#include <cstdint>

#include <absl/status/status.h>

#include "mvcc/request.h"

namespace socle::mvcc {

absl::Status Validate(const RangeRequest& request);
absl::Status Validate(const PutRequest& request);
absl::Status Validate(const DeleteRangeRequest& request);
absl::Status Validate(const TxnRequest& request, int64_t ops_max);

// Only plain ranges at the top level of both branches: needs no log and no turn in the order of
// writes.
bool IsReadOnly(const TxnRequest& request);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_VALIDATE_H_
