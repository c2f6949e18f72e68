#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

constexpr int kCommits = 12;

// What a run of the workload got to before it was cut off.
struct Progress {
  ModelState acknowledged;
  ModelState in_flight;  // acknowledged, or one commit further
};

// Random changes of one transaction, on the engine and on the model.
absl::Status ChangeSome(Random* random, WriteTxn* txn, ModelState* state) {
  for (const char* bucket : {"key", "meta"}) {
    RETURN_IF_ERROR(txn->CreateBucket(bucket));
    state->try_emplace(bucket);
  }
  for (int i = 0; i < 30; ++i) {
    const std::string key = "k" + std::to_string(random->Below(150));
    if (random->OneIn(4)) {
      RETURN_IF_ERROR(txn->Delete("key", key));
      (*state)["key"].erase(key);
    } else {
      const std::string value(random->OneIn(10) ? 9000 : random->Below(400),
                              static_cast<char>('a' + random->Below(26)));
      RETURN_IF_ERROR(txn->Put("key", key, value));
      (*state)["key"][key] = value;
    }
  }
  const std::string index = std::to_string(random->Next());
  RETURN_IF_ERROR(txn->Put("meta", "consistent_index", index));
  (*state)["meta"]["consistent_index"] = index;
  return absl::OkStatus();
}

// The same calls for the same seed, until one fails.
absl::Status RunWorkload(FaultEnv* env, const BoltOptions& options, uint64_t seed,
                         Progress* progress) {
  Random random(seed);
  ASSIGN_OR_RETURN(const auto engine, OpenBolt(env, "/d/db", options));
  std::unique_ptr<ReadTxn> reader;
  for (int i = 0; i < kCommits; ++i) {
    ModelState next = progress->acknowledged;
    ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
    RETURN_IF_ERROR(ChangeSome(&random, txn.get(), &next));
    progress->in_flight = next;
    RETURN_IF_ERROR(txn->Commit());
    progress->acknowledged = next;
    if (i % 5 == 0) {
      reader.reset();
      ASSIGN_OR_RETURN(reader, engine->BeginRead());
    }
  }
  return absl::OkStatus();
}

// Commits that leave much behind, with steps of shrinking between them.
absl::Status RunShrinkingWorkload(FaultEnv* env, const BoltOptions& options, uint64_t seed,
                                  Progress* progress) {
  Random random(seed);
  ASSIGN_OR_RETURN(const auto engine, OpenBolt(env, "/d/db", options));
  for (int round = 0; round < 3; ++round) {
    ModelState next = progress->acknowledged;
    {
      ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
      RETURN_IF_ERROR(ChangeSome(&random, txn.get(), &next));
      for (int i = 0; i < 400; ++i) {
        const std::string key = "many" + std::to_string(i);
        if (round == 0) {
          next["key"][key] = std::string(300, 'm');
          RETURN_IF_ERROR(txn->Put("key", key, next["key"][key]));
        } else if (i % 5 != round) {
          next["key"].erase(key);
          RETURN_IF_ERROR(txn->Delete("key", key));
        }
      }
      progress->in_flight = next;
      RETURN_IF_ERROR(txn->Commit());
      progress->acknowledged = next;
    }
    std::unique_ptr<ReadTxn> reader;
    for (int steps = 0; steps < 1000; ++steps) {
      if (steps % 3 == 0) {
        ASSIGN_OR_RETURN(reader, engine->BeginRead());
      }
      ASSIGN_OR_RETURN(const ShrinkProgress step, engine->ShrinkStep(0));
      if (step.state == ShrinkProgress::State::kDone) {
        break;
      }
    }
  }
  return absl::OkStatus();
}

class BoltCrashTest : public testing::TestWithParam<BoltCase> {
 protected:
  // Opens what the crash left, twice: opening may write.
  static void ExpectRecovered(FaultEnv* env, const BoltOptions& options, const Progress& progress) {
    for (int round = 0; round < 2; ++round) {
      ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(env, "/d/db", options));
      ASSERT_OK(engine->Check());
      ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
      const ModelState found = Dump(*reader);
      ASSERT_TRUE(found == progress.acknowledged || found == progress.in_flight)
          << "the state is neither the last acknowledged commit nor the one in flight";
      Random random(static_cast<uint64_t>(round));
      ModelState next = found;
      ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
      ASSERT_OK(ChangeSome(&random, txn.get(), &next));
      txn->Rollback();
    }
  }

  using Workload = absl::Status (*)(FaultEnv*, const BoltOptions&, uint64_t, Progress*);

  void CrashEverywhere(DurabilityLoss loss, Workload run = RunWorkload) {
    const uint64_t seed = TestSeed();
    SCOPED_TRACE(seed);
    uint64_t calls = 0;
    {
      FaultEnv env(seed);
      ASSERT_OK(env.CreateDirs("/d"));
      Progress progress;
      calls = env.mutating_calls();
      ASSERT_OK(run(&env, GetParam().options, seed, &progress));
      calls = env.mutating_calls() - calls;
    }
    for (uint64_t crash = 0; crash < calls; ++crash) {
      SCOPED_TRACE(crash);
      FaultEnv env(seed + crash);
      ASSERT_OK(env.CreateDirs("/d"));
      env.CrashAfterCalls(crash);
      Progress progress;
      ASSERT_FALSE(run(&env, GetParam().options, seed, &progress).ok());
      env.Restart(loss);
      ASSERT_NO_FATAL_FAILURE(ExpectRecovered(&env, GetParam().options, progress));
    }
  }
};

INSTANTIATE_TEST_SUITE_P(Bolt, BoltCrashTest, testing::ValuesIn(BoltCases()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BoltCrashTest, RecoversWhenAllUnsyncedWritesAreLost) {
  CrashEverywhere(DurabilityLoss::kAll);
}

TEST_P(BoltCrashTest, RecoversWhenTheProcessDies) {
  CrashEverywhere(DurabilityLoss::kNone);
}

TEST_P(BoltCrashTest, RecoversWhenUnsyncedWritesAreTorn) {
  CrashEverywhere(DurabilityLoss::kRandom);
}

TEST_P(BoltCrashTest, RecoversWhenTheFileShrinksAndAllUnsyncedWritesAreLost) {
  CrashEverywhere(DurabilityLoss::kAll, RunShrinkingWorkload);
}

TEST_P(BoltCrashTest, RecoversWhenTheFileShrinksAndTheProcessDies) {
  CrashEverywhere(DurabilityLoss::kNone, RunShrinkingWorkload);
}

TEST_P(BoltCrashTest, RecoversWhenTheFileShrinksAndUnsyncedWritesAreTorn) {
  CrashEverywhere(DurabilityLoss::kRandom, RunShrinkingWorkload);
}

// The test above must be able to fail: with a disk that lies about syncs, states are lost.
TEST(BoltCrash, LosesStatesOnALyingDisk) {
  const BoltOptions options = SmallMap({});
  int broken = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    FaultEnv env(seed);
    ASSERT_OK(env.CreateDirs("/d"));
    env.PretendToSync(true);
    Progress progress;
    ASSERT_OK(RunWorkload(&env, options, seed, &progress));
    env.Restart(DurabilityLoss::kRandom);
    const auto engine = OpenBolt(&env, "/d/db", options);
    if (!engine.ok() || !(*engine)->Check().ok()) {
      ++broken;
      continue;
    }
    const auto reader = (*engine)->BeginRead();
    broken += Dump(**reader) == progress.acknowledged ? 0 : 1;
  }
  EXPECT_GT(broken, 0);
}

TEST(BoltCrash, StaysUsableAfterADiskFullError) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  FaultEnv env(seed);
  ASSERT_OK(env.CreateDirs("/d"));
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, "/d/db", SmallMap({})));
  ModelState state;
  int refused = 0;
  for (int i = 0; i < 40; ++i) {
    if (i % 3 == 0) {
      env.FailCall(i % 2 == 0 ? CallKind::kWrite : CallKind::kTruncate, 1,
                   absl::StatusCode::kResourceExhausted);
    }
    ModelState next = state;
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(ChangeSome(&random, txn.get(), &next));
    const absl::Status status = txn->Commit();
    if (status.ok()) {
      state = next;
    } else {
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted));
      ++refused;
    }
    ASSERT_OK(engine->Check());
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    ASSERT_TRUE(Dump(*reader) == state);
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 40);
}

}  // namespace
}  // namespace socle::kv
