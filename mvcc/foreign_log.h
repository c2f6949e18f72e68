// ForeignLog: a data directory that etcd's own log belongs to, which is not opened as if it were ours.
//
// Laws     1. What etcd wrote is refused wherever its log is: beside the database, at the place that was given for
//             ours, or unknown (etcd --wal-dir). Then the database tells: ours has an id (kStoreIdKey) before it has
//             any bucket, and those that soclectl makes are born with one. A snapshot that was saved starts a server.
//          2. Nothing is created or changed.
// Threads  pure function.
// Errors   FailedPrecondition with the command that takes the directory over.
// Source   spec etcd 2.1, 2.6, 2.7.
#ifndef SOCLE_MVCC_FOREIGN_LOG_H_
#define SOCLE_MVCC_FOREIGN_LOG_H_

#include <string>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"

namespace socle::mvcc {

// Whether the database is a snapshot as it was saved, with a digest behind its whole sectors: all that there was, so that
// it needs no log.
absl::StatusOr<bool> IsSavedSnapshot(Env* env, const std::string& path);

// A directory that an etcd server wrote may hold entries that are only in its own log. `wal_directory`: where ours is
// to be, when that was said; people name etcd's.
absl::Status RefuseEtcdLog(Env* env, const std::string& directory,
                           const std::string& wal_directory);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_FOREIGN_LOG_H_
