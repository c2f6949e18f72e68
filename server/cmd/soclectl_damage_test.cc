// soclectl over damaged files: the damage is named with its page, and no byte that flips leads a command astray.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/format.h"
#include "kv/bolt/meta.h"
#include "kv/bolt/page.h"
#include "kv/bolt/tree.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "server/cmd/testing/soclectl_bench.h"

namespace socle::server {
namespace {

using kv::bolt::Load;
using kv::bolt::MetaBytes;
using kv::bolt::Store;
using ::testing::HasSubstr;
using ::testing::Not;

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

TEST(SoclectlDamage, NamesTheDamageAndThePage) {
  for (const Damage& damage : Damages()) {
    SCOPED_TRACE(damage.name);
    std::string file = WholeFile();
    damage.inflict(&file);
    SoclectlBench bench(file);
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

TEST(SoclectlDamage, ListsFindingsUpToTheLimitAndCountsTheRest) {
  std::string file = WholeFile();
  const uint64_t leaf = Load<uint64_t>(At(&file, Branch(file), ChildField(0)));
  for (const uint64_t page : {leaf, Branch(file)}) {
    *At(&file, page, 8) = 4;
  }
  Store(uint64_t{1} << 40U, At(&file, NewestMeta(file).freelist, 16));
  SoclectlBench bench(file);
  EXPECT_THAT(bench.Run("db check /d/db").out, Not(HasSubstr("not shown")));
  const std::string out = bench.Run("db check /d/db --limit 1").out;
  EXPECT_THAT(out, HasSubstr("findings ("));
  EXPECT_THAT(out, HasSubstr(" not shown, see --limit)"));
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 2);
}

// Every byte of the file in turn. What the check calls clean must be readable whole by every command.
TEST(SoclectlDamage, OfAnyByteIsFoundOrHarmless) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  std::string file = WholeFile();
  file.resize(NewestMeta(file).high_water * kPage);
  uint64_t found = 0;
  SoclectlBench bench(file);
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
