// Whether a backup directory is still the one that is written to: a descriptor does not tell, its file may lie elsewhere.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/backup/backup_writer.h"

namespace socle::server {

absl::Status BackupWriter::Misses(const std::string& path) {
  PROBE("backup: the directory is another one");
  return absl::UnavailableError(fmt::format(
      "{}: what was written to it is not there: was the directory removed, moved or replaced?",
      path));
}

absl::Status BackupWriter::ExpectAtItsPath(const OpenPiece& piece) const {
  const std::string path = PathOf(piece.figures.name + std::string(kPartSuffix));
  const absl::StatusOr<std::unique_ptr<File>> file = env_->Open(path, OpenMode::kReadOnly);
  std::string found(piece.last_written.size(), '\0');
  absl::Status read =
      file.ok() ? (*file)->ReadAt(piece.last_offset, found) : absl::Status(file.status());
  if (!read.ok() && !absl::IsNotFound(read) && !absl::IsOutOfRange(read)) {
    return read;
  }
  return read.ok() && found == piece.last_written ? absl::OkStatus() : Misses(path);
}

absl::Status BackupWriter::ExpectInPlace() const {
  if (!witness_.empty()) {
    ASSIGN_OR_RETURN(const bool is_there, env_->Exists(PathOf(witness_)));
    if (!is_there) {
      return Misses(PathOf(witness_));
    }
  }
  return piece_ != nullptr ? ExpectAtItsPath(*piece_) : absl::OkStatus();
}

absl::Status BackupWriter::ExpectFit(const BackupDirectory& directory) const {
  RETURN_IF_ERROR(CheckOwner(directory));
  if (had_files_ && !is_gone_ && directory.is_empty() && directory.damage.empty()) {
    PROBE("backup: the directory lost its files");
    return absl::UnavailableError(
        fmt::format("{}: had files and is empty: is it mounted? (a restart begins anew; so does a "
                    "directory that was missing for a minute and is made again)",
                    options_.directory));
  }
  return absl::OkStatus();
}

absl::StatusOr<BackupDirectory> BackupWriter::Look() {
  absl::StatusOr<BackupDirectory> directory = ReadBackupDirectory(env_, options_.directory);
  if (absl::IsNotFound(directory.status())) {
    PROBE("backup: the directory is gone");
    is_gone_ = true;  // so it is no mount that is missing: a mount leaves its directory
  }
  const absl::Status fit = directory.ok() ? ExpectFit(*directory) : directory.status();
  if (fit.ok()) {
    PublishFound(*directory);
  } else if (absl::IsNotFound(fit) || absl::IsUnavailable(fit) || absl::IsFailedPrecondition(fit)) {
    PublishFound({});
  }
  RETURN_IF_ERROR(fit);
  return directory;
}

// The lock of a directory that was replaced lies where that one is now.
absl::Status BackupWriter::LockAgain() {
  RETURN_IF_ERROR(Look().status());  // locking makes a file: not in a directory that is another's
  lock_.reset();
  ASSIGN_OR_RETURN(lock_, env_->Lock(PathOf(kLockName)));
  is_lock_sure_ = true;
  return absl::OkStatus();
}

void BackupWriter::PublishFound(const BackupDirectory& directory) {
  BackupFigures found;
  for (const BackupChain& chain : directory.chains) {
    found = chain.bases.empty() ? found : FoundIn(chain);
  }
  MutexLock lock(&mu_);
  figures_.saved_revision = found.saved_revision;
  figures_.saved_wall_nanos = found.saved_wall_nanos;
  figures_.base_wall_nanos = found.base_wall_nanos;
  // Whether these are entries of the log that the store has is not known before a chain is taken up.
  figures_.saved_index = std::min(figures_.saved_index, found.saved_index);
}

BackupFigures BackupWriter::FoundIn(const BackupChain& chain) {
  BackupFigures found{.saved_index = chain.last_index()};
  if (!chain.bases.empty()) {
    const BaseRecord& base = chain.bases.back().record;
    found.saved_revision = base.revision;
    found.saved_wall_nanos = base.wall_nanos;
    found.base_wall_nanos = base.wall_nanos;
  }
  if (!chain.pieces.empty()) {
    const PieceFigures& piece = chain.pieces.back();
    found.saved_revision = std::max(found.saved_revision, piece.revision);
    found.saved_wall_nanos = std::max(found.saved_wall_nanos, piece.head.wall_nanos);
  }
  return found;
}

}  // namespace socle::server
