#include "server/migrate/image.h"

#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "mvcc/schema.h"

namespace socle::server {
namespace {

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.pop_back();
  }
  return path;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

absl::StatusOr<std::vector<std::string>> KeysOf(std::string_view bucket, const kv::ReadTxn& pages) {
  std::vector<std::string> keys;
  ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, pages.NewCursor(bucket));
  for (cursor->SeekToFirst(); cursor->Valid(); cursor->Next()) {
    keys.emplace_back(cursor->key());
  }
  RETURN_IF_ERROR(cursor->status());
  return keys;
}

}  // namespace

NewDirectory::NewDirectory(Env* env, std::string final_path)
    : env_(env), final_(std::move(final_path)), unfinished_(final_ + ".unfinished") {}

absl::StatusOr<NewDirectory> NewDirectory::Begin(Env* env, const std::string& path) {
  NewDirectory made(env, WithoutSlash(path));
  ASSIGN_OR_RETURN(const bool exists, env->Exists(made.final_));
  if (exists) {
    const absl::StatusOr<std::vector<std::string>> names = env->List(made.final_);
    if (!names.ok() || !names->empty()) {
      return absl::FailedPreconditionError(fmt::format(
          "{}: exists and is not empty; name a new directory with --data-dir, or move it away",
          made.final_));
    }
  }
  ASSIGN_OR_RETURN(const bool is_left_over, env->Exists(made.unfinished_));
  if (is_left_over) {
    PROBE("migrate: what an earlier attempt left is not touched");
    return absl::FailedPreconditionError(fmt::format(
        "{}: was left by an earlier attempt, or one is under way; remove it when none is",
        made.unfinished_));
  }
  RETURN_IF_ERROR(env->CreateDirs(made.unfinished_ + "/member/snap"));
  return made;
}

absl::Status NewDirectory::Finish() {
  RETURN_IF_ERROR(env_->SyncDir(unfinished_ + "/member/snap"));
  RETURN_IF_ERROR(env_->SyncDir(unfinished_ + "/member"));
  RETURN_IF_ERROR(env_->SyncDir(unfinished_));
  RETURN_IF_ERROR(env_->Rename(unfinished_, final_));
  return env_->SyncDir(ParentOf(final_));
}

absl::Status NewDirectory::Explain(const absl::Status& failure, std::string_view source) const {
  return Annotate(failure, fmt::format("{} (what was made of it so far is in {}; remove it)",
                                       source, unfinished_));
}

absl::Status WriteImage(const kv::ReadTxn& pages, Env* env, const std::string& path,
                        const MigrateProgress& progress) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadWriteCreate));
  const uint64_t size = pages.SnapshotSize();
  uint64_t offset = 0;
  const auto write = [&](std::string_view piece) -> absl::Status {
    RETURN_IF_ERROR(file->WriteAt(offset, piece));
    offset += piece.size();
    if (progress) {
      progress(fmt::format("copying the database, {} of {} MiB", offset >> 20U, size >> 20U));
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(pages.WriteSnapshot(write));
  return file->SyncData();
}

absl::Status ForgetOwner(std::span<const std::string_view> member_buckets, const kv::ReadTxn& pages,
                         kv::WriteTxn* txn) {
  for (const std::string& bucket : mvcc::BucketNames()) {
    RETURN_IF_ERROR(txn->CreateBucket(bucket));
  }
  for (const std::string_view bucket : member_buckets) {
    ASSIGN_OR_RETURN(const std::vector<std::string> keys, KeysOf(bucket, pages));
    for (const std::string& key : keys) {
      RETURN_IF_ERROR(txn->Delete(bucket, key));
    }
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> keys, KeysOf("meta", pages));
  for (const std::string& key : keys) {
    // Quotas are state of the store: entries behind these pages were judged by them.
    const bool is_owners = key.starts_with(mvcc::kOwnKeyPrefix) && key != mvcc::kPrefixQuotaKey;
    if (key == "confState" || is_owners) {
      RETURN_IF_ERROR(txn->Delete("meta", key));
    }
  }
  // By it the directory is known to be ours before it has a log.
  RETURN_IF_ERROR(txn->Put("meta", mvcc::kStoreIdKey, BigEndian64(Random::FreshSeed() | 1U)));
  // 3.7 stamps its version and changes nothing else (spec etcd 2.5).
  ASSIGN_OR_RETURN(const auto version, pages.Get("meta", "storageVersion"));
  if (version.has_value() && version->starts_with("3.7.")) {
    PROBE("migrate: the stamp of etcd 3.7 is taken off");
    RETURN_IF_ERROR(txn->Put("meta", "storageVersion", kStorageVersion));
  }
  return absl::OkStatus();
}

absl::Status WriteImageForAnother(std::span<const std::string_view> member_buckets,
                                  const kv::ReadTxn& pages, Env* env, const std::string& path,
                                  const MigrateProgress& progress) {
  RETURN_IF_ERROR(WriteImage(pages, env, path, progress));
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(env, path, {}));
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(ForgetOwner(member_buckets, pages, txn.get()));
  return txn->Commit();
}

}  // namespace socle::server
