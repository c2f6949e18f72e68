#include "kv/convert.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/format.h"
#include "kv/bolt/image_builder.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

constexpr EngineKind kKinds[] = {EngineKind::kBolt, EngineKind::kLmdb, EngineKind::kRocksdb};
constexpr EngineOptions kSmall{.map_size_bytes = uint64_t{64} << 20U};

class ConvertTest : public testing::Test {
 protected:
  // Fills a store of the kind and returns what it holds.
  ModelState Fill(Env* env, const EnginePlace& place) {
    ModelState state;
    auto engine = OpenEngineAt(env, place, kSmall);
    EXPECT_OK(engine);
    auto txn = (*engine)->BeginWrite();
    EXPECT_OK(txn);
    for (const std::string bucket : {"empty", "key", "meta"}) {
      EXPECT_OK((*txn)->CreateBucket(bucket));
      state.try_emplace(bucket);
    }
    const auto put = [&](const std::string& bucket, const std::string& key,
                         const std::string& value) {
      EXPECT_OK((*txn)->Put(bucket, key, value));
      state[bucket][key] = value;
    };
    for (size_t i = 0; i < 500; ++i) {
      put("key", "k" + std::to_string(i), std::string(i, 'v'));
    }
    put("meta", std::string(3000, 'l'), "long key");
    put("meta", "empty", "");
    EXPECT_OK((*txn)->Commit());
    return state;
  }

  ModelState StateOf(Env* env, const EnginePlace& place) {
    auto engine = OpenEngineAt(env, place, kSmall);
    EXPECT_OK(engine);
    EXPECT_OK((*engine)->Check());
    auto txn = (*engine)->BeginRead();
    EXPECT_OK(txn);
    return Dump(**txn);
  }

  Env* const env_ = Env::Posix();
  const TempDir dir_;
  ConvertOptions options_{.batch_bytes = 30'000, .engine = kSmall};
};

TEST_F(ConvertTest, CopiesEverythingFromEachKindToEach) {
  for (const EngineKind from : kKinds) {
    for (const EngineKind to : kKinds) {
      SCOPED_TRACE(std::string(NameOf(from)) + " to " + std::string(NameOf(to)));
      const TempDir dir;
      const EnginePlace source{from, dir.PathOf("source")};
      const EnginePlace target{to, dir.PathOf("target")};
      const ModelState state = Fill(env_, source);
      int copies = 0;
      int verifications = 0;
      options_.progress = [&](const ConvertProgress& progress) {
        ++(progress.is_verifying ? verifications : copies);
        EXPECT_THAT(OpenEngineAt(env_, source, kSmall),
                    StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use by")));
        EXPECT_GT(progress.entries, 0U);
        return absl::OkStatus();
      };
      ASSERT_OK_AND_ASSIGN(const ConvertResult result,
                           ConvertEngine(env_, source, target, options_));
      EXPECT_EQ(result.buckets, 3U);
      EXPECT_EQ(result.entries, 502U);
      EXPECT_EQ(copies, 4);
      EXPECT_EQ(verifications, 4);
      EXPECT_TRUE(StateOf(env_, source) == state);
      EXPECT_TRUE(StateOf(env_, target) == state);
      ASSERT_OK_AND_ASSIGN(const auto names, env_->List(dir.path()));
      for (const std::string& name : names) {
        EXPECT_THAT(name, testing::Not(HasSubstr("converting")));
      }
    }
  }
}

TEST_F(ConvertTest, LeavesNothingWhenItIsEnded) {
  const EnginePlace source{EngineKind::kBolt, dir_.PathOf("db")};
  const ModelState state = Fill(env_, source);
  for (const EngineKind to : kKinds) {
    for (const bool in_second_pass : {false, true}) {
      options_.progress = [&](const ConvertProgress& progress) {
        return progress.is_verifying == in_second_pass ? absl::CancelledError("stop")
                                                       : absl::OkStatus();
      };
      const EnginePlace target{to, dir_.PathOf("target")};
      EXPECT_THAT(ConvertEngine(env_, source, target, options_),
                  StatusIs(absl::StatusCode::kCancelled));
      EXPECT_THAT(env_->List(dir_.path()), IsOkAndHolds(testing::ElementsAre("db")));
    }
  }
  EXPECT_TRUE(StateOf(env_, source) == state);
}

TEST_F(ConvertTest, ReplacesWhatADeadAttemptLeft) {
  const EnginePlace source{EngineKind::kLmdb, dir_.PathOf("source")};
  const ModelState state = Fill(env_, source);
  for (const EngineKind to : kKinds) {
    const EnginePlace target{to, dir_.PathOf("target-" + std::string(NameOf(to)))};
    Fill(env_, {to, target.path + ".converting"});
    {
      ASSERT_OK_AND_ASSIGN(const auto engine,
                           OpenEngineAt(env_, {to, target.path + ".converting"}, kSmall));
      ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
      ASSERT_OK(txn->CreateBucket("stale"));
      ASSERT_OK(txn->Commit());
    }
    ASSERT_OK(ConvertEngine(env_, source, target, options_));
    EXPECT_TRUE(StateOf(env_, target) == state);
  }
}

TEST_F(ConvertTest, SaysWhyItCanNotStart) {
  const EnginePlace source{EngineKind::kBolt, dir_.PathOf("db")};
  const EnginePlace target{EngineKind::kLmdb, dir_.PathOf("db.lmdb")};
  EXPECT_THAT(ConvertEngine(env_, source, target, options_),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("there is no bolt store")));
  EXPECT_THAT(env_->List(dir_.path()), IsOkAndHolds(testing::IsEmpty()));
  Fill(env_, source);
  {
    ASSERT_OK_AND_ASSIGN(const auto server, OpenEngineAt(env_, source, kSmall));
    EXPECT_THAT(ConvertEngine(env_, source, target, options_),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in use by")));
  }
  ASSERT_OK(ConvertEngine(env_, source, target, options_));
  EXPECT_THAT(ConvertEngine(env_, source, target, options_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("db.lmdb")));
}

TEST_F(ConvertTest, RefusesBucketsInsideBuckets) {
  const EnginePlace source{EngineKind::kBolt, dir_.PathOf("db")};
  // A bolt file whose bucket "outer" has the element of a bucket, made by hand: one empty leaf (2),
  // the outer leaf (3) that refers to it, the root (4).
  const uint32_t size = bolt::kImagePageSize;
  std::string image(5 * size, '\0');
  bolt::Meta meta{.page_size = size,
                  .root = PageId{4},
                  .freelist = bolt::kNoFreelist,
                  .high_water = PageId{5},
                  .txid = TxnId{2}};
  image.replace(0, size, bolt::MetaPageImage(meta, PageId{0}));
  meta.txid = TxnId{1};
  image.replace(size, size, bolt::MetaPageImage(meta, PageId{1}));
  bolt::Store(bolt::PageHeader{.id = 2, .flags = bolt::kLeafPage}, image.data() + 2 * size);
  const auto bucket_leaf = [&](uint64_t page, std::string_view name, uint64_t root) {
    char* const at = image.data() + page * size;
    bolt::Store(bolt::PageHeader{.id = page, .flags = bolt::kLeafPage, .count = 1}, at);
    bolt::Store(bolt::LeafElement{bolt::kBucketElement, 16, static_cast<uint32_t>(name.size()), 16},
                at + 16);
    name.copy(at + 32, name.size());
    bolt::Store(bolt::BucketHeader{.root = root, .sequence = 0}, at + 32 + name.size());
  };
  bucket_leaf(3, "inner", 2);
  bucket_leaf(4, "outer", 3);
  {
    ASSERT_OK_AND_ASSIGN(const auto file, env_->Open(source.path, OpenMode::kReadWriteCreate));
    ASSERT_OK(file->WriteAt(0, image));
  }
  EXPECT_THAT(
      ConvertEngine(env_, source, {EngineKind::kLmdb, dir_.PathOf("target")}, options_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("has a bucket 'inner' inside")));
}

TEST_F(ConvertTest, ConvertsADirectoryInPlace) {
  const ModelState state = Fill(env_, PlaceIn(dir_.path(), EngineKind::kBolt));
  ASSERT_OK(ConvertDirectory(env_, dir_.path(), EngineKind::kRocksdb, options_));
  EXPECT_THAT(FindEngine(env_, dir_.path()), IsOkAndHolds(testing::Optional(EngineKind::kRocksdb)));
  EXPECT_THAT(ConvertDirectory(env_, dir_.path(), EngineKind::kRocksdb, options_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("rocksdb already")));
  // The old file is still there, and not overwritten.
  EXPECT_THAT(ConvertDirectory(env_, dir_.path(), EngineKind::kBolt, options_),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("/db:")));
  ASSERT_OK(env_->Remove(dir_.PathOf("db")));
  ASSERT_OK(ConvertDirectory(env_, dir_.path(), EngineKind::kBolt, options_));
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenEngine(env_, dir_.path(), EngineKind::kBolt, kSmall));
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
  EXPECT_TRUE(Dump(*txn) == state);
}

TEST_F(ConvertTest, HasAWholeTargetOrNoneAfterACrashAtAnyCall) {
  const EnginePlace source{EngineKind::kBolt, "/d/source"};
  const EnginePlace target{EngineKind::kBolt, "/d/target"};
  bool is_done = false;
  uint64_t calls = 0;
  for (; !is_done; calls += 3) {
    SCOPED_TRACE(calls);
    FaultEnv env(calls);
    ASSERT_OK(env.CreateDirs("/d"));
    const ModelState state = Fill(&env, source);
    env.CrashAfterCalls(calls);
    is_done = ConvertEngine(&env, source, target, options_).ok();
    env.Restart(DurabilityLoss::kRandom);
    ASSERT_OK_AND_ASSIGN(const bool has_target, env.Exists(target.path));
    ASSERT_TRUE(has_target || !is_done);
    if (has_target) {
      ASSERT_TRUE(StateOf(&env, target) == state);
    }
    ASSERT_TRUE(StateOf(&env, source) == state);
  }
  EXPECT_GT(calls, 30U);
}

}  // namespace
}  // namespace socle::kv
