// The power fails at the backup's system calls, the store's beside them; calls fail; disks are full; bytes flip.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/testing/crash_points.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_restore.h"
#include "server/backup/backup_service.h"
#include "server/backup/backup_writer.h"
#include "server/backup/testing/backup_faults.h"
#include "server/backup/testing/recorded_store.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

// The directory of a machine that lost power: whole, and what was saved is in it.
CrashPoints::Judge ExpectSaved(uint64_t saved, bool with_rebuild) {
  return [saved, with_rebuild](CrashPoints::Machine* machine) {
    FaultEnv* const env = machine->env();
    if (!env->Exists("/backup").value()) {
      ASSERT_EQ(saved, 0U);
      return;
    }
    ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(env, "/backup"));
    ASSERT_THAT(directory.damage, IsEmpty());
    uint64_t last = 0;
    for (const BackupChain& chain : directory.chains) {
      last = chain.bases.empty() ? last : chain.last_index();
    }
    ASSERT_GE(last, saved) << "something that was saved is gone";
    if (!directory.is_empty()) {
      ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(env, !with_rebuild));
      ASSERT_THAT(checked.damage, IsEmpty());
    }
  };
}

// Three lives of a writer, the power failing at calls of the backup and of the store.
void CrashEverywhere(uint64_t seed, CrashPoints* points, bool lies) {
  FaultEnv env(seed);
  env.PretendToSync(lies);
  ManualClock clock;
  RecordedStore recorded(StoreOptionsOf(&env), seed);
  std::unique_ptr<BackupWriter> writer;
  std::atomic<uint64_t> saved = 0;
  std::atomic<uint64_t> asked = 0;
  // The store's own threads call, too.
  points->Watch(&env, [&] { return ExpectSaved(saved, ++asked % 20 == 0); });
  for (int life = 0; life < 3; ++life) {
    ASSERT_OK_AND_ASSIGN(writer,
                         BackupWriter::Open(recorded.store(), BackupOptionsOf(&env, &clock)));
    for (int i = 0; i < 8; ++i) {
      ASSERT_OK(Live(&recorded, writer.get(), &clock, 1));
      saved = writer->figures().saved_index;
    }
    if (life % 2 == 0) {
      ASSERT_OK(writer->Close());
    }
    writer.reset();
    clock.Advance(40 * kNanosPerSecond);  // the next base makes all of this superfluous
  }
}

TEST(BackupCrash, ADirectoryIsWholeWhereverThePowerFails) {
  const uint64_t seed = TestSeed();
  const uint64_t wanted = CrashPoints::Wanted(400);
  uint64_t count = 0;
  for (uint64_t round = 0; count < wanted && !HasFailure(); ++round) {
    CrashPoints points({.seed = seed + round, .random_losses = 1, .one_in = 4, .depth = 1});
    CrashEverywhere(seed + round, &points, /*lies=*/false);
    count += points.count();
    points.PrintSummary();
  }
  EXPECT_GE(count, wanted);
}

TEST(BackupCrash, IsCaughtWhenTheDiskLies) {
  testing::TestPartResultArray failures;
  {
    const testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ALL_THREADS, &failures);
    CrashPoints points({.seed = 1, .one_in = 10, .depth = 1});
    CrashEverywhere(1, &points, /*lies=*/true);
  }
  EXPECT_GT(failures.size(), 0);
}

TEST(BackupCrash, TheChainGoesOnAfterThePowerFailed) {
  const uint64_t seed = TestSeed();
  for (uint64_t round = 0; round < 12; ++round) {
    SCOPED_TRACE(fmt::format("seed {} round {}", seed, round));
    FaultEnv env(seed + round);
    ManualClock clock;
    uint64_t saved = 0;
    {
      RecordedStore recorded(StoreOptionsOf(&env), seed + round);
      ASSERT_OK_AND_ASSIGN(const auto writer,
                           BackupWriter::Open(recorded.store(), BackupOptionsOf(&env, &clock)));
      ASSERT_OK(Live(&recorded, writer.get(), &clock, 4 + static_cast<int>(round)));
      recorded.Work(5);
      saved = writer->figures().saved_index;
    }
    const auto after = env.AfterPowerCut(DurabilityLoss::kAll, seed);
    lease::Lessor lessor;
    mvcc::StoreOptions options = StoreOptionsOf(after.get());
    options.lease_hook = &lessor;
    ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
    ASSERT_OK_AND_ASSIGN(const auto writer,
                         BackupWriter::Open(store.get(), BackupOptionsOf(after.get(), &clock)));
    ASSERT_OK(writer->Save());
    EXPECT_FALSE(writer->IsBaseDue() && writer->figures().saved_index == 0);
    EXPECT_GE(writer->figures().saved_index, saved);
    ASSERT_OK_AND_ASSIGN(const BackupDirectory directory,
                         ReadBackupDirectory(after.get(), "/backup"));
    EXPECT_EQ(directory.chains.size(), 1U) << "there is a gap";
    ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(after.get()));
    EXPECT_THAT(checked.damage, IsEmpty());
  }
}

TEST_F(BackupFaults, AnyCallThatFailsIsMadeUpForLater) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  for (const CallKind kind :
       {CallKind::kCreate, CallKind::kWrite, CallKind::kSync, CallKind::kRename, CallKind::kSyncDir,
        CallKind::kRead, CallKind::kRemove}) {
    for (uint64_t nth = 1; nth <= 6; ++nth) {
      SCOPED_TRACE(fmt::format("{} {}", NameOf(kind), nth));
      recorded_.Work(2);
      clock_.Advance(11 * kNanosPerSecond);
      env_.FailCall(kind, nth);
      if (writer_->Save().ok() && writer_->IsBaseDue()) {
        writer_->MakeBase(Nothing).IgnoreError();
      }
      env_.FailCall(kind, UINT64_MAX);
      ASSERT_OK(writer_->Save());
      if (writer_->IsBaseDue()) {
        ASSERT_OK(writer_->MakeBase(Nothing));
      }
      EXPECT_EQ(writer_->figures().saved_index, recorded_.store()->log_index());
    }
  }
  ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
  EXPECT_EQ(directory.chains.size(), 1U);
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  EXPECT_THAT(checked.damage, IsEmpty());
}

TEST_F(BackupFaults, EveryFlippedByteIsFound) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 14));
  ASSERT_OK(writer_->Close());
  ASSERT_OK_AND_ASSIGN(const BackupChecked whole, Check(&env_));
  ASSERT_THAT(whole.damage, IsEmpty());
  EXPECT_GE(whole.bases, 2U);
  EXPECT_GE(whole.hashes_compared, 2U);
  uint64_t flipped = 0;
  for (const std::string& name : Files("")) {
    if (name == kLockName) {
      continue;
    }
    const std::string path = "/backup/" + name;
    const std::string bytes = *env_.Contents(path);
    const size_t step = name.ends_with(kImageSuffix) ? bytes.size() / 8 : 5;
    for (size_t at = 0; at < bytes.size(); at += step) {
      std::string broken = bytes;
      broken[at] = static_cast<char>(broken[at] ^ 0x10);
      env_.SetContents(path, broken);
      const auto checked = Check(&env_, /*without_rebuild=*/true);
      const bool is_found =
          checked.ok() ? !checked->damage.empty() : absl::IsFailedPrecondition(checked.status());
      EXPECT_TRUE(is_found) << name << " at " << at;
      ++flipped;
    }
    env_.SetContents(path, bytes);
  }
  EXPECT_GT(flipped, 100U);
}

TEST_F(BackupFaults, ALostFileIsFoundByCheckAndRestore) {
  OpenWriter();
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
    ASSERT_OK(writer_->Close());
  }
  const std::vector<std::string> pieces = Files(kPieceSuffix);
  ASSERT_GE(pieces.size(), 3U);
  ASSERT_OK(env_.Remove("/backup/" + pieces[1]));
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  ASSERT_FALSE(checked.damage.empty());
  EXPECT_THAT(std::string(checked.damage.front().message()),
              HasSubstr("a piece is missing between them"));
  EXPECT_THAT(RestoreBackup(&env_, {.directory = "/backup", .target = "/new"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a piece is missing")));
}

TEST_F(BackupFaults, ABrokenPieceIsFoundByRestore) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 5));
  ASSERT_OK(writer_->Close());
  const std::string name = Files(kPieceSuffix).back();
  std::string bytes = *env_.Contents("/backup/" + name);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  env_.SetContents("/backup/" + name, bytes);
  EXPECT_THAT(RestoreBackup(&env_, {.directory = "/backup", .target = "/new"}),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr(name)));
}

TEST_F(BackupFaults, AnEntryThatIsAnotherOneIsFoundByItsHash) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 14));
  ASSERT_OK(writer_->Close());
  // A record with another hash, and a good checksum.
  const std::string name = Files(kBaseSuffix).back();
  ASSERT_OK_AND_ASSIGN(BaseRecord record, DecodeBaseRecord(*env_.Contents("/backup/" + name)));
  record.hash ^= 1;
  env_.SetContents("/backup/" + name, EncodeBaseRecord(record));
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  ASSERT_FALSE(checked.damage.empty());
  EXPECT_THAT(std::string(checked.damage.front().message()), HasSubstr("HashKV"));
}

TEST_F(BackupFaults, TheDirectoryOfAnotherStoreIsRefused) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 2));
  writer_.reset();
  mvcc::StoreOptions options = StoreOptionsOf(&store_env_);
  options.directory = "/other";
  const RecordedStore other(options, 1);
  EXPECT_THAT(BackupWriter::Open(other.store(), BackupOptionsOf(&env_, &clock_)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("is the backup of store")));
}

TEST_F(BackupFaults, APieceThatIsClosedWhileItIsLookedForIsRead) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 2));
  const std::vector<std::string> parts = Files(kPartSuffix);
  ASSERT_EQ(parts.size(), 1U);
  ASSERT_OK(writer_->Close());
  ASSERT_OK_AND_ASSIGN(const PieceFigures piece,
                       ReadPiece(&env_, "/backup", parts.front(), nullptr));
  EXPECT_TRUE(piece.is_closed);
}

TEST_F(BackupFaults, GoesOnWhenALostDirectoryIsBack) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 2));
  ASSERT_OK(writer_->Close());
  // As when the file system is not mounted any more.
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& name : Files("")) {
    if (name != kLockName) {
      files.emplace_back(name, *env_.Contents("/backup/" + name));
      ASSERT_OK(env_.Remove("/backup/" + name));
    }
  }
  recorded_.Work(1);
  EXPECT_FALSE(writer_->Save().ok());
  EXPECT_THAT(writer_->Save(), StatusIs(absl::StatusCode::kUnavailable, HasSubstr("mounted")));
  for (const auto& [name, bytes] : files) {
    env_.SetContents("/backup/" + name, bytes);
  }
  ASSERT_OK(writer_->Save());
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  EXPECT_THAT(checked.damage, IsEmpty());
}

TEST_F(BackupFaults, AStoreThatWentBackToAnOlderCopyBeginsAnew) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 4));
  const auto copy = store_env_.AfterPowerCut(DurabilityLoss::kNone, 1);
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 4));
  writer_.reset();
  for (const int more : {0, 60}) {  // fewer entries than were saved; more, and other ones
    mvcc::StoreOptions options = StoreOptionsOf(copy.get());
    lease::Lessor lessor;
    options.lease_hook = &lessor;
    ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
    for (int i = 0; i < more; ++i) {
      ASSERT_OK(store->Put({.key = "other", .value = "history"}));
    }
    ASSERT_OK_AND_ASSIGN(const auto writer,
                         BackupWriter::Open(store.get(), BackupOptionsOf(&env_, &clock_)));
    ASSERT_OK(writer->Save());
    EXPECT_TRUE(writer->IsBaseDue());
  }
}

TEST_F(BackupFaults, ADirectoryIsNobodyElsesMeanwhile) {
  OpenWriter();
  EXPECT_THAT(BackupWriter::Open(recorded_.store(), BackupOptionsOf(&env_, &clock_)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
}

TEST_F(BackupFaults, AFullDiskIsGotOver) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  for (const CallKind kind : {CallKind::kWrite, CallKind::kSync}) {
    recorded_.Work(3);
    env_.FailCall(kind, 1, absl::StatusCode::kResourceExhausted);
    EXPECT_FALSE(writer_->Save().ok());
    recorded_.Work(3);
    ASSERT_OK(writer_->Save());
    EXPECT_EQ(writer_->figures().saved_index, recorded_.store()->log_index());
  }
}

TEST_F(BackupFaults, ARevisionOfAFrameThatWasNotWrittenIsNotCalledSaved) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 2));
  const int64_t before = writer_->figures().saved_revision;
  EXPECT_EQ(before, recorded_.store()->current_revision());
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = std::string(100, 'v')}));
  }
  env_.FailCall(CallKind::kWrite, 3);
  EXPECT_FALSE(writer_->Save().ok());
  const uint64_t end = recorded_.store()->log_index();
  writer_.reset();
  OpenWriter();
  env_.FailCall(CallKind::kWrite, 3);
  EXPECT_FALSE(writer_->Save().ok());
  EXPECT_LT(writer_->figures().saved_index, end);
  EXPECT_EQ(writer_->figures().saved_revision, before);
  writer_.reset();
  OpenWriter();
  ASSERT_OK(writer_->Save());
  EXPECT_EQ(writer_->figures().saved_index, end);
  EXPECT_EQ(writer_->figures().saved_revision, recorded_.store()->current_revision());
}

TEST_F(BackupFaults, ABaseThatCantBeMadeIsToldOfWhileSavingGoesOn) {
  recorded_.Work(1);
  env_.FailCall(CallKind::kRename, 1);  // the image's
  ASSERT_OK_AND_ASSIGN(
      const auto service,
      BackupService::Start(recorded_.store(), {.backup = BackupOptionsOf(&env_, &clock_),
                                               .save_interval_nanos = kNanosPerMilli}));
  const auto value = [&](std::string_view name) {
    for (const MoreMetric& metric : service->Metrics()) {
      if (metric.name == name) {
        return metric.value;
      }
    }
    return -1.0;
  };
  const auto wait_for = [](const std::function<bool()>& is_so) {
    Mutex mu;
    CondVar never;
    MutexLock lock(&mu);
    for (int i = 0; i < 10'000 && !is_so(); ++i) {
      never.WaitFor(&mu, std::chrono::milliseconds(1));
    }
    return is_so();
  };
  ASSERT_TRUE(wait_for([&] { return value("socle_backup_failures_total") == 1; }));
  for (int i = 0; i < 3; ++i) {
    const double written = value("socle_backup_written_bytes_total");
    recorded_.Work(1);
    clock_.Advance(kNanosPerSecond);
    ASSERT_TRUE(wait_for([&] { return value("socle_backup_written_bytes_total") > written; }));
    EXPECT_EQ(value("socle_backup_failing"), 1);
  }
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_TRUE(wait_for([&] { return value("socle_backup_bases_total") == 1; }));
  EXPECT_TRUE(wait_for([&] { return value("socle_backup_failing") == 0; }));
}

TEST_F(BackupFaults, WhatTheRetentionRemovesDuringACheckIsNoDamage) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 24));
  bool is_first = true;
  const auto progress = [&](std::string_view /*what*/) {
    if (std::exchange(is_first, false)) {
      clock_.Advance(100 * kNanosPerSecond);
      ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 12));
    }
  };
  const std::vector<std::string> before = Files(kBaseSuffix);
  ASSERT_OK_AND_ASSIGN(
      const BackupChecked checked,
      CheckBackup(&env_, {.directory = "/backup", .scratch = "/scratch", .progress = progress}));
  EXPECT_NE(Files(kBaseSuffix).front(), before.front());
  EXPECT_THAT(checked.damage, IsEmpty());
  EXPECT_THAT(checked.notes, ::testing::Contains(HasSubstr("was removed meanwhile")));
  EXPECT_FALSE(*env_.Exists("/scratch"));
}

TEST_F(BackupFaults, KeepsWhatARestoreWithinTheRetentionNeeds) {
  OpenWriter();
  std::vector<std::pair<int64_t, uint64_t>> times;
  for (int i = 0; i < 100; ++i) {
    ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 1));
    times.emplace_back(clock_.WallNanos(), recorded_.store()->log_index());
  }
  ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
  EXPECT_THAT(directory.damage, IsEmpty());
  size_t bases = 0;
  for (const BackupChain& chain : directory.chains) {
    bases += chain.bases.size();
  }
  EXPECT_LE(bases, 6U) << "of 10 that were made; 30 seconds are kept";
  for (const auto& [time, index] : times) {
    const auto plan =
        PlanRestore(&env_, {.directory = "/backup", .to_wall_nanos = time}, directory);
    if (clock_.WallNanos() - time <= 30 * kNanosPerSecond) {
      ASSERT_OK(plan);
      EXPECT_EQ(plan->stop.index, index);
    }
  }
  EXPECT_THAT(
      PlanRestore(&env_, {.directory = "/backup", .to_wall_nanos = times.front().first}, directory)
          .status(),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("the earliest time that can be")));
}

}  // namespace
}  // namespace socle::server
