// Each system call of the log fails in turn; a log that failed stays failed, and no half record
// comes to life later.
#include <cstdint>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/record.h"
#include "kv/wal/segment.h"
#include "kv/wal/testing/replayed_log.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

constexpr WalOptions kOptions = {
    .segment_bytes = 12'288, .store_id = 7, .prepare_in_background = false};

struct Fault {
  const char* name;
  CallKind kind;
  absl::StatusCode code;
};

constexpr Fault kFaults[] = {
    {"EIO at sync", CallKind::kSync, absl::StatusCode::kInternal},
    {"ENOSPC at sync", CallKind::kSync, absl::StatusCode::kResourceExhausted},
    {"EIO at write", CallKind::kWrite, absl::StatusCode::kInternal},
    {"ENOSPC at write", CallKind::kWrite, absl::StatusCode::kResourceExhausted},
    {"EIO at rename", CallKind::kRename, absl::StatusCode::kInternal},
    {"EIO at remove", CallKind::kRemove, absl::StatusCode::kInternal},
    {"ENOSPC at create", CallKind::kCreate, absl::StatusCode::kResourceExhausted},
    {"EIO at sync of the directory", CallKind::kSyncDir, absl::StatusCode::kInternal},
    {"EACCES at making the directory", CallKind::kCreateDirs, absl::StatusCode::kPermissionDenied},
    {"EMFILE at open", CallKind::kOpen, absl::StatusCode::kResourceExhausted},
    {"EIO at read", CallKind::kRead, absl::StatusCode::kInternal},
    {"EIO at stat", CallKind::kStat, absl::StatusCode::kInternal},
    {"EIO at list", CallKind::kList, absl::StatusCode::kInternal},
};

// What was sent and what was acknowledged, across lives.
struct Witness {
  std::vector<std::string> sent;
  uint64_t acknowledged = 0;
  uint64_t truncated = 0;
};

absl::Status AppendSome(Random* random, Wal* wal, Witness* witness, uint64_t bytes_max = 900) {
  std::vector<std::string> batch;
  witness->sent.resize(witness->acknowledged);
  for (uint64_t left = 1 + random->Below(4); left > 0; --left) {
    batch.push_back(EntryText(random->Next(), random->Below(bytes_max)));
  }
  witness->sent.insert(witness->sent.end(), batch.begin(), batch.end());
  RETURN_IF_ERROR(AppendTexts(wal, batch).status());
  witness->acknowledged += batch.size();
  return absl::OkStatus();
}

// Opens, and holds the log to the witness. What survived is acknowledged from now on.
void ExpectSurvivors(FaultEnv* env, Witness* witness) {
  ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(env, "/wal", kOptions, witness->truncated));
  const uint64_t last = Raw(log.wal->last_index());
  ASSERT_GE(last, witness->acknowledged);
  ASSERT_LE(last, witness->sent.size());
  ASSERT_EQ(log.entries.size(), last - witness->truncated);
  for (const auto& [index, text] : log.entries) {
    ASSERT_EQ(text, witness->sent[index - 1]) << "entry " << index << " is not what was sent";
  }
  witness->acknowledged = last;
  witness->sent.resize(last);
}

// Opens, appends and truncates until the planned failure comes; false when it never did.
bool Fail(FaultEnv* env, const Fault& fault, Random* random, Witness* witness) {
  const auto log = OpenLog(env, "/wal", kOptions);
  absl::Status failed = log.status();
  bool by_append = false;
  for (int i = 0; i < 30 && failed.ok(); ++i) {
    failed = AppendSome(random, log->wal.get(), witness);
    by_append = !failed.ok();
    if (failed.ok() && i % 6 == 5) {
      witness->truncated = witness->acknowledged - random->Below(3);
      failed = log->wal->TruncateBefore(LogIndex{witness->truncated});
    }
  }
  if (failed.ok()) {
    return false;
  }
  EXPECT_EQ(failed.code(), fault.code) << failed;
  EXPECT_THAT(std::string(MessageOf(failed)), HasSubstr("/wal"));
  if (by_append) {
    // The disk is well again, but the log can't know what is on it.
    Witness later = *witness;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(AppendSome(random, log->wal.get(), &later), failed);
    }
    EXPECT_EQ(log->wal->TruncateBefore(LogIndex{witness->truncated}), failed);
  }
  return true;
}

TEST(WalFault, EveryCallOfEveryKindMayFail) {
  const uint64_t seed = TestSeed();
  uint64_t failures = 0;
  for (const Fault& fault : kFaults) {
    // Some failures cost nothing (zeros written ahead), so one run without any ends nothing.
    uint64_t harmless = 0;
    for (uint64_t nth = 1; harmless < 12; ++nth) {
      SCOPED_TRACE(fmt::format("seed {}: {}, call {}", seed, fault.name, nth));
      FaultEnv env(seed + nth);
      Random random(seed);
      Witness witness;
      env.FailCall(fault.kind, nth, fault.code);
      const bool has_failed = Fail(&env, fault, &random, &witness);
      failures += has_failed ? 1 : 0;
      harmless = has_failed ? 0 : harmless + 1;
      env.Restart(nth % 3 == 0 ? DurabilityLoss::kNone : DurabilityLoss::kRandom);
      ASSERT_NO_FATAL_FAILURE(ExpectSurvivors(&env, &witness));
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_GT(failures, 100U);
}

// A batch longer than a segment makes the file grow, and ENOSPC cuts it at some byte. Whatever of it is on disk must never be completed by
// what is written there later.
TEST(WalFault, ABatchCutByAFullDiskNeverComesToLife) {
  const uint64_t seed = TestSeed();
  Random random(seed);
  for (uint64_t room = 0; room < 40'000; room += 97) {
    SCOPED_TRACE(fmt::format("seed {} room {}", seed, room));
    FaultEnv env(seed + room);
    Witness witness;
    {
      ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env, "/wal", kOptions));
      uint64_t used = 0;
      ASSERT_OK_AND_ASSIGN(const auto names, env.List("/wal"));
      for (const std::string& name : names) {
        used += env.Contents("/wal/" + name)->size();
      }
      env.SetDiskBytes(used + room);
      absl::Status status;
      for (int i = 0; i < 100 && status.ok(); ++i) {
        status = AppendSome(&random, log.wal.get(), &witness, /*bytes_max=*/9000);
      }
      ASSERT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("/wal")));
      env.SetDiskBytes(uint64_t{1} << 40U);
      Witness later = witness;
      ASSERT_EQ(AppendSome(&random, log.wal.get(), &later), status);
    }
    for (int life = 0; life < 3; ++life) {
      env.Restart(random.OneIn(2) ? DurabilityLoss::kNone : DurabilityLoss::kRandom);
      ASSERT_NO_FATAL_FAILURE(ExpectSurvivors(&env, &witness));
      ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env, "/wal", kOptions));
      ASSERT_OK(AppendSome(&random, log.wal.get(), &witness));
    }
    ASSERT_NO_FATAL_FAILURE(ExpectSurvivors(&env, &witness));
  }
}

// Found by log_fuzz: the file ended within a record's header, whose missing bytes are zeros. Zeros
// written ahead completed it, and it followed the entry that took the place of its torn neighbour.
TEST(WalFault, ARecordCutByTheEndOfTheFileNeverComesToLife) {
  FaultEnv env(1);
  {
    ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env, "/wal", kOptions));
    ASSERT_OK(AppendTexts(log.wal.get(), {"kept"}));
    ASSERT_OK(AppendTexts(log.wal.get(), {"", ""}));
  }
  env.Restart(DurabilityLoss::kNone);
  const std::string path = "/wal/" + SegmentName(1, LogIndex{1});
  const uint64_t second = kSegmentHeadBytes + RecordBytes(4);
  std::string bytes = env.Contents(path)->substr(0, second + 2 * RecordBytes(0) - 2);
  bytes[second] = static_cast<char>(bytes[second] ^ 1);
  env.SetContents(path, bytes);
  {
    ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env, "/wal", kOptions));
    ASSERT_EQ(log.entries.size(), 1U);
    ASSERT_OK(AppendTexts(log.wal.get(), {""}));
  }
  ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env, "/wal", kOptions));
  EXPECT_EQ(log.entries.size(), 2U);
}

}  // namespace
}  // namespace socle::kv
