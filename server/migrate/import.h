// ImportEtcd: makes a data directory of socle-kv out of that of a stopped etcd server: its database, and the entries of
// its log that are not in the database yet.
//
// Laws     1. The source is only read.
//          2. What etcd would answer after its own restart is what socle-kv answers: same revisions, same HashKV,
//             leases, users and alarms. Where etcd's own answer depends on its version or on luck, the design note
//             says what is done here (server/migrate/DESIGN.md).
//          3. The target appears whole, or not at all (image.h).
// Threads  one call at a time.
// Errors   as EtcdDirectory and Replay.
// Source   spec etcd 2.7.
#ifndef SOCLE_SERVER_MIGRATE_IMPORT_H_
#define SOCLE_SERVER_MIGRATE_IMPORT_H_

#include <cstdint>
#include <optional>
#include <string>

#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "mvcc/store.h"
#include "server/migrate/etcd_directory.h"
#include "server/migrate/replay.h"

namespace socle::server {

struct ImportOptions {
  std::string source;
  std::string source_wal;    // empty: in the source
  std::string target;        // new, or an empty directory
  MigrateProgress progress;  // may be null
};

struct Imported {
  uint64_t applied_before = 0;  // last log entry that was in the database
  uint64_t last_index = 0;      // last log entry
  ReplayCounts entries;         // of those between
  std::optional<std::string> torn;
  mvcc::KvHash hash;  // as of the newest revision
  int64_t keys = 0;
  uint64_t leases = 0;
  MemberRecord member;
  // The ids that clients were told; socle-kv derives the second from the first, so it can differ after changes of members.
  uint64_t cluster_id = 0;
};

absl::StatusOr<Imported> ImportEtcd(Env* env, const ImportOptions& options);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_IMPORT_H_
