// soclectl in a process: what its commands print and return.
#include "server/cmd/soclectl.h"

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/page.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/status_matchers.h"
#include "server/cmd/soclectl_progress.h"
#include "server/cmd/testing/soclectl_bench.h"

namespace socle::server {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(Soclectl, SaysWhatIsWrongWithItsArguments) {
  SoclectlBench bench(WholeFile());
  for (const char* line :
       {"", "db", "db check", "db page /d/db", "db page /d/db x", "db frobnicate",
        "db check /d/db --limit 0", "db dump /d/db --hex --json", "db pages /d/db --type blue",
        "import", "snapshot", "snapshot save", "snapshot status /d/db -w yaml", "snapshot restore",
        "top --interval soon", "top -n 0"}) {
    SCOPED_TRACE(line);
    const Outcome outcome = bench.Run(line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, AllOf(StartsWith("soclectl: "), HasSubstr("--help")));
  }
}

TEST(Soclectl, NamesTheWordThatItDoesNotKnowAndTheBoundThatIsExceeded) {
  SoclectlBench bench(WholeFile());

  struct Case {
    const char* line;
    const char* says;
  };

  const Case cases[] = {
      {"bogus", "soclectl: bogus is not known here; soclectl --help"},
      {"db frobnicate", "frobnicate is not known here"},
      {"--frobnicate", "--frobnicate is not known here"},
      {"db", "A subcommand is required"},
      {"backup restore /d --data-dir /e --to-revision 0",
       "--to-revision: Value 0 not in range 1 to 9223372036854775807;"},
      {"backup restore /d --data-dir /e --bump-revision -5 --mark-compacted",
       "--bump-revision: Value -5 not in range 1 to 4611686018427387902;"},
      {"snapshot restore /d/db --bump-revision -5 --mark-compacted",
       "--bump-revision: Value -5 not in range 1 to 4611686018427387902;"},
      {"snapshot restore /d/db --bump-revision 9223372036854775807 --mark-compacted",
       "--bump-revision: Value 9223372036854775807 not in range 1 to 4611686018427387902;"},
  };
  for (const Case& row : cases) {
    SCOPED_TRACE(row.line);
    const Outcome outcome = bench.Run(row.line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr(row.says));
  }
}

TEST(Soclectl, SaysThatADirectoryIsOursAlready) {
  SoclectlBench bench(WholeFile());
  bench.env()->SetContents("/s/member/snap/db", WholeFile());
  ASSERT_OK(bench.env()->CreateDirs("/s/member/socle-wal"));
  const Outcome outcome = bench.Run("import /s");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("/s: is a data directory of socle-kv already"));
}

TEST(Soclectl, ExplainsEveryCommand) {
  SoclectlBench bench(WholeFile());
  for (const char* line :
       {"--help", "db --help", "db check --help", "db pages --help", "db page --help",
        "db buckets --help", "db stats --help", "db dump --help", "db convert --help",
        "import --help", "snapshot --help", "snapshot save --help", "snapshot status --help",
        "snapshot restore --help", "top --help", "quota --help"}) {
    SCOPED_TRACE(line);
    const Outcome outcome = bench.Run(line);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_GT(outcome.out.size(), 200);
    EXPECT_THAT(outcome.err, IsEmpty());
  }
}

TEST(Soclectl, FindsAWholeFileClean) {
  SoclectlBench bench(WholeFile());
  const Outcome outcome = bench.Run("db check /d/db");
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("/d/db: clean: "));
  EXPECT_THAT(outcome.out, EndsWith("4 buckets, 46 keys\n"));
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(Soclectl, TakesADataDirectoryForTheFileInIt) {
  SoclectlBench bench(WholeFile());
  bench.env()->SetContents("/d/member/snap/db", WholeFile());
  EXPECT_THAT(bench.Run("db check /d").out, StartsWith("/d/member/snap/db: clean: "));
  EXPECT_OK(bench.env()->CreateDirs("/empty"));
  const Outcome outcome = bench.Run("db check /empty");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("directory without member/snap/db"));
}

TEST(Soclectl, LooksAtNothingThatIsMissingOrInUseOrForeign) {
  SoclectlBench bench(WholeFile());
  const Outcome missing = bench.Run("db check /d/other");
  EXPECT_EQ(missing.code, 2);
  EXPECT_THAT(missing.err, HasSubstr("/d/other"));
  EXPECT_FALSE(bench.env()->Contents("/d/other").has_value()) << "looking made a file";

  bench.env()->SetContents("/d/text", std::string(9000, 'x'));
  const Outcome foreign = bench.Run("db stats /d/text");
  EXPECT_EQ(foreign.code, 2);
  EXPECT_THAT(foreign.err, HasSubstr("not a bbolt file"));

  const auto lock = bench.env()->Lock(kPath);
  ASSERT_OK(lock);
  for (const char* command : {"check", "pages", "page", "buckets", "stats", "dump"}) {
    SCOPED_TRACE(command);
    const std::string line = std::string("db ") + command + " /d/db";
    const Outcome in_use = bench.Run(command == std::string("page") ? line + " 2" : line);
    EXPECT_EQ(in_use.code, 2);
    EXPECT_THAT(in_use.out, IsEmpty());
    EXPECT_THAT(in_use.err, HasSubstr("stop it first"));
  }
}

TEST(Soclectl, ChangesNothingAndLetsOthersLookToo) {
  SoclectlBench bench(WholeFile());
  const auto other = bench.env()->LockShared(kPath);
  ASSERT_OK(other);
  const uint64_t changes = bench.env()->mutating_calls();
  for (const char* line :
       {"db check /d/db", "db pages /d/db", "db page /d/db 0 1 2 3 --path", "db buckets /d/db",
        "db stats /d/db", "db dump /d/db", "db page /d/db 4 --hex"}) {
    SCOPED_TRACE(line);
    EXPECT_EQ(bench.Run(line).code, 0) << bench.Run(line).err;
  }
  EXPECT_EQ(bench.env()->mutating_calls(), changes);
  EXPECT_TRUE(*bench.env()->Contents(kPath) == WholeFile());
}

TEST(Soclectl, DumpsWhatIsTextAsTextAndTheRestInHexadecimal) {
  SoclectlBench bench(WholeFile());
  const Outcome outcome = bench.Run("db dump /d/db --bucket meta");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_EQ(outcome.out,
            "meta\tquote\"\tback\\slash\n"
            "meta\t0x7461620968657265\t0x00ff\n");
  EXPECT_EQ(bench.Run("db dump /d/db --bucket meta --keys-only --hex").out,
            "meta\t0x71756f746522\n"
            "meta\t0x7461620968657265\n");
  EXPECT_EQ(bench.Run("db dump /d/db --bucket meta --json").out,
            "{\"bucket\":\"meta\",\"key\":\"cXVvdGUi\",\"value\":\"YmFja1xzbGFzaA==\"}\n"
            "{\"bucket\":\"meta\",\"key\":\"dGFiCWhlcmU=\",\"value\":\"AP8=\"}\n");
  EXPECT_EQ(bench.Run("db dump /d/db --bucket 0x6d657461").out, outcome.out);
}

TEST(Soclectl, DecodesRevisionsAndShowsWhatIsNoneAsItIs) {
  SoclectlBench bench(WholeFile());
  EXPECT_EQ(bench.Run("db dump /d/db --bucket key --decode-revisions").out,
            "key\t2/0\tput\tcolor\tblue\tcreate=2 mod=2 version=1 lease=0\n"
            "key\t3/0\tdelete\tcolor\n"
            "key\t0x00000000000000045f0000000000000000\tno record\n");
  EXPECT_THAT(
      bench.Run("db dump /d/db --bucket key --decode-revisions --json").out,
      HasSubstr("{\"bucket\":\"key\",\"main\":2,\"sub\":0,\"type\":\"put\",\"key\":\"Y29sb3I=\","
                "\"value\":\"Ymx1ZQ==\",\"create_revision\":2,\"mod_revision\":2,\"version\":1,"
                "\"lease\":0}\n"));
}

TEST(Soclectl, NamesAMissingBucketOrPage) {
  SoclectlBench bench(WholeFile());
  const Outcome bucket = bench.Run("db dump /d/db --bucket key/none");
  EXPECT_EQ(bucket.code, 2);
  EXPECT_THAT(bucket.err, HasSubstr("there is no bucket key/none"));
  const Outcome page = bench.Run("db page /d/db 100000");
  EXPECT_EQ(page.code, 2);
  EXPECT_THAT(page.err, HasSubstr("there is no page 100000: the file has pages 0 to "));
}

TEST(Soclectl, ImportsAndRestoresNothingWithoutKnowingWhatFor) {
  SoclectlBench bench(WholeFile());

  struct Case {
    const char* line;
    const char* says;
  };

  const Case cases[] = {
      {"import /d", "is no data directory of etcd: there is no /d/member/snap/db"},
      {"snapshot restore /d/db", "snapshot missing hash but --skip-hash-check=false"},
      {"snapshot restore /d/db --bump-revision 5",
       "--bump-revision and --mark-compacted go together"},
      {"snapshot restore /d/db --mark-compacted",
       "--bump-revision and --mark-compacted go together"},
      {"snapshot restore /d/db --initial-cluster a=http://x:1,b=http://y:1 --name a",
       "b=http://y:1 is not member a: socle-kv serves alone; etcd's own restore"},
      {"snapshot restore /d/db --initial-cluster default=http://x:1",
       "must give default the URLs of --initial-advertise-peer-urls (http://localhost:2380)"},
      {"snapshot save /d/s.db --cacert /d/none.pem", "authorities /d/none.pem: No such file"},
      {"snapshot save /d/s.db --insecure-transport=false --cert /d/c", "--cert without --key"},
      {"snapshot save /d/s.db --endpoints ftp://127.0.0.1:1", "unknown scheme \"ftp\""},
      {"snapshot save /d/s.db --endpoint 127.0.0.1:1,127.0.0.1:2", "one is wanted here"},
      {"snapshot save /d/s.db --user root", "--user NAME without a password"},
      {"snapshot status /d/none", "/d/none"},
  };
  const uint64_t changes = bench.env()->mutating_calls();
  for (const Case& row : cases) {
    SCOPED_TRACE(row.line);
    const Outcome outcome = bench.Run(row.line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, HasSubstr(row.says));
  }
  EXPECT_EQ(bench.env()->mutating_calls(), changes);
}

TEST(Soclectl, PrintsTheStatusOfASnapshotInFourWays) {
  SoclectlBench bench(WholeFile());
  const std::string simple = bench.Run("snapshot status /d/db").out;
  EXPECT_THAT(simple, HasSubstr(", 4, 46, 14 kB\n"));
  const std::string hash = simple.substr(0, simple.find(','));
  EXPECT_THAT(bench.Run("snapshot status /d/db -w table").out,
              HasSubstr("| " + hash + " |        4 |         46 |      14 kB |\n+"));
  EXPECT_THAT(bench.Run("snapshot status /d/db -w json").out,
              HasSubstr(R"(,"revision":4,"totalKey":46,"totalSize":)"));
  EXPECT_THAT(bench.Run("snapshot status /d/db -w fields").out, HasSubstr("\"Keys\" : 46\n"));
}

// Two minutes pass between any two looks at this clock.
class LeapingClock final : public Clock {
 public:
  int64_t WallNanos() override { return MonotonicNanos(); }

  int64_t MonotonicNanos() override { return now_ += 120 * kNanosPerSecond; }

  void SleepFor(int64_t /*nanos*/) override {}

 private:
  int64_t now_ = 0;
};

std::string DrawnFor(Clock* clock, bool is_terminal, int pages) {
  std::string drawn;
  const Console console{.env = nullptr,
                        .clock = clock,
                        .out = nullptr,
                        .err = [&](std::string_view text) { drawn.append(text); },
                        .err_is_terminal = is_terminal};
  const std::string path = kPath;
  const std::string& file = WholeFile();
  const kv::bolt::PageReader reader(file.data(), kPage, PageId{1000}, &path);
  kv::bolt::PageView page;
  EXPECT_OK(reader.Read(PageId{NewestMeta(file).root}, &page));
  {
    Progress progress(&console, reader, nullptr);
    for (int i = 0; i < pages; ++i) {
      progress.Page(page, {});
    }
  }
  return drawn;
}

TEST(SoclectlProgress, IsDrawnOnATerminalWhenItTakesLongAndWipedAtTheEnd) {
  LeapingClock leaping;
  EXPECT_THAT(DrawnFor(&leaping, true, 200),
              AllOf(StartsWith("\r[#....."), HasSubstr("64 of at most 1000 pages, 120 s"),
                    EndsWith("\r\033[K")));
  EXPECT_THAT(DrawnFor(&leaping, false, 1000), IsEmpty());
  ManualClock standing;
  EXPECT_THAT(DrawnFor(&standing, true, 1000), IsEmpty());
}

}  // namespace
}  // namespace socle::server
