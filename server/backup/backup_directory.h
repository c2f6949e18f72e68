// BackupDirectory: what a backup directory holds, by heads and ends of its files.
//
//   chain 1:  base ─ piece ─ piece ─ base ─ piece        a chain has every log entry from its beginning to its end;
//   chain 5:       (gap)            base ─ piece ─ …     a base lies somewhere along it
//
// Laws     1. Entries of a chain are contiguous: a piece begins with the entry behind the piece before, and knows that
//             one's last checksum; from a base on, pieces reach at least to what was saved when it was made. Where that
//             is not so, something is damaged, and another chain begins.
//          2. All files are of one store (FailedPrecondition).
//          3. An image without its record (.base) is not there yet, or not any more.
//          4. What is damaged is named in `damage`; everything else can be used.
// Threads  pure functions.
// Source   FORMAT.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_DIRECTORY_H_
#define SOCLE_SERVER_BACKUP_BACKUP_DIRECTORY_H_

#include <cstdint>
#include <string>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "server/backup/backup_format.h"
#include "server/backup/piece_file.h"

namespace socle::server {

struct BaseFigures {
  std::string name;   // of the record
  std::string image;  // of the image
  BaseRecord record{};
};

struct BackupChain {
  uint64_t number = 0;               // as files have it; parts on both sides of damage share it
  std::vector<BaseFigures> bases;    // by index
  std::vector<PieceFigures> pieces;  // by index
  absl::Status behind;               // DataLoss: entries behind its last one are lost, and which

  // The last entry that can be restored.
  uint64_t last_index() const;
  // The last entry that was saved when its newest base was made. Beyond last_index(): a piece was lost.
  uint64_t promised_index() const;
};

struct BackupDirectory {
  uint64_t cluster_id = 0;  // 0 with no file
  uint64_t store_id = 0;
  std::vector<BackupChain> chains;   // oldest first
  std::vector<absl::Status> damage;  // DataLoss, with the file's name
  std::vector<std::string> unread;   // names of pieces that are damaged and in no chain
  uint64_t next_sequence = 1;
  std::vector<std::string>
      leftovers;  // unfinished files, images without a record, parts of closed pieces

  bool is_empty() const { return chains.empty(); }
};

// To go on with it, a piece that was being written and is damaged is in no chain; to restore from it, it is in its chain, as
// well as in `damage`: what is whole of it may be all that is needed.
enum class ReadFor { kGoingOn, kRestore };

absl::StatusOr<BackupDirectory> ReadBackupDirectory(Env* env, const std::string& path,
                                                    ReadFor purpose = ReadFor::kGoingOn);

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_DIRECTORY_H_
