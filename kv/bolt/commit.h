// Commit: the order in which a write transaction reaches the disk.
//
//   state      true in it
//   ---------  -----------------------------------------------------------------------------------
//   placed     every dirty page has its id; the freelist knows what is freed and taken
//   grown      the file is long enough; nothing that any reader or the last commit reaches changed
//   written    pages and the freelist page were handed to the kernel
//   synced     they are durable, and before them their checksums if there are any; the last commit is still the newest on disk
//   announced  the meta page was handed to the kernel: on disk it is the old commit or the new one
//   durable    second sync done; the commit is published to readers and the freelist
//
// Laws     1. A failure up to `written` leaves the engine as before the transaction.
//          2. A failure from the first sync on is sticky (Database::Fail): what is on disk is not
//             known any more.
// Threads  confined to the writer.
// Source   spec etcd 3.2.
#ifndef SOCLE_KV_BOLT_COMMIT_H_
#define SOCLE_KV_BOLT_COMMIT_H_

#include <absl/status/status.h>

#include "kv/bolt/database.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/txn_pages.h"

namespace socle::kv::bolt {

// Writes all placed pages as the commit after `base`, whose root tree starts at `root`. On an error
// the caller rolls the freelist back.
absl::Status WriteCommit(Database* db, TxnPages* pages, const Meta& base, PageId root);

}  // namespace socle::kv::bolt

#endif  // SOCLE_KV_BOLT_COMMIT_H_
