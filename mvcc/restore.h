// Restore: rebuilds the applier's state from the page store at start.
//
// Laws     1. current revision = max(1, newest stored, finished and scheduled compaction): it never
//             goes back.
//          2. A compaction that was asked for and not finished goes on.
//          3. Histories may begin in the middle of a key's life: create revision and version then
//             come from the record.
//          4. The result does not depend on the shape of the work, but for how full nodes are.
// Threads  the opening thread, which starts and joins others; it alone calls the lease hook.
// Errors   DataLoss names the revision; FailedPrecondition for a file of a newer format.
// Source   spec etcd 2.3, 2.4, 2.5.
#ifndef SOCLE_MVCC_RESTORE_H_
#define SOCLE_MVCC_RESTORE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "mvcc/applier.h"

namespace socle::mvcc {

struct Restored {
  uint64_t consistent_index = 0;  // last log entry whose effect is in the pages
  uint64_t store_id = 0;          // 0: the file has none yet
  bool has_log = false;           // its log was begun
  int64_t finished_compact = -1;
  int64_t scheduled_compact = -1;
  std::string key_digest;  // as stored; empty: none
};

// Reads what must be known before the log can be opened.
absl::StatusOr<Restored> ReadBookkeeping(const kv::ReadTxn& pages);

struct RestoreShape {
  size_t threads = 1;
  int64_t revisions_per_run = 64 * 1024;
};

// Fills the applier (fresh) and its lease hook from the pages.
absl::Status RestoreState(const kv::ReadTxn& pages, const RestoreShape& shape, Applier* applier);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_RESTORE_H_
