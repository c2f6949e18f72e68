// BackupWriter: keeps a backup directory up with a store, step by step.
//
//   store's log ──LogTail──► frames ──sync──► NAME.part ──full, old──► NAME.piece
//   store's pages ──snapshot──► NAME.db ──► NAME.base     (entries are saved meanwhile: KeepUp)
//
// Laws     1. An entry counts as saved once its frame is synced and seen in the directory; entries that are not saved stay in
//             the store's log (Store::HoldLog) up to its bound. A directory that was removed, moved or replaced is noticed
//             by the next save.
//          2. A chain goes on only where everything that was saved behind its base is there, and the last entry saved is
//             still in the log, and is the same: otherwise another one begins with a base, and the log says why.
//          3. After any failure the directory is read again before it is written to; no file that failed is used again.
//          4. A base counts once its record is there: image and digest durable, HashKV known, the log up to that hash saved.
//          5. Nothing is deleted before a base is there that makes it superfluous; the newest base stays.
// Threads  confined to one thread, but for figures(); a hash is computed on a thread of its own.
// Memory   one frame, one piece when the directory is read, kMarksMax time marks.
// Errors   what the files say; the caller tries again later. FailedPrecondition: the directory is not this store's.
// Source   FORMAT.md, DESIGN.md.
#ifndef SOCLE_SERVER_BACKUP_BACKUP_WRITER_H_
#define SOCLE_SERVER_BACKUP_BACKUP_WRITER_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/engine.h"
#include "kv/env/env.h"
#include "kv/wal/log_tail.h"
#include "mvcc/store.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_format.h"

namespace socle::server {

struct BackupOptions {
  Env* env = nullptr;      // null: Env::Posix()
  Clock* clock = nullptr;  // null: Clock::Real()
  std::string directory;
  uint64_t cluster_id = 0;
  int64_t snapshot_interval_nanos = 24 * 3'600 * kNanosPerSecond;
  int64_t retention_nanos = 0;  // 0: everything is kept
  uint64_t piece_bytes_max = uint64_t{64} << 20U;
  int64_t piece_age_max_nanos = 3'600 * kNanosPerSecond;
  uint64_t frame_bytes_max = uint64_t{1} << 20U;
  // A base is due when the pieces since the last one are longer than this and than twice its image.
  uint64_t piece_bytes_between_bases = uint64_t{256} << 20U;
};

struct BackupFigures {
  int64_t saved_revision = 0;  // can be restored, and all before
  uint64_t saved_index = 0;
  int64_t saved_wall_nanos = 0;  // everything that was logged until then can be restored
  int64_t base_wall_nanos = 0;   // of the newest base; 0: none
  uint64_t written_bytes = 0;    // since the start, as the next one
  uint64_t bases = 0;
};

class BackupWriter {
 public:
  static constexpr size_t kMarksMax = 20'000;

  // Reads the directory, making it when it is missing, and locks it; writes nothing else. `store` must outlive the writer
  // and hold its log (StoreOptions::hold_log).
  static absl::StatusOr<std::unique_ptr<BackupWriter>> Open(mvcc::Store* store,
                                                            BackupOptions options);
  BackupWriter(const BackupWriter&) = delete;
  BackupWriter& operator=(const BackupWriter&) = delete;

  // Remembers with which entry the log ends now.
  void NoteTime();
  // Saves everything that is logged.
  absl::Status Save();
  bool IsBaseDue() const;
  // Makes a base and deletes what it makes superfluous. `keep_up` is called between small steps: it may Save.
  absl::Status MakeBase(const std::function<absl::Status()>& keep_up);
  // Saves, and closes the piece.
  absl::Status Close();

  BackupFigures figures() const;

 private:
  // A piece that is being written.
  struct OpenPiece {
    PieceFigures figures;  // name without a suffix
    std::unique_ptr<File> file;
    int64_t begun_nanos = 0;  // monotonic
    // Head, or header of the last frame, and where it stands.
    std::string last_written;
    uint64_t last_offset = 0;
  };

  BackupWriter(mvcc::Store* store, BackupOptions options);

  std::string PathOf(std::string_view name) const;
  absl::Status CheckOwner(const BackupDirectory& directory) const;
  absl::Status Fail(absl::Status status);
  static absl::Status Misses(const std::string& path);
  // Unavailable when the file at its path is another one.
  absl::Status ExpectAtItsPath(const OpenPiece& piece) const;
  // The same of all that saving leans on.
  absl::Status ExpectInPlace() const;
  // Whether the backup may be kept up in it.
  absl::Status ExpectFit(const BackupDirectory& directory) const;
  // Reads the directory; nothing that is not in it counts as saved any more.
  absl::StatusOr<BackupDirectory> Look();
  void PublishFound(const BackupDirectory& directory);
  // What a restore of this chain gives.
  static BackupFigures FoundIn(const BackupChain& chain);
  absl::Status LockAgain();
  absl::Status Recover();
  absl::Status CleanUp(const BackupDirectory& directory);
  absl::Status ClosePart(const PieceFigures& part);
  // Requires: its pieces reach to what its bases say was saved.
  void ResumeFrom(const BackupChain& chain);
  // Says in `broken` why the chain can't go on with what the log has.
  absl::Status VerifyLink(const BackupChain& chain, std::string* broken);
  // Nothing was written since the chain's base, and before it nothing was logged.
  bool IsAsItsBase(const BackupChain& chain) const;
  absl::Status StartChain(std::string_view why);
  // Checksum of the entry as the log has it; 0: it has not.
  absl::StatusOr<uint32_t> LinkInLog(uint64_t index) const;

  absl::Status TrySave();
  void PublishSaved();
  absl::Status SaveFrame(uint64_t until, int64_t revision);
  absl::Status AppendToPiece(FrameHeader header, std::string_view entries);
  // Durably, and seen at its path.
  absl::Status WriteToPiece(std::string_view bytes, size_t header_bytes);
  absl::Status BeginPiece(uint64_t first_index, int64_t revision);
  absl::Status ClosePiece();

  absl::Status TryMakeBase(const std::function<absl::Status()>& keep_up);
  absl::Status WriteBaseImage(const kv::ReadTxn& pages, const std::string& name,
                              const std::function<absl::Status()>& keep_up, BaseRecord* record);
  absl::Status WriteDurably(const std::string& name, std::string_view bytes);
  absl::Status RemoveSuperfluous();
  absl::Status RemoveDurably(const std::vector<std::string>& names);

  mvcc::Store* const store_;
  const BackupOptions options_;
  Env* const env_;
  Clock* const clock_;
  std::unique_ptr<FileLock> lock_;

  bool is_recovered_ = false;
  bool is_lock_sure_ = true;  // false: another directory may lie at the path by now
  bool had_files_ = false;
  bool is_gone_ = false;  // the directory was missing, and nothing was written since
  uint64_t next_sequence_ = 1;
  std::string base_under_way_;  // stem of its names
  std::string witness_;         // a finished file of the chain; empty: none yet

  uint64_t chain_ = 0;  // 0: none yet
  uint64_t saved_ = 0;  // entries up to here are saved, or in the chain's base
  uint32_t link_ = 0;   // of that entry; 0: not known
  int64_t saved_revision_ = 0;
  int64_t saved_wall_nanos_ = 0;
  std::unique_ptr<kv::LogTail> tail_;
  std::unique_ptr<OpenPiece> piece_;
  std::deque<TimeMark> marks_;  // of entries that are not saved

  bool has_base_ = false;  // in this chain
  uint64_t base_index_ = 0;
  int64_t base_wall_nanos_ = 0;
  uint64_t base_bytes_ = 0;
  uint64_t bytes_since_base_ = 0;

  mutable Mutex mu_;
  BackupFigures figures_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_BACKUP_BACKUP_WRITER_H_
