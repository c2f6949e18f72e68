// The bases of a backup: how they are made, and what goes when one is there.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "mvcc/restore.h"
#include "mvcc/revision.h"
#include "server/backup/backup_writer.h"
#include "server/service/sha256.h"

namespace socle::server {
namespace {

// The image is made durable in steps of this size, so that no sync takes long.
constexpr uint64_t kImageBytesPerSync = uint64_t{8} << 20U;
constexpr auto kHashLook = std::chrono::milliseconds(50);

// HashKV of a store, computed beside.
class HashTask {
 public:
  explicit HashTask(const mvcc::Store* store) : store_(store) {}

  absl::Status Start() {
    ASSIGN_OR_RETURN(thread_, Thread::Start("backup hash", [this] {
                       absl::StatusOr<mvcc::KvHash> hash = store_->HashKv(0);
                       MutexLock lock(&mu_);
                       hash_ = std::move(hash);
                       done_.Signal();
                     }));
    return absl::OkStatus();
  }

  ~HashTask() { thread_.Join(); }

  HashTask(const HashTask&) = delete;
  HashTask& operator=(const HashTask&) = delete;

  // nullopt: not yet.
  std::optional<absl::StatusOr<mvcc::KvHash>> Wait() {
    MutexLock lock(&mu_);
    if (!hash_) {
      done_.WaitFor(&mu_, kHashLook);
    }
    return hash_;
  }

 private:
  const mvcc::Store* const store_;
  Mutex mu_;
  CondVar done_;
  std::optional<absl::StatusOr<mvcc::KvHash>> hash_ ABSL_GUARDED_BY(mu_);
  Thread thread_;
};

// As a store that is opened on these pages has it (mvcc/restore.h law 1).
absl::StatusOr<int64_t> RevisionOf(const kv::ReadTxn& pages, const mvcc::Restored& restored) {
  int64_t revision = std::max({int64_t{1}, restored.finished_compact, restored.scheduled_compact});
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor("key"));
  cursor->SeekToLast();
  RETURN_IF_ERROR(cursor->status());
  if (cursor->Valid()) {
    if (const auto key = mvcc::ParseRevisionKey(cursor->key())) {
      revision = std::max(revision, key->revision.main);
    }
  }
  return revision;
}

}  // namespace

bool BackupWriter::IsBaseDue() const {
  if (!is_recovered_ || chain_ == 0) {
    return false;
  }
  if (!has_base_) {
    return true;
  }
  if (store_->log_index() == base_index_) {
    return false;
  }
  // A clock that was set back is as good a reason: the base seems to be of the future, and the next one due years from now.
  return std::abs(clock_->WallNanos() - base_wall_nanos_) >= options_.snapshot_interval_nanos ||
         bytes_since_base_ > std::max(options_.piece_bytes_between_bases, 2 * base_bytes_);
}

absl::Status BackupWriter::MakeBase(const std::function<absl::Status()>& keep_up) {
  const absl::Status made = TryMakeBase(keep_up);
  if (!made.ok() && !base_under_way_.empty()) {
    // A disk that is full gets its space back. What can't be removed is found again later.
    env_->Remove(PathOf(base_under_way_ + ".db.tmp")).IgnoreError();
    is_recovered_ = false;
    is_lock_sure_ = false;
    piece_.reset();
  }
  base_under_way_.clear();
  return made;
}

absl::Status BackupWriter::TryMakeBase(const std::function<absl::Status()>& keep_up) {
  if (!is_recovered_) {
    RETURN_IF_ERROR(Save());
  }
  const int64_t start = clock_->MonotonicNanos();
  const uint64_t chain = chain_;
  BaseRecord record{};
  record.cluster_id = options_.cluster_id;
  record.store_id = store_->store_id();
  record.sequence = next_sequence_++;
  record.chain = chain;
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<kv::ReadTxn> pages, store_->CommitAndRead());
    record.wall_nanos = clock_->WallNanos();
    HashTask hash(store_);
    RETURN_IF_ERROR(hash.Start());
    ASSIGN_OR_RETURN(const mvcc::Restored restored, mvcc::ReadBookkeeping(*pages));
    record.index = restored.consistent_index;
    record.compact_revision = std::max(restored.finished_compact, restored.scheduled_compact);
    ASSIGN_OR_RETURN(record.revision, RevisionOf(*pages, restored));
    base_under_way_ = MakeBackupName(record.sequence, record.index, "");
    RETURN_IF_ERROR(WriteBaseImage(*pages, base_under_way_, keep_up, &record));
    witness_ = has_base_ ? witness_ : base_under_way_ + std::string(kImageSuffix);
    std::optional<absl::StatusOr<mvcc::KvHash>> found;
    while (!(found = hash.Wait()).has_value()) {
      RETURN_IF_ERROR(keep_up());
    }
    RETURN_IF_ERROR(found->status());
    record.hash = (*found)->hash;
    record.hash_revision = (*found)->hash_revision;
    record.hash_compact_revision = (*found)->compact_revision;
  }
  RETURN_IF_ERROR(Save());  // the log up to the moment of the hash, at least
  if (chain_ != chain) {
    return absl::AbortedError("another chain began while a base was made");
  }
  record.saved_index = saved_;
  record.saved_link = link_;
  RETURN_IF_ERROR(
      WriteDurably(base_under_way_ + std::string(kBaseSuffix), EncodeBaseRecord(record)));
  has_base_ = true;
  witness_ = base_under_way_ + std::string(kBaseSuffix);
  had_files_ = true;
  is_gone_ = false;
  base_index_ = record.index;
  base_wall_nanos_ = record.wall_nanos;
  base_bytes_ = record.image_bytes;
  bytes_since_base_ = 0;
  PublishSaved();
  {
    MutexLock lock(&mu_);
    figures_.base_wall_nanos = record.wall_nanos;
    figures_.written_bytes += record.image_bytes;
    ++figures_.bases;
  }
  LogInfo("backup: base made", {{"file", base_under_way_ + std::string(kImageSuffix)},
                                {"revision", record.revision},
                                {"bytes", record.image_bytes},
                                {"took-ms", (clock_->MonotonicNanos() - start) / kNanosPerMilli}});
  base_under_way_.clear();
  return RemoveSuperfluous();
}

absl::Status BackupWriter::WriteBaseImage(const kv::ReadTxn& pages, const std::string& name,
                                          const std::function<absl::Status()>& keep_up,
                                          BaseRecord* record) {
  const std::string path = PathOf(name + std::string(kImageSuffix));
  const std::string unfinished = path + std::string(kUnfinishedSuffix);
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   env_->Open(unfinished, OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  Sha256 digest;
  uint64_t offset = 0;
  uint64_t synced = 0;
  const auto write = [&](std::string_view piece) -> absl::Status {
    RETURN_IF_ERROR(file->WriteAt(offset, piece));
    digest.Update(piece);
    offset += piece.size();
    if (offset - synced >= kImageBytesPerSync) {
      RETURN_IF_ERROR(file->SyncData());
      synced = offset;
    }
    return keep_up();
  };
  RETURN_IF_ERROR(pages.WriteSnapshot(write));
  const std::string sum = digest.Finish();
  std::memcpy(record->sha256, sum.data(), sizeof(record->sha256));
  record->image_bytes = offset;
  RETURN_IF_ERROR(file->WriteAt(offset, sum));
  RETURN_IF_ERROR(file->SyncData());
  RETURN_IF_ERROR(env_->Rename(unfinished, path));
  return env_->SyncDir(options_.directory);
}

absl::Status BackupWriter::RemoveSuperfluous() {
  if (options_.retention_nanos <= 0) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const BackupDirectory directory, ReadBackupDirectory(env_, options_.directory));
  const int64_t needed_from = clock_->WallNanos() - options_.retention_nanos;
  const BaseRecord* kept = nullptr;
  for (const BackupChain& chain : directory.chains) {
    for (const BaseFigures& base : chain.bases) {
      if (base.record.wall_nanos <= needed_from &&
          (kept == nullptr || base.record.sequence > kept->sequence)) {
        kept = &base.record;
      }
    }
  }
  if (kept == nullptr) {
    return absl::OkStatus();
  }
  std::vector<std::string> records;
  std::vector<std::string> images;
  std::vector<std::string> pieces;
  for (const BackupChain& chain : directory.chains) {
    for (const BaseFigures& base : chain.bases) {
      if (base.record.sequence < kept->sequence) {
        records.push_back(base.name);
        images.push_back(base.image);
      }
    }
    for (const PieceFigures& piece : chain.pieces) {
      const bool is_before = chain.number < kept->chain ||
                             (chain.number == kept->chain && piece.last_index <= kept->index);
      if (piece.is_closed && is_before) {
        pieces.push_back(piece.name);
      }
    }
  }
  // Wherever the power fails, what is left has no gap: a record goes before what it speaks of, an older piece before a
  // newer one.
  RETURN_IF_ERROR(RemoveDurably(records));
  RETURN_IF_ERROR(RemoveDurably(images));
  for (const std::string& piece : pieces) {
    RETURN_IF_ERROR(RemoveDurably({piece}));
  }
  if (!records.empty() || !pieces.empty()) {
    LogInfo("backup: files beyond the retention are removed",
            {{"bases", records.size()}, {"pieces", pieces.size()}});
  }
  return absl::OkStatus();
}

absl::Status BackupWriter::RemoveDurably(const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    RETURN_IF_ERROR(env_->Remove(PathOf(name)));
  }
  return names.empty() ? absl::OkStatus() : env_->SyncDir(options_.directory);
}

}  // namespace socle::server
