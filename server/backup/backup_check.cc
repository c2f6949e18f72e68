#include "server/backup/backup_check.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "lease/lessor.h"
#include "mvcc/key_digest.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_restore.h"
#include "server/backup/rebuild.h"
#include "server/migrate/image.h"
#include "server/migrate/snapshot_file.h"

namespace socle::server {
namespace {

// Keys of `meta` that tell of the pages rather than of the store.
bool IsOfPages(std::string_view key) {
  return (key.starts_with(mvcc::kOwnKeyPrefix) && key != mvcc::kPrefixQuotaKey) ||
         key == mvcc::kConsistentIndexKey || key == mvcc::kFinishedCompactKey ||
         key == "confState";  // of the member: ForgetOwner
}

absl::Status RemoveTree(Env* env, const std::string& directory) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(directory));
  for (const std::string& name : names) {
    const std::string path = fmt::format("{}/{}", directory, name);
    RETURN_IF_ERROR(env->List(path).ok() ? RemoveTree(env, path) : env->Remove(path));
  }
  return env->RemoveDir(directory);
}

// As it is called once it is closed.
std::string ClosedName(const PieceFigures& piece) {
  return MakeBackupName(piece.head.sequence, piece.head.first_index, kPieceSuffix);
}

class Checker {
 public:
  Checker(Env* env, const BackupCheckOptions& options) : env_(env), options_(options) {}

  absl::StatusOr<BackupChecked> Run() {
    ASSIGN_OR_RETURN(const BackupDirectory directory,
                     ReadBackupDirectory(env_, options_.directory));
    result_.damage = directory.damage;
    const BackupChain* before = nullptr;  // that can be restored
    for (const BackupChain& chain : directory.chains) {
      if (std::string gap = GapText(before, chain); !gap.empty()) {
        result_.notes.push_back(std::move(gap));
      }
      before = chain.bases.empty() ? before : &chain;
      RETURN_IF_ERROR(CheckPieces(chain));
      RETURN_IF_ERROR(CheckBases(chain));
      if (!options_.without_rebuild) {
        RETURN_IF_ERROR(RebuildChain(chain));
      }
    }
    if (directory.is_empty() && result_.damage.empty()) {
      return absl::NotFoundError(fmt::format("{}: no backup is there", options_.directory));
    }
    return std::move(result_);
  }

 private:
  // Damage is noted, each once; other errors end the check.
  absl::Status Note(const absl::Status& status) {
    if (status.ok()) {
      return status;
    }
    if (!absl::IsDataLoss(status) && !absl::IsOutOfRange(status) &&
        !absl::IsInvalidArgument(status) && !absl::IsNotFound(status)) {
      return status;
    }
    if (std::find(result_.damage.begin(), result_.damage.end(), status) == result_.damage.end()) {
      result_.damage.push_back(status);
    }
    return absl::OkStatus();
  }

  // What a server's retention removes meanwhile is no damage: true when none of `names` is there any more.
  absl::StatusOr<bool> IsGone(const absl::Status& status, std::string_view one,
                              std::string_view other) {
    if (!absl::IsNotFound(status)) {
      return false;
    }
    ASSIGN_OR_RETURN(const std::vector<std::string> names, env_->List(options_.directory));
    if (std::any_of(names.begin(), names.end(),
                    [&](const std::string& name) { return name == one || name == other; })) {
      return false;
    }
    PROBE("backup: a file went while it was checked");
    result_.notes.push_back(fmt::format("{}: was removed meanwhile", one));
    return true;
  }

  void Tell(std::string_view what) const {
    if (options_.progress) {
      options_.progress(what);
    }
  }

  absl::Status CheckPieces(const BackupChain& chain) {
    for (const PieceFigures& piece : chain.pieces) {
      Tell(fmt::format("verifying {}", piece.name));
      const auto read = ReadPiece(env_, options_.directory, piece.name, [&](const Frame& frame) {
        result_.entries += frame.entries.size();
        return absl::OkStatus();
      });
      ASSIGN_OR_RETURN(const bool is_gone, IsGone(read.status(), piece.name, ClosedName(piece)));
      if (is_gone) {
        continue;
      }
      RETURN_IF_ERROR(Note(read.status()));
      ++result_.pieces;
      if (read.ok() && !read->torn.empty()) {
        result_.notes.push_back(
            fmt::format("{}: ends with what was being written: {}", piece.name, read->torn));
      }
    }
    if (chain.bases.empty()) {
      result_.notes.push_back(
          fmt::format("chain {}: {} pieces and no base yet: nothing can be restored from them",
                      chain.number, chain.pieces.size()));
    }
    return absl::OkStatus();
  }

  absl::Status CheckBases(const BackupChain& chain) {
    for (const BaseFigures& base : chain.bases) {
      const absl::Status status = CheckImage(base);
      if (!status.ok()) {
        broken_.insert(base.name);
      }
      // Its record goes first.
      ASSIGN_OR_RETURN(const bool is_gone, IsGone(status, base.name, base.name));
      if (!is_gone) {
        ++result_.bases;
        RETURN_IF_ERROR(Note(status));
      }
    }
    return absl::OkStatus();
  }

  std::string PathOf(const std::string& name) const {
    return fmt::format("{}/{}", options_.directory, name);
  }

  absl::Status CheckImage(const BaseFigures& base) const {
    ASSIGN_OR_RETURN(const std::string digest,
                     VerifyDigest(env_, PathOf(base.image), options_.progress));
    if (digest != std::string_view(base.record.sha256, sizeof(base.record.sha256))) {
      return absl::DataLossError(
          fmt::format("{}: is not the image that {} tells of", base.image, base.name));
    }
    ASSIGN_OR_RETURN(const OpenSnapshot image,
                     OpenSnapshotFile(env_, PathOf(base.image), options_.progress));
    return Annotate(mvcc::CheckKeyDigest(*image.pages), base.image);
  }

  absl::Status RebuildChain(const BackupChain& chain) {
    for (size_t i = 0; i < chain.bases.size(); ++i) {
      const BaseFigures& base = chain.bases[i];
      if (broken_.contains(base.name)) {
        continue;
      }
      RebuildStop stop;
      stop.base = i + 1 < chain.bases.size() ? &chain.bases[i + 1] : nullptr;
      const std::string target = fmt::format("{}/{}", options_.scratch, ++rebuilt_);
      const absl::Status status = RebuildFrom(chain, base, stop, target);
      RETURN_IF_ERROR(RemoveScratch());
      ASSIGN_OR_RETURN(const bool is_gone, IsGone(status, base.name, base.name));
      if (!is_gone) {
        RETURN_IF_ERROR(Note(status));
      }
    }
    return absl::OkStatus();
  }

  absl::Status RemoveScratch() {
    ASSIGN_OR_RETURN(const bool exists, env_->Exists(options_.scratch));
    return exists ? RemoveTree(env_, options_.scratch) : absl::OkStatus();
  }

  absl::Status RebuildFrom(const BackupChain& chain, const BaseFigures& base,
                           const RebuildStop& stop, const std::string& path) {
    ASSIGN_OR_RETURN(const NewDirectory target, NewDirectory::Begin(env_, path));
    {
      ASSIGN_OR_RETURN(const OpenSnapshot image,
                       OpenSnapshotFile(env_, PathOf(base.image), options_.progress));
      // As a restore does: the log that these pages had is not here.
      RETURN_IF_ERROR(
          WriteImageForAnother({}, *image.pages, env_, target.database_path(), options_.progress));
    }
    Rebuild rebuild(env_, options_.directory, &chain, &base, stop, options_.progress);
    rebuild.set_at_base([this](const BaseFigures& later, const mvcc::LogReplay& replay) {
      return broken_.contains(later.name) ? absl::OkStatus() : CompareBuckets(later, replay);
    });
    lease::Lessor lessor;
    mvcc::StoreOptions store_options;
    store_options.directory = target.path();
    store_options.env = env_;
    store_options.lease_hook = &lessor;
    store_options.unsafe_no_sync = true;
    store_options.replay = [&rebuild](mvcc::LogReplay* replay) { return rebuild.Run(replay); };
    ASSIGN_OR_RETURN(const std::unique_ptr<mvcc::Store> store,
                     mvcc::Store::Open(std::move(store_options)));
    result_.hashes_compared += rebuild.hashes_compared();
    return store->Corruption();
  }

  // All buckets but that of the keys, whose hash is compared.
  absl::Status CompareBuckets(const BaseFigures& base, const mvcc::LogReplay& replay) const {
    ASSIGN_OR_RETURN(const OpenSnapshot image,
                     OpenSnapshotFile(env_, PathOf(base.image), options_.progress));
    for (const std::string& name : mvcc::BucketNames()) {
      if (name == "key") {
        continue;
      }
      ASSIGN_OR_RETURN(const std::unique_ptr<kv::Cursor> cursor, image.pages->NewCursor(name));
      const auto pass = [&] {
        while (name == "meta" && cursor->Valid() && IsOfPages(cursor->key())) {
          cursor->Next();
        }
      };
      const auto differs = [&](std::string_view key) {
        return absl::DataLossError(
            fmt::format("{}: bucket {}, key {:?}: the image has not what the saved log leads to",
                        base.image, name, key));
      };
      cursor->SeekToFirst();
      RETURN_IF_ERROR(
          replay.Scan(*mvcc::FindBucket(name), [&](std::string_view key, std::string_view value) {
            if (name == "meta" && IsOfPages(key)) {
              return absl::OkStatus();
            }
            pass();
            if (!cursor->Valid() || cursor->key() != key || cursor->value() != value) {
              return absl::Status(differs(key));
            }
            cursor->Next();
            return absl::OkStatus();
          }));
      pass();
      RETURN_IF_ERROR(cursor->status());
      if (cursor->Valid()) {
        return differs(cursor->key());
      }
    }
    return absl::OkStatus();
  }

  Env* const env_;
  const BackupCheckOptions& options_;
  BackupChecked result_;
  std::set<std::string> broken_;  // bases whose image is
  uint64_t rebuilt_ = 0;
};

}  // namespace

std::string GapText(const BackupChain* before, const BackupChain& chain) {
  if (before == nullptr || chain.bases.empty() || before->number == chain.number) {
    return {};
  }
  const int64_t end = before->pieces.empty() ? before->bases.back().record.wall_nanos
                                             : before->pieces.back().wall_nanos;
  const BaseRecord& base = chain.bases.front().record;
  return fmt::format(
      "chain {} was begun anew: no moment can be restored between {} (chain {}, up to entry {}) "
      "and "
      "{} (its first base, entry {})",
      chain.number, WallText(end), before->number, before->last_index(), WallText(base.wall_nanos),
      base.index);
}

absl::StatusOr<BackupChecked> CheckBackup(Env* env, const BackupCheckOptions& options) {
  if (!options.without_rebuild) {
    ASSIGN_OR_RETURN(const bool exists, env->Exists(options.scratch));
    if (exists) {
      return absl::FailedPreconditionError(
          fmt::format("{}: exists; name a new directory with --scratch", options.scratch));
    }
  }
  return Checker(env, options).Run();
}

}  // namespace socle::server
