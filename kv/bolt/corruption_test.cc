// Broken files: refused with the page named and left alone, or noticed when used; never a crash.
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/check.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kPage = 4096;
const char* const kPath = "/d/db";

// A file with a tree of three levels, inline buckets, large values and free pages.
std::string MakeFile(const BoltOptions& options) {
  FaultEnv env(1);
  EXPECT_OK(env.CreateDirs("/d"));
  {
    const auto engine = OpenBolt(&env, kPath, options);
    EXPECT_OK(engine);
    for (int round = 0; round < 4; ++round) {
      const auto txn = (*engine)->BeginWrite();
      for (const char* bucket : {"alarm", "key", "meta"}) {
        EXPECT_OK((*txn)->CreateBucket(bucket));
        EXPECT_OK((*txn)->Put(bucket, "only", "one"));
      }
      for (int i = round; i < 400; i += 4) {
        const std::string value(i % 50 == 0 ? 9000 : 200, 'v');
        EXPECT_OK((*txn)->Put("key", std::string(100, 'k') + std::to_string(1000 + i), value));
      }
      EXPECT_OK((*txn)->Commit());
    }
  }
  return *env.Contents(kPath);
}

// Opens the file and uses it in every way; an error is fine, a crash is not.
absl::Status UseAll(FaultEnv* env, const BoltOptions& options) {
  ASSIGN_OR_RETURN(const auto engine, OpenBolt(env, kPath, options));
  RETURN_IF_ERROR(engine->Check());
  ASSIGN_OR_RETURN(const auto reader, engine->BeginRead());
  Dump(*reader);
  return absl::OkStatus();
}

void UseBlindly(FaultEnv* env, const BoltOptions& options) {
  const auto engine = OpenBolt(env, kPath, options);
  if (!engine.ok()) {
    return;
  }
  {
    const auto reader = (*engine)->BeginRead();
    for (const char* bucket : {"alarm", "key", "meta"}) {
      (*reader)->Get(bucket, "only").status().IgnoreError();
      const auto cursor = (*reader)->NewCursor(bucket);
      if (!cursor.ok()) {
        continue;
      }
      for ((*cursor)->SeekToFirst(); (*cursor)->Valid(); (*cursor)->Next()) {
      }
      for ((*cursor)->SeekToLast(); (*cursor)->Valid(); (*cursor)->Prev()) {
      }
      (*cursor)->Seek("kk");
    }
  }
  const auto txn = (*engine)->BeginWrite();
  ASSERT_OK(txn);
  for (int i = 0; i < 400; i += 3) {
    const std::string key = std::string(100, 'k') + std::to_string(1000 + i);
    const absl::Status status =
        i % 2 == 0 ? (*txn)->Delete("key", key) : (*txn)->Put("key", key, std::string(300, 'w'));
    status.IgnoreError();
  }
  (*txn)->DeleteBucket("alarm").IgnoreError();
  (*txn)->Put("meta", "other", std::string(2000, 'x')).IgnoreError();
  (*txn)->DeleteBucket("key").IgnoreError();
  (*txn)->Commit().IgnoreError();
}

// The newest valid meta of a whole file.
bolt::MetaBytes NewestMeta(const std::string& file) {
  const auto first = bolt::Load<bolt::MetaBytes>(file.data() + bolt::kHeaderBytes);
  const auto second = bolt::Load<bolt::MetaBytes>(file.data() + kPage + bolt::kHeaderBytes);
  return first.txid > second.txid ? first : second;
}

struct Damage {
  const char* name;
  void (*inflict)(std::string* file);
  absl::StatusCode code;
  const char* message;
};

void FlipBothMetas(std::string* file, size_t offset) {
  (*file)[offset] = static_cast<char>((*file)[offset] ^ 0x40);
  (*file)[kPage + offset] = static_cast<char>((*file)[kPage + offset] ^ 0x40);
}

uint64_t RootOf(const std::string& file) {
  return NewestMeta(file).root;
}

TEST(BoltCorruption, IsRefusedAtOpenAndLeavesTheFileAlone) {
  const std::vector<Damage> damages = {
      {"not a bolt file", [](std::string* f) { f->assign(20000, 'x'); },
       absl::StatusCode::kInvalidArgument, "not a bbolt file"},
      {"text", [](std::string* f) { *f = "hello"; }, absl::StatusCode::kInvalidArgument,
       "not a bbolt file"},
      {"magic of both", [](std::string* f) { FlipBothMetas(f, 16); },
       absl::StatusCode::kInvalidArgument, "magic"},
      {"version of both", [](std::string* f) { FlipBothMetas(f, 20); },
       absl::StatusCode::kInvalidArgument, "version 66"},
      {"checksum of both", [](std::string* f) { FlipBothMetas(f, 40); },
       absl::StatusCode::kDataLoss, "page 0: checksum"},
      {"truncated", [](std::string* f) { f->resize(NewestMeta(*f).high_water * kPage - 1); },
       absl::StatusCode::kDataLoss, "truncated"},
      {"truncated to the metas", [](std::string* f) { f->resize(2 * kPage); },
       absl::StatusCode::kDataLoss, "truncated"},
      {"root page id", [](std::string* f) { (*f)[RootOf(*f) * kPage] ^= 1; },
       absl::StatusCode::kDataLoss, "page "},
      {"root page flags", [](std::string* f) { (*f)[RootOf(*f) * kPage + 8] = 4; },
       absl::StatusCode::kDataLoss, "flags 0x4"},
      {"root page overflow", [](std::string* f) { (*f)[RootOf(*f) * kPage + 15] = 0x7F; },
       absl::StatusCode::kDataLoss, "overflow"},
  };
  const BoltOptions options = SmallMap({});
  const std::string whole = MakeFile(options);
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    std::string broken = whole;
    damage.inflict(&broken);
    FaultEnv env(1);
    ASSERT_OK(env.CreateDirs("/d"));
    env.SetContents(kPath, broken);
    EXPECT_THAT(OpenBolt(&env, kPath, options), StatusIs(damage.code, HasSubstr(damage.message)));
    EXPECT_TRUE(env.Contents(kPath) == broken) << "the refused file was changed";
  }
}

TEST(BoltCorruption, FallsBackToTheOlderMeta) {
  const BoltOptions options = SmallMap({});
  std::string file = MakeFile(options);
  const uint64_t newest = NewestMeta(file).txid;
  file[(newest % 2) * kPage + 40] ^= 1;
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  env.SetContents(kPath, file);
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, kPath, options));
  ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
  EXPECT_EQ(reader->txid(), newest - 1);
  EXPECT_OK(engine->Check());
}

TEST(BoltCorruption, OfTheFreelistIsRefusedOrFoundByCheck) {
  BoltOptions options = SmallMap({});
  options.sync_freelist = true;
  const std::string whole = MakeFile(options);
  const uint64_t freelist = NewestMeta(whole).freelist * kPage;
  ASSERT_GT(bolt::Load<bolt::PageHeader>(whole.data() + freelist).count, 4);
  for (const size_t offset : {0U, 8U, 10U, 12U, 16U, 17U, 24U, 25U, 30U, 32U, 40U}) {
    SCOPED_TRACE(offset);
    std::string file = whole;
    file[freelist + offset] = static_cast<char>(file[freelist + offset] ^ 0x21);
    FaultEnv env(1);
    ASSERT_OK(env.CreateDirs("/d"));
    env.SetContents(kPath, file);
    EXPECT_THAT(UseAll(&env, options), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("page ")));
    UseBlindly(&env, options);
  }
}

TEST(BoltCorruption, OfOneByteNeverCrashesAnything) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (const bool sync : {false, true}) {
    BoltOptions options = SmallMap({});
    options.sync_freelist = sync;
    const std::string whole = MakeFile(options);
    const uint64_t pages = NewestMeta(whole).high_water;
    for (int i = 0; i < 500; ++i) {
      std::string file = whole;
      // Mostly headers and elements: that is where the structure is.
      const uint64_t offset =
          random.Below(pages) * kPage + random.Below(random.OneIn(4) ? kPage : 96);
      file[offset] = static_cast<char>(random.Next());
      SCOPED_TRACE(offset);
      FaultEnv env(1);
      ASSERT_OK(env.CreateDirs("/d"));
      env.SetContents(kPath, file);
      UseAll(&env, options).IgnoreError();
      UseBlindly(&env, options);
    }
  }
}

TEST(BoltCorruption, EndsOnACycleOfPages) {
  const BoltOptions options = SmallMap({});
  std::string file = MakeFile(options);
  // Every branch points at itself.
  for (uint64_t page = 2; page < NewestMeta(file).high_water; ++page) {
    char* at = file.data() + page * kPage;
    const auto header = bolt::Load<bolt::PageHeader>(at);
    if (header.flags == bolt::kBranchPage && header.id == page) {
      for (uint32_t i = 0; i < header.count; ++i) {
        bolt::Store(page, at + bolt::kHeaderBytes + i * bolt::kElementBytes + 8);
      }
    }
  }
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  env.SetContents(kPath, file);
  EXPECT_THAT(OpenBolt(&env, kPath, options),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("referenced twice")));
  BoltOptions read_only = options;
  read_only.sync_freelist = true;
  UseBlindly(&env, read_only);
}

// Runs a census that goes on after findings, and counts what it visits, over exactly these bytes.
class Walk final : public bolt::CensusVisitor {
 public:
  explicit Walk(const std::string& file, uint32_t page_size = kPage)
      : path_(kPath),
        reader_(file.data(), page_size, PageId{file.size() / page_size}, &path_),
        census_(reader_, {.keys = bolt::PageCensus::Keys::kVerify,
                          .findings_max = 1000,
                          .goes_on = true,
                          .visitor = this}) {}

  void EnterBucket(std::string_view /*name*/, const bolt::BucketRoot& /*bucket*/) override {
    ++buckets_;
  }

  void Page(const bolt::PageView& page, std::span<const PageId> path) override {
    EXPECT_EQ(Raw(page.id()), Raw(path.back()));
    ++pages_;
  }

  std::string Commit(const bolt::Meta& meta) {
    census_.CountCommit(meta).IgnoreError();  // the findings say more
    return Texts();
  }

  std::string Tree(PageId root) {
    census_.CountTree(root).IgnoreError();  // the findings say more
    return Texts();
  }

  uint64_t buckets() const { return buckets_; }

  uint64_t pages() const { return pages_; }

 private:
  std::string Texts() const {
    std::string texts;
    for (const bolt::Finding& finding : census_.findings()) {
      texts += finding.Text() + "\n";
    }
    return texts;
  }

  const std::string path_;
  const bolt::PageReader reader_;
  bolt::PageCensus census_;
  uint64_t buckets_ = 0;
  uint64_t pages_ = 0;
};

bolt::Meta MetaOf(const std::string& file) {
  const bolt::MetaBytes bytes = NewestMeta(file);
  return {.page_size = bytes.page_size,
          .root = PageId{bytes.root},
          .root_sequence = bytes.sequence,
          .freelist = PageId{bytes.freelist},
          .high_water = PageId{bytes.high_water},
          .txid = TxnId{bytes.txid}};
}

// The walk reads no byte outside of the file (AddressSanitizer looks on), visits no page twice, and ends.
TEST(BoltCorruption, OfAnyHeaderOrElementNeverLeadsTheCheckAstray) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  BoltOptions options = SmallMap({});
  options.sync_freelist = true;
  std::string file = MakeFile(options);
  file.resize(NewestMeta(file).high_water * kPage);
  file.shrink_to_fit();
  const bolt::Meta meta = MetaOf(file);
  EXPECT_EQ(Walk(file).Commit(meta), "");
  uint64_t found = 0;
  uint64_t tried = 0;
  // Of each page the header and the first elements.
  for (uint64_t page = 2; page < Raw(meta.high_water); ++page) {
    for (uint64_t offset = page * kPage; offset < page * kPage + 64; offset += 3) {
      SCOPED_TRACE(offset);
      const char whole = file[offset];
      file[offset] = static_cast<char>(whole ^ static_cast<char>(random.Below(255) + 1));
      Walk walk(file);
      found += walk.Commit(meta).empty() ? 0 : 1;
      ++tried;
      ASSERT_LE(walk.pages(), Raw(meta.high_water));
      file[offset] = whole;
    }
  }
  EXPECT_GT(found, tried / 4);
}

// A leaf of 200 buckets, all of them the same bytes: an inline bucket of 200 buckets, and so on. Walked as a tree that
// is 200^64 buckets.
TEST(BoltCorruption, OfInlineBucketsThatHoldEachOtherIsNotFollowed) {
  constexpr uint64_t kCount = 200;
  constexpr uint64_t kTable = bolt::kHeaderBytes + kCount * bolt::kElementBytes;
  std::string file(4 * kPage, '\0');
  char* const page = file.data() + 3 * kPage;
  bolt::Store(bolt::PageHeader{.id = 3, .flags = bolt::kLeafPage, .count = kCount, .overflow = 0},
              page);
  // The value of every element begins with a bucket header of zeros, then a page image that is the rest of this page
  // seen from there: elements again.
  char* const inner = page + kTable;
  for (uint64_t i = 0; i < kCount; ++i) {
    const uint64_t at = bolt::kHeaderBytes + i * bolt::kElementBytes;
    bolt::Store(bolt::LeafElement{.flags = bolt::kBucketElement,
                                  .pos = static_cast<uint32_t>(kTable - at),
                                  .key_size = 1,
                                  .value_size = static_cast<uint32_t>(kPage - kTable - 1)},
                page + at);
  }
  bolt::Store(bolt::PageHeader{.id = 0, .flags = bolt::kLeafPage, .count = 40, .overflow = 0},
              inner + 1 + sizeof(bolt::BucketHeader));
  Walk walk(file);
  const std::string texts = walk.Tree(PageId{3});
  EXPECT_THAT(texts, HasSubstr("page 3: elements overlap: they need "));
  EXPECT_EQ(walk.buckets(), 0U);

  // Nor without looking at keys, as an engine does that opens the file.
  const std::string path = kPath;
  const bolt::PageReader reader(file.data(), kPage, PageId{4}, &path);
  bolt::PageCensus census(reader, bolt::PageCensus::Keys::kIgnore);
  EXPECT_THAT(census.CountTree(PageId{3}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("page 3: elements overlap")));
}

// A bucket whose root is the page that it stands in.
TEST(BoltCorruption, OfABucketThatHoldsItselfIsFoundOnce) {
  std::string file(4 * kPage, '\0');
  char* const page = file.data() + 3 * kPage;
  bolt::Store(bolt::PageHeader{.id = 3, .flags = bolt::kLeafPage, .count = 1, .overflow = 0}, page);
  bolt::Store(
      bolt::LeafElement{.flags = bolt::kBucketElement, .pos = 16, .key_size = 4, .value_size = 16},
      page + bolt::kHeaderBytes);
  file.replace(3 * kPage + 32, 4, "self");
  bolt::Store(bolt::BucketHeader{.root = 3, .sequence = 0}, page + 36);
  Walk walk(file);
  EXPECT_EQ(walk.Tree(PageId{3}), "page 3: is referenced twice (bucket self, path 3 > 3)\n");
  EXPECT_EQ(walk.buckets(), 1U);
}

// Pages that all claim to overflow over the rest of the file, in an order in which each has to be looked through anew.
TEST(BoltCorruption, OfOverflowsThatCoverEachOtherCostsNoMoreThanTheFile) {
  constexpr uint64_t kSmall = 1024;
  constexpr uint64_t kLeaves = 50;
  std::string file((4 + kLeaves) * kSmall, '\0');
  char* const root = file.data() + 3 * kSmall;
  bolt::Store(
      bolt::PageHeader{.id = 3, .flags = bolt::kBranchPage, .count = kLeaves, .overflow = 0}, root);
  for (uint64_t i = 0; i < kLeaves; ++i) {
    const uint64_t leaf = 3 + kLeaves - i;
    bolt::Store(
        bolt::PageHeader{
            .id = leaf, .flags = bolt::kLeafPage, .count = 0, .overflow = static_cast<uint32_t>(i)},
        file.data() + leaf * kSmall);
    const uint64_t at = bolt::kHeaderBytes + i * bolt::kElementBytes;
    bolt::Store(
        bolt::BranchElement{
            .pos = static_cast<uint32_t>(kSmall - 60 + i - at), .key_size = 1, .child = leaf},
        root + at);
    root[kSmall - 60 + i] = static_cast<char>(i + 1);
  }
  Walk walk(file, kSmall);
  const std::string texts = walk.Tree(PageId{3});
  EXPECT_THAT(texts, HasSubstr("page 53: is empty"));
  EXPECT_THAT(texts, HasSubstr("page 53: is referenced twice, as overflow of page 52"));
  EXPECT_EQ(walk.pages(), 2U) << "the root and the first leaf";
}

// A file that claims to have 2^36 pages costs the memory of what is really in it.
TEST(BoltCorruption, OfTheHighWaterMarkCostsNoMemory) {
  bolt::PageBitmap pages(PageId{uint64_t{1} << 36U});
  const PageId far{(uint64_t{1} << 36U) - 1};
  EXPECT_FALSE(pages.contains(far));
  pages.Insert(far);
  EXPECT_TRUE(pages.contains(far));
  EXPECT_GT(pages.UniformFrom(PageId{2}), 200'000U);
}

}  // namespace
}  // namespace socle::kv
