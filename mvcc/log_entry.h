// LogEntry: an operation as it stands in the write-ahead log.
//
//   kind (1 byte) | fields: varints, and bytes with a varint length before them; nested
//   transactions inline
//
// Laws     1. Applying the entries of a log in order to the pages they follow gives the same store:
//             entries say what was asked, and applying is deterministic. An entry that failed fails
//             again, without effect.
//          2. Decoding never trusts the bytes: DataLoss for anything that is not an entry.
// Threads  pure functions.
// Source   DESIGN 2; mvcc/DESIGN.md (why requests and not effects).
#ifndef SOCLE_MVCC_LOG_ENTRY_H_
#define SOCLE_MVCC_LOG_ENTRY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/request.h"
#include "mvcc/store.h"

namespace socle::mvcc {

struct CompactOp {
  int64_t revision = 0;
};

struct LeaseGrantOp {
  LeaseId id{};
  int64_t ttl_seconds = 0;
};

struct LeaseRevokeOp {
  LeaseId id{};
};

struct CheckpointOp {
  std::vector<LeaseCheckpoint> checkpoints;
};

struct SystemOp {
  std::vector<SystemWrite> writes;
};

// The kind byte of an entry is the position here, but 8 of a checkpoint (6: an older one, without
// notes of deadlines): append only.
using Operation = std::variant<PutRequest, DeleteRangeRequest, TxnRequest, CompactOp, LeaseGrantOp,
                               LeaseRevokeOp, CheckpointOp, SystemOp>;

std::string EncodeOperation(const Operation& operation);
absl::StatusOr<Operation> DecodeOperation(std::string_view bytes);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_LOG_ENTRY_H_
