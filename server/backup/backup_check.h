// CheckBackup: proves that a backup directory can be restored, from each of its bases on.
//
//   every piece: checksums, order, end        every base: digest, structure, sum of records
//   every base, rebuilt up to the next one: HashKV where bases remember one; leases, users, alarms, members equal
//
// Laws     1. The backup is only read; a server may be writing to it.
//          2. All that is wrong is found, not only the first.
// Threads  one call at a time.
// Memory   one piece, and a store.
// Source   DESIGN.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_CHECK_H_
#define SOCLE_SERVER_BACKUP_BACKUP_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "server/backup/backup_directory.h"
#include "server/migrate/etcd_directory.h"

namespace socle::server {

struct BackupCheckOptions {
  std::string directory;
  std::string
      scratch;  // a new directory, removed at the end: as large as the largest store that is rebuilt
  bool without_rebuild = false;  // checksums and order only
  MigrateProgress progress;      // may be null
};

struct BackupChecked {
  std::vector<absl::Status> damage;  // each with the file's name
  std::vector<std::string> notes;    // what is not wrong and worth knowing
  uint64_t bases = 0;
  uint64_t pieces = 0;
  uint64_t entries = 0;
  uint64_t hashes_compared = 0;
};

// Which moments can't be restored because another chain was begun; empty: `chain` is none, or nothing comes before it.
std::string GapText(const BackupChain* before, const BackupChain& chain);

absl::StatusOr<BackupChecked> CheckBackup(Env* env, const BackupCheckOptions& options);

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_CHECK_H_
