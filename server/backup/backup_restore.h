// RestoreBackup: makes a data directory out of a backup directory: the store as it was at its end, at a time, or when a
// revision was made.
//
// Laws     1. The backup is only read; a server may be writing to it. The target appears whole, or not at all (image.h).
//          2. To a time T: nothing is in it that was logged after T; at most the last moments before T are missing (the
//             distance of time marks), unless T lies in a gap between chains or behind the end, which is said; where entries
//             of a chain are lost it is refused. To a revision N: the state that
//             the write which made N left. Without either: the newest base, and what follows it; chains that are passed
//             over are named.
//          3. Keys, their history, leases, users and alarms are those of then; the member keeps its id, the store gets another.
//             Leases begin with their full TTL.
//          4. Damage is refused, unless a time, a revision or a base was asked for and what leads there is whole.
// Threads  one call at a time.
// Errors   NotFound with what is possible (a time or revision that was not saved); DataLoss names the file;
//          FailedPrecondition (the target exists).
// Source   DESIGN.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_RESTORE_H_
#define SOCLE_SERVER_BACKUP_BACKUP_RESTORE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "mvcc/request.h"
#include "server/backup/backup_directory.h"
#include "server/backup/rebuild.h"
#include "server/migrate/etcd_directory.h"

namespace socle::server {

struct BackupRestoreOptions {
  std::string directory;
  std::string target;
  std::optional<int64_t> to_revision;
  std::optional<int64_t> to_wall_nanos;
  std::string from_base;  // name of a base's record or image; empty: the newest that leads there
  // As RestoreOptions::bump_revision.
  int64_t bump_revision = 0;
  MigrateProgress progress;  // may be null
};

struct RestorePlan {
  const BackupChain* chain = nullptr;
  const BaseFigures* base = nullptr;
  RebuildStop stop;
};

// Which base and which entries lead to what is asked for.
absl::StatusOr<RestorePlan> PlanRestore(Env* env, const BackupRestoreOptions& options,
                                        const BackupDirectory& directory);

struct BackupRestored {
  std::string base;
  int64_t revision = 0;     // newest one, left out ones included
  uint64_t entries = 0;     // that were applied to the base
  uint64_t last_index = 0;  // the last of them
  int64_t wall_nanos = 0;
  int64_t keys = 0;
  uint64_t leases = 0;
  mvcc::KvHash hash;  // before revisions are left out
  std::vector<std::string>
      notes;  // what whoever asked should know: damage that was no obstacle, gaps
};

absl::StatusOr<BackupRestored> RestoreBackup(Env* env, const BackupRestoreOptions& options);

// "2026-11-27T01:02:03.456Z", UTC.
std::string WallText(int64_t wall_nanos);

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_RESTORE_H_
