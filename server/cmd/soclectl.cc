#include "server/cmd/soclectl.h"

#include <algorithm>
#include <memory>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>

#include "server/cmd/soclectl_db.h"

namespace socle::server {
namespace {

constexpr const char* kAbout = R"(soclectl: looks after the data files of socle-kv and etcd.

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
  soclectl db page backup.db 17 --path                 what is on page 17, and who points there)";

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

struct Flags {
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

}  // namespace

int Soclectl(const std::vector<std::string>& arguments, const Console& console) {
  CLI::App app(kAbout, "soclectl");
  app.require_subcommand(1);
  app.footer(kExamples);
  CLI::App* db = app.add_subcommand("db", kAboutDb);
  db->require_subcommand(1);
  db->footer(std::string(kMoreOnDb) + "\n\n" + kExamples);
  Flags flags;
  AddDbCommands(db, &flags);
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
    std::string what = error.what();
    console.Complain(what + "; soclectl --help and soclectl db COMMAND --help say more");
    return kExitNothing;
  }
  return Run(*db, flags, console);
}

}  // namespace socle::server
