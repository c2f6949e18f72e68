// LogTail: reads the entries of a log that somebody else appends to, in order, as they come.
//
// Laws     1. Hands out only what Append has returned: the caller says up to where that is.
//          2. Takes nothing from the one who appends: it opens files for reading and holds no lock. An entry that was
//             recycled under it is noticed (its checksum is salted), never handed out.
// Threads  thread-compatible; beside any use of the Wal.
// Memory   one piece of a segment (kPieceBytes), or one entry when that is longer.
// Errors   NotFound when the next entry is not in the log any more; what reading files says.
// Source   FORMAT.md.
#ifndef SOCLE_KV_WAL_LOG_TAIL_H_
#define SOCLE_KV_WAL_LOG_TAIL_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/status.h>

#include "kv/env/env.h"
#include "kv/wal/record.h"
#include "kv/wal/wal.h"

namespace socle::kv {

class LogTail {
 public:
  static constexpr uint64_t kPieceBytes = 256 << 10;

  // The log in `dir`, from the entry behind `after`.
  LogTail(Env* env, std::string dir, uint64_t store_id, LogIndex after)
      : env_(env), dir_(std::move(dir)), store_id_(store_id), next_(Raw(after) + 1) {}

  // Hands out entries up to `until`, which Append has returned, but no more once they are `bytes_max` together; at least
  // one. An error of `visit` ends the call, and that entry comes again.
  absl::Status Read(LogIndex until, uint64_t bytes_max,
                    const std::function<absl::Status(LogIndex, std::string_view)>& visit);

  // The last entry that was handed out.
  LogIndex position() const { return LogIndex{next_ - 1}; }

 private:
  absl::Status OpenSegment();
  absl::Status Gone() const;
  // Reads the record of entry `index_`; goes on to the next segment where this one ends.
  absl::Status ReadNext(Record* record);
  // The record at offset_, as far as the file has it.
  absl::StatusOr<Record> Look();
  // Makes the window hold `bytes` from offset_ on, if the file is so long.
  absl::Status Fill(uint64_t bytes);

  Env* const env_;
  const std::string dir_;
  const uint64_t store_id_;
  uint64_t next_;  // to be handed out

  std::unique_ptr<File> file_;  // null: find the segment first
  std::string name_;
  RecordSalt salt_{};
  uint64_t index_ = 0;   // of the entry at …
  uint64_t offset_ = 0;  // … this place
  std::string window_;
  uint64_t window_offset_ = 0;
};

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_LOG_TAIL_H_
