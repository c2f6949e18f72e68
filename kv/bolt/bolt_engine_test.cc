#include "kv/bolt/bolt_engine.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/engine_suite.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

std::vector<EngineCase> BoltEngineCases() {
  std::vector<EngineCase> cases;
  for (const BoltCase& c : BoltCases()) {
    cases.push_back({c.name, [options = c.options](const std::string& directory) {
                       return OpenBolt(Env::Posix(), directory + "/db", options);
                     }});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(Bolt, EngineSuite, testing::ValuesIn(BoltEngineCases()), EngineCaseName);

class BoltEngineTest : public testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Engine>> Open(const BoltOptions& options) {
    return OpenBolt(Env::Posix(), path_, options);
  }

  static void CommitPut(Engine* engine, std::string_view key, std::string_view value) {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("b"));
    ASSERT_OK(txn->Put("b", key, value));
    ASSERT_OK(txn->Commit());
  }

  TempDir dir_;
  const std::string path_ = dir_.PathOf("db");
};

TEST_F(BoltEngineTest, IsLockedAgainstASecondOpener) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  EXPECT_THAT(Open(SmallMap({})), StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(BoltEngineTest, OpensReadOnlyWithoutChangingAnything) {
  {
    ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
    CommitPut(engine.get(), "k", "v");
  }
  BoltOptions options = SmallMap({});
  options.read_only = true;
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(options));
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
  EXPECT_THAT(txn->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("v"))));
  EXPECT_THAT(engine->BeginWrite(), StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_OK(engine->Check());
}

TEST_F(BoltEngineTest, NamesTheOptionWhenTheMappingIsTooSmall) {
  BoltOptions options;
  options.map_size_bytes = 64 << 10;
  ASSERT_OK_AND_ASSIGN(auto engine, Open(options));
  CommitPut(engine.get(), "small", "v");
  {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->Put("b", "k", std::string(100'000, 'v')));
    EXPECT_THAT(txn->Commit(),
                StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("map_size_bytes")));
  }
  CommitPut(engine.get(), "again", "v");
  EXPECT_OK(engine->Check());
  engine.reset();
  options.map_size_bytes = 8192;
  EXPECT_THAT(Open(options),
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("map_size_bytes")));
}

TEST_F(BoltEngineTest, ReusesPagesOnceTheirReadersAreGone) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  const std::string value(20'000, 'v');
  for (int i = 0; i < 5; ++i) {
    CommitPut(engine.get(), "k", value + std::to_string(i));
  }
  const uint64_t steady = engine->Size().total_bytes;
  for (int i = 0; i < 20; ++i) {
    CommitPut(engine.get(), "k", value + std::to_string(i));
  }
  EXPECT_EQ(engine->Size().total_bytes, steady);
  {
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    for (int i = 0; i < 20; ++i) {
      CommitPut(engine.get(), "k", value + std::to_string(i));
    }
    // One reader pins its own pages, not everything written since.
    EXPECT_LE(engine->Size().total_bytes, 2 * steady);
    EXPECT_THAT(reader->Get("b", "k"), IsOkAndHolds(testing::Optional(value + "19")));
  }
  EXPECT_OK(engine->Check());
}

TEST_F(BoltEngineTest, SwitchesBetweenFreelistModes) {
  for (int round = 0; round < 6; ++round) {
    BoltOptions options = SmallMap({});
    options.sync_freelist = round % 2 == 1;
    ASSERT_OK_AND_ASSIGN(const auto engine, Open(options));
    EXPECT_OK(engine->Check());
    for (int i = 0; i < 10; ++i) {
      CommitPut(engine.get(), "k" + std::to_string(i), std::string(3000, 'v'));
      EXPECT_OK(engine->Check());
    }
  }
}

TEST_F(BoltEngineTest, WritesASnapshotThatOpensAsTheSameState) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  for (int i = 0; i < 300; ++i) {
    CommitPut(engine.get(), "k" + std::to_string(i), std::string(500, 'v'));
  }
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
  CommitPut(engine.get(), "later", "v");
  std::string image;
  ASSERT_OK(txn->WriteSnapshot([&image](std::string_view piece) {
    image += piece;
    return absl::OkStatus();
  }));
  EXPECT_EQ(image.size(), txn->SnapshotSize());
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/copy"));
  env.SetContents("/copy/db", image);
  ASSERT_OK_AND_ASSIGN(const auto copy, OpenBolt(&env, "/copy/db", SmallMap({})));
  EXPECT_OK(copy->Check());
  ASSERT_OK_AND_ASSIGN(const auto copied, copy->BeginRead());
  EXPECT_EQ(copied->txid(), txn->txid());
  EXPECT_TRUE(Dump(*copied) == Dump(*txn));
}

// Snapshots were sent with a digest that was not theirs: free pages changed between the digest and the copy.
TEST_F(BoltEngineTest, WritesASnapshotWhosePiecesKeepStillWhileCommitsGoOn) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  for (int i = 0; i < 40; ++i) {
    CommitPut(engine.get(), "k", std::string(20'000, 'v'));
  }
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
  int commits = 0;
  ASSERT_OK(txn->WriteSnapshot([&](std::string_view piece) {
    const std::string before(piece);
    for (int i = 0; i < 4; ++i) {
      CommitPut(engine.get(), "k", std::string(20'000, static_cast<char>('a' + commits++)));
    }
    EXPECT_TRUE(piece == before);
    return absl::OkStatus();
  }));
}

TEST_F(BoltEngineTest, StopsASnapshotAtTheSinksError) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginRead());
  EXPECT_THAT(txn->WriteSnapshot([](std::string_view) { return absl::CancelledError("enough"); }),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(BoltEngineTest, AppendsFullPages) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
  ASSERT_OK(txn->CreateBucket("key"));
  uint64_t bytes = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string key = std::to_string(1'000'000 + i);
    ASSERT_OK(txn->Put("key", key, std::string(93, 'v')));
    bytes += 16 + key.size() + 93;
  }
  ASSERT_OK(txn->Commit());
  EXPECT_LT(engine->Size().in_use_bytes, bytes * 106 / 100);
}

TEST_F(BoltEngineTest, GivesPagesBackWhenARangeIsDeleted) {
  ASSERT_OK_AND_ASSIGN(const auto engine, Open(SmallMap({})));
  const auto key = [](int i) { return std::to_string(1'000'000 + i); };
  {
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("key"));
    for (int i = 0; i < 20'000; ++i) {
      ASSERT_OK(txn->Put("key", key(i), std::string(93, 'v')));
    }
    ASSERT_OK(txn->Commit());
  }
  const uint64_t full = engine->Size().in_use_bytes;
  ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
  for (int i = 0; i < 19'990; ++i) {
    ASSERT_OK(txn->Delete("key", key(i)));
  }
  ASSERT_OK(txn->Commit());
  {
    ASSERT_OK_AND_ASSIGN(const auto next, engine->BeginWrite());
    next->Rollback();
  }
  EXPECT_LT(engine->Size().in_use_bytes, full / 50);
  EXPECT_OK(engine->Check());
}

struct FailureCase {
  const char* name;
  CallKind kind;
  uint64_t nth;
  bool is_sticky;
};

TEST(BoltFailure, IsStickyFromTheFirstSyncOn) {
  const std::vector<FailureCase> cases = {
      {"page write", CallKind::kWrite, 1, false},
      {"data sync", CallKind::kSync, 1, true},
      {"meta write", CallKind::kWrite, 2, true},
      {"meta sync", CallKind::kSync, 2, true},
  };
  for (const FailureCase& c : cases) {
    SCOPED_TRACE(c.name);
    FaultEnv env(7);
    ASSERT_OK(env.CreateDirs("/d"));
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, "/d/db", SmallMap({})));
    ASSERT_OK_AND_ASSIGN(auto txn, engine->BeginWrite());
    ASSERT_OK(txn->CreateBucket("b"));
    ASSERT_OK(txn->Put("b", "k", "old"));
    ASSERT_OK(txn->Commit());
    ASSERT_OK_AND_ASSIGN(txn, engine->BeginWrite());
    ASSERT_OK(txn->Put("b", "k", "new"));
    env.FailCall(c.kind, c.nth);
    EXPECT_THAT(txn->Commit(), testing::Not(IsOk()));
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    EXPECT_THAT(reader->Get("b", "k"), IsOkAndHolds(testing::Optional(testing::Eq("old"))));
    if (c.is_sticky) {
      EXPECT_THAT(engine->BeginWrite(),
                  StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("failed before")));
    } else {
      ASSERT_OK_AND_ASSIGN(txn, engine->BeginWrite());
      ASSERT_OK(txn->Put("b", "k", "new"));
      EXPECT_OK(txn->Commit());
      EXPECT_OK(engine->Check());
    }
  }
}

}  // namespace
}  // namespace socle::kv
