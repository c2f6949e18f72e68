#include "server/migrate/snapshot_file.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/wal/crc32c.h"
#include "mvcc/key_digest.h"
#include "mvcc/revision.h"
#include "mvcc/schema.h"
#include "server/migrate/image.h"
#include "server/service/identity.h"

namespace socle::server {
namespace {

constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kPieceBytes = uint64_t{1} << 20U;
constexpr uint64_t kKeysPerLook = 4'096;

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += fmt::format("{:02x}", static_cast<uint8_t>(c));
  }
  return text;
}

// 0: there is no record.
absl::StatusOr<int64_t> LastRevision(const kv::ReadTxn& pages) {
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor("key"));
  cursor->SeekToLast();
  RETURN_IF_ERROR(cursor->status());
  if (!cursor->Valid()) {
    return 0;
  }
  const auto parsed = mvcc::ParseRevisionKey(cursor->key());
  if (!parsed.has_value()) {
    return absl::DataLossError(fmt::format("bucket key: {} is no revision", Hex(cursor->key())));
  }
  return parsed->revision.main;
}

// A database file is whole sectors; what was saved of one has a digest behind them.
absl::StatusOr<bool> IsBareDatabase(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  return size % kSectorBytes == 0;
}

absl::Status WriteMember(const RestoreOptions& options, uint64_t member_id, kv::WriteTxn* txn) {
  const MemberRecord member = {
      .id = member_id, .name = options.name, .peer_urls = options.peer_urls};
  RETURN_IF_ERROR(txn->Put("members", fmt::format("{:x}", member_id), MemberJson(member)));
  // The log of the new member begins behind the entry that added it, as etcd's restore has it.
  RETURN_IF_ERROR(txn->Put("meta", mvcc::kConsistentIndexKey, BigEndian64(1)));
  return txn->Put("meta", "term", BigEndian64(1));
}

absl::StatusOr<Restored> Fill(Env* env, const RestoreOptions& options, const kv::ReadTxn& pages,
                              int64_t revision, const NewDirectory& target) {
  constexpr std::array<std::string_view, 2> kMembers = {"members", "members_removed"};
  RETURN_IF_ERROR(WriteImage(pages, env, target.database_path(), options.progress));
  const uint64_t member_id = MemberIdOf(options.peer_urls, options.cluster_token);
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(env, target.database_path(), {}));
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(ForgetOwner(kMembers, pages, txn.get()));
  RETURN_IF_ERROR(WriteMember(options, member_id, txn.get()));
  if (options.bump_revision > 0) {
    revision = std::max<int64_t>(revision, 1) + options.bump_revision;
    RETURN_IF_ERROR(BumpRevision(revision, txn.get()));
  }
  RETURN_IF_ERROR(txn->Commit());
  return Restored{
      .revision = revision, .member_id = member_id, .cluster_id = ClusterIdOf({member_id})};
}

}  // namespace

absl::StatusOr<OpenSnapshot> OpenSnapshotFile(Env* env, const std::string& path,
                                              const MigrateProgress& progress) {
  OpenSnapshot opened;
  ASSIGN_OR_RETURN(opened.lock, env->LockShared(path));
  ASSIGN_OR_RETURN(opened.engine, kv::OpenBolt(env, path, {.read_only = true}));
  if (progress) {
    progress("verifying the snapshot");
  }
  RETURN_IF_ERROR(opened.engine->Check());
  ASSIGN_OR_RETURN(opened.pages, opened.engine->BeginRead());
  return opened;
}

absl::StatusOr<std::string> VerifyDigest(Env* env, const std::string& path,
                                         const MigrateProgress& progress) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  if (size % kSectorBytes != kSha256Bytes) {
    return absl::InvalidArgumentError(
        fmt::format("{}: snapshot missing hash but --skip-hash-check=false (a file copied from "
                    "a data directory has none)",
                    path));
  }
  Sha256 digest;
  std::string piece;
  const uint64_t end = size - kSha256Bytes;
  for (uint64_t offset = 0; offset < end; offset += piece.size()) {
    piece.resize(std::min(kPieceBytes, end - offset));
    RETURN_IF_ERROR(file->ReadAt(offset, piece));
    digest.Update(piece);
    if (progress) {
      progress(fmt::format("verifying the digest, {} of {} MiB", offset >> 20U, end >> 20U));
    }
  }
  std::string expected(kSha256Bytes, '\0');
  RETURN_IF_ERROR(file->ReadAt(end, expected));
  const std::string found = digest.Finish();
  if (found != expected) {
    return absl::DataLossError(
        fmt::format("{}: expected sha256 {}, got {}", path, Hex(expected), Hex(found)));
  }
  return found;
}

absl::Status ExpectBump(int64_t revision, int64_t bump) {
  if (bump <= kBumpedRevisionMax - revision) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("{} revisions can't be left out behind revision {}, or none would be left for "
                  "writes; the largest --bump-revision possible is {}",
                  bump, revision, std::max<int64_t>(kBumpedRevisionMax - revision, 0)));
}

absl::Status BumpRevision(int64_t revision, kv::WriteTxn* txn) {
  if (revision < 0 || revision > kBumpedRevisionMax) {
    return absl::InvalidArgumentError(fmt::format(
        "revisions up to {} can be left out, or none would be left for writes; give a smaller "
        "--bump-revision",
        kBumpedRevisionMax));
  }
  const mvcc::RevisionKey key({.main = revision, .sub = 0});
  RETURN_IF_ERROR(txn->Put("key", key.view(), ""));
  return txn->Put("meta", mvcc::kScheduledCompactKey, key.view());
}

absl::StatusOr<SnapshotFigures> ReadSnapshot(Env* env, const std::string& path,
                                             const MigrateProgress& progress) {
  ASSIGN_OR_RETURN(const bool is_bare, IsBareDatabase(env, path));
  if (!is_bare) {
    RETURN_IF_ERROR(VerifyDigest(env, path, progress).status());
  }
  ASSIGN_OR_RETURN(const OpenSnapshot snapshot, OpenSnapshotFile(env, path, progress));
  SnapshotFigures figures{.total_bytes = snapshot.pages->SnapshotSize()};
  ASSIGN_OR_RETURN(const std::vector<std::string> buckets, snapshot.pages->Buckets());
  for (const std::string& bucket : buckets) {
    figures.hash = kv::Crc32c(bucket, figures.hash);
    ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, snapshot.pages->NewCursor(bucket));
    for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
      figures.hash = kv::Crc32c(cursor->value(), kv::Crc32c(cursor->key(), figures.hash));
      if (++figures.total_keys % kKeysPerLook == 0 && progress) {
        progress(fmt::format("hashing, {} keys", figures.total_keys));
      }
    }
    RETURN_IF_ERROR(cursor->status());
  }
  absl::StatusOr<int64_t> revision = LastRevision(*snapshot.pages);
  if (!revision.ok()) {
    return Annotate(revision.status(), path);
  }
  figures.revision = *revision;
  ASSIGN_OR_RETURN(const auto version, snapshot.pages->Get("meta", "storageVersion"));
  figures.version = version.value_or("");
  return figures;
}

absl::StatusOr<std::unique_ptr<SnapshotWriter>> SnapshotWriter::Begin(Env* env,
                                                                      const std::string& path) {
  std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter(env, path));
  ASSIGN_OR_RETURN(writer->file_, env->Open(path + ".part", OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(writer->file_->Truncate(0));
  return writer;
}

SnapshotWriter::~SnapshotWriter() {
  if (!is_named_ && file_ != nullptr) {
    file_.reset();
    env_->Remove(path_ + ".part").IgnoreError();  // the failure that led here says more
  }
}

void SnapshotWriter::Add(std::string_view blob) {
  if (!failure_.ok()) {
    return;
  }
  failure_ = file_->WriteAt(bytes_, blob);
  bytes_ += blob.size();
  last_ += blob;
  if (last_.size() > kSha256Bytes) {
    digest_.Update(std::string_view(last_).substr(0, last_.size() - kSha256Bytes));
    last_.erase(0, last_.size() - kSha256Bytes);
  }
}

absl::Status SnapshotWriter::Finish() {
  RETURN_IF_ERROR(failure_);
  if (bytes_ % kSectorBytes != kSha256Bytes || digest_.Finish() != last_) {
    return absl::DataLossError(
        fmt::format("{}: the {} bytes that came don't end with their digest: the snapshot is "
                    "not whole; try again",
                    path_, bytes_));
  }
  RETURN_IF_ERROR(file_->SyncData());
  RETURN_IF_ERROR(env_->Rename(path_ + ".part", path_));
  is_named_ = true;
  const size_t slash = path_.rfind('/');
  return env_->SyncDir(slash == std::string::npos ? "."
                       : slash == 0               ? "/"
                                                  : path_.substr(0, slash));
}

absl::StatusOr<Restored> RestoreSnapshot(Env* env, const RestoreOptions& options) {
  if (!options.skip_hash_check) {
    RETURN_IF_ERROR(VerifyDigest(env, options.snapshot, options.progress).status());
  }
  ASSIGN_OR_RETURN(const OpenSnapshot snapshot,
                   OpenSnapshotFile(env, options.snapshot, options.progress));
  const absl::Status whole = mvcc::CheckKeyDigest(*snapshot.pages);
  const absl::StatusOr<int64_t> revision = LastRevision(*snapshot.pages);
  for (const absl::Status& status : {whole, revision.status()}) {
    RETURN_IF_ERROR(Annotate(status, options.snapshot));
  }
  RETURN_IF_ERROR(Annotate(ExpectBump(std::max<int64_t>(*revision, 1), options.bump_revision),
                           options.snapshot));
  ASSIGN_OR_RETURN(NewDirectory target, NewDirectory::Begin(env, options.target));
  absl::StatusOr<Restored> restored = Fill(env, options, *snapshot.pages, *revision, target);
  if (!restored.ok()) {
    return target.Explain(restored.status(), options.snapshot);
  }
  RETURN_IF_ERROR(target.Finish());
  return restored;
}

}  // namespace socle::server
