// soclectl in a process: what its commands print and return, on whole files and on damaged ones.
#include "server/cmd/soclectl.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <absl/strings/str_split.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/tree.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "mvcc/record.h"
#include "mvcc/revision.h"
#include "server/cmd/soclectl_progress.h"

namespace socle::server {
namespace {

using kv::bolt::Load;
using kv::bolt::MetaBytes;
using kv::bolt::Store;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr uint64_t kPage = 1024;
const char* const kPath = "/d/db";

std::string RevisionOf(int64_t main, bool is_tombstone = false) {
  return std::string(mvcc::RevisionKey({.main = main, .sub = 0}, is_tombstone).view());
}

std::string RecordOf(const mvcc::KeyValueView& kv) {
  std::string bytes;
  AppendRecord(kv, &bytes);
  return bytes;
}

// A small file with everything in it: a tree of two levels, an overflow page, inline buckets, a freelist page.
std::string MakeFile() {
  FaultEnv env(1);
  EXPECT_OK(env.CreateDirs("/d"));
  {
    kv::BoltOptions options{.sync_freelist = true, .page_size = kPage};
    options.map_size_bytes = uint64_t{64} << 20U;
    const auto engine = kv::OpenBolt(&env, kPath, options);
    EXPECT_OK(engine);
    const auto first = (*engine)->BeginWrite();
    for (const char* bucket : {"alarm", "key", "meta", "wide"}) {
      EXPECT_OK((*first)->CreateBucket(bucket));
    }
    EXPECT_OK((*first)->Put("key", RevisionOf(2),
                            RecordOf({.key = "color",
                                      .create_revision = 2,
                                      .mod_revision = 2,
                                      .version = 1,
                                      .value = "blue"})));
    EXPECT_OK((*first)->Put("key", RevisionOf(3, true), RecordOf({.key = "color"})));
    EXPECT_OK((*first)->Put("key", RevisionOf(4), "no record"));
    EXPECT_OK((*first)->Put("meta", "tab\there", std::string("\0\xFF", 2)));
    EXPECT_OK((*first)->Put("meta", "quote\"", "back\\slash"));
    for (int i = 0; i < 40; ++i) {
      EXPECT_OK((*first)->Put("wide", "key" + std::to_string(100 + i), std::string(30, 'v')));
    }
    EXPECT_OK((*first)->Commit());
    const auto second = (*engine)->BeginWrite();
    EXPECT_OK((*second)->Put("wide", "large", std::string(1500, 'L')));
    EXPECT_OK((*second)->Commit());
  }
  std::string file = *env.Contents(kPath);
  return file;
}

const std::string& WholeFile() {
  static const std::string file = MakeFile();
  return file;
}

MetaBytes NewestMeta(const std::string& file) {
  const auto first = Load<MetaBytes>(file.data() + kv::bolt::kHeaderBytes);
  const auto second = Load<MetaBytes>(file.data() + kPage + kv::bolt::kHeaderBytes);
  return first.txid > second.txid ? first : second;
}

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

// Runs one command over the file `bytes`.
class Bench {
 public:
  explicit Bench(const std::string& bytes) : env_(1) {
    EXPECT_OK(env_.CreateDirs("/d/member/snap"));
    env_.SetContents(kPath, bytes);
  }

  Outcome Run(const std::string& line) {
    Outcome outcome;
    const Console console{.env = &env_,
                          .clock = &clock_,
                          .out = [&](std::string_view text) { outcome.out.append(text); },
                          .err = [&](std::string_view text) { outcome.err.append(text); },
                          .err_is_terminal = false};
    outcome.code =
        Soclectl(std::vector<std::string>(absl::StrSplit(line, ' ', absl::SkipEmpty())), console);
    return outcome;
  }

  FaultEnv* env() { return &env_; }

 private:
  FaultEnv env_;
  ManualClock clock_;
};

TEST(Soclectl, SaysWhatIsWrongWithItsArguments) {
  Bench bench(WholeFile());
  for (const char* line :
       {"", "db", "db check", "db page /d/db", "db page /d/db x", "db frobnicate",
        "db check /d/db --limit 0", "db dump /d/db --hex --json", "db pages /d/db --type blue"}) {
    SCOPED_TRACE(line);
    const Outcome outcome = bench.Run(line);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.out, IsEmpty());
    EXPECT_THAT(outcome.err, AllOf(StartsWith("soclectl: "), HasSubstr("--help")));
  }
}

TEST(Soclectl, ExplainsEveryCommand) {
  Bench bench(WholeFile());
  for (const char* line :
       {"--help", "db --help", "db check --help", "db pages --help", "db page --help",
        "db buckets --help", "db stats --help", "db dump --help"}) {
    SCOPED_TRACE(line);
    const Outcome outcome = bench.Run(line);
    EXPECT_EQ(outcome.code, 0);
    EXPECT_GT(outcome.out.size(), 200);
    EXPECT_THAT(outcome.err, IsEmpty());
  }
}

TEST(Soclectl, FindsAWholeFileClean) {
  Bench bench(WholeFile());
  const Outcome outcome = bench.Run("db check /d/db");
  EXPECT_EQ(outcome.code, 0) << outcome.out << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("/d/db: clean: "));
  EXPECT_THAT(outcome.out, EndsWith("4 buckets, 46 keys\n"));
  EXPECT_THAT(outcome.err, IsEmpty());
}

TEST(Soclectl, TakesADataDirectoryForTheFileInIt) {
  Bench bench(WholeFile());
  bench.env()->SetContents("/d/member/snap/db", WholeFile());
  EXPECT_THAT(bench.Run("db check /d").out, StartsWith("/d/member/snap/db: clean: "));
  EXPECT_OK(bench.env()->CreateDirs("/empty"));
  const Outcome outcome = bench.Run("db check /empty");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("directory without member/snap/db"));
}

TEST(Soclectl, LooksAtNothingThatIsMissingOrInUseOrForeign) {
  Bench bench(WholeFile());
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
  Bench bench(WholeFile());
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
  Bench bench(WholeFile());
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
  Bench bench(WholeFile());
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
  Bench bench(WholeFile());
  const Outcome bucket = bench.Run("db dump /d/db --bucket key/none");
  EXPECT_EQ(bucket.code, 2);
  EXPECT_THAT(bucket.err, HasSubstr("there is no bucket key/none"));
  const Outcome page = bench.Run("db page /d/db 100000");
  EXPECT_EQ(page.code, 2);
  EXPECT_THAT(page.err, HasSubstr("there is no page 100000: the file has pages 0 to "));
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

struct Damage {
  const char* name;
  void (*inflict)(std::string* file);
  int code;
  std::vector<std::string> texts;
};

// The root page of bucket wide, a branch.
uint64_t Branch(const std::string& file) {
  const MetaBytes meta = NewestMeta(file);
  const std::string path = kPath;
  const kv::bolt::PageReader reader(file.data(), kPage, PageId{meta.high_water}, &path);
  kv::bolt::BucketRoot bucket;
  bool found = false;
  EXPECT_OK(FindBucket(reader, PageId{meta.root}, "wide", &bucket, &found));
  EXPECT_TRUE(found);
  return Raw(bucket.root);
}

char* At(std::string* file, uint64_t page, uint64_t offset) {
  return file->data() + page * kPage + offset;
}

// Offset of the child field of a branch element.
uint64_t ChildField(uint32_t element) {
  return kv::bolt::kHeaderBytes + element * kv::bolt::kElementBytes + 8;
}

void RewriteMeta(std::string* file, void (*change)(MetaBytes* meta)) {
  for (uint64_t page = 0; page < 2; ++page) {
    char* at = At(file, page, kv::bolt::kHeaderBytes);
    auto meta = Load<MetaBytes>(at);
    change(&meta);
    Store(meta, at);
    meta.checksum = kv::bolt::Fnv1a({at, offsetof(MetaBytes, checksum)});
    Store(meta, at);
  }
}

std::vector<Damage> Damages() {
  return {
      {"both meta pages",
       [](std::string* f) { *At(f, 0, 40) ^= 1, *At(f, 1, 40) ^= 1; },
       1,
       {"both meta pages are broken", "page 0: checksum", "page 1: checksum"}},
      {"one meta page",
       [](std::string* f) { *At(f, 1 - NewestMeta(*f).txid % 2, 40) ^= 1; },
       0,
       {": note: page ", "checksum", ": clean: "}},
      {"header of a meta page",
       [](std::string* f) { *At(f, 1, 8) ^= 3; },
       1,
       {"page 1: meta page has header id 1, flags 0x7"}},
      {"cut short", [](std::string* f) { f->resize(f->size() / 2); }, 1, {"truncated to "}},
      {"root out of the file",
       [](std::string* f) { RewriteMeta(f, [](MetaBytes* m) { m->root = 4711; }); },
       1,
       {"meta has root page 4711"}},
      {"page id",
       [](std::string* f) { *At(f, Branch(*f), 0) ^= 64; },
       1,
       {"header has id ", "(bucket wide, path ", "may belong below a broken page"}},
      {"page flags", [](std::string* f) { *At(f, Branch(*f), 8) = 4; }, 1, {"flags 0x4"}},
      {"child twice",
       [](std::string* f) {
         const uint64_t branch = Branch(*f);
         Store(Load<uint64_t>(At(f, branch, ChildField(0))), At(f, branch, ChildField(1)));
       },
       1,
       {"is referenced twice (bucket wide, path ", "is neither free nor reachable"}},
      {"child is an ancestor",
       [](std::string* f) {
         const uint64_t branch = Branch(*f);
         Store(branch, At(f, branch, ChildField(0)));
       },
       1,
       {"is referenced twice (bucket wide, path "}},
      {"child out of the file",
       [](std::string* f) { Store(uint64_t{999}, At(f, Branch(*f), ChildField(0))); },
       1,
       {"page 999: is referenced but lies outside of [2, "}},
      {"key order",
       [](std::string* f) {
         const uint64_t leaf = Load<uint64_t>(At(f, Branch(*f), ChildField(0)));
         const size_t second = f->find("key101", leaf * kPage);
         (*f)[second + 5] = '0';
       },
       1,
       {"key 1 is not above key 0 (bucket wide, path "}},
      {"key below its separator",
       [](std::string* f) {
         const uint64_t leaf = Load<uint64_t>(At(f, Branch(*f), ChildField(1)));
         (*f)[f->find("key1", leaf * kPage)] = 'a';
       },
       1,
       {"first key is below the separator"}},
      {"element out of its page",
       [](std::string* f) {
         const uint64_t leaf = Load<uint64_t>(At(f, Branch(*f), ChildField(0)));
         *At(f, leaf, kv::bolt::kHeaderBytes + 14) = 1;
       },
       1,
       {"element 0 reaches out of the page"}},
      {"elements overlap",
       [](std::string* f) {
         const uint64_t leaf = Load<uint64_t>(At(f, Branch(*f), ChildField(0)));
         *At(f, leaf, kv::bolt::kHeaderBytes + 13) = 2;
       },
       1,
       {"elements overlap: they need "}},
      {"unknown flag of an element",
       [](std::string* f) {
         const uint64_t leaf = Load<uint64_t>(At(f, Branch(*f), ChildField(0)));
         *At(f, leaf, kv::bolt::kHeaderBytes) = 2;
       },
       1,
       {"element 0 has flags 0x2"}},
      {"a bucket inside an inline bucket",
       [](std::string* f) {
         // Bucket meta is inline: its first element becomes a bucket.
         const size_t root = NewestMeta(*f).root * kPage;
         const size_t value = f->find("meta", root) + 4 + sizeof(kv::bolt::BucketHeader);
         (*f)[value + kv::bolt::kHeaderBytes] = 1;
       },
       1,
       {"inline bucket holds a bucket (element 0) (bucket meta, path "}},
      {"a free page in use",
       [](std::string* f) {
         const uint64_t freelist = NewestMeta(*f).freelist;
         Store(NewestMeta(*f).root, At(f, freelist, kv::bolt::kHeaderBytes));
       },
       1,
       {"is free and reachable at the same time", "is neither free nor reachable"}},
      {"a page free twice",
       [](std::string* f) {
         const uint64_t freelist = NewestMeta(*f).freelist;
         Store(Load<uint64_t>(At(f, freelist, 16)), At(f, freelist, 24));
       },
       1,
       {"is in the freelist twice (page ", "is neither free nor reachable"}},
      {"a free page out of the file",
       [](std::string* f) { Store(uint64_t{1} << 40U, At(f, NewestMeta(*f).freelist, 16)); },
       1,
       {"freelist has page 1099511627776 at place 0, outside of [2, "}},
      {"freelist too long for its page",
       [](std::string* f) { Store(uint16_t{5000}, At(f, NewestMeta(*f).freelist, 10)); },
       1,
       {"freelist of 5000 ids does not fit 1024 bytes"}},
      {"freelist is a leaf",
       [](std::string* f) { *At(f, NewestMeta(*f).freelist, 8) = 2; },
       1,
       {"flags 0x2"}},
  };
}

TEST(Soclectl, NamesTheDamageAndThePage) {
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.name);
    std::string file = WholeFile();
    damage.inflict(&file);
    Bench bench(file);
    const Outcome outcome = bench.Run("db check /d/db");
    EXPECT_EQ(outcome.code, damage.code);
    for (const std::string& text : damage.texts) {
      EXPECT_THAT(outcome.out + outcome.err, HasSubstr(text));
    }
    EXPECT_THAT(outcome.out + outcome.err, HasSubstr("/d/db: "));
    EXPECT_TRUE(*bench.env()->Contents(kPath) == file) << "the file was changed";
    // Looking at it does not fail worse than the check does.
    for (const char* line : {"db pages /d/db", "db buckets /d/db", "db stats /d/db",
                             "db dump /d/db", "db page /d/db 2 3 4 --path"}) {
      SCOPED_TRACE(line);
      EXPECT_LE(bench.Run(line).code, 2);
    }
  }
}

TEST(Soclectl, ListsFindingsUpToTheLimitAndCountsTheRest) {
  std::string file = WholeFile();
  const uint64_t leaf = Load<uint64_t>(At(&file, Branch(file), ChildField(0)));
  for (const uint64_t page : {leaf, Branch(file)}) {
    *At(&file, page, 8) = 4;
  }
  Store(uint64_t{1} << 40U, At(&file, NewestMeta(file).freelist, 16));
  Bench bench(file);
  EXPECT_THAT(bench.Run("db check /d/db").out, Not(HasSubstr("not shown")));
  const std::string out = bench.Run("db check /d/db --limit 1").out;
  EXPECT_THAT(out, HasSubstr("findings ("));
  EXPECT_THAT(out, HasSubstr(" not shown, see --limit)"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
}

// Every byte of the file in turn. What the check calls clean must be readable whole by every command.
TEST(SoclectlFlips, OfAnyByteAreFoundOrHarmless) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  std::string file = WholeFile();
  file.resize(NewestMeta(file).high_water * kPage);
  uint64_t found = 0;
  Bench bench(file);
  for (uint64_t offset = 0; offset < file.size(); ++offset) {
    SCOPED_TRACE(offset);
    const char whole = file[offset];
    file[offset] = static_cast<char>(whole ^ static_cast<char>(random.Below(255) + 1));
    bench.env()->SetContents(kPath, file);
    const Outcome check = bench.Run("db check /d/db");
    ASSERT_LE(check.code, 2);
    found += check.code != 0 ? 1 : 0;
    if (check.code == 0 || random.OneIn(8)) {
      const bool all_good = bench.Run("db dump /d/db --decode-revisions").code == 0;
      ASSERT_TRUE(check.code != 0 || all_good) << "clean, but not readable";
    }
    if (random.OneIn(16)) {
      for (const char* line :
           {"db pages /d/db", "db buckets /d/db", "db stats /d/db",
            "db page /d/db 0 1 2 3 4 5 6 7 8 9 --path", "db dump /d/db --bucket wide --json"}) {
        SCOPED_TRACE(line);
        ASSERT_LE(bench.Run(line).code, 2);
      }
    }
    file[offset] = whole;
  }
  // Headers, elements, separators and the freelist are a good part of it.
  EXPECT_GT(found, file.size() / 20);
}

}  // namespace
}  // namespace socle::server
