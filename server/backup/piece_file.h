// PieceFile: a piece of the saved log, read and verified.
//
// Laws     1. A closed piece (.piece) is whole: its last frame says that it ends there. One that was being written (.part)
//             may end anywhere; what lies behind its last whole frame was never counted as saved, unless a frame stands
//             further on: then it is damage.
// Threads  pure functions.
// Memory   the whole file: pieces are bounded (BackupOptions::piece_bytes_max, plus one frame).
// Errors   DataLoss names file and offset.
// Source   FORMAT.md.
#ifndef SOCLE_SERVER_BACKUP_PIECE_FILE_H_
#define SOCLE_SERVER_BACKUP_PIECE_FILE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/env/env.h"
#include "server/backup/backup_format.h"

namespace socle::server {

struct PieceFigures {
  std::string name;
  PieceHead head{};
  bool is_closed = false;
  uint64_t bytes = 0;       // of the file
  uint64_t end_offset = 0;  // behind the last whole frame of entries
  // Of the last frame of entries, or of what comes before the first.
  uint64_t last_index = 0;
  int64_t revision = 0;
  int64_t wall_nanos = 0;
  uint32_t link = 0;
  std::string torn;  // what was cut off at the end, and where; empty: nothing
  // DataLoss: damaged frames were passed over; entries from `whole_from` on are whole.
  absl::Status skipped;
  uint64_t whole_from = 0;

  bool is_empty() const { return last_index < head.first_index; }
};

absl::StatusOr<std::string> ReadWholeFile(Env* env, const std::string& path);

// Entries before `needed_from` may be damaged: their frames are passed over where they are.

// Head and end of a closed piece alone; all of one that was being written.
absl::StatusOr<PieceFigures> ReadPieceFigures(Env* env, const std::string& directory,
                                              const std::string& name, uint64_t needed_from = 0);

// All of a piece's bytes; frames of entries are handed out in order.
absl::StatusOr<PieceFigures> ScanPiece(const std::string& name, std::string_view bytes,
                                       const std::function<absl::Status(const Frame&)>& visit,
                                       uint64_t needed_from = 0);

// The same of a file. One that was being written may have been closed meanwhile.
absl::StatusOr<PieceFigures> ReadPiece(Env* env, const std::string& directory,
                                       const std::string& name,
                                       const std::function<absl::Status(const Frame&)>& visit,
                                       uint64_t needed_from = 0);

// The frame that ends a piece.
void AppendEndFrame(const PieceFigures& piece, std::string* out);

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_PIECE_FILE_H_
