#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/crash_points.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/testing/replayed_log.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

// What an outsider who outlives the crashes knows about the log.
struct Witness {
  std::vector<std::string> entries;  // entry n at n - 1, as far as sent
  uint64_t acknowledged = 0;
  uint64_t truncated = 0;  // the store holds these
};

constexpr WalOptions kOptions = {
    .segment_bytes = 12'288, .store_id = 7, .prepare_in_background = false};

// Appends, truncates and reopens until `steps` are done or something fails.
void RunWorkload(FaultEnv* env, uint64_t seed, int steps, Witness* witness) {
  Random random(seed);
  auto log = OpenLog(env, "/wal", kOptions, witness->truncated);
  for (int step = 0; step < steps && log.ok(); ++step) {
    const uint64_t choice = random.Below(20);
    if (choice < 16) {
      std::vector<std::string> batch;
      const uint64_t count = 1 + random.Below(6);
      witness->entries.resize(witness->acknowledged);
      for (uint64_t i = 0; i < count; ++i) {
        batch.push_back(EntryText(witness->acknowledged + i + 1, random.Below(900)));
      }
      witness->entries.insert(witness->entries.end(), batch.begin(), batch.end());
      if (!AppendTexts(log->wal.get(), batch).ok()) {
        return;
      }
      witness->acknowledged += count;
    } else if (choice < 19) {
      witness->truncated += random.Below(witness->acknowledged - witness->truncated + 1);
      if (!log->wal->TruncateBefore(LogIndex{witness->truncated}).ok()) {
        return;
      }
    } else {
      log->wal.reset();
      log = OpenLog(env, "/wal", kOptions, witness->truncated);
    }
  }
}

// Opens after the crash and compares; "" when all is well. What survived is acknowledged from now
// on.
std::string CheckSurvivors(FaultEnv* env, Witness* witness) {
  const auto log = OpenLog(env, "/wal", kOptions, witness->truncated);
  if (!log.ok()) {
    return log.status().ToString();
  }
  const uint64_t last = Raw(log->wal->last_index());
  if (last < witness->acknowledged || last > witness->entries.size()) {
    return fmt::format("last entry is {}: {} were acknowledged, {} sent", last,
                       witness->acknowledged, witness->entries.size());
  }
  uint64_t expected = witness->truncated;
  for (const auto& [index, text] : log->entries) {
    if (index != ++expected || text != witness->entries[index - 1]) {
      return fmt::format("entry {} is not what was sent, expected entry {}", index, expected);
    }
  }
  if (expected != last) {
    return fmt::format("entries end at {}, the log at {}", expected, last);
  }
  witness->acknowledged = last;
  return "";
}

// Holds a machine that lost power to what the witness knew; then appends once more.
CrashPoints::Judge ExpectSurvivors(Witness witness) {
  return [witness](CrashPoints::Machine* machine) {
    Witness now = witness;
    ASSERT_EQ(CheckSurvivors(machine->env(), &now), "");
    // What was replayed stays.
    now.entries.resize(now.acknowledged);
    machine->Expect(ExpectSurvivors(now));
    ASSERT_OK_AND_ASSIGN(const auto log, OpenLog(machine->env(), "/wal", kOptions, now.truncated));
    const std::vector<std::string> batch = {EntryText(now.acknowledged + 1, 700), "second"};
    now.entries.insert(now.entries.end(), batch.begin(), batch.end());
    machine->Expect(ExpectSurvivors(now));
    ASSERT_OK(AppendTexts(log.wal.get(), batch));
    now.acknowledged = now.entries.size();
    machine->Expect(ExpectSurvivors(now));
  };
}

TEST(WalCrash, KeepsEveryAcknowledgedEntryWhereverThePowerFails) {
  const uint64_t seed = TestSeed();
  const uint64_t wanted = CrashPoints::Wanted(6000);
  uint64_t count = 0;
  for (uint64_t round = 0; count < wanted && !HasFailure(); ++round) {
    CrashPoints points({.seed = seed + round, .nested_one_in = 8});
    FaultEnv env(seed + round);
    Witness witness;
    points.Watch(&env, [&] { return ExpectSurvivors(witness); });
    RunWorkload(&env, seed + round, 120, &witness);
    ASSERT_EQ(witness.acknowledged, witness.entries.size());
    count += points.count();
    points.PrintSummary();
  }
  EXPECT_GE(count, wanted);
}

TEST(WalCrash, SurvivesCrashAfterCrashAlsoDuringRecovery) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  for (uint64_t run = 0; run < 60; ++run) {
    FaultEnv env(seed + run);
    Witness witness;
    for (uint64_t life = 0; life < 25; ++life) {
      SCOPED_TRACE(fmt::format("seed {} run {} life {}", seed, run, life));
      env.CrashAfterCalls(random.Below(random.OneIn(3) ? 6 : 60));
      RunWorkload(&env, seed * 31 + run * 1000 + life, 40, &witness);
      if (random.OneIn(8)) {
        env.Restart(DurabilityLoss::kNone);
      } else {
        env.Restart(DurabilityLoss::kRandom);
      }
      ASSERT_EQ(CheckSurvivors(&env, &witness), "");
    }
  }
}

TEST(WalCrash, AFailedSyncNeverAcknowledgesAnything) {
  const uint64_t seed = TestSeed();
  for (uint64_t nth = 1; nth < 150; ++nth) {
    for (const CallKind kind : {CallKind::kSync, CallKind::kWrite, CallKind::kSyncDir}) {
      SCOPED_TRACE(fmt::format("seed {} nth {}", seed, nth));
      FaultEnv env(seed + nth);
      Witness witness;
      env.FailCall(kind, nth);
      RunWorkload(&env, seed, 60, &witness);
      env.Restart(DurabilityLoss::kRandom);
      ASSERT_EQ(CheckSurvivors(&env, &witness), "");
    }
  }
}

TEST(WalCrash, IsCaughtWhenTheDiskLies) {
  const uint64_t seed = TestSeed();
  uint64_t caught = 0;
  for (uint64_t crash = 20; crash < 60; ++crash) {
    FaultEnv env(seed + crash);
    Witness witness;
    env.PretendToSync(true);
    env.CrashAfterCalls(crash);
    RunWorkload(&env, seed, 120, &witness);
    env.Restart(DurabilityLoss::kRandom);
    caught += CheckSurvivors(&env, &witness).empty() ? 0 : 1;
  }
  EXPECT_GT(caught, 30U);
}

}  // namespace
}  // namespace socle::kv
