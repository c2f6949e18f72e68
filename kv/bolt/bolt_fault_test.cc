// Each system call of the page store fails in turn: what it answers, what it keeps, what is on disk.
#include <cstdint>
#include <memory>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/bolt/bolt_engine.h"
#include "kv/bolt/testing/bolt_cases.h"
#include "kv/testing/engine_model.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

enum class Stops { kAlways, kNever, kAfterTheSync };

struct Fault {
  const char* name;
  CallKind kind;
  absl::StatusCode code;
  Stops stops;  // writing, once the file is open
};

// A failed sync is final, and so is a failed write of the meta page, which follows one. A write that
// failed before leaves the last commit as it was.
constexpr Fault kFaults[] = {
    {"EIO at sync", CallKind::kSync, absl::StatusCode::kInternal, Stops::kAlways},
    {"ENOSPC at sync", CallKind::kSync, absl::StatusCode::kResourceExhausted, Stops::kAlways},
    {"EIO at write", CallKind::kWrite, absl::StatusCode::kInternal, Stops::kAfterTheSync},
    {"ENOSPC at write", CallKind::kWrite, absl::StatusCode::kResourceExhausted,
     Stops::kAfterTheSync},
    {"EIO at truncate", CallKind::kTruncate, absl::StatusCode::kInternal, Stops::kNever},
    {"ENOSPC at truncate", CallKind::kTruncate, absl::StatusCode::kResourceExhausted,
     Stops::kNever},
    {"EIO at read", CallKind::kRead, absl::StatusCode::kInternal, Stops::kNever},
    {"EMFILE at open", CallKind::kOpen, absl::StatusCode::kResourceExhausted, Stops::kNever},
    {"ENOSPC at create", CallKind::kCreate, absl::StatusCode::kResourceExhausted, Stops::kNever},
    {"EIO at sync of the directory", CallKind::kSyncDir, absl::StatusCode::kInternal,
     Stops::kNever},
    {"EIO at stat", CallKind::kStat, absl::StatusCode::kInternal, Stops::kNever},
    {"ENOMEM at map", CallKind::kMap, absl::StatusCode::kResourceExhausted, Stops::kNever},
    {"EIO at lock", CallKind::kLock, absl::StatusCode::kInternal, Stops::kNever},
};

absl::Status CommitSome(Random* random, Engine* engine, ModelState* acknowledged,
                        ModelState* in_flight) {
  ModelState next = *acknowledged;
  ASSIGN_OR_RETURN(const auto txn, engine->BeginWrite());
  RETURN_IF_ERROR(txn->CreateBucket("key"));
  next.try_emplace("key");
  for (int i = 0; i < 20; ++i) {
    const std::string key = "k" + std::to_string(random->Below(100));
    const std::string value(random->OneIn(8) ? 9000 : random->Below(300), 'v');
    RETURN_IF_ERROR(txn->Put("key", key, value));
    next["key"][key] = value;
  }
  *in_flight = next;
  RETURN_IF_ERROR(txn->Commit());
  *acknowledged = next;
  return absl::OkStatus();
}

void ExpectReads(Engine* engine, const ModelState& expected) {
  ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
  ASSERT_TRUE(Dump(*reader) == expected) << "what is read is not the last acknowledged commit";
}

// Commits until the planned failure comes or the work is done.
class FailingRun {
 public:
  FailingRun(const BoltOptions& options, uint64_t seed)
      : options_(options), random_(seed), env_(seed) {}

  // False: no call was left to fail.
  bool Fail(const Fault& fault, uint64_t nth) {
    EXPECT_OK(env_.CreateDirs("/d"));
    env_.FailCall(fault.kind, nth, fault.code);
    const auto engine = OpenBolt(&env_, "/d/db", options_);
    absl::Status failed = engine.status();
    for (int i = 0; i < 6 && failed.ok(); ++i) {
      failed = CommitSome(&random_, engine->get(), &acknowledged_, &in_flight_);
    }
    if (failed.ok()) {
      return false;
    }
    EXPECT_EQ(failed.code(), fault.code) << failed;
    EXPECT_THAT(std::string(MessageOf(failed)), HasSubstr("/d"));
    if (engine.ok()) {
      AfterAFailedCommit(engine->get(), fault, failed);
    }
    return true;
  }

  void Reopen(DurabilityLoss loss) {
    env_.Restart(loss);
    ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env_, "/d/db", options_));
    ASSERT_OK(engine->Check());
    ASSERT_OK_AND_ASSIGN(const auto reader, engine->BeginRead());
    const ModelState found = Dump(*reader);
    ASSERT_TRUE(found == acknowledged_ || found == in_flight_);
  }

 private:
  void AfterAFailedCommit(Engine* engine, const Fault& fault, const absl::Status& failed) {
    ASSERT_NO_FATAL_FAILURE(ExpectReads(engine, acknowledged_));
    const bool has_stopped = fault.stops == Stops::kAlways ||
                             (fault.stops == Stops::kAfterTheSync && !engine->BeginWrite().ok());
    for (int i = 0; i < 3; ++i) {
      ModelState unused;
      const absl::Status next =
          CommitSome(&random_, engine, &acknowledged_, has_stopped ? &unused : &in_flight_);
      if (has_stopped) {
        ASSERT_EQ(next.code(), absl::StatusCode::kFailedPrecondition) << next;
        ASSERT_THAT(std::string(MessageOf(next)), HasSubstr(std::string(MessageOf(failed))));
      } else {
        ASSERT_OK(next);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectReads(engine, acknowledged_));
    }
    ASSERT_OK(engine->Check());
  }

  const BoltOptions options_;
  Random random_;
  FaultEnv env_;
  ModelState acknowledged_;
  ModelState in_flight_;
};

class BoltFaultTest : public testing::TestWithParam<BoltCase> {};

INSTANTIATE_TEST_SUITE_P(Bolt, BoltFaultTest, testing::ValuesIn(BoltCases()),
                         [](const auto& row) { return row.param.name; });

TEST_P(BoltFaultTest, EveryCallOfEveryKindMayFail) {
  const uint64_t seed = TestSeed();
  uint64_t failures = 0;
  for (const Fault& fault : kFaults) {
    // One failure in each commit may be harmless: that of the head of the checksums at its end.
    int harmless = 0;
    for (uint64_t nth = 1; harmless < 3; ++nth) {
      SCOPED_TRACE(fmt::format("seed {}: {}, call {}", seed, fault.name, nth));
      FailingRun run(GetParam().options, seed);
      const bool has_failed = run.Fail(fault, nth);
      harmless = has_failed ? 0 : harmless + 1;
      failures += has_failed ? 1 : 0;
      ASSERT_NO_FATAL_FAILURE(
          run.Reopen(nth % 2 == 0 ? DurabilityLoss::kRandom : DurabilityLoss::kNone));
    }
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(failures, 80U);
}

TEST(BoltFault, AFullDiskRefusesACommitAndTheNextOneWorksWhenThereIsRoom) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  FaultEnv env(seed);
  ASSERT_OK(env.CreateDirs("/d"));
  ASSERT_OK_AND_ASSIGN(const auto engine, OpenBolt(&env, "/d/db", SmallMap({})));
  ModelState acknowledged;
  ModelState in_flight;
  ASSERT_OK(CommitSome(&random, engine.get(), &acknowledged, &in_flight));
  for (uint64_t room = 0; room < 40'000; room += 1'500) {
    env.SetDiskBytes(env.Contents("/d/db")->size() + room);
    absl::Status status;
    for (int i = 0; i < 50 && status.ok(); ++i) {
      status = CommitSome(&random, engine.get(), &acknowledged, &in_flight);
    }
    if (!status.ok()) {
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/d/db")));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectReads(engine.get(), acknowledged));
    env.SetDiskBytes(uint64_t{1} << 40U);
    ASSERT_OK(CommitSome(&random, engine.get(), &acknowledged, &in_flight));
    ASSERT_OK(engine->Check());
  }
}

TEST(BoltFault, ASecondEngineOnTheFileIsRefused) {
  FaultEnv env(1);
  ASSERT_OK(env.CreateDirs("/d"));
  ASSERT_OK_AND_ASSIGN(const auto first, OpenBolt(&env, "/d/db", SmallMap({})));
  const auto before = env.Contents("/d/db");
  EXPECT_THAT(OpenBolt(&env, "/d/db", SmallMap({})).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("/d/db")));
  EXPECT_EQ(env.Contents("/d/db"), before);
}

}  // namespace
}  // namespace socle::kv
