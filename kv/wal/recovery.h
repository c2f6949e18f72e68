// Recovery: reads the log of a directory, hands out its entries, and says where the next one goes.
//
// Laws     1. Reads only. What a torn tail needs is described in the result and done by RepairTail.
//          2. Entry n is torn, not damaged, when it is in the last segment and nothing there was
//             written by a batch that begins after n: then n was never acknowledged, or nothing can
//             prove that it was.
//          3. Segments whose entries are all <= `after` are not read: they may be damaged, or gone
//             in part.
// Threads  pure functions over an Env.
// Memory   one segment at a time.
// Errors   DataLoss (damage: segment, offset, expected, found); FailedPrecondition (entries gone,
//          other store, newer version); what `replay` returns.
#ifndef SOCLE_KV_WAL_RECOVERY_H_
#define SOCLE_KV_WAL_RECOVERY_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "kv/wal/segment.h"
#include "kv/wal/wal.h"

namespace socle::kv {

using ReplayFunction = std::function<absl::Status(LogIndex, std::string_view)>;

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

struct RecoveredLog {
  std::vector<Segment> segments;  // ascending; the last one is to be appended to
  std::vector<SpareFile> spares;
  uint64_t next_sequence = 1;  // greater than any that a file here was ever used with
  LogIndex next_index{1};
  // In the last segment: where the next record goes, the last batch before it, and the end of what
  // an unfinished batch left behind (not before end_offset).
  uint64_t end_offset = 0;
  uint64_t last_batch_offset = 0;
  std::string last_batch;
  uint64_t remains_end = 0;
  // A header at the end of the file that zeros behind it would complete; empty when there is none.
  ByteRange cut_header;
};

absl::StatusOr<RecoveredLog> RecoverLog(Env* env, const std::string& dir, const WalOptions& options,
                                        LogIndex after, const ReplayFunction& replay);

// Puts zeros over the remains of an unfinished batch and over a cut header, lest one of its records follow a new one; and
// writes the last batch again: a sync that failed before the restart may have left it in the page
// cache only.
absl::Status RepairTail(File* last_segment, const RecoveredLog& log, bool sync);

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_RECOVERY_H_
