// Rebuild: a base and the entries behind it, applied by the store's own rules.
//
// Laws     1. What it reads is verified: checksums, the order of entries, and HashKV where a base remembers one.
//          2. It stops behind an entry, or in the state that made a revision: no entry behind is applied.
// Threads  thread-compatible.
// Memory   one piece.
// Errors   DataLoss names the piece and the place.
// Source   mvcc/log_replay.h.
#ifndef SOCLE_SERVER_BACKUP_REBUILD_H_
#define SOCLE_SERVER_BACKUP_REBUILD_H_

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <absl/status/status.h>

#include "kv/env/env.h"
#include "mvcc/log_replay.h"
#include "server/backup/backup_directory.h"
#include "server/migrate/etcd_directory.h"

namespace socle::server {

struct RebuildStop {
  uint64_t index = std::numeric_limits<uint64_t>::max();   // the last entry
  int64_t revision = std::numeric_limits<int64_t>::max();  // the entry that makes it is the last
  // Stops when this base's entry was passed and its HashKV compared; null: no matter.
  const BaseFigures* base = nullptr;
};

class Rebuild {
 public:
  // `chain` has `base`; both must outlive this.
  Rebuild(Env* env, std::string directory, const BackupChain* chain, const BaseFigures* base,
          const RebuildStop& stop, MigrateProgress progress);

  // Called where a later base of the chain was made.
  void set_at_base(
      std::function<absl::Status(const BaseFigures&, const mvcc::LogReplay&)> at_base) {
    at_base_ = std::move(at_base);
  }

  // For StoreOptions::replay of a store on the base's image.
  absl::Status Run(mvcc::LogReplay* replay);

  int64_t revision() const { return revision_; }

  uint64_t last_index() const { return last_index_; }

  // The log had not ended before the last entry until then.
  int64_t wall_nanos() const { return wall_nanos_; }

  uint64_t hashes_compared() const { return hashes_compared_; }

  // Damage before the base, in pieces that go on behind it.
  const std::vector<absl::Status>& skipped() const { return skipped_; }

 private:
  absl::Status ApplyFrame(const std::string& piece, const Frame& frame, mvcc::LogReplay* replay);
  absl::Status LookAround(const mvcc::LogReplay& replay);
  absl::Status CompareHash(const BaseFigures& base, const mvcc::LogReplay& replay);
  bool IsDone(const mvcc::LogReplay& replay) const;

  Env* const env_;
  const std::string directory_;
  const BackupChain* const chain_;
  const BaseFigures* const base_;
  const RebuildStop stop_;
  const MigrateProgress progress_;
  std::function<absl::Status(const BaseFigures&, const mvcc::LogReplay&)> at_base_;

  std::vector<const BaseFigures*> to_hash_;  // last one first
  std::vector<const BaseFigures*> to_meet_;  // the same
  int64_t revision_ = 0;
  uint64_t last_index_ = 0;
  int64_t wall_nanos_ = 0;
  uint64_t hashes_compared_ = 0;
  std::vector<absl::Status> skipped_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_REBUILD_H_
