#include "server/backup/backup_restore.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/bolt/bolt_engine.h"
#include "lease/lessor.h"
#include "mvcc/key_digest.h"
#include "mvcc/schema.h"
#include "mvcc/store.h"
#include "server/migrate/image.h"
#include "server/migrate/snapshot_file.h"

namespace socle::server {
namespace {

// Leases in one entry of the log.
constexpr size_t kLeasesPerEntry = 256;

bool IsNamed(const BaseFigures& base, std::string_view name) {
  return name.empty() || name == base.name || name == base.image;
}

// The newest base of the chain that `fits`; null: none.
template <typename Fits>
const BaseFigures* NewestBase(const BackupChain& chain, const Fits& fits) {
  const auto found = std::find_if(chain.bases.rbegin(), chain.bases.rend(), fits);
  return found == chain.bases.rend() ? nullptr : &*found;
}

absl::Status NoBase(const BackupRestoreOptions& options) {
  if (!options.from_base.empty()) {
    return absl::NotFoundError(fmt::format(
        "{}: base {} is not there, or does not lead to what is asked for; soclectl backup list "
        "shows what there is",
        options.directory, options.from_base));
  }
  return absl::NotFoundError(fmt::format("{}: no base is there yet", options.directory));
}

absl::StatusOr<RestorePlan> PlanNewest(const BackupRestoreOptions& options,
                                       const BackupDirectory& directory) {
  for (auto chain = directory.chains.rbegin(); chain != directory.chains.rend(); ++chain) {
    const BaseFigures* const base = NewestBase(
        *chain, [&](const BaseFigures& each) { return IsNamed(each, options.from_base); });
    if (base != nullptr) {
      return RestorePlan{.chain = &*chain, .base = base, .stop = {}};
    }
  }
  return NoBase(options);
}

absl::StatusOr<RestorePlan> PlanRevision(const BackupRestoreOptions& options,
                                         const BackupDirectory& directory) {
  const int64_t revision = *options.to_revision;
  int64_t oldest = 0;
  for (auto chain = directory.chains.rbegin(); chain != directory.chains.rend(); ++chain) {
    // In a base of this very revision there may be what came after the write that made it.
    for (const int64_t most : {revision - 1, revision}) {
      const BaseFigures* const base = NewestBase(*chain, [&](const BaseFigures& each) {
        return each.record.revision <= most && IsNamed(each, options.from_base);
      });
      if (base != nullptr) {
        return RestorePlan{.chain = &*chain, .base = base, .stop = {.revision = revision}};
      }
    }
    oldest = chain->bases.empty() ? oldest : chain->bases.front().record.revision;
  }
  if (oldest == 0 || !options.from_base.empty()) {
    return NoBase(options);
  }
  return absl::NotFoundError(fmt::format(
      "{}: revision {} was made before the oldest base; the lowest that can be restored is {}",
      options.directory, revision, oldest));
}

// The last entry of the chain that a mark shows to have been logged by then; 0: none.
absl::StatusOr<uint64_t> LastEntryBy(Env* env, const std::string& directory,
                                     const BackupChain& chain, int64_t wall_nanos) {
  uint64_t last = 0;
  for (const BaseFigures& base : chain.bases) {
    if (base.record.wall_nanos <= wall_nanos) {
      last = std::max(last, base.record.index);
    }
  }
  for (auto piece = chain.pieces.rbegin(); piece != chain.pieces.rend(); ++piece) {
    if (piece->head.wall_nanos > wall_nanos) {
      continue;  // its first mark is later
    }
    uint64_t of_piece = 0;
    RETURN_IF_ERROR(ReadPiece(env, directory, piece->name, [&](const Frame& frame) {
                      for (const TimeMark& mark : frame.marks) {
                        of_piece = mark.wall_nanos <= wall_nanos ? mark.index : of_piece;
                      }
                      return absl::OkStatus();
                    }).status());
    if (of_piece != 0) {
      return std::max(last, of_piece);
    }
  }
  return last;
}

absl::StatusOr<RestorePlan> PlanTime(Env* env, const BackupRestoreOptions& options,
                                     const BackupDirectory& directory) {
  const int64_t wall_nanos = *options.to_wall_nanos;
  int64_t oldest = 0;
  for (auto chain = directory.chains.rbegin(); chain != directory.chains.rend(); ++chain) {
    if (chain->bases.empty()) {
      continue;
    }
    oldest = chain->bases.front().record.wall_nanos;
    ASSIGN_OR_RETURN(const uint64_t last, LastEntryBy(env, options.directory, *chain, wall_nanos));
    const BaseFigures* const base = NewestBase(*chain, [&](const BaseFigures& each) {
      return last != 0 && each.record.index <= last && IsNamed(each, options.from_base);
    });
    // A base of an idle store holds entry 0 and nothing more.
    const BaseFigures* const idle = NewestBase(*chain, [&](const BaseFigures& each) {
      return each.record.index == 0 && each.record.wall_nanos <= wall_nanos;
    });
    if (base != nullptr || idle != nullptr) {
      return RestorePlan{
          .chain = &*chain, .base = base != nullptr ? base : idle, .stop = {.index = last}};
    }
  }
  if (oldest == 0 || !options.from_base.empty()) {
    return NoBase(options);
  }
  return absl::NotFoundError(
      fmt::format("{}: {} is before the oldest base; the earliest time that can be restored is {}",
                  options.directory, WallText(wall_nanos), WallText(oldest)));
}

bool HasEntries(const BackupChain& chain) {
  return !chain.bases.empty() || std::any_of(chain.pieces.begin(), chain.pieces.end(),
                                             [](const auto& piece) { return !piece.is_empty(); });
}

// Says which later chain is not in what was restored; empty: none.
std::string PassedOver(const RestorePlan& plan, const BackupDirectory& directory) {
  for (auto chain = directory.chains.rbegin(); &*chain != plan.chain; ++chain) {
    if (HasEntries(*chain)) {
      PROBE("backup: a restore passes over a chain");
      return fmt::format(
          "chain {}, up to entry {}, is later and passed over: {}", chain->number,
          chain->last_index(),
          chain->bases.empty() ? "it has no base yet" : "another base was asked for");
    }
  }
  return {};
}

// The base's image as a database of another store.
absl::Status CopyImage(Env* env, const BackupRestoreOptions& options, const BaseFigures& base,
                       const NewDirectory& target) {
  const std::string path = fmt::format("{}/{}", options.directory, base.image);
  ASSIGN_OR_RETURN(const std::string digest, VerifyDigest(env, path, options.progress));
  if (digest != std::string_view(base.record.sha256, sizeof(base.record.sha256))) {
    return absl::DataLossError(
        fmt::format("{}: is not the image that {} tells of", base.image, base.name));
  }
  ASSIGN_OR_RETURN(const OpenSnapshot image, OpenSnapshotFile(env, path, options.progress));
  RETURN_IF_ERROR(Annotate(mvcc::CheckKeyDigest(*image.pages), base.image));
  RETURN_IF_ERROR(WriteImage(*image.pages, env, target.database_path(), options.progress));
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(env, target.database_path(), {}));
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(ForgetOwner({}, *image.pages, txn.get()));
  return txn->Commit();
}

// What a lease had left belongs to another time.
absl::Status RefreshLeases(mvcc::Store* store, const lease::Lessor& lessor) {
  std::vector<mvcc::LeaseCheckpoint> checkpoints;
  const std::vector<mvcc::LeaseId> leases = lessor.Leases();
  for (size_t i = 0; i < leases.size(); ++i) {
    checkpoints.push_back({.id = leases[i]});
    if (checkpoints.size() < kLeasesPerEntry && i + 1 < leases.size()) {
      continue;
    }
    Mutex mu;
    CondVar done;
    std::optional<absl::Status> written;
    store->LeaseCheckpoints(std::move(checkpoints), [&](absl::StatusOr<int64_t> result) {
      MutexLock lock(&mu);
      written = result.status();
      done.Signal();
    });
    MutexLock lock(&mu);
    while (!written) {
      done.Wait(&mu);
    }
    RETURN_IF_ERROR(*written);
    checkpoints.clear();
  }
  return absl::OkStatus();
}

absl::Status LeaveOut(Env* env, const std::string& database, int64_t revision) {
  ASSIGN_OR_RETURN(const auto engine, kv::OpenBolt(env, database, {}));
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(BumpRevision(revision, txn.get()));
  RETURN_IF_ERROR(txn->Delete("meta", mvcc::kKeyDigestKey));  // it knows nothing of that record
  return txn->Commit();
}

absl::StatusOr<BackupRestored> Fill(Env* env, const BackupRestoreOptions& options,
                                    const RestorePlan& plan, const NewDirectory& target) {
  RETURN_IF_ERROR(CopyImage(env, options, *plan.base, target));
  Rebuild rebuild(env, options.directory, plan.chain, plan.base, plan.stop, options.progress);
  lease::Lessor lessor;
  mvcc::StoreOptions store_options;
  store_options.directory = target.path();
  store_options.env = env;
  store_options.lease_hook = &lessor;
  store_options.replay = [&rebuild](mvcc::LogReplay* replay) { return rebuild.Run(replay); };
  BackupRestored result{.base = plan.base->image};
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<mvcc::Store> store,
                     mvcc::Store::Open(std::move(store_options)));
    RETURN_IF_ERROR(store->Corruption());
    if (options.to_revision && rebuild.revision() < *options.to_revision) {
      return absl::NotFoundError(
          fmt::format("revision {} was not saved; this part of the backup ends with {}",
                      *options.to_revision, rebuild.revision()));
    }
    if (options.progress) {
      options.progress("hashing");
    }
    ASSIGN_OR_RETURN(result.hash, store->HashKv(0));
    RETURN_IF_ERROR(RefreshLeases(store.get(), lessor));
    result.keys = store->Stats().keys;
    result.leases = lessor.Stats().leases;
    RETURN_IF_ERROR(store->CommitAndRead().status());
  }
  result.revision = rebuild.revision();
  result.last_index = rebuild.last_index();
  result.entries = rebuild.last_index() - plan.base->record.index;
  result.wall_nanos = rebuild.wall_nanos();
  if (options.bump_revision > 0) {
    result.revision += options.bump_revision;
    RETURN_IF_ERROR(LeaveOut(env, target.database_path(), result.revision));
  }
  return result;
}

}  // namespace

std::string WallText(int64_t wall_nanos) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", absl::FromUnixNanos(wall_nanos),
                          absl::UTCTimeZone());
}

absl::StatusOr<RestorePlan> PlanRestore(Env* env, const BackupRestoreOptions& options,
                                        const BackupDirectory& directory) {
  if (options.to_revision && options.to_wall_nanos) {
    return absl::InvalidArgumentError("a time or a revision, not both");
  }
  if (options.to_revision) {
    return PlanRevision(options, directory);
  }
  if (options.to_wall_nanos) {
    return PlanTime(env, options, directory);
  }
  if (!directory.damage.empty()) {
    PROBE("backup: a restore of a damaged directory is refused");
    return Annotate(directory.damage.front(),
                    fmt::format("{}: damaged ({} findings; with --to-time or --to-revision what "
                                "whole files lead to can be restored)",
                                options.directory, directory.damage.size()));
  }
  return PlanNewest(options, directory);
}

absl::StatusOr<BackupRestored> RestoreBackup(Env* env, const BackupRestoreOptions& options) {
  ASSIGN_OR_RETURN(const BackupDirectory directory, ReadBackupDirectory(env, options.directory));
  ASSIGN_OR_RETURN(const RestorePlan plan, PlanRestore(env, options, directory));
  ASSIGN_OR_RETURN(NewDirectory target, NewDirectory::Begin(env, options.target));
  absl::StatusOr<BackupRestored> restored = Fill(env, options, plan, target);
  if (!restored.ok()) {
    return Annotate(restored.status(),
                    fmt::format("{} (what was made of it so far is in {}; remove it)",
                                options.directory, target.path()));
  }
  for (const absl::Status& damage : directory.damage) {
    restored->notes.emplace_back(StdView(damage.message()));
  }
  if (options.to_wall_nanos && restored->last_index == plan.chain->last_index() &&
      plan.chain != &directory.chains.back()) {
    restored->notes.push_back(
        fmt::format("what was written after {} was not saved before another base was made",
                    WallText(restored->wall_nanos)));
  }
  if (!options.to_wall_nanos && !options.to_revision) {
    if (std::string passed_over = PassedOver(plan, directory); !passed_over.empty()) {
      restored->notes.push_back(std::move(passed_over));
    }
  }
  RETURN_IF_ERROR(target.Finish());
  return restored;
}

}  // namespace socle::server
