// Broken files: refused with the page named and left alone, or noticed when used; never a crash.
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
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

}  // namespace
}  // namespace socle::kv
