#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/crash_points.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

using State = std::shared_ptr<const ModelState>;

constexpr int kCommits = 12;

// What a run of the workload got to before it was cut off.
struct Progress {
  State acknowledged = std::make_shared<ModelState>();
  State in_flight = acknowledged;  // or one commit further
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

// The next commit, on the engine and on the model.
absl::Status CommitSome(Random* random, Engine* engine, Progress* progress) {
  auto next = std::make_shared<ModelState>(*progress->acknowledged);
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(ChangeSome(random, txn.get(), next.get()));
  progress->in_flight = next;
  RETURN_IF_ERROR(txn->Commit());
  progress->acknowledged = next;
  return absl::OkStatus();
}

// The same calls for the same seed, until one fails.
absl::Status RunWorkload(FaultEnv* env, const BoltOptions& options, uint64_t seed,
                         Progress* progress) {
  Random random(seed);
  ASSIGN_OR_RETURN(const auto engine, OpenBolt(env, "/d/db", options));
  std::unique_ptr<ReadTxn> reader;
  for (int i = 0; i < kCommits; ++i) {
    RETURN_IF_ERROR(CommitSome(&random, engine.get(), progress));
    if (i % 5 == 0) {
      reader.reset();
      ASSIGN_OR_RETURN(reader, engine->BeginRead());
    }
  }
  return absl::OkStatus();
}

// Commits that leave much behind, with steps of shrinking between them, which a reader holds up.
absl::Status RunShrinkingWorkload(FaultEnv* env, const BoltOptions& options, uint64_t seed,
                                  Progress* progress) {
  constexpr int kManyKeys = 400;
  Random random(seed);
  ASSIGN_OR_RETURN(const auto engine, OpenBolt(env, "/d/db", options));
  for (int round = 0; round < 3; ++round) {
    {
      auto next = std::make_shared<ModelState>(*progress->acknowledged);
      ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
      RETURN_IF_ERROR(ChangeSome(&random, txn.get(), next.get()));
      for (int i = 0; i < kManyKeys; ++i) {
        const std::string key = "many" + std::to_string(i);
        if (round == 0) {
          (*next)["key"][key] = std::string(300, 'm');
          RETURN_IF_ERROR(txn->Put("key", key, (*next)["key"][key]));
        } else if (i % 5 != round) {
          (*next)["key"].erase(key);
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

// Opens what the power cut left, compares, and commits once more.
CrashPoints::Judge ExpectOneOf(const BoltOptions& options, Progress progress) {
  return [options, progress](CrashPoints::Machine* machine) {
    const bool has_sums = machine->env()->Contents("/d/db.sums").has_value();
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(machine->env(), "/d/db", options));
    // A power cut is no reason to make checksums anew: they would bless what rotted meanwhile.
    ASSERT_TRUE(!has_sums || machine->env()->calls(CallKind::kRename) == 0);
    ASSERT_OK(engine->Check());
    Progress now;
    {
      ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
      now.acknowledged = std::make_shared<ModelState>(Dump(*reader));
      now.in_flight = now.acknowledged;
    }
    ASSERT_TRUE(*now.acknowledged == *progress.acknowledged ||
                *now.acknowledged == *progress.in_flight)
        << "the state is neither the last acknowledged commit nor the one in flight";
    // What was shown stays.
    machine->Expect(ExpectOneOf(options, now));
    Random random(1);
    auto next = std::make_shared<ModelState>(*now.acknowledged);
    ASSERT_OK_AND_ASSIGN(const auto txn, engine->BeginWrite());
    ASSERT_OK(ChangeSome(&random, txn.get(), next.get()));
    now.in_flight = next;
    machine->Expect(ExpectOneOf(options, now));
    ASSERT_OK(txn->Commit());
    ASSERT_OK(engine->Check());
    now.acknowledged = next;
    machine->Expect(ExpectOneOf(options, now));
  };
}

using Workload = absl::Status (*)(FaultEnv*, const BoltOptions&, uint64_t, Progress*);

// One run with the power failing at each of its calls; `prepare` may plant a fault.
void CrashEverywhere(const BoltOptions& options, uint64_t seed, CrashPoints* points,
                     const std::function<void(FaultEnv*)>& prepare = nullptr,
                     Workload run = RunWorkload) {
  FaultEnv env(seed);
  ASSERT_OK(env.CreateDirs("/d"));
  if (prepare != nullptr) {
    prepare(&env);
  }
  Progress progress;
  points->Watch(&env, [&] { return ExpectOneOf(options, progress); });
  ASSERT_OK(run(&env, options, seed, &progress));
}

class BoltCrashTest : public testing::TestWithParam<BoltCase> {};

INSTANTIATE_TEST_SUITE_P(Bolt, BoltCrashTest, testing::ValuesIn(BoltCases()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BoltCrashTest, RecoversWhereverThePowerFailsAndAgainDuringRecovery) {
  const uint64_t seed = TestSeed();
  const uint64_t wanted = CrashPoints::Wanted(2500);
  uint64_t count = 0;
  for (uint64_t round = 0; count < wanted && !HasFailure(); ++round) {
    CrashPoints points({.seed = seed + round, .random_losses = 2, .nested_one_in = 16});
    CrashEverywhere(GetParam().options, seed + round, &points);
    count += points.count();
    points.PrintSummary();
  }
  EXPECT_GE(count, wanted);
}

TEST_P(BoltCrashTest, RecoversWhereverThePowerFailsWhileTheFileShrinks) {
  const uint64_t seed = TestSeed();
  const uint64_t wanted = CrashPoints::Wanted(1000);
  uint64_t count = 0;
  for (uint64_t round = 0; count < wanted && !HasFailure(); ++round) {
    CrashPoints points({.seed = seed + round, .random_losses = 1, .nested_one_in = 64});
    CrashEverywhere(GetParam().options, seed + round, &points, nullptr, RunShrinkingWorkload);
    count += points.count();
    points.PrintSummary();
  }
  EXPECT_GE(count, wanted);
}

// The test above must be able to fail: each fault planted here makes it red.
class BoltCrashPlanted : public testing::Test {
 protected:
  static bool IsCaught(const std::function<void(FaultEnv*)>& plant,
                       const BoltOptions& options = SmallMap({})) {
    for (uint64_t seed = 1; seed < 3; ++seed) {
      testing::TestPartResultArray failures;
      {
        const testing::ScopedFakeTestPartResultReporter reporter(
            testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
        CrashPoints points({.seed = seed, .depth = 1});
        CrashEverywhere(options, seed, &points, plant);
      }
      if (failures.size() > 0) {
        return true;
      }
    }
    return false;
  }
};

TEST_F(BoltCrashPlanted, ADiskThatNeverSyncsIsCaught) {
  EXPECT_TRUE(IsCaught([](FaultEnv* env) { env->PretendToSync(true); }));
}

// Two syncs make the file, then two each commit.
TEST_F(BoltCrashPlanted, AMetaPageWrittenBeforeItsPagesAreDurableIsCaught) {
  EXPECT_TRUE(IsCaught([](FaultEnv* env) {
    env->PretendToSyncIf([](uint64_t nth) { return nth > 2 && nth % 2 == 1; });
  }));
}

TEST_F(BoltCrashPlanted, AnAcknowledgementBeforeTheMetaPageIsDurableIsCaught) {
  EXPECT_TRUE(IsCaught([](FaultEnv* env) {
    env->PretendToSyncIf([](uint64_t nth) { return nth > 2 && nth % 2 == 0; });
  }));
}

// With checksums there is one more sync at first and in each commit.
TEST_F(BoltCrashPlanted, ChecksumsThatAreNotDurableBeforeTheMetaPageAreCaught) {
  BoltOptions options = SmallMap({});
  options.page_checksums = true;
  EXPECT_TRUE(IsCaught(
      [](FaultEnv* env) {
        env->PretendToSyncIf([](uint64_t nth) { return nth > 3 && nth % 3 == 1; });
      },
      options));
}

TEST_F(BoltCrashPlanted, NothingIsCaughtWhenNothingIsPlanted) {
  EXPECT_FALSE(IsCaught(nullptr));
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
