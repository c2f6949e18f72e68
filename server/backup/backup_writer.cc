#include "server/backup/backup_writer.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "mvcc/restore.h"

namespace socle::server {
BackupWriter::BackupWriter(mvcc::Store* store, BackupOptions options)
    : store_(store),
      options_(std::move(options)),
      env_(options_.env != nullptr ? options_.env : Env::Posix()),
      clock_(options_.clock != nullptr ? options_.clock : Clock::Real()) {}

absl::StatusOr<std::unique_ptr<BackupWriter>> BackupWriter::Open(mvcc::Store* store,
                                                                 BackupOptions options) {
  std::unique_ptr<BackupWriter> writer(new BackupWriter(store, std::move(options)));
  const std::string& path = writer->options_.directory;
  const absl::Status made = writer->env_->CreateDirs(path);
  if (absl::IsAlreadyExists(made)) {
    return absl::FailedPreconditionError(
        fmt::format("{}: is a file; a backup wants a directory", path));
  }
  RETURN_IF_ERROR(made);
  ASSIGN_OR_RETURN(writer->lock_, writer->env_->Lock(writer->PathOf(kLockName)));
  ASSIGN_OR_RETURN(const BackupDirectory directory, ReadBackupDirectory(writer->env_, path));
  RETURN_IF_ERROR(writer->CheckOwner(directory));
  writer->had_files_ = !directory.is_empty();
  writer->PublishFound(directory);
  return writer;
}

std::string BackupWriter::PathOf(std::string_view name) const {
  return fmt::format("{}/{}", options_.directory, name);
}

absl::Status BackupWriter::CheckOwner(const BackupDirectory& directory) const {
  if (directory.store_id == 0 ||
      (directory.store_id == store_->store_id() && directory.cluster_id == options_.cluster_id)) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(fmt::format(
      "{}: is the backup of store {:x} in cluster {:x}; this is store {:x} in cluster {:x}: name a "
      "directory of its own (a restored store is another one)",
      options_.directory, directory.store_id, directory.cluster_id, store_->store_id(),
      options_.cluster_id));
}

absl::Status BackupWriter::Fail(absl::Status status) {
  if (!status.ok()) {
    piece_.reset();
    tail_.reset();
    is_recovered_ = false;
    is_lock_sure_ = false;
  }
  return status;
}

// --- Taking up a directory.

absl::Status BackupWriter::Recover() {
  if (!is_lock_sure_) {
    RETURN_IF_ERROR(LockAgain());
  }
  ASSIGN_OR_RETURN(BackupDirectory directory, Look());
  for (const absl::Status& status : directory.damage) {
    LogError("backup: a file is damaged", {{"dir", options_.directory}, {"error", status}});
  }
  next_sequence_ = std::max(next_sequence_, directory.next_sequence);
  RETURN_IF_ERROR(CleanUp(directory));
  for (BackupChain& chain : directory.chains) {
    std::vector<PieceFigures> closed;
    for (PieceFigures& piece : chain.pieces) {
      if (!piece.is_closed) {
        RETURN_IF_ERROR(ClosePart(piece));
      }
      if (!piece.is_empty()) {
        closed.push_back(std::move(piece));
      }
    }
    chain.pieces = std::move(closed);
  }
  std::erase_if(directory.chains, [](const BackupChain& chain) {
    return chain.pieces.empty() && chain.bases.empty();
  });
  const bool is_new = chain_ == 0;
  std::string broken;
  if (directory.chains.empty()) {
    broken = "there is nothing here yet";
  } else if (const BackupChain& chain = directory.chains.back();
             chain.promised_index() > chain.last_index()) {
    PROBE("backup: what was saved is lost");
    broken = fmt::format("entries {} to {} were saved, and their piece is missing",
                         chain.last_index() + 1, chain.promised_index());
  } else {
    ResumeFrom(chain);
    RETURN_IF_ERROR(VerifyLink(chain, &broken));
  }
  if (!broken.empty()) {
    RETURN_IF_ERROR(StartChain(broken));
  } else {
    if (is_new) {
      LogInfo("backup: going on", {{"dir", options_.directory}, {"behind-entry", saved_}});
    }
    tail_ = store_->TailLog(saved_);
  }
  is_recovered_ = true;
  return absl::OkStatus();
}

absl::Status BackupWriter::CleanUp(const BackupDirectory& directory) {
  for (const std::string& name : directory.leftovers) {
    if (base_under_way_.empty() || !name.starts_with(base_under_way_)) {
      RETURN_IF_ERROR(env_->Remove(PathOf(name)));
    }
  }
  return absl::OkStatus();
}

// Its whole frames become a closed piece of their own: what was written and not synced when something failed is written
// again.
absl::Status BackupWriter::ClosePart(const PieceFigures& part) {
  ASSIGN_OR_RETURN(std::string bytes, ReadWholeFile(env_, PathOf(part.name)));
  if (!part.torn.empty()) {
    LogWarning("backup: an unfinished frame is cut", {{"piece", part.name}, {"cut", part.torn}});
  }
  if (!part.is_empty()) {
    bytes.resize(part.end_offset);
    AppendEndFrame(part, &bytes);
    RETURN_IF_ERROR(WriteDurably(
        MakeBackupName(part.head.sequence, part.head.first_index, kPieceSuffix), bytes));
  }
  RETURN_IF_ERROR(env_->Remove(PathOf(part.name)));
  return env_->SyncDir(options_.directory);
}

absl::Status BackupWriter::WriteDurably(const std::string& name, std::string_view bytes) {
  const std::string unfinished = PathOf(name) + std::string(kUnfinishedSuffix);
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     env_->Open(unfinished, OpenMode::kReadWriteCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, bytes));
    RETURN_IF_ERROR(file->SyncData());
  }
  RETURN_IF_ERROR(env_->Rename(unfinished, PathOf(name)));
  return env_->SyncDir(options_.directory);
}

void BackupWriter::ResumeFrom(const BackupChain& chain) {
  chain_ = chain.number;
  saved_ = 0;
  has_base_ = !chain.bases.empty();
  bytes_since_base_ = 0;
  if (has_base_) {
    const BaseRecord& base = chain.bases.back().record;
    base_index_ = base.index;
    base_wall_nanos_ = base.wall_nanos;
    base_bytes_ = base.image_bytes;
    saved_ = base.saved_index;
    link_ = base.saved_link;
  }
  for (const PieceFigures& piece : chain.pieces) {
    bytes_since_base_ += !has_base_ || piece.last_index > base_index_ ? piece.bytes : 0;
    if (piece.last_index >= saved_) {
      saved_ = piece.last_index;
      link_ = piece.link;
    }
  }
  std::erase_if(marks_, [this](const TimeMark& mark) { return mark.index <= saved_; });
  if (has_base_) {
    witness_ = chain.bases.back().name;
  } else {
    const PieceHead& head = chain.pieces.back().head;
    witness_ = MakeBackupName(head.sequence, head.first_index, kPieceSuffix);  // it was closed
  }
  const BackupFigures found = FoundIn(chain);
  saved_revision_ = found.saved_revision;
  if (has_base_) {
    MutexLock lock(&mu_);
    figures_.saved_index = saved_;
    figures_.base_wall_nanos = found.base_wall_nanos;
    figures_.saved_wall_nanos = found.saved_wall_nanos;
    figures_.saved_revision = found.saved_revision;
  }
}

absl::StatusOr<uint32_t> BackupWriter::LinkInLog(uint64_t index) const {
  if (index == 0 || index > store_->log_index()) {
    return 0;
  }
  uint32_t link = 0;
  absl::Status read = store_->TailLog(index - 1)->Read(
      kv::LogIndex{index}, 1, [&link](kv::LogIndex /*index*/, std::string_view entry) {
        link = LinkOf(entry);
        return absl::OkStatus();
      });
  if (!read.ok() && !absl::IsNotFound(read)) {
    return read;
  }
  return link;
}

// An imported or restored store begins its log behind its pages: of the entry that they hold there never was a checksum.
bool BackupWriter::IsAsItsBase(const BackupChain& chain) const {
  return link_ == 0 && has_base_ && chain.pieces.empty() && saved_ == store_->log_index() &&
         chain.bases.back().record.hash_revision == store_->current_revision();
}

absl::Status BackupWriter::VerifyLink(const BackupChain& chain, std::string* broken) {
  if (saved_ > store_->log_index()) {
    PROBE("backup: ahead of the store");
    *broken = fmt::format("entry {} is saved, the store's log ends with {}: an older copy of it?",
                          saved_, store_->log_index());
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const uint32_t found, LinkInLog(saved_));
  if (found == 0 && saved_ > 0 && IsAsItsBase(chain)) {
    PROBE("backup: a restored store was idle");
  } else if (found == 0 && saved_ > 0) {
    PROBE("backup: the log does not reach back to what was saved");
    *broken =
        fmt::format("entry {}, the last one saved, is not in the store's log any more", saved_);
  } else if (found != link_ && saved_ > 0) {
    PROBE("backup: the store has another history");
    *broken = fmt::format(
        "the store's entry {} is not the one that was saved: it went on from an older copy",
        saved_);
  }
  return absl::OkStatus();
}

absl::Status BackupWriter::StartChain(std::string_view why) {
  // Entries without effect do not move what the pages say of themselves, and every later base begins there or beyond.
  uint64_t from = 0;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<kv::ReadTxn> pages, store_->CommitAndRead());
    ASSIGN_OR_RETURN(const mvcc::Restored committed, mvcc::ReadBookkeeping(*pages));
    from = committed.consistent_index;
  }
  ASSIGN_OR_RETURN(link_, LinkInLog(from));
  saved_revision_ = 0;  // until a save comes to its end
  const bool is_first = chain_ == 0 && !had_files_;
  chain_ = next_sequence_++;
  saved_ = from;
  has_base_ = false;
  witness_.clear();
  bytes_since_base_ = 0;
  marks_.clear();
  tail_ = store_->TailLog(saved_);
  store_->HoldLog(saved_ > 0 ? saved_ - 1 : 0);
  if (is_first) {
    LogInfo("backup: begins", {{"dir", options_.directory}, {"behind-entry", saved_}});
  } else {
    LogWarning("backup: can't go on without a gap, a new base is made",
               {{"dir", options_.directory}, {"why", why}, {"behind-entry", saved_}});
  }
  return absl::OkStatus();
}

// --- Entries.

void BackupWriter::NoteTime() {
  const uint64_t index =
      store_->log_index();  // before the time: all up to it was logged until then
  if (index <= (marks_.empty() ? saved_ : marks_.back().index)) {
    return;
  }
  if (marks_.size() >= kMarksMax) {
    size_t kept = 0;
    for (size_t i = 1; i < marks_.size(); i += 2) {
      marks_[kept++] = marks_[i];
    }
    marks_.resize(kept);
  }
  marks_.push_back({.index = index, .wall_nanos = clock_->WallNanos()});
}

absl::Status BackupWriter::Save() {
  return Fail(TrySave());
}

absl::Status BackupWriter::TrySave() {
  if (!is_recovered_) {
    RETURN_IF_ERROR(Recover());
  }
  RETURN_IF_ERROR(ExpectInPlace());
  const int64_t revision = store_->current_revision();
  const int64_t now = clock_->WallNanos();
  NoteTime();
  const uint64_t until = marks_.empty() ? saved_ : marks_.back().index;
  while (saved_ < until) {
    RETURN_IF_ERROR(SaveFrame(until, revision));
  }
  store_->HoldLog(saved_ > 0 ? saved_ - 1 : 0);  // the last one proves that the chain may go on
  const bool is_old = piece_ != nullptr && clock_->MonotonicNanos() - piece_->begun_nanos >=
                                               options_.piece_age_max_nanos;
  if (is_old) {
    RETURN_IF_ERROR(ClosePiece());
  }
  saved_revision_ = revision;
  saved_wall_nanos_ = now;
  PublishSaved();
  return absl::OkStatus();
}

// What can't be restored yet is not saved.
void BackupWriter::PublishSaved() {
  if (!has_base_) {
    return;
  }
  MutexLock lock(&mu_);
  figures_.saved_revision = saved_revision_;
  figures_.saved_index = saved_;
  figures_.saved_wall_nanos = saved_wall_nanos_;
}

absl::Status BackupWriter::SaveFrame(uint64_t until, int64_t revision) {
  FrameHeader header{.kind = FrameKind::kEntries, .first_index = saved_ + 1};
  std::string entries;
  const absl::Status read = tail_->Read(kv::LogIndex{until}, options_.frame_bytes_max,
                                        [&](kv::LogIndex index, std::string_view entry) {
                                          AppendEntry(entry, &entries);
                                          header.last_index = Raw(index);
                                          header.link = LinkOf(entry);
                                          return absl::OkStatus();
                                        });
  if (absl::IsNotFound(read)) {
    RETURN_IF_ERROR(ClosePiece());
    return StartChain(fmt::format("saving fell behind, and the log was shortened: {}",
                                  std::string_view(read.message().data(), read.message().size())));
  }
  RETURN_IF_ERROR(read);
  // The frames after this one may never be written.
  header.revision = header.last_index >= until ? revision : saved_revision_;
  return AppendToPiece(header, entries);
}

absl::Status BackupWriter::AppendToPiece(FrameHeader header, std::string_view entries) {
  if (piece_ == nullptr) {
    RETURN_IF_ERROR(BeginPiece(header.first_index, header.revision));
  }
  std::vector<TimeMark> marks;
  for (const TimeMark& mark : marks_) {
    if (mark.index <= header.last_index) {
      marks.push_back(mark);
    }
  }
  header.wall_nanos = clock_->WallNanos();
  PieceFigures& piece = piece_->figures;
  std::string frame;
  AppendFrame(piece.head, piece.end_offset, header, marks, entries, &frame);
  RETURN_IF_ERROR(WriteToPiece(frame, sizeof(FrameHeader)));
  piece.end_offset += frame.size();
  piece.last_index = header.last_index;
  piece.revision = header.revision;
  piece.wall_nanos = header.wall_nanos;
  piece.link = header.link;
  saved_ = header.last_index;
  link_ = header.link;
  marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(marks.size()));
  bytes_since_base_ += frame.size();
  {
    MutexLock lock(&mu_);
    figures_.written_bytes += frame.size();
  }
  return piece.end_offset >= options_.piece_bytes_max ? ClosePiece() : absl::OkStatus();
}

absl::Status BackupWriter::WriteToPiece(std::string_view bytes, size_t header_bytes) {
  RETURN_IF_ERROR(piece_->file->WriteAt(piece_->figures.end_offset, bytes));
  RETURN_IF_ERROR(piece_->file->SyncData());
  piece_->last_offset = piece_->figures.end_offset;
  piece_->last_written = bytes.substr(0, header_bytes);
  return ExpectAtItsPath(*piece_);
}

absl::Status BackupWriter::BeginPiece(uint64_t first_index, int64_t revision) {
  auto piece = std::make_unique<OpenPiece>();
  PieceHead& head = piece->figures.head;
  head.cluster_id = options_.cluster_id;
  head.store_id = store_->store_id();
  head.sequence = next_sequence_++;
  head.chain = chain_;
  head.first_index = first_index;
  head.revision = revision;
  head.wall_nanos = marks_.empty() ? clock_->WallNanos() : marks_.front().wall_nanos;
  head.link = link_;
  piece->figures.name = MakeBackupName(head.sequence, first_index, "");
  piece->figures.end_offset = sizeof(PieceHead);
  piece->begun_nanos = clock_->MonotonicNanos();
  ASSIGN_OR_RETURN(piece->file, env_->Open(PathOf(piece->figures.name + std::string(kPartSuffix)),
                                           OpenMode::kReadWriteCreate));
  // A frame is written only behind a durable head: a piece with frames and no head is damaged.
  piece->last_written = EncodePieceHead(head);
  RETURN_IF_ERROR(piece->file->WriteAt(0, piece->last_written));
  RETURN_IF_ERROR(piece->file->SyncData());
  RETURN_IF_ERROR(env_->SyncDir(options_.directory));
  piece_ = std::move(piece);
  had_files_ = true;
  is_gone_ = false;
  return absl::OkStatus();
}

absl::Status BackupWriter::ClosePiece() {
  if (piece_ == nullptr) {
    return absl::OkStatus();
  }
  std::string end;
  AppendEndFrame(piece_->figures, &end);
  RETURN_IF_ERROR(WriteToPiece(end, end.size()));
  const std::string part = piece_->figures.name + std::string(kPartSuffix);
  const std::string closed = piece_->figures.name + std::string(kPieceSuffix);
  piece_.reset();
  RETURN_IF_ERROR(env_->Rename(PathOf(part), PathOf(closed)));
  witness_ = has_base_ ? witness_ : closed;
  return env_->SyncDir(options_.directory);
}

absl::Status BackupWriter::Close() {
  const absl::Status saved = TrySave();
  return Fail(saved.ok() ? ClosePiece() : saved);
}

BackupFigures BackupWriter::figures() const {
  MutexLock lock(&mu_);
  return figures_;
}

}  // namespace socle::server
