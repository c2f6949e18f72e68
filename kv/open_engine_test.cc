#include "kv/open_engine.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {
namespace {

using ::testing::AllOf;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::Optional;

constexpr EngineOptions kSmall{.map_size_bytes = uint64_t{64} << 20U};

class OpenEngineTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Engine>> Open(std::optional<EngineKind> kind) {
    return OpenEngine(env_, dir_.path(), kind, kSmall);
  }

  void WriteFile(const std::string& name, std::string_view text) {
    ASSERT_OK_AND_ASSIGN(const auto file,
                         env_->Open(dir_.PathOf(name), OpenMode::kReadWriteCreate));
    ASSERT_OK(file->WriteAt(0, text));
  }

  Env* const env_ = Env::Posix();
  const TempDir dir_;
};

TEST_F(OpenEngineTest, MakesABoltDirectoryThatLooksLikeEtcds) {
  EXPECT_THAT(FindEngine(env_, dir_.path()), IsOkAndHolds(std::nullopt));
  ASSERT_OK(Open(std::nullopt));
  EXPECT_THAT(env_->List(dir_.path()), IsOkAndHolds(testing::ElementsAre("db")));
  EXPECT_THAT(FindEngine(env_, dir_.path()), IsOkAndHolds(Optional(EngineKind::kBolt)));
}

TEST_F(OpenEngineTest, RemembersTheEngineAndRefusesAnother) {
  for (const EngineKind kind : {EngineKind::kBolt, EngineKind::kLmdb, EngineKind::kRocksdb}) {
    SCOPED_TRACE(std::string(NameOf(kind)));
    const TempDir dir;
    {
      ASSERT_OK_AND_ASSIGN(const auto engine, OpenEngine(env_, dir.path(), kind, kSmall));
      ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
      ASSERT_OK(txn->CreateBucket("b"));
      ASSERT_OK(txn->Commit());
    }
    EXPECT_THAT(FindEngine(env_, dir.path()), IsOkAndHolds(Optional(kind)));
    for (const EngineKind other : {EngineKind::kBolt, EngineKind::kLmdb, EngineKind::kRocksdb}) {
      if (other != kind) {
        EXPECT_THAT(OpenEngine(env_, dir.path(), other, kSmall),
                    StatusIs(absl::StatusCode::kFailedPrecondition,
                             AllOf(HasSubstr("engine " + std::string(NameOf(kind)) + ", not " +
                                             std::string(NameOf(other))),
                                   HasSubstr("soclectl db convert " + dir.path() + " --to " +
                                             std::string(NameOf(other))))));
      }
    }
    // Nothing asked for: what the directory says.
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenEngine(env_, dir.path(), std::nullopt, kSmall));
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
    EXPECT_THAT(txn->Buckets(), IsOkAndHolds(testing::ElementsAre("b")));
  }
}

TEST_F(OpenEngineTest, NamesTheDataDirectoryToConvert) {
  const std::string snap = dir_.path() + "/data/member/snap";
  ASSERT_OK(env_->CreateDirs(snap));
  ASSERT_OK(OpenEngine(env_, snap, EngineKind::kBolt, kSmall));
  EXPECT_THAT(OpenEngine(env_, snap, EngineKind::kLmdb, kSmall),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("'soclectl db convert " + dir_.path() + "/data --to lmdb'")));
}

TEST_F(OpenEngineTest, SaysWhatIsWrongWithEngineFiles) {
  WriteFile("ENGINE", "sqlite\n");
  EXPECT_THAT(Open(std::nullopt),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("ENGINE"), HasSubstr("'sqlite' is no storage engine"))));
  EXPECT_THAT(EngineKindOf("Bolt"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(OpenEngineTest, OpensAnEngineWhoseCreationWasCutShort) {
  ASSERT_OK(RememberEngine(env_, dir_.path(), EngineKind::kLmdb));
  EXPECT_THAT(Open(EngineKind::kBolt), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(Open(std::nullopt));
}

TEST_F(OpenEngineTest, KnowsItsEngineAfterACrashAtAnyCall) {
  for (uint64_t calls = 0; calls < 20; ++calls) {
    for (const DurabilityLoss loss :
         {DurabilityLoss::kAll, DurabilityLoss::kNone, DurabilityLoss::kRandom}) {
      SCOPED_TRACE(calls);
      FaultEnv env(calls);
      ASSERT_OK(env.CreateDirs("/d"));
      env.CrashAfterCalls(calls);
      const bool is_done = RememberEngine(&env, "/d", EngineKind::kRocksdb).ok();
      env.Restart(loss);
      ASSERT_OK_AND_ASSIGN(const auto found, FindEngine(&env, "/d"));
      if (is_done) {
        ASSERT_EQ(found, EngineKind::kRocksdb);
      }
      // A second attempt makes up for the first.
      ASSERT_OK(RememberEngine(&env, "/d", EngineKind::kLmdb));
      ASSERT_THAT(FindEngine(&env, "/d"), IsOkAndHolds(Optional(EngineKind::kLmdb)));
    }
  }
}

TEST_F(OpenEngineTest, KeepsTheOtherEnginesOffASimulatedDisk) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  EXPECT_THAT(OpenEngine(&env, "/d", EngineKind::kLmdb, kSmall),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("lmdb")));
}

}  // namespace
}  // namespace socle::kv
