#include "server/backup/backup_restore.h"

#include <algorithm>
#include <memory>
#include <set>
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

// As far as it is known by heads and ends.
bool IsWholeBehind(const BackupChain& chain, const BaseFigures& base) {
  return chain.behind.ok() &&
         std::all_of(chain.pieces.begin(), chain.pieces.end(), [&](const PieceFigures& piece) {
           return piece.last_index <= base.record.index ||
                  piece.whole_from <= base.record.index + 1;
         });
}

// Damage is refused, unless what was asked for lies clear of it.
absl::Status RefuseDamage(const BackupRestoreOptions& options, const BackupDirectory& directory) {
  PROBE("backup: a restore of a damaged directory is refused");
  const auto newest = std::find_if(directory.chains.rbegin(), directory.chains.rend(),
                                   [](const BackupChain& chain) { return !chain.bases.empty(); });
  std::string cure = "with --to-time or --to-revision what whole files lead to can be restored";
  if (options.from_base.empty() && newest != directory.chains.rend() &&
      IsWholeBehind(*newest, newest->bases.back())) {
    cure = fmt::format(
        "with --from-base {} what lies behind that base can be restored, which is whole",
        newest->bases.back().image);
  }
  return Annotate(directory.damage.front(),
                  fmt::format("{}: damaged ({} findings; {})", options.directory,
                              directory.damage.size(), cure));
}

absl::StatusOr<RestorePlan> PlanNewest(const BackupRestoreOptions& options,
                                       const BackupDirectory& directory) {
  if (!directory.damage.empty() && options.from_base.empty()) {
    return RefuseDamage(options, directory);
  }
  for (auto chain = directory.chains.rbegin(); chain != directory.chains.rend(); ++chain) {
    const BaseFigures* const base = NewestBase(
        *chain, [&](const BaseFigures& each) { return IsNamed(each, options.from_base); });
    if (base != nullptr && !chain->behind.ok()) {
      return Annotate(chain->behind,
                      fmt::format("{}: damaged behind {}", options.directory, base->image));
    }
    if (base != nullptr) {
      return RestorePlan{.chain = &*chain, .base = base, .stop = {}};
    }
  }
  return NoBase(options);
}

// The base of the chain that the way to the revision begins with; null: none does.
const BaseFigures* BaseBefore(const BackupChain& chain, int64_t revision, std::string_view name) {
  // In a base of this very revision there may be what came after the write that made it.
  for (const int64_t most : {revision - 1, revision}) {
    const BaseFigures* const base = NewestBase(chain, [&](const BaseFigures& each) {
      return each.record.revision <= most && IsNamed(each, name);
    });
    if (base != nullptr) {
      return base;
    }
  }
  return nullptr;
}

bool Reaches(const BackupChain& chain, int64_t revision) {
  return (!chain.pieces.empty() && chain.pieces.back().revision >= revision) ||
         (!chain.bases.empty() && chain.bases.back().record.revision >= revision);
}

// Where else there is such a revision, and how it is asked for; empty: nowhere.
std::string OtherWays(const RestorePlan& plan, const BackupDirectory& directory) {
  std::string ways;
  for (const BackupChain& chain : directory.chains) {
    const BaseFigures* const base = BaseBefore(chain, plan.stop.revision, {});
    if (&chain != plan.chain && base != nullptr && Reaches(chain, plan.stop.revision)) {
      PROBE("backup: another chain has the revision");
      ways += fmt::format("{}chain {} has a revision {}: --from-base {}", ways.empty() ? "" : "; ",
                          chain.number, plan.stop.revision, base->image);
    }
  }
  return ways;
}

// The way to a revision ended with `reached`, before it.
absl::Status NotReached(const RestorePlan& plan, const BackupDirectory& directory,
                        int64_t reached) {
  const std::string ways = OtherWays(plan, directory);
  const std::string more = ways.empty() ? "" : "; " + ways;
  if (!plan.chain->behind.ok()) {
    return absl::DataLossError(fmt::format(
        "revision {} can't be restored from {}: what is there ends with revision {}: {}{}",
        plan.stop.revision, plan.base->image, reached, StdView(plan.chain->behind.message()),
        more));
  }
  return absl::NotFoundError(
      fmt::format("revision {} was not saved; this part of the backup ends with {}{}",
                  plan.stop.revision, reached, more));
}

absl::StatusOr<RestorePlan> PlanRevision(const BackupRestoreOptions& options,
                                         const BackupDirectory& directory) {
  const int64_t revision = *options.to_revision;
  int64_t oldest = 0;
  for (auto chain = directory.chains.rbegin(); chain != directory.chains.rend(); ++chain) {
    const BaseFigures* const base = BaseBefore(*chain, revision, options.from_base);
    if (base != nullptr) {
      return RestorePlan{.chain = &*chain, .base = base, .stop = {.revision = revision}};
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

// The last entry of the chain that a mark shows to have been logged by then, and that mark's time; 0: none.
absl::StatusOr<TimeMark> LastEntryBy(Env* env, const std::string& directory,
                                     const BackupChain& chain, int64_t wall_nanos) {
  TimeMark last;
  const auto take = [&](const TimeMark& mark) {
    if (mark.wall_nanos <= wall_nanos && mark.index >= last.index) {
      last = mark;
    }
  };
  for (const BaseFigures& base : chain.bases) {
    take({.index = base.record.index, .wall_nanos = base.record.wall_nanos});
  }
  for (auto piece = chain.pieces.rbegin(); piece != chain.pieces.rend(); ++piece) {
    if (piece->head.wall_nanos > wall_nanos) {
      continue;  // its first mark is later
    }
    TimeMark of_piece;
    RETURN_IF_ERROR(ReadPiece(
                        env, directory, piece->name,
                        [&](const Frame& frame) {
                          for (const TimeMark& mark : frame.marks) {
                            of_piece = mark.wall_nanos <= wall_nanos ? mark : of_piece;
                          }
                          return absl::OkStatus();
                        },
                        last.index + 1)
                        .status());
    if (of_piece.index != 0) {
      take(of_piece);
      return last;
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
    ASSIGN_OR_RETURN(const TimeMark last, LastEntryBy(env, options.directory, *chain, wall_nanos));
    const BaseFigures* const base = NewestBase(*chain, [&](const BaseFigures& each) {
      return last.index != 0 && each.record.index <= last.index && IsNamed(each, options.from_base);
    });
    // A base of an idle store holds entry 0 and nothing more.
    const BaseFigures* const idle = NewestBase(*chain, [&](const BaseFigures& each) {
      return each.record.index == 0 && each.record.wall_nanos <= wall_nanos;
    });
    if (base == nullptr && idle == nullptr) {
      continue;
    }
    // Of the entries that are lost, some may be of before that time.
    if (!chain->behind.ok() && last.index == chain->last_index() && last.wall_nanos < wall_nanos) {
      PROBE("backup: a time in a gap");
      return Annotate(
          chain->behind,
          fmt::format("{}: what {} was can't be told; the latest time before the gap "
                      "that can be restored is {}",
                      options.directory, WallText(wall_nanos), WallText(last.wall_nanos)));
    }
    return RestorePlan{
        .chain = &*chain, .base = base != nullptr ? base : idle, .stop = {.index = last.index}};
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
  return WriteImageForAnother({}, *image.pages, env, target.database_path(), options.progress);
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
    store->LeaseCheckpoints(std::move(checkpoints), [&](const absl::StatusOr<int64_t>& result) {
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
                                    const BackupDirectory& directory, const RestorePlan& plan,
                                    const NewDirectory& target) {
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
      return NotReached(plan, directory, rebuild.revision());
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
  for (const absl::Status& skipped : rebuild.skipped()) {
    result.notes.emplace_back(StdView(skipped.message()));
  }
  if (options.bump_revision > 0) {
    result.revision += options.bump_revision;
    RETURN_IF_ERROR(LeaveOut(env, target.database_path(), result.revision));
  }
  return result;
}

// What whoever asked may not expect of what was restored; empty: nothing.
std::string NoteOnPlan(const BackupRestoreOptions& options, const RestorePlan& plan,
                       const BackupDirectory& directory, const BackupRestored& restored) {
  if (options.to_revision) {
    const std::string ways = options.from_base.empty() ? OtherWays(plan, directory) : "";
    return ways.empty()
               ? ""
               : fmt::format("this is the revision of chain {}; {}", plan.chain->number, ways);
  }
  if (!options.to_wall_nanos) {
    return PassedOver(plan, directory);
  }
  if (restored.last_index != plan.chain->last_index() ||
      restored.wall_nanos >= *options.to_wall_nanos) {
    return {};
  }
  if (plan.chain != &directory.chains.back()) {
    return fmt::format("what was written after {} was not saved before another base was made",
                       WallText(restored.wall_nanos));
  }
  PROBE("backup: a time behind the end");
  return fmt::format(
      "the last write that was saved is of {}: of what came after it, up to {}, the "
      "backup knows nothing",
      WallText(restored.wall_nanos), WallText(*options.to_wall_nanos));
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
  return PlanNewest(options, directory);
}

absl::StatusOr<BackupRestored> RestoreBackup(Env* env, const BackupRestoreOptions& options) {
  ASSIGN_OR_RETURN(const BackupDirectory directory,
                   ReadBackupDirectory(env, options.directory, ReadFor::kRestore));
  ASSIGN_OR_RETURN(const RestorePlan plan, PlanRestore(env, options, directory));
  ASSIGN_OR_RETURN(NewDirectory target, NewDirectory::Begin(env, options.target));
  absl::StatusOr<BackupRestored> restored = Fill(env, options, directory, plan, target);
  if (!restored.ok()) {
    return Annotate(restored.status(),
                    fmt::format("{} (what was made of it so far is in {}; remove it)",
                                options.directory, target.path()));
  }
  std::set<std::string> notes(restored->notes.begin(), restored->notes.end());
  for (const absl::Status& damage : directory.damage) {
    notes.emplace(StdView(damage.message()));
  }
  restored->notes.assign(notes.begin(), notes.end());
  if (std::string note = NoteOnPlan(options, plan, directory, *restored); !note.empty()) {
    restored->notes.push_back(std::move(note));
  }
  RETURN_IF_ERROR(target.Finish());
  return restored;
}

}  // namespace socle::server
