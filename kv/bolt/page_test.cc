#include "kv/bolt/page.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/check.h"
#include "kv/bolt/format.h"
#include "kv/bolt/freelist_page.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page_edit.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"

namespace socle::kv::bolt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::string kName = "file";

TEST(Meta, HasTheChecksumsOfAFreshFile) {
  const std::string image = EmptyFileImage(4096);
  ASSERT_EQ(image.size(), 4 * 4096U);
  EXPECT_EQ(Load<uint64_t>(image.data() + 72), 0x07516e114689fdeeULL);
  EXPECT_EQ(Load<uint64_t>(image.data() + 4096 + 72), 0x264c351a5179480fULL);
}

TEST(Meta, IsFoundAtEveryPageSize) {
  for (uint32_t page_size = kPageSizeMin; page_size <= (1U << 20U); page_size *= 2) {
    for (const bool first_broken : {false, true}) {
      SCOPED_TRACE(page_size);
      std::string image = EmptyFileImage(page_size);
      if (first_broken) {
        image[30] = 'x';
      }
      FaultEnv env(1);
      ASSERT_OK(env.CreateDirs("/d"));
      env.SetContents("/d/db", image);
      ASSERT_OK_AND_ASSIGN(const auto file, env.Open("/d/db", OpenMode::kReadOnly));
      ASSERT_OK_AND_ASSIGN(const Meta meta, ReadNewestMeta(file.get(), image.size()));
      EXPECT_EQ(meta.page_size, page_size);
      EXPECT_EQ(meta.txid, TxnId{1});
      EXPECT_OK(OpenBolt(&env, "/d/db", SmallMap({})));
    }
  }
}

TEST(Meta, RedoesACreationThatWasCutShort) {
  const std::string whole = EmptyFileImage(4096);
  for (const size_t size : {0U, 1U, 4096U, 8192U, 16384U}) {
    SCOPED_TRACE(size);
    FaultEnv env(1);
    ASSERT_OK(env.CreateDirs("/d"));
    std::string part = whole.substr(0, size);
    std::fill(part.begin(),
              part.begin() + static_cast<std::ptrdiff_t>(std::min<size_t>(size, 8192)), '\0');
    env.SetContents("/d/db", part);
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, "/d/db", SmallMap({})));
    EXPECT_OK(engine->Check());
  }
}

// A page of the file with room for `size` bytes.
struct Buffer {
  explicit Buffer(size_t size) : bytes(size, '\0') {}

  std::string bytes;

  PageReader Reader(uint64_t pages) const { return {bytes.data(), 4096, PageId{pages}, &kName}; }
};

TEST(PageReader, RefusesPagesThatAreNotWhatTheyShouldBe) {
  struct Case {
    const char* name;
    PageHeader header;
    const char* message;
  };

  const std::vector<Case> cases = {
      {"other id", {.id = 3, .flags = kLeafPage, .count = 0, .overflow = 0}, "id 3"},
      {"no flags", {.id = 2, .flags = 0, .count = 0, .overflow = 0}, "flags 0x0"},
      {"two flags", {.id = 2, .flags = 3, .count = 0, .overflow = 0}, "flags 0x3"},
      {"freelist", {.id = 2, .flags = kFreelistPage, .count = 0, .overflow = 0}, "flags 0x10"},
      {"too many elements", {.id = 2, .flags = kLeafPage, .count = 256, .overflow = 0}, "256"},
      {"overflow", {.id = 2, .flags = kLeafPage, .count = 0, .overflow = 2}, "2 overflow"},
      {"huge overflow", {.id = 2, .flags = kLeafPage, .count = 0, .overflow = ~0U}, "overflow"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Buffer buffer(4 * 4096);
    Store(c.header, buffer.bytes.data() + 2 * 4096);
    PageView page;
    EXPECT_THAT(buffer.Reader(4).Read(PageId{2}, &page),
                StatusIs(absl::StatusCode::kDataLoss,
                         testing::AllOf(HasSubstr("file: page 2"), HasSubstr(c.message))));
  }
  Buffer buffer(4 * 4096);
  PageView page;
  for (const uint64_t id : {uint64_t{0}, uint64_t{1}, uint64_t{4}, ~uint64_t{0}}) {
    EXPECT_THAT(buffer.Reader(4).Read(PageId{id}, &page), StatusIs(absl::StatusCode::kDataLoss));
  }
}

// DirtyPage beside a map.
TEST(DirtyPage, AgreesWithAMapThroughPacking) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (const uint16_t flags : {kLeafPage, kBranchPage}) {
    DirtyPage page(std::make_unique<char[]>(4096), 4096, flags);
    std::map<std::string, std::pair<std::string, uint64_t>> model;
    for (int i = 0; i < 20000; ++i) {
      const std::string key = std::to_string(random.Below(200));
      const auto at = model.lower_bound(key);
      const auto index = static_cast<uint32_t>(std::distance(model.begin(), at));
      if (at != model.end() && at->first == key) {
        page.Remove(index);
        model.erase(at);
        continue;
      }
      const std::string value(flags == kLeafPage ? random.Below(200) : 0, 'v');
      const Entry entry{.key = key, .value = value, .child = random.Next()};
      if (page.used() + entry.bytes() > page.capacity()) {
        continue;
      }
      page.Insert(index, entry);
      model.emplace(key, std::pair(value, entry.child));
      if (i % 64 != 0) {
        continue;
      }
      std::string packed(8192, 'x');
      page.Pack(PageId{9}, 4096, 4096, packed.data());
      ASSERT_EQ(packed[4096], 'x');
      const PageView view(packed.data(), 4096);
      ASSERT_EQ(view.count(), model.size());
      uint32_t element = 0;
      for (const auto& [model_key, content] : model) {
        Entry found;
        ASSERT_TRUE(view.EntryAt(element++, &found));
        ASSERT_EQ(found.key, model_key);
        ASSERT_EQ(found.value, content.first);
        ASSERT_EQ(found.child, flags == kBranchPage ? content.second : 0);
      }
      uint64_t used = 0;
      ASSERT_TRUE(view.UsedBytes(&used));
      ASSERT_EQ(used, page.used());
    }
  }
}

TEST(CutsFor, MakesPartsThatFit) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  const std::string bytes(9000, 'x');
  for (int i = 0; i < 2000; ++i) {
    const PageLimits limits{.page_size = 4096,
                            .entries_min = static_cast<uint32_t>(random.Below(2) + 1)};
    std::vector<Entry> entries(random.Below(60) + 1);
    for (Entry& entry : entries) {
      entry.key = std::string_view(bytes).substr(0, random.Below(random.OneIn(10) ? 9000 : 300));
    }
    std::vector<uint32_t> cuts = CutsFor(entries, limits);
    cuts.push_back(static_cast<uint32_t>(entries.size()));
    uint32_t begin = 0;
    for (const uint32_t end : cuts) {
      ASSERT_LT(begin, end);
      uint64_t used = kHeaderBytes;
      for (uint32_t e = begin; e < end; ++e) {
        used += entries[e].bytes();
      }
      ASSERT_TRUE(limits.Fits(used, end - begin) || end - begin < 2 * limits.entries_min);
      ASSERT_TRUE(end - begin >= limits.entries_min || cuts.size() == 1);
      begin = end;
    }
  }
}

TEST(FreelistPage, ReadsWhatItWrites) {
  for (const uint64_t pages : {uint64_t{0}, uint64_t{1}, uint64_t{509}, uint64_t{510},
                               uint64_t{65534}, uint64_t{65535}, uint64_t{70000}}) {
    SCOPED_TRACE(pages);
    const PageSpan place{PageId{2}, FreelistPageCount(pages, 4096)};
    std::vector<PageSpan> free;
    if (pages > 0) {
      free.push_back({place.end() + 5, pages});
    }
    Buffer buffer(2 * 4096);
    buffer.bytes += FreelistPageImage(free, place, 4096);
    ASSERT_OK_AND_ASSIGN(const FreelistContent content,
                         ReadFreelistPage(buffer.Reader(100'000), PageId{2}));
    EXPECT_EQ(content.free, free);
    EXPECT_EQ(content.pages, place);
  }
}

// Root leaf at 2 with a nested bucket at 3 that holds an inline bucket, as other programs make
// them.
TEST(PageCensus, CountsNestedBuckets) {
  Buffer buffer(6 * 4096);
  DirtyPage inner(std::make_unique<char[]>(4096), 4096, kLeafPage);
  inner.Insert(0, {.key = "k", .value = "v"});
  std::string inline_bucket(16 + inner.used(), '\0');
  inner.Pack(PageId{0}, 4096, inner.used(), inline_bucket.data() + 16);
  DirtyPage nested(std::make_unique<char[]>(4096), 4096, kLeafPage);
  nested.Insert(0, {.key = "inline", .value = inline_bucket, .flags = kBucketElement});
  nested.Pack(PageId{3}, 4096, 4096, buffer.bytes.data() + 3 * 4096);
  std::string header(16, '\0');
  header[0] = 3;
  DirtyPage root(std::make_unique<char[]>(4096), 4096, kLeafPage);
  root.Insert(0, {.key = "nested", .value = header, .flags = kBucketElement});
  root.Pack(PageId{2}, 4096, 4096, buffer.bytes.data() + 2 * 4096);

  const auto expect_free = [&](PageSpan free) {
    PageCensus census(buffer.Reader(6), PageCensus::Keys::kVerify);
    EXPECT_OK(census.CountTree(PageId{2}));
    EXPECT_THAT(census.Uncounted(), ElementsAre(PageSpan{PageId{4}, 2}));
    return census.ExpectFree(std::vector<PageSpan>{free});
  };
  EXPECT_OK(expect_free({PageId{4}, 2}));
  EXPECT_THAT(expect_free({PageId{3}, 1}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("page 3: is free and reachable")));
  EXPECT_THAT(expect_free({PageId{4}, 1}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("page 5: is neither")));
}

// Keys of all kinds: evenly spread, with one long prefix, short ones that differ in zeros only.
std::vector<std::string> KeysFor(int kind, uint32_t count, Random* random) {
  std::vector<std::string> keys;
  for (uint32_t i = 0; i < count; ++i) {
    switch (kind) {
      case 0:
        keys.push_back(BigEndian64(1000 + 3 * i));
        break;
      case 1:
        keys.push_back("/registry/pods/" + std::to_string(random->Below(1000)));
        break;
      default:
        keys.emplace_back(1 + random->Below(12), static_cast<char>(random->Below(2)));
    }
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

TEST(PageView, FindsTheSameElementWhateverTheGuess) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  for (int round = 0; round < 60; ++round) {
    DirtyPage page(std::make_unique<char[]>(4096), 4096, kLeafPage);
    const auto count = static_cast<uint32_t>(random.Below(70));
    for (const std::string& key : KeysFor(round % 3, count, &random)) {
      page.Insert(page.count(), {.key = key, .value = "v"});
    }
    for (uint32_t probe = 0; probe < 30; ++probe) {
      const std::vector<std::string> any = KeysFor(round % 3, 1 + probe, &random);
      const std::string& key = any.back();
      uint32_t expected = 0;
      while (expected < page.count() && page.KeyAt(expected) < key) {
        ++expected;
      }
      for (const uint32_t guess :
           {PageView::kNoGuess, 0U, expected, expected + 1, count / 3, 9999U}) {
        uint32_t index = 0;
        bool exact = false;
        ASSERT_TRUE(page.view().LowerBound(key, guess, &index, &exact));
        ASSERT_EQ(index, expected);
        ASSERT_EQ(exact, expected < page.count() && page.KeyAt(expected) == key);
      }
    }
  }
}

}  // namespace
}  // namespace socle::kv::bolt
