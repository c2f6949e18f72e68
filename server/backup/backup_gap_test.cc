// Pieces that are lost, and chains that are passed over: nothing goes on, or is given back, as if they were there.
#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "server/backup/backup_check.h"
#include "server/backup/backup_directory.h"
#include "server/backup/backup_restore.h"
#include "server/backup/backup_writer.h"
#include "server/backup/testing/backup_faults.h"

namespace socle::server {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class BackupGaps : public BackupFaults {
 protected:
  // A base that was made while the store was written to: entries behind it were saved with it.
  void MakeBaseUnderLoad() {
    OpenWriter();
    recorded_.Work(8);
    ASSERT_OK(writer_->Close());
    writer_.reset();
    OpenWriter();
    int works = 5;
    ASSERT_OK(writer_->MakeBase([&] {
      recorded_.Work(works-- > 0 ? 2 : 0);
      return writer_->Save();
    }));
    ASSERT_OK(writer_->Close());
    writer_.reset();
    ASSERT_OK_AND_ASSIGN(base_,
                         DecodeBaseRecord(*env_.Contents("/backup/" + Files(kBaseSuffix).back())));
    ASSERT_LT(base_.index, base_.saved_index);
  }

  void Lose(const std::function<bool(const PieceFigures&)>& is_lost) {
    for (const std::string& name : Files(kPieceSuffix)) {
      ASSERT_OK_AND_ASSIGN(const PieceFigures piece, ReadPieceFigures(&env_, "/backup", name));
      if (is_lost(piece)) {
        ASSERT_OK(env_.Remove("/backup/" + name));
      }
    }
  }

  // A whole directory gets its name only on a real file system.
  absl::StatusOr<BackupRestored> Restore(BackupRestoreOptions options) {
    const TempDir dir;
    options.directory = dir.PathOf("backup");
    options.target = dir.PathOf("new");
    RETURN_IF_ERROR(Env::Posix()->CreateDirs(options.directory));
    for (const std::string& name : Files("")) {
      std::ofstream(dir.PathOf("backup/" + name), std::ios::binary)
          << *env_.Contents("/backup/" + name);
    }
    return RestoreBackup(Env::Posix(), options);
  }

  BaseRecord base_{};
};

TEST_F(BackupGaps, AChainGoesOnOnlyWhereItsPiecesReach) {
  struct Case {
    const char* lost;
    std::function<bool(const PieceFigures&)> is_lost;
    bool is_gap;
  };

  const Case kCases[] = {
      {"nothing", [](const PieceFigures&) { return false; }, false},
      {"what is before the base",
       [this](const PieceFigures& piece) { return piece.last_index <= base_.index; }, false},
      {"all", [](const PieceFigures&) { return true; }, true},
      {"the newest",
       [this](const PieceFigures& piece) { return piece.last_index >= base_.saved_index; }, true},
  };
  MakeBaseUnderLoad();
  std::vector<std::pair<std::string, std::string>> files;
  for (const std::string& name : Files("")) {
    files.emplace_back(name, *env_.Contents("/backup/" + name));
  }
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.lost);
    for (const std::string& name : Files("")) {
      ASSERT_OK(env_.Remove("/backup/" + name));
    }
    for (const auto& [name, bytes] : files) {
      env_.SetContents("/backup/" + name, bytes);
    }
    Lose(c.is_lost);
    OpenWriter();
    ASSERT_OK(writer_->Save());
    EXPECT_EQ(writer_->IsBaseDue(), c.is_gap);
    EXPECT_EQ(writer_->figures().saved_index, c.is_gap ? 0 : recorded_.store()->log_index());
    if (c.is_gap) {
      ASSERT_OK(writer_->MakeBase(Nothing));
    }
    EXPECT_EQ(writer_->figures().saved_index, recorded_.store()->log_index());
    ASSERT_OK(writer_->Close());
    writer_.reset();
    ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
    EXPECT_THAT(checked.damage, SizeIs(c.is_gap ? 1 : 0));
    ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
    EXPECT_EQ(directory.chains.size(), c.is_gap ? 2U : 1U);
  }
}

TEST_F(BackupGaps, ALossBehindABaseIsFoundByCheckAndRestore) {
  MakeBaseUnderLoad();
  Lose([](const PieceFigures&) { return true; });
  const auto is_told =
      AllOf(HasSubstr(Files(kBaseSuffix).back()), HasSubstr("a piece is missing"),
            HasSubstr(fmt::format("entries {} to {}", base_.index + 1, base_.saved_index)));
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  ASSERT_THAT(checked.damage, SizeIs(1));
  EXPECT_THAT(std::string(checked.damage.front().message()), is_told);
  EXPECT_THAT(Restore({}), StatusIs(absl::StatusCode::kDataLoss, is_told));
  // What is whole is given when it is asked for.
  ASSERT_OK_AND_ASSIGN(const BackupRestored restored, Restore({.to_revision = base_.revision}));
  EXPECT_EQ(restored.revision, base_.revision);
  EXPECT_THAT(restored.notes, ::testing::ElementsAre(is_told));
}

// As a writer left it that went on behind what it took for saved.
TEST_F(BackupGaps, ALossBetweenABaseAndAPieceIsFoundByCheckAndRestore) {
  MakeBaseUnderLoad();
  const uint64_t end = recorded_.store()->log_index();
  OpenWriter();
  recorded_.Work(3);
  ASSERT_OK(writer_->Close());
  writer_.reset();
  Lose([&](const PieceFigures& piece) { return piece.last_index <= end; });
  ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
  ASSERT_THAT(checked.damage, SizeIs(1));
  EXPECT_THAT(std::string(checked.damage.front().message()),
              HasSubstr(fmt::format("entries {} to {}", base_.index + 1, end)));
  EXPECT_THAT(Restore({}), StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a piece is missing")));
  OpenWriter();
  ASSERT_OK(writer_->Save());
  EXPECT_TRUE(writer_->IsBaseDue());
}

// One that was in the future when a base was made, as of a machine without a battery.
TEST_F(BackupGaps, AClockThatWasSetBackPutsNoBaseOff) {
  MakeBaseUnderLoad();
  OpenWriter();
  ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "v"}));
  ASSERT_OK(writer_->Save());
  EXPECT_FALSE(writer_->IsBaseDue());
  clock_.JumpWall(-1'000 * kNanosPerSecond);
  EXPECT_TRUE(writer_->IsBaseDue());
  ASSERT_OK(writer_->MakeBase(Nothing));
  EXPECT_FALSE(writer_->IsBaseDue());
}

TEST_F(BackupGaps, ALossBetweenTwoBasesIsFound) {
  MakeBaseUnderLoad();
  OpenWriter();
  ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "v"}));
  ASSERT_OK(writer_->MakeBase(Nothing));
  ASSERT_OK(writer_->Close());
  writer_.reset();
  Lose([](const PieceFigures&) { return true; });
  ASSERT_OK_AND_ASSIGN(const BackupDirectory directory, ReadBackupDirectory(&env_, "/backup"));
  ASSERT_FALSE(directory.damage.empty());
  EXPECT_THAT(std::string(directory.damage.front().message()), HasSubstr("a piece is missing"));
  EXPECT_GT(directory.chains.back().last_index(), base_.index) << "oldest first";
}

TEST_F(BackupGaps, ARestoreSaysWhenItPassesOverAChainWithoutABase) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  const auto copy = store_env_.AfterPowerCut(DurabilityLoss::kNone, 1);
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 1));
  writer_.reset();
  const uint64_t end = recorded_.store()->log_index();
  // The store goes on from an older copy, which begins another chain.
  mvcc::StoreOptions options = StoreOptionsOf(copy.get());
  lease::Lessor lessor;
  options.lease_hook = &lessor;
  ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK(store->Put({.key = "other", .value = "history"}));
  }
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       BackupWriter::Open(store.get(), BackupOptionsOf(&env_, &clock_)));
  ASSERT_OK(writer->Save());
  ASSERT_TRUE(writer->IsBaseDue());
  ASSERT_OK(store->Put({.key = "other", .value = "still"}));
  ASSERT_OK(writer->Save());
  ASSERT_OK_AND_ASSIGN(const BackupRestored restored, Restore({}));
  EXPECT_EQ(restored.last_index, end);
  EXPECT_THAT(restored.notes, ::testing::ElementsAre(
                                  AllOf(HasSubstr("no base yet"),
                                        HasSubstr(fmt::format("entry {}", store->log_index())))));
}

// Pieces of one chain, the base at its beginning, and times between them.
TEST_F(BackupGaps, AMomentOrRevisionInALossIsRefusedByWhatIsMissing) {
  OpenWriter();
  ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "0"}));
  ASSERT_OK(writer_->Save());
  ASSERT_OK(writer_->MakeBase(Nothing));
  std::vector<int64_t> times;
  std::vector<int64_t> revisions;
  std::vector<uint64_t> ends;
  for (int i = 0; i < 3; ++i) {
    clock_.Advance(kNanosPerSecond);
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "1"}));
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "2"}));
    ASSERT_OK(writer_->Save());
    ASSERT_OK(writer_->Close());
    times.push_back(clock_.WallNanos());
    revisions.push_back(recorded_.store()->current_revision());
    ends.push_back(recorded_.store()->log_index());
  }
  writer_.reset();
  Lose([&](const PieceFigures& piece) { return piece.last_index == ends[1]; });
  const auto is_told =
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr(fmt::format("entries {} to {} are not there", ends[0] + 1, ends[1])),
                     HasSubstr("a piece is missing")));
  const int64_t moment = kNanosPerSecond / 2;
  EXPECT_THAT(Restore({.to_wall_nanos = times[0] + moment}), is_told);
  EXPECT_THAT(Restore({.to_wall_nanos = times[1] + moment}), is_told);
  EXPECT_THAT(Restore({.to_wall_nanos = times[2] + moment}), is_told);
  EXPECT_THAT(Restore({.to_revision = revisions[1]}), is_told);
  EXPECT_THAT(Restore({.to_revision = revisions[2]}), is_told);
  EXPECT_THAT(Restore({.from_base = Files(kImageSuffix).back()}), is_told);
  ASSERT_OK_AND_ASSIGN(const BackupRestored before, Restore({.to_wall_nanos = times[0]}));
  EXPECT_EQ(before.last_index, ends[0]);
  ASSERT_OK_AND_ASSIGN(const BackupRestored at, Restore({.to_revision = revisions[0]}));
  EXPECT_EQ(at.revision, revisions[0]);
}

TEST_F(BackupGaps, ATimeBehindTheEndIsToldOf) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  ASSERT_OK(writer_->Close());
  const int64_t end = clock_.WallNanos();
  ASSERT_OK_AND_ASSIGN(const BackupRestored at, Restore({.to_wall_nanos = end}));
  EXPECT_THAT(at.notes, IsEmpty());
  ASSERT_OK_AND_ASSIGN(const BackupRestored later,
                       Restore({.to_wall_nanos = end + 1'000 * kNanosPerSecond}));
  EXPECT_EQ(later.last_index, recorded_.store()->log_index());
  EXPECT_THAT(later.notes, ::testing::ElementsAre(
                               HasSubstr(fmt::format("that was saved is of {}", WallText(end)))));
}

// A store that went on from an older copy: two histories, and revisions that both have.
TEST_F(BackupGaps, ARevisionOfTwoChainsIsToldOf) {
  OpenWriter();
  ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "0"}));
  ASSERT_OK(writer_->Save());
  ASSERT_OK(writer_->MakeBase(Nothing));
  const std::string first = Files(kImageSuffix).back();
  const auto copy = store_env_.AfterPowerCut(DurabilityLoss::kNone, 1);
  for (int i = 0; i < 6; ++i) {
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "one"}));
  }
  ASSERT_OK(writer_->Close());
  writer_.reset();
  const int64_t end = recorded_.store()->current_revision();

  mvcc::StoreOptions options = StoreOptionsOf(copy.get());
  lease::Lessor lessor;
  options.lease_hook = &lessor;
  ASSERT_OK_AND_ASSIGN(const auto store, mvcc::Store::Open(options));
  ASSERT_OK_AND_ASSIGN(const auto writer,
                       BackupWriter::Open(store.get(), BackupOptionsOf(&env_, &clock_)));
  ASSERT_OK(writer->Save());
  ASSERT_TRUE(writer->IsBaseDue());
  ASSERT_OK(writer->MakeBase(Nothing));
  const std::string second = Files(kImageSuffix).back();
  for (int i = 0; i < 3; ++i) {
    ASSERT_OK(store->Put({.key = "k", .value = "other"}));
  }
  ASSERT_OK(writer->Close());
  const int64_t both = store->current_revision();
  ASSERT_LT(both, end);

  EXPECT_THAT(Restore({.to_revision = end}),
              StatusIs(absl::StatusCode::kNotFound,
                       AllOf(HasSubstr("was not saved"), HasSubstr("--from-base " + first))));
  ASSERT_OK_AND_ASSIGN(const BackupRestored of_first,
                       Restore({.to_revision = end, .from_base = first}));
  EXPECT_EQ(of_first.revision, end);
  ASSERT_OK_AND_ASSIGN(const BackupRestored newest, Restore({.to_revision = both}));
  EXPECT_EQ(newest.base, second);
  EXPECT_THAT(newest.notes, ::testing::ElementsAre(HasSubstr("--from-base " + first)));
  ASSERT_OK_AND_ASSIGN(const BackupRestored asked,
                       Restore({.to_revision = both, .from_base = first}));
  EXPECT_EQ(asked.base, first);
  EXPECT_THAT(asked.notes, IsEmpty());
}

TEST_F(BackupGaps, WhatLiesBehindALaterBaseIsRestoredFromIt) {
  OpenWriter();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 3));
  ASSERT_OK(writer_->Close());
  const std::string broken = Files(kPieceSuffix).front();
  ASSERT_OK(Live(&recorded_, writer_.get(), &clock_, 14));
  ASSERT_OK(writer_->Close());
  const std::string newest = Files(kImageSuffix).back();
  std::string bytes = *env_.Contents("/backup/" + broken);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  env_.SetContents("/backup/" + broken, bytes);
  EXPECT_THAT(Restore({}), StatusIs(absl::StatusCode::kDataLoss,
                                    AllOf(HasSubstr(broken), HasSubstr("--from-base " + newest))));
  ASSERT_OK_AND_ASSIGN(const BackupRestored restored, Restore({.from_base = newest}));
  EXPECT_EQ(restored.last_index, recorded_.store()->log_index());
  EXPECT_THAT(restored.notes, ::testing::Contains(HasSubstr(broken)));
}

TEST_F(BackupGaps, ABaseIsRestoredPastADamagedByteBeforeItInTheSamePiece) {
  struct Case {
    const char* what;
    bool is_closed;
    bool is_behind;  // the newest base
  };

  const Case kCases[] = {{"closed", true, false},
                         {"being written", false, false},
                         {"closed, behind the base", true, true},
                         {"being written, behind the base", false, true}};
  const auto put = [this] {
    ASSERT_OK(recorded_.store()->Put({.key = "k", .value = "v"}));
    clock_.Advance(kNanosPerSecond);
    ASSERT_OK(writer_->Save());
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.what);
    if (env_.Exists("/backup").value()) {
      for (const std::string& name : Files("")) {
        ASSERT_OK(env_.Remove("/backup/" + name));
      }
    }
    OpenWriter();
    ASSERT_OK(writer_->Save());
    ASSERT_OK(writer_->MakeBase(Nothing));
    const std::string first = Files(kImageSuffix).back();
    put();
    put();
    ASSERT_OK(writer_->MakeBase(Nothing));
    const std::string second = Files(kImageSuffix).back();
    put();
    put();
    if (c.is_closed) {
      ASSERT_OK(writer_->Close());
    }
    writer_.reset();
    const std::string piece = Files(c.is_closed ? kPieceSuffix : kPartSuffix).back();
    // In the first frame's body, or in that of the one behind the base.
    const std::string whole = *env_.Contents("/backup/" + piece);
    std::vector<uint64_t> frames;
    ASSERT_OK(ScanPiece(piece, whole, [&](const Frame& frame) {
                frames.push_back(frame.offset);
                return absl::OkStatus();
              }).status());
    ASSERT_EQ(frames.size(), 4U);
    std::string bytes = whole;
    bytes[frames[c.is_behind ? 2 : 0] + sizeof(FrameHeader) + 8] ^= 1;
    env_.SetContents("/backup/" + piece, bytes);

    const auto is_damaged = StatusIs(absl::StatusCode::kDataLoss, HasSubstr(piece));
    EXPECT_THAT(Restore({.from_base = first}), is_damaged);
    const auto restored = Restore({.from_base = second});
    const auto newest = Restore({});
    if (c.is_behind) {
      EXPECT_THAT(restored, is_damaged);
      EXPECT_THAT(
          newest,
          AllOf(is_damaged, Not(StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--from-base")))));
      continue;
    }
    ASSERT_OK(restored);
    EXPECT_EQ(restored->last_index, recorded_.store()->log_index());
    EXPECT_THAT(restored->notes, ::testing::Contains(HasSubstr(piece)));
    // A closed piece shows its damage only to who reads it.
    if (c.is_closed) {
      EXPECT_THAT(newest, IsOk());
    } else {
      EXPECT_THAT(newest,
                  StatusIs(absl::StatusCode::kDataLoss, HasSubstr("--from-base " + second)));
    }
    ASSERT_OK_AND_ASSIGN(const BackupRestored timed,
                         Restore({.to_wall_nanos = clock_.WallNanos()}));
    EXPECT_EQ(timed.last_index, recorded_.store()->log_index());
    ASSERT_OK_AND_ASSIGN(const BackupChecked checked, Check(&env_));
    EXPECT_FALSE(checked.damage.empty());
  }
}

}  // namespace
}  // namespace socle::server
