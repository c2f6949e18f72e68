#include <string>

#include <fmt/format.h>

#include "server/cmd/soclectl_migrate.h"
#include "server/cmd/soclectl_progress.h"
#include "server/migrate/import.h"

namespace socle::server {
namespace {

std::string WithoutSlash(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) {
    path.pop_back();
  }
  return path;
}

// What was done about the log, in one clause.
std::string LogText(const Imported& imported) {
  if (imported.last_index == imported.applied_before) {
    return "all of the log was in the database";
  }
  return fmt::format("log entries {} to {} applied ({} changes, {} that etcd had refused, too)",
                     imported.applied_before + 1, imported.last_index, imported.entries.applied,
                     imported.entries.refused);
}

}  // namespace

int Import(const ImportCommand& command, const Console& console) {
  const std::string source = WithoutSlash(command.path);
  const std::string target = command.data_dir.empty() ? source + ".socle" : command.data_dir;
  absl::StatusOr<Imported> imported = absl::UnknownError("not run");
  {
    ProgressLine line(&console);
    imported =
        ImportEtcd(console.env, {.source = source,
                                 .source_wal = command.wal_dir,
                                 .target = target,
                                 .progress = [&line](std::string_view what) { line.Draw(what); }});
  }
  if (!imported.ok()) {
    return Fail(console, imported.status());
  }
  if (imported->torn.has_value()) {
    console.out(fmt::format("{}: note: {}; it was never answered for, and etcd cuts it off, too\n",
                            source, *imported->torn));
  }
  console.out(
      fmt::format("{}: imported into {}: revision {}, {} keys, {} leases; {}\n"
                  "hash of the history (etcdctl endpoint hashkv): {}, compacted at {}\n"
                  "start it: socle-kv --data-dir {} --name {}\n",
                  source, target, imported->hash.current_revision, imported->keys, imported->leases,
                  LogText(*imported), imported->hash.hash, imported->hash.compact_revision, target,
                  imported->member.name.empty() ? "default" : imported->member.name));
  if (const uint64_t derived = ClusterIdOf({imported->member.id});
      derived != imported->cluster_id) {
    console.out(fmt::format(
        "note: the cluster's id was {:x} and will be {:x}: its members were changed once\n",
        imported->cluster_id, derived));
  }
  return kExitDone;
}

}  // namespace socle::server
