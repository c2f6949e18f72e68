#include "kv/wal/wal.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"
#include "kv/wal/record.h"
#include "kv/wal/segment.h"
#include "kv/wal/testing/replayed_log.h"

namespace socle::kv {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

constexpr uint64_t kSegmentBytes = 16'384;

class WalTest : public ::testing::Test {
 protected:
  ReplayedLog Open(uint64_t after = 0) {
    auto log = OpenLog(&env_, "/wal", options_, after);
    EXPECT_THAT(log, IsOk());
    return *std::move(log);
  }

  // Appends `count` entries of `size` bytes, one batch each.
  void Fill(Wal* wal, int count, size_t size) {
    for (int i = 0; i < count; ++i) {
      ASSERT_OK(AppendTexts(wal, {EntryText(Raw(wal->last_index()) + 1, size)}));
    }
  }

  std::vector<std::string> Segments() {
    std::vector<std::string> names = *env_.List("/wal");
    std::erase_if(names, [](const std::string& name) { return !ParseSegmentName(name); });
    return names;
  }

  // Of segments and spares.
  uint64_t DirBytes() {
    const std::vector<std::string> names = *env_.List("/wal");
    uint64_t bytes = 0;
    for (const std::string& name : names) {
      bytes += *(*env_.Open("/wal/" + name, OpenMode::kReadOnly))->Size();
    }
    return bytes;
  }

  FaultEnv env_{1};
  WalOptions options_{
      .segment_bytes = kSegmentBytes, .store_id = 7, .prepare_in_background = false};
};

TEST_F(WalTest, BeginsWithEntryOneAndReplaysWhatWasAppended) {
  ReplayedLog log = Open();
  EXPECT_THAT(log.entries, IsEmpty());
  EXPECT_EQ(log.wal->last_index(), LogIndex{0});
  EXPECT_THAT(AppendTexts(log.wal.get(), {"a", "", "c"}), IsOkAndHolds(LogIndex{3}));
  EXPECT_THAT(AppendTexts(log.wal.get(), {"d"}), IsOkAndHolds(LogIndex{4}));
  EXPECT_EQ(log.wal->written_bytes(), RecordBytes(0) + 3 * RecordBytes(1));
  log = Open();
  EXPECT_THAT(log.entries, ElementsAre(Pair(1, "a"), Pair(2, ""), Pair(3, "c"), Pair(4, "d")));
  EXPECT_EQ(log.wal->last_index(), LogIndex{4});
  log = Open(3);
  EXPECT_THAT(log.entries, ElementsAre(Pair(4, "d")));
}

TEST_F(WalTest, CostsOneWriteAndOneSyncForABatch) {
  ReplayedLog log = Open();
  const uint64_t writes = env_.calls(CallKind::kWrite);
  const uint64_t syncs = env_.calls(CallKind::kSync);
  ASSERT_OK(AppendTexts(log.wal.get(), std::vector<std::string>(20, "entry")));
  EXPECT_EQ(env_.calls(CallKind::kWrite), writes + 1);
  EXPECT_EQ(env_.calls(CallKind::kSync), syncs + 1);
}

TEST_F(WalTest, WritesNothingToAFileBeyondItsZerosInSteadyState) {
  ReplayedLog log = Open();
  Fill(log.wal.get(), 200, 300);
  for (const std::string& name : Segments()) {
    EXPECT_THAT(*env_.Contents("/wal/" + name), SizeIs(kSegmentBytes)) << name;
  }
}

TEST_F(WalTest, ContinuesOverManySegments) {
  ReplayedLog log = Open();
  Fill(log.wal.get(), 300, 500);
  EXPECT_GT(Segments().size(), 10U);
  log = Open(100);
  ASSERT_THAT(log.entries, SizeIs(200));
  for (size_t i = 0; i < log.entries.size(); ++i) {
    EXPECT_THAT(log.entries[i], Pair(101 + i, EntryText(101 + i, 500)));
  }
}

TEST_F(WalTest, AnEmptyLogStartsAfterTheStore) {
  ReplayedLog log = Open(41);
  EXPECT_EQ(log.wal->last_index(), LogIndex{41});
  EXPECT_THAT(AppendTexts(log.wal.get(), {"x"}), IsOkAndHolds(LogIndex{42}));
  log = Open(41);
  EXPECT_THAT(log.entries, ElementsAre(Pair(42, "x")));
}

TEST_F(WalTest, ALogThatEndsBeforeTheStoreGoesOnAfterIt) {
  ReplayedLog log = Open();
  Fill(log.wal.get(), 3, 10);
  log = Open(10);
  EXPECT_THAT(log.entries, IsEmpty());
  EXPECT_THAT(AppendTexts(log.wal.get(), {"x"}), IsOkAndHolds(LogIndex{11}));
  log = Open(10);
  EXPECT_THAT(log.entries, ElementsAre(Pair(11, "x")));
  EXPECT_THAT(OpenLog(&env_, "/wal", options_, 0),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("begins with entry 11")));
}

TEST_F(WalTest, TruncationRecyclesWholeSegmentsOnly) {
  ReplayedLog log = Open();
  Fill(log.wal.get(), 120, 500);
  const size_t before = Segments().size();
  ASSERT_OK(log.wal->TruncateBefore(LogIndex{5}));
  EXPECT_EQ(Segments().size(), before) << "entries 6 and later share its segment";
  ASSERT_OK(log.wal->TruncateBefore(LogIndex{100}));
  EXPECT_LT(Segments().size(), before);
  EXPECT_EQ(OpenLog(&env_, "/wal", options_, 5).status().code(),
            absl::StatusCode::kFailedPrecondition);
  const uint64_t creates = env_.calls(CallKind::kCreate);
  Fill(log.wal.get(), 40, 500);
  EXPECT_EQ(env_.calls(CallKind::kCreate), creates) << "recycled segments are used first";
  ASSERT_OK(log.wal->TruncateBefore(LogIndex{1000}));
  EXPECT_THAT(Segments(), SizeIs(1)) << "the last one stays";
  log = Open(158);
  EXPECT_THAT(log.entries, SizeIs(2));
}

TEST_F(WalTest, NeverTakesWhatARecycledSegmentHeldForEntries) {
  ReplayedLog log = Open();
  for (uint64_t round = 0; round < 30; ++round) {
    Fill(log.wal.get(), 23, 600);
    const uint64_t last = Raw(log.wal->last_index());
    ASSERT_OK(log.wal->TruncateBefore(LogIndex{last - 1}));
    log = Open(last - 1);
    ASSERT_THAT(log.entries, ElementsAre(Pair(last, EntryText(last, 600))));
    ASSERT_LE(env_.List("/wal")->size(), 5U);
  }
}

TEST_F(WalTest, ABatchLongerThanASegmentStaysInOnePiece) {
  ReplayedLog log = Open();
  Fill(log.wal.get(), 1, 10);
  std::vector<std::string> texts;
  for (uint64_t i = 2; i <= 50; ++i) {
    texts.push_back(EntryText(i, 1000));
  }
  const uint64_t syncs = env_.calls(CallKind::kSync);
  ASSERT_OK(AppendTexts(log.wal.get(), texts));
  EXPECT_LE(env_.calls(CallKind::kSync), syncs + 4);
  Fill(log.wal.get(), 30, 1000);
  log = Open();
  EXPECT_THAT(log.entries, SizeIs(80));
  ASSERT_OK(log.wal->TruncateBefore(LogIndex{79}));
  const std::vector<std::string> names = *env_.List("/wal");
  for (const std::string& name : names) {
    EXPECT_LE(env_.Contents("/wal/" + name)->size(), kSegmentBytes) << "not recycled: " << name;
  }
}

TEST_F(WalTest, FailsForGoodAfterAFailedSync) {
  ReplayedLog log = Open();
  ASSERT_OK(AppendTexts(log.wal.get(), {"a"}));
  env_.FailCall(CallKind::kSync, 1);
  const absl::Status first = AppendTexts(log.wal.get(), {"b"}).status();
  EXPECT_THAT(first, StatusIs(absl::StatusCode::kInternal, HasSubstr("planned failure")));
  const uint64_t calls = env_.mutating_calls();
  EXPECT_EQ(AppendTexts(log.wal.get(), {"c"}).status(), first);
  EXPECT_EQ(log.wal->TruncateBefore(LogIndex{1}), first);
  EXPECT_EQ(env_.mutating_calls(), calls) << "nothing is retried";
  EXPECT_EQ(log.wal->last_index(), LogIndex{1});
}

TEST_F(WalTest, WhatAFailedSyncLeftInThePageCacheIsWrittenAgainBeforeItCounts) {
  for (uint64_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    FaultEnv env(seed);
    ASSERT_OK_AND_ASSIGN(ReplayedLog log, OpenLog(&env, "/wal", options_));
    ASSERT_OK(AppendTexts(log.wal.get(), {"a"}));
    env.FailCall(CallKind::kSync, 1);
    EXPECT_FALSE(AppendTexts(log.wal.get(), {std::string(2000, 'b')}).ok());
    // The process restarts, the machine does not: it still sees b.
    ASSERT_OK_AND_ASSIGN(log, OpenLog(&env, "/wal", options_));
    ASSERT_THAT(log.entries, SizeIs(2));
    ASSERT_OK(AppendTexts(log.wal.get(), {"c"}));
    env.Restart(DurabilityLoss::kAll);
    ASSERT_OK_AND_ASSIGN(log, OpenLog(&env, "/wal", options_));
    EXPECT_THAT(log.entries, SizeIs(3));
  }
}

TEST_F(WalTest, AFullDiskIsReportedAndKeepsWhatWasAcknowledged) {
  ReplayedLog log = Open();
  env_.SetDiskBytes(2 * kSegmentBytes);
  absl::Status status;
  uint64_t acknowledged = 0;
  while (status.ok()) {
    status = AppendTexts(log.wal.get(), {EntryText(acknowledged + 1, 700)}).status();
    acknowledged += status.ok() ? 1 : 0;
  }
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("No space left")));
  EXPECT_GT(acknowledged, 20U);
  env_.Restart(DurabilityLoss::kRandom);
  log = Open();
  EXPECT_GE(log.entries.size(), acknowledged);
}

TEST_F(WalTest, ZerosAreWrittenInShareWithTheLogsOwnGrowth) {
  options_.segment_bytes = uint64_t{16} << 20U;
  constexpr uint64_t kBatchBytes = uint64_t{64} << 10U;
  ReplayedLog log = Open();
  ASSERT_OK(AppendTexts(log.wal.get(), {"the first writes what is kept ahead"}));
  uint64_t most = 0;
  uint64_t before = DirBytes();
  while (log.wal->written_bytes() < options_.segment_bytes - 2 * kBatchBytes) {
    Fill(log.wal.get(), 1, kBatchBytes);
    const uint64_t after = DirBytes();
    most = std::max(most, after - before);
    before = after;
    const bool has_spare = env_.Exists("/wal/fresh.spare").value();
    EXPECT_EQ(has_spare, log.wal->written_bytes() > options_.segment_bytes / 2);
  }
  EXPECT_GT(most, 0U);
  EXPECT_LE(most, uint64_t{768} << 10U);
  EXPECT_EQ(before, 2 * options_.segment_bytes) << "the spare is complete before it is needed";
  EXPECT_THAT(Segments(), SizeIs(1));
}

TEST_F(WalTest, KnowsHowMuchItHoldsOfSegmentsThatGrew) {
  ReplayedLog log = Open();
  uint64_t appended = 0;
  for (int i = 0; i < 4; ++i) {
    Fill(log.wal.get(), 1, 3 * kSegmentBytes);
    appended += 3 * kSegmentBytes;
    EXPECT_GE(log.wal->segment_bytes(), appended);
    EXPECT_LE(log.wal->segment_bytes(), DirBytes());
  }
  log = Open();
  EXPECT_GE(log.wal->segment_bytes(), appended);
}

TEST_F(WalTest, ALostStepOfPreparationOnlyCostsSpeed) {
  options_.segment_bytes = uint64_t{16} << 20U;
  ReplayedLog log = Open();
  env_.FailCall(CallKind::kSync, 2);  // the first is the batch's
  EXPECT_OK(AppendTexts(log.wal.get(), {"a"}));
  // The appender's own file hears of it: nobody knows what else was lost.
  EXPECT_THAT(AppendTexts(log.wal.get(), {"b"}),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("an earlier sync")));
  log = Open(0);
  env_.FailCall(CallKind::kWrite, 2, absl::StatusCode::kResourceExhausted);
  EXPECT_OK(AppendTexts(log.wal.get(), {"c"}));
  EXPECT_OK(AppendTexts(log.wal.get(), {"d"}));
}

TEST_F(WalTest, RefusesALogOfAnotherStoreAndTooSmallSegments) {
  Fill(Open().wal.get(), 2, 10);
  options_.store_id = 8;
  EXPECT_THAT(OpenLog(&env_, "/wal", options_),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another store")));
  options_.segment_bytes = 4096;
  EXPECT_THAT(OpenLog(&env_, "/wal", options_), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(WalTest, ReturnsTheErrorOfReplay) {
  Fill(Open().wal.get(), 3, 10);
  int calls = 0;
  EXPECT_THAT(Wal::Open(&env_, "/wal", options_, LogIndex{0},
                        [&](LogIndex, std::string_view) {
                          return ++calls == 2 ? absl::AbortedError("enough") : absl::OkStatus();
                        }),
              StatusIs(absl::StatusCode::kAborted, HasSubstr("enough")));
  EXPECT_EQ(calls, 2);
}

TEST_F(WalTest, WithoutSyncsItNeverSyncsAndAHoleIsCut) {
  options_.unsafe_no_sync = true;
  ReplayedLog log = Open();
  const uint64_t before = env_.calls(CallKind::kSync) + env_.calls(CallKind::kSyncDir);
  Fill(log.wal.get(), 10, 1000);
  EXPECT_EQ(env_.calls(CallKind::kSync) + env_.calls(CallKind::kSyncDir), before);
  const std::string path = "/wal/" + Segments().front();
  std::string bytes = *env_.Contents(path);
  bytes.replace(kSegmentHeadBytes + 3 * RecordBytes(1000) + 500, 100, 100, '\0');
  env_.SetContents(path, bytes);
  log = Open();
  EXPECT_THAT(log.entries, SizeIs(3));
  Fill(log.wal.get(), 1, 1000);
  log = Open();
  EXPECT_THAT(log.entries, SizeIs(4)) << "entries beyond the hole must not come back";
}

TEST(WalOnDisk, PreparesInTheBackgroundWhileAnotherThreadTruncates) {
  const TempDir dir;
  const WalOptions options = {.segment_bytes = 65'536, .store_id = 3};
  const uint64_t kEntries = 1500;
  {
    ASSERT_OK_AND_ASSIGN(ReplayedLog log, OpenLog(Env::Posix(), dir.PathOf("a/wal"), options));
    Wal* const wal = log.wal.get();
    Thread truncater("truncater", [wal] {
      uint64_t last = 0;
      while (last < kEntries) {
        last = Raw(wal->last_index());
        EXPECT_OK(wal->TruncateBefore(LogIndex{last - last / 10}));
      }
    });
    for (uint64_t i = 1; i <= kEntries; i += 3) {
      ASSERT_OK(AppendTexts(wal, {EntryText(i, 700), EntryText(i + 1, 20), EntryText(i + 2, 3)}));
    }
  }
  ASSERT_OK_AND_ASSIGN(ReplayedLog log,
                       OpenLog(Env::Posix(), dir.PathOf("a/wal"), options, kEntries - 100));
  ASSERT_THAT(log.entries, SizeIs(100));
  EXPECT_THAT(log.entries.back(), Pair(kEntries, EntryText(kEntries, 3)));
}

}  // namespace
}  // namespace socle::kv
