#include "server/cmd/soclectl.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/cmd/soclectl_backup.h"
#include "server/cmd/soclectl_db.h"
#include "server/cmd/soclectl_live.h"
#include "server/cmd/soclectl_migrate.h"
#include "server/migrate/snapshot_file.h"
#include "server/wire/client/access_flags.h"

namespace socle::server {
namespace {

constexpr const char* kAbout =
    R"(soclectl: looks after the data files of socle-kv and etcd, and moves data between them.

Exit codes: 0 done, and nothing is wrong with the file; 1 the file is broken; 2 nothing was looked at
(wrong usage, no such file, in use by a server, no database file).
)";

constexpr const char* kAboutDb =
    "Look into a database file, or prove that it is whole; convert is all that ever writes.";

constexpr const char* kMoreOnDb =
    R"(PATH is a database file (bbolt format: of socle-kv, of etcd 3.4 and later, or a saved snapshot), or a
data directory, of which member/snap/db is meant. A file that a server has open is refused: stop the
server, or save a snapshot and look at that. Writes of socle-kv that are still only in its log
(member/socle-wal) are not in the file yet.)";

constexpr const char* kExamples = R"(Examples:
  soclectl db check /var/lib/socle                     is everything in order?
  soclectl db stats backup.db                          where the space went
  soclectl db dump backup.db --bucket key --decode-revisions
  soclectl db page backup.db 17 --path                 what is on page 17, and who points there
  soclectl import /var/lib/etcd --data-dir /var/lib/socle
  soclectl top --endpoint 127.0.0.1:2379               who keeps a running server busy
  soclectl snapshot save backup.db --endpoints 127.0.0.1:2379
  soclectl snapshot restore backup.db --data-dir /var/lib/socle
  soclectl backup check /mnt/backup                    can it be restored?
  soclectl backup restore /mnt/backup --data-dir /var/lib/socle --to-time 2026-11-27T12:34:56Z)";

constexpr const char* kMoreOnCheck =
    R"(Every page is in use once or free, never both; pages are what the ones above take them for; keys
ascend, inside pages and between the separators above; elements lie inside their page and apart; the
freelist has what the tree has not, once, and within the file; buckets have roots.

Each finding names the page, the bucket, and the path from the root to the page. One broken meta page
is only noted: a power failure leaves one, and the commit before counts. On a terminal a bar shows
how far the check is when it takes longer than two seconds.)";

constexpr const char* kMoreOnPage =
    R"(A key or value that is no text is shown in hexadecimal, and cut after 64 bytes without --full.)";

constexpr const char* kMoreOnStats =
    R"(OVERFLOW counts the pages that are continuations of others, BR.FILL and LF.FILL say how full branch
and leaf pages are, LONGEST is the longest value, INLINE the bytes of a bucket that lives in its
parent's page.)";

constexpr const char* kMoreOnDump =
    R"(One entry a line: bucket, key, value, with tabs between. What is no text is printed in hexadecimal
after 0x. On a broken file everything readable is printed, and the exit code is 1.)";

constexpr const char* kMoreOnConvert =
    R"(PATH is the data directory of a stopped socle-kv. Everything is copied into a new store beside the old
one, read back and compared; only then the directory is the new engine's, and socle-kv --backend=... takes
it. The old files stay: remove them, or move them away before you convert back.)";

constexpr const char* kMoreOnImport =
    R"(DIR is the data directory of a stopped etcd 3.4 to 3.7 that was alone in its cluster. Its database is verified and copied, and
the entries of its log that are not in the database yet are applied as etcd would at its next start: keys and their history,
leases, users and roles, alarms, the member's id. DIR is only read; the new directory appears when it is whole. Refused, with
what to do instead: several voters, damaged files (file, record and offset are named), keys of the v2 API, entries of a newer
etcd. server/MIGRATION.md, of the sources or of /usr/share/doc/socle, is the whole way, there and back.)";

constexpr const char* kMoreOnSnapshot =
    R"(Snapshots are etcd's: what save writes goes into etcdctl and etcdutl snapshot restore, and what theirs write goes into restore
here. Users, leases and alarms are part of it. server/MIGRATION.md, of the sources or of
/usr/share/doc/socle, has the whole way from and to etcd.)";

constexpr const char* kMoreOnSave =
    R"(Asks the server for a snapshot of this moment; it goes on serving meanwhile. FILE appears when it is whole and its digest was
verified; until then there is FILE.part, which goes when that fails. With authentication on, only a root user may.)";

constexpr const char* kMoreOnStatus =
    R"(Verifies the digest that a saved snapshot ends with (a copied member/snap/db has none) and the file's structure, then prints hash, revision, total keys (entries of all buckets) and total size as
etcdctl snapshot status does, so that the lines can be compared.)";

constexpr const char* kMoreOnRestore =
    R"(Makes the data directory of a new member that serves alone, for socle-kv; for the members of an etcd cluster give the same file
to etcdctl snapshot restore or etcdutl snapshot restore. With --bump-revision N --mark-compacted the store goes on N revisions
higher, and watches of what was before are told that it is gone: clients that saw a newer state than the
snapshot's notice. N is more than the writes that are lost.)";

constexpr const char* kMoreOnTop =
    R"(Needs a server that was started with --hot-prefixes=N. Rates are estimates from a sample of the calls, and speak of about the
last minute; so much as stands under +- may belong to another prefix. Where standard output is no terminal, tables follow
each other.)";

constexpr const char* kMoreOnQuota =
    R"(Needs a server that was started with --prefix-quota. USED is what keys and values of the newest revisions take, LIMIT what they
may; REFUSED counts writes since the start. A full prefix takes deletes, and puts that add nothing.
What a transaction deletes makes no room for what the same transaction puts.)";

constexpr const char* kMoreOnBackup =
    R"(DIR is what socle-kv --backup-dir=DIR writes: bases (snapshots, which etcdutl reads, too) and pieces of the log between
them. A server may be writing to it meanwhile. README.md, "Backups", and server/backup/DESIGN.md,
of the sources or of /usr/share/doc/socle, say more.)";

constexpr const char* kMoreOnBackupCheck =
    R"(Verifies every checksum, that no entry is missing, and every base; then rebuilds the store from each base to the next in
--scratch, and compares its HashKV with the one the server had, and leases, users and alarms with the next base. Each
finding names the file and the place.)";

constexpr const char* kMoreOnBackupRestore =
    R"(Makes a data directory: of the newest state, of a time (nothing that was written after it is in; what was written in the
last tenth of a second before it may be missing), or of the moment when a revision was made. Leases begin with their full
TTL. The restored store is another store: give it a backup directory of its own. With --bump-revision N --mark-compacted it goes
on N revisions higher, so that clients that saw what came later notice.)";

struct Flags {
  TopCommand top;
  QuotaCommand quota;
  BackupListCommand backup_list;
  BackupCheckCommand backup_check;
  BackupRestoreCommand backup_restore;
  ImportCommand import;
  SnapshotSaveCommand save;
  SnapshotStatusCommand status;
  SnapshotRestoreCommand restore;
  CheckOptions check;
  PagesOptions pages;
  PageOptions page;
  BucketsOptions buckets;
  StatsOptions stats;
  DumpOptions dump;
  ConvertCommand convert;
};

struct Words {
  const char* name;
  const char* about;  // one line
  const char* more;
};

CLI::App* AddCommand(CLI::App* db, const Words& words, std::string* path) {
  CLI::App* command = db->add_subcommand(words.name, words.about);
  command->footer(words.more);
  command->add_option("PATH", *path, "database file or data directory")->required();
  return command;
}

void AddDbCommands(CLI::App* db, Flags* flags) {
  AddCommand(db, {"check", "verify every page of the file, list all that is wrong", kMoreOnCheck},
             &flags->check.path)
      ->add_option("--limit", flags->check.limit, "findings to print; all are counted")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1'000'000}))
      ->capture_default_str();
  AddCommand(db, {"pages", "list all pages: what they are, how full; free ones as runs", kMoreOnDb},
             &flags->pages.path)
      ->add_option("--type", flags->pages.type, "only pages of this type")
      ->check(CLI::IsMember({"meta", "branch", "leaf", "freelist", "free", "broken"}));

  CLI::App* page =
      AddCommand(db, {"page", "show header and elements of pages", kMoreOnPage}, &flags->page.path);
  page->add_option("N", flags->page.pages, "page numbers")->required();
  page->add_flag("--hex", flags->page.hex, "the bytes of the page instead");
  page->add_flag("--full", flags->page.full, "keys and values whole");
  page->add_flag("--path", flags->page.way,
                 "also the bucket and the path from the root (walks the file)");

  AddCommand(db, {"buckets", "list the buckets; those inside others are indented", kMoreOnDb},
             &flags->buckets.path);
  AddCommand(
      db,
      {"stats", "show sizes, free space, meta pages, and the pages of each bucket", kMoreOnStats},
      &flags->stats.path);

  CLI::App* dump = AddCommand(db, {"dump", "print every entry", kMoreOnDump}, &flags->dump.path);
  dump->add_option("--bucket", flags->dump.bucket,
                   "only this bucket; A/B is bucket B inside bucket A; 0x... in hexadecimal");
  dump->add_flag("--keys-only", flags->dump.keys_only, "no values");
  CLI::Option* hex = dump->add_flag("--hex", flags->dump.hex, "keys and values in hexadecimal");
  dump->add_flag("--json", flags->dump.json, "one JSON object a line, keys and values in base64")
      ->excludes(hex);
  dump->add_flag("--decode-revisions", flags->dump.decode_revisions,
                 "entries of bucket `key` as what they mean: revision, put or delete, key, "
                 "value, create and mod revision, version, lease");

  CLI::App* convert = db->add_subcommand("convert", "give a data directory another storage engine");
  convert->footer(kMoreOnConvert);
  convert->add_option("PATH", flags->convert.path, "data directory")->required();
  convert->add_option("--to", flags->convert.to, "the engine")
      ->required()
      ->check(CLI::IsMember({"bolt", "lmdb", "rocksdb"}));
}

CLI::App* AddImportCommand(CLI::App* app, ImportCommand* import) {
  CLI::App* command =
      app->add_subcommand("import", "make a data directory of socle-kv out of a stopped etcd's");
  command->footer(kMoreOnImport);
  command->add_option("DIR", import->path, "data directory of etcd")->required();
  command->add_option("--data-dir", import->data_dir,
                      "the new directory; DIR.socle when not given");
  command->add_option("--wal-dir", import->wal_dir, "etcd's log, when it is not in DIR/member/wal");
  return command;
}

void AddBumpFlags(CLI::App* restore, int64_t* revisions, bool* mark_compacted) {
  restore->add_option("--bump-revision", *revisions, "revisions to leave out")
      ->check(CLI::Range(int64_t{1}, kBumpedRevisionMax - 1));
  restore->add_flag("--mark-compacted", *mark_compacted,
                    "everything up to the last revision left out is compacted");
}

CLI::App* AddSnapshotCommands(CLI::App* app, Flags* flags) {
  CLI::App* snapshot = app->add_subcommand("snapshot", "save, look at and restore snapshots");
  snapshot->require_subcommand(1);
  snapshot->footer(kMoreOnSnapshot);

  CLI::App* save = snapshot->add_subcommand("save", "save a snapshot of a running server");
  save->footer(kMoreOnSave);
  save->add_option("FILE", flags->save.path, "where to")->required();
  save->add_option("--endpoints,--endpoint", flags->save.endpoint,
                   "the server, one: HOST:PORT, https://HOST:PORT or unix://PATH")
      ->envname("ETCDCTL_ENDPOINTS")
      ->capture_default_str();
  AddAccessFlags(save, &flags->save.access, Environment::kEtcdctl);

  CLI::App* status = snapshot->add_subcommand("status", "verify a snapshot and say what is in it");
  status->footer(kMoreOnStatus);
  status->add_option("FILE", flags->status.path, "the snapshot")->required();
  status->add_option("-w,--write-out", flags->status.format, "how to print it")
      ->check(CLI::IsMember({"simple", "table", "json", "fields"}))
      ->capture_default_str();

  SnapshotRestoreCommand* options = &flags->restore;
  CLI::App* restore =
      snapshot->add_subcommand("restore", "make a data directory of socle-kv out of a snapshot");
  restore->footer(kMoreOnRestore);
  restore->add_option("FILE", options->path, "the snapshot")->required();
  restore->add_option("--data-dir", options->data_dir,
                      "the new directory; NAME.socle when not given");
  restore->add_option("--name", options->name, "of the member")->capture_default_str();
  restore->add_option("--initial-cluster", options->initial_cluster,
                      "NAME=URL, of this member only; more are refused");
  restore
      ->add_option("--initial-cluster-token", options->initial_cluster_token,
                   "part of what the member's id is made of")
      ->capture_default_str();
  restore
      ->add_option("--initial-advertise-peer-urls", options->initial_advertise_peer_urls,
                   "the other part of it")
      ->capture_default_str();
  restore->add_flag("--skip-hash-check", options->skip_hash_check,
                    "FILE has no digest at its end: it is a copied member/snap/db");
  AddBumpFlags(restore, &options->bump_revision, &options->mark_compacted);
  return snapshot;
}

CLI::App* AddTopCommand(CLI::App* app, TopCommand* top) {
  CLI::App* command =
      app->add_subcommand("top", "show the busiest key prefixes of a running server");
  command->footer(kMoreOnTop);
  command->add_option("--endpoint,--endpoints", top->endpoint, "the server: HOST:PORT, one")
      ->envname("ETCDCTL_ENDPOINTS")
      ->capture_default_str();
  command->add_option("-n", top->rows, "rows to show")
      ->check(CLI::Range(uint64_t{1}, uint64_t{4'000}))
      ->capture_default_str();
  command->add_option("--interval", top->interval_seconds, "seconds between two tables, such as 2s")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"ms", 0.001}, {"m", 60}},
                                CLI::AsNumberWithUnit::CASE_SENSITIVE, "TIME"))
      ->check(CLI::Range(0.1, 3'600.0))
      ->capture_default_str();
  command->add_flag("--once", top->once, "one table, then end");
  AddAccessFlags(command, &top->access, Environment::kEtcdctl);
  return command;
}

CLI::App* AddQuotaCommand(CLI::App* app, QuotaCommand* quota) {
  CLI::App* command = app->add_subcommand(
      "quota", "show how full the prefixes with quotas are on a running server");
  command->footer(kMoreOnQuota);
  command->add_option("--endpoint,--endpoints", quota->endpoint, "the server: HOST:PORT, one")
      ->envname("ETCDCTL_ENDPOINTS")
      ->capture_default_str();
  AddAccessFlags(command, &quota->access, Environment::kEtcdctl);
  return command;
}

CLI::App* AddBackupCommands(CLI::App* app, Flags* flags) {
  CLI::App* backup =
      app->add_subcommand("backup", "look at, prove and restore what --backup-dir keeps");
  backup->require_subcommand(1);
  backup->footer(kMoreOnBackup);

  CLI::App* list = backup->add_subcommand("list", "bases and pieces: entries, revisions, times");
  list->footer(kMoreOnBackup);
  list->add_option("DIR", flags->backup_list.path, "the backup")->required();

  BackupCheckCommand* check_options = &flags->backup_check;
  CLI::App* check = backup->add_subcommand("check", "prove that the backup can be restored");
  check->footer(kMoreOnBackupCheck);
  check->add_option("DIR", check_options->path, "the backup")->required();
  check->add_option(
      "--scratch", check_options->scratch,
      "a new directory for what is rebuilt, removed afterwards; in $TMPDIR or /tmp when not given");
  check->add_flag("--no-rebuild", check_options->without_rebuild, "checksums and order only");

  BackupRestoreCommand* options = &flags->backup_restore;
  CLI::App* restore =
      backup->add_subcommand("restore", "make a data directory of socle-kv out of the backup");
  restore->footer(kMoreOnBackupRestore);
  restore->add_option("DIR", options->path, "the backup")->required();
  restore->add_option("--data-dir", options->data_dir, "the new directory")->required();
  CLI::Option* time =
      restore->add_option("--to-time", options->to_time, "as of this time (RFC 3339)");
  restore
      ->add_option("--to-revision", options->to_revision, "as of the write that made this revision")
      ->check(CLI::Range(int64_t{1}, INT64_MAX))
      ->excludes(time);
  restore->add_option("--from-base", options->from_base,
                      "begin with this base; the newest that leads there when not given");
  AddBumpFlags(restore, &options->bump_revision, &options->mark_compacted);
  return backup;
}

int RunBackup(const CLI::App& backup, const Flags& flags, const Console& console) {
  if (backup.get_subcommand("list")->parsed()) {
    return BackupList(flags.backup_list, console);
  }
  return backup.get_subcommand("check")->parsed() ? BackupCheck(flags.backup_check, console)
                                                  : BackupRestore(flags.backup_restore, console);
}

int RunSnapshot(const CLI::App& snapshot, const Flags& flags, const Console& console) {
  if (snapshot.get_subcommand("save")->parsed()) {
    return SnapshotSave(flags.save, console);
  }
  return snapshot.get_subcommand("status")->parsed() ? SnapshotStatus(flags.status, console)
                                                     : SnapshotRestore(flags.restore, console);
}

int Run(const CLI::App& db, const Flags& flags, const Console& console) {
  const auto called = [&](const char* name) { return db.get_subcommand(name)->parsed(); };
  if (called("check")) {
    return DbCheck(flags.check, console);
  }
  if (called("pages")) {
    return DbPages(flags.pages, console);
  }
  if (called("page")) {
    return DbPage(flags.page, console);
  }
  if (called("buckets")) {
    return DbBuckets(flags.buckets, console);
  }
  if (called("convert")) {
    return DbConvert(flags.convert, console);
  }
  return called("stats") ? DbStats(flags.stats, console) : DbDump(flags.dump, console);
}

struct Commands {
  const CLI::App* db;
  const CLI::App* import;
  const CLI::App* snapshot;
  const CLI::App* top;
  const CLI::App* quota;
  const CLI::App* backup;
};

Commands AddCommands(CLI::App* app, Flags* flags) {
  app->require_subcommand(1);
  app->footer(kExamples);
  app->set_version_flag("--version", "soclectl " SOCLE_VERSION, "Print the version and exit");
  CLI::App* db = app->add_subcommand("db", kAboutDb);
  db->require_subcommand(1);
  db->footer(std::string(kMoreOnDb) + "\n\n" + kExamples);
  AddDbCommands(db, flags);
  const CLI::App* import = AddImportCommand(app, &flags->import);
  const CLI::App* snapshot = AddSnapshotCommands(app, flags);
  const CLI::App* top = AddTopCommand(app, &flags->top);
  const CLI::App* quota = AddQuotaCommand(app, &flags->quota);
  return {.db = db,
          .import = import,
          .snapshot = snapshot,
          .top = top,
          .quota = quota,
          .backup = AddBackupCommands(app, flags)};
}

// The first word that is no command where one has to be; empty: there is none.
std::string UnknownCommand(const CLI::App& app) {
  const CLI::App* deepest = &app;
  while (!deepest->get_subcommands().empty()) {
    deepest = deepest->get_subcommands().back();
  }
  const std::vector<std::string> words = deepest->remaining();
  const bool wants_command = deepest->get_require_subcommand_min() > 0;
  return wants_command && !words.empty() ? words.front() : std::string();
}

}  // namespace

int Soclectl(const std::vector<std::string>& arguments, const Console& console) {
  CLI::App app(kAbout, "soclectl");
  Flags flags;
  const Commands commands = AddCommands(&app, &flags);
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    const int code = app.exit(error, out, err);
    console.out(out.str());
    if (code == 0) {
      return kExitDone;
    }
    const std::string unknown = UnknownCommand(app);
    const std::string what =
        unknown.empty() ? error.what() : fmt::format("{} is not known here", unknown);
    console.Complain(what + "; soclectl --help, and --help behind a command, say more");
    return kExitNothing;
  }
  if (commands.import->parsed()) {
    return Import(flags.import, console);
  }
  if (commands.quota->parsed()) {
    return ShowQuota(flags.quota, console);
  }
  if (commands.top->parsed()) {
    return Top(flags.top, console);
  }
  if (commands.backup->parsed()) {
    return RunBackup(*commands.backup, flags, console);
  }
  return commands.snapshot->parsed() ? RunSnapshot(*commands.snapshot, flags, console)
                                     : Run(*commands.db, flags, console);
}

void ShowCommandLine(const std::function<void(const CLI::App&)>& show) {
  CLI::App app(kAbout, "soclectl");
  Flags flags;
  AddCommands(&app, &flags);
  show(app);
}

}  // namespace socle::server
