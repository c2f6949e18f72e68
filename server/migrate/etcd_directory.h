// EtcdDirectory: the data directory of a stopped etcd server, opened to be read.
//
//   member/snap/db              the database, a bbolt file
//   member/snap/TERM-INDEX.snap who voted at a snapshot (3.6 and older)
//   member/wal/SEQ-INDEX.wal    the log
//
// Laws     1. Nothing in it is created or changed. The database is locked, shared, as long as this lives: no etcd runs on it.
//          2. It is whole: the log's segments follow one another, and its entries reach from what the database holds to
//             the end.
// Threads  thread-compatible.
// Memory   files are mapped.
// Errors   NotFound (no data directory of etcd), FailedPrecondition (ours, in use, several voters, v2 keys), DataLoss naming
//          the file and the place.
// Source   spec etcd 2.1, 2.2, 2.7.
#ifndef SOCLE_SERVER_MIGRATE_ETCD_DIRECTORY_H_
#define SOCLE_SERVER_MIGRATE_ETCD_DIRECTORY_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/engine.h"
#include "kv/env/env.h"
#include "server/migrate/etcd_log.h"
#include "server/service/identity.h"

namespace socle::server {

// Called now and then with what is being done.
using MigrateProgress = std::function<void(std::string_view what)>;

class EtcdDirectory {
 public:
  struct Options {
    std::string directory;
    std::string wal_directory;  // empty: member/wal in it
    MigrateProgress progress;   // may be null
  };

  static absl::StatusOr<std::unique_ptr<EtcdDirectory>> Open(Env* env, const Options& options);

  EtcdDirectory(const EtcdDirectory&) = delete;
  EtcdDirectory& operator=(const EtcdDirectory&) = delete;

  const std::string& database_path() const { return database_path_; }

  // The database as of its newest commit, verified.
  const kv::ReadTxn& pages() const { return *pages_; }

  const EtcdLog& log() const { return log_; }

  // The last log entry whose effect is in the database.
  uint64_t applied() const { return applied_; }

  // Its record as the database has it, at least its id.
  const MemberRecord& member() const { return member_; }

 private:
  EtcdDirectory() = default;

  absl::Status OpenDatabase(Env* env, const MigrateProgress& progress);
  absl::Status ReadLog(Env* env, const std::string& directory, const MigrateProgress& progress);
  absl::Status ReadMember();
  absl::Status ExpectReach() const;

  std::string snap_directory_;
  std::string database_path_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<kv::Engine> engine_;
  std::unique_ptr<kv::ReadTxn> pages_;
  std::vector<std::unique_ptr<Mapping>> mappings_;
  EtcdLog log_;  // views into the mappings
  uint64_t applied_ = 0;
  MemberRecord member_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_ETCD_DIRECTORY_H_
