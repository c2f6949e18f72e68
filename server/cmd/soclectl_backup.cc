#include "server/cmd/soclectl_backup.h"

#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string_view>
#include <utility>

#include <absl/time/time.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_restore.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

std::string Mebibytes(uint64_t bytes) {
  return fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1024.0 * 1024.0));
}

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.pop_back();
  }
  return path;
}

void ListChain(const BackupChain& chain, const Console& console) {
  console.out(fmt::format("chain {}\n", chain.number));
  auto base = chain.bases.begin();
  const auto list_bases = [&](uint64_t before) {
    for (; base != chain.bases.end() && base->record.index < before; ++base) {
      const BaseRecord& record = base->record;
      console.out(fmt::format("  base   {:<42} entry {:>10}           revision {:>9}  {}  {}\n",
                              base->image, record.index, record.revision,
                              WallText(record.wall_nanos), Mebibytes(record.image_bytes)));
    }
  };
  for (const PieceFigures& piece : chain.pieces) {
    list_bases(piece.head.first_index);
    console.out(fmt::format("  piece  {:<42} entries {:>8} to {:>8} revision {:>9}  {}  {}{}\n",
                            piece.name, piece.head.first_index, piece.last_index, piece.revision,
                            WallText(piece.wall_nanos), Mebibytes(piece.bytes),
                            piece.is_closed ? "" : "  (being written)"));
  }
  list_bases(UINT64_MAX);
}

std::string DefaultScratch() {
  const char* const temporary = std::getenv("TMPDIR");  // NOLINT(concurrency-mt-unsafe)
  return fmt::format("{}/soclectl-backup-check-{}",
                     temporary != nullptr && *temporary != '\0' ? temporary : "/tmp", ::getpid());
}

absl::StatusOr<BackupRestoreOptions> OptionsOf(const BackupRestoreCommand& command) {
  if ((command.bump_revision > 0) != command.mark_compacted) {
    return absl::InvalidArgumentError(
        "--bump-revision and --mark-compacted go together: watches and caches of a newer state "
        "must be told that their revisions are gone");
  }
  BackupRestoreOptions options{.directory = WithoutSlash(command.path),
                               .target = WithoutSlash(command.data_dir),
                               .from_base = command.from_base,
                               .bump_revision = command.bump_revision};
  if (command.to_revision > 0) {
    options.to_revision = command.to_revision;
  }
  if (!command.to_time.empty()) {
    absl::Time time;
    std::string why;
    if (!absl::ParseTime(absl::RFC3339_full, command.to_time, &time, &why)) {
      return absl::InvalidArgumentError(
          fmt::format("--to-time: '{}' is no time like 2026-11-27T12:34:56Z or "
                      "2026-11-27T13:34:56.789+01:00",
                      command.to_time));
    }
    options.to_wall_nanos = absl::ToUnixNanos(time);
  }
  return options;
}

}  // namespace

int BackupList(const BackupListCommand& command, const Console& console) {
  const auto directory = ReadBackupDirectory(console.env, WithoutSlash(command.path));
  if (!directory.ok()) {
    return Fail(console, directory.status());
  }
  if (directory->is_empty() && directory->damage.empty()) {
    return Fail(console, absl::NotFoundError(fmt::format("{}: no backup is there", command.path)));
  }
  console.out(
      fmt::format("store {:x} in cluster {:x}\n", directory->store_id, directory->cluster_id));
  const BackupChain* before = nullptr;
  for (const BackupChain& chain : directory->chains) {
    if (const std::string gap = GapText(before, chain); !gap.empty()) {
      console.out(fmt::format("note: {}\n", gap));
    }
    before = chain.bases.empty() ? before : &chain;
    ListChain(chain, console);
  }
  for (const absl::Status& damage : directory->damage) {
    console.Complain(StdView(damage.message()));
  }
  return directory->damage.empty() ? kExitDone : kExitBroken;
}

int BackupCheck(const BackupCheckCommand& command, const Console& console) {
  absl::StatusOr<BackupChecked> checked = absl::UnknownError("not run");
  {
    ProgressLine line(&console);
    checked = CheckBackup(
        console.env,
        {.directory = WithoutSlash(command.path),
         .scratch = command.scratch.empty() ? DefaultScratch() : WithoutSlash(command.scratch),
         .without_rebuild = command.without_rebuild,
         .progress = [&line](std::string_view what) { line.Draw(what); }});
  }
  if (!checked.ok()) {
    return Fail(console, checked.status());
  }
  for (const std::string& note : checked->notes) {
    console.out(fmt::format("{}: note: {}\n", command.path, note));
  }
  for (const absl::Status& damage : checked->damage) {
    console.out(fmt::format("{}: {}\n", command.path, StdView(damage.message())));
  }
  const std::string what =
      fmt::format("{} bases, {} pieces, {} entries, {} hashes compared", checked->bases,
                  checked->pieces, checked->entries, checked->hashes_compared);
  if (checked->damage.empty() && checked->bases == 0) {
    console.out(
        fmt::format("{}: not restorable: no base is there (a server makes the first one soon after "
                    "it begins); {}\n",
                    command.path, what));
    return kExitBroken;
  }
  if (checked->damage.empty()) {
    console.out(fmt::format("{}: ok: {}\n", command.path, what));
    return kExitDone;
  }
  console.out(
      fmt::format("{}: damaged: {} findings; {}\n", command.path, checked->damage.size(), what));
  return kExitBroken;
}

int BackupRestore(const BackupRestoreCommand& command, const Console& console) {
  absl::StatusOr<BackupRestoreOptions> options = OptionsOf(command);
  if (!options.ok()) {
    return Fail(console, options.status());
  }
  absl::StatusOr<BackupRestored> restored = absl::UnknownError("not run");
  {
    ProgressLine line(&console);
    options->progress = [&line](std::string_view what) { line.Draw(what); };
    restored = RestoreBackup(console.env, *options);
  }
  if (!restored.ok()) {
    return Fail(console, restored.status());
  }
  for (const std::string& note : restored->notes) {
    console.out(fmt::format("{}: note: {}\n", command.path, note));
  }
  console.out(fmt::format(
      "{}: restored into {}: as of {}, revision {}, {} keys, {} leases ({} and {} log entries)\n"
      "hash of the history (etcdctl endpoint hashkv): {} at revision {}, compacted at {}\n"
      "start it: socle-kv --data-dir {}\n",
      command.path, options->target, WallText(restored->wall_nanos), restored->revision,
      restored->keys, restored->leases, restored->base, restored->entries, restored->hash.hash,
      restored->hash.hash_revision, restored->hash.compact_revision, options->target));
  return kExitDone;
}

}  // namespace socle::server
