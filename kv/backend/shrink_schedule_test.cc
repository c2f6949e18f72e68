#include "kv/backend/shrink_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::kv {
namespace {

using State = ShrinkProgress::State;
using ::testing::Optional;

constexpr EngineSize kHalfFree{.total_bytes = 100 << 20, .in_use_bytes = 50 << 20};
constexpr EngineSize kFull{.total_bytes = 100 << 20, .in_use_bytes = 99 << 20};
constexpr ShrinkProgress kMore{.state = State::kMore};
constexpr ShrinkProgress kBlocked{.state = State::kBlocked};
constexpr ShrinkProgress kDone{.state = State::kDone};

TEST(ShrinkSchedule, StartsByItselfOnlyAboveItsRatio) {
  ShrinkSchedule off(0);
  off.NoteCommit(kHalfFree, 1);
  EXPECT_EQ(off.due(), std::nullopt);
  ShrinkSchedule schedule(0.4);
  schedule.NoteCommit(kFull, 1);
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.NoteCommit(kHalfFree, 2);
  EXPECT_THAT(schedule.due(), Optional(2));
  ShrinkSchedule higher(0.6);
  higher.NoteCommit(kHalfFree, 2);
  EXPECT_EQ(higher.due(), std::nullopt);
}

TEST(ShrinkSchedule, LeavesSmallFilesAlone) {
  ShrinkSchedule schedule(0.1);
  schedule.NoteCommit({.total_bytes = 800 << 10, .in_use_bytes = 0}, 1);
  EXPECT_EQ(schedule.due(), std::nullopt);
}

TEST(ShrinkSchedule, PausesAfterStepsWhileOthersCommit) {
  ShrinkSchedule schedule(0);
  schedule.Ask(1000);
  EXPECT_THAT(schedule.due(), Optional(1000));
  schedule.NoteStep(kMore, kHalfFree, 1000, 1500);
  EXPECT_THAT(schedule.due(), Optional(1500));  // idle
  schedule.NoteCommit(kHalfFree, 1600);
  EXPECT_THAT(schedule.due(), Optional(1500));
  schedule.NoteStep(kMore, kHalfFree, 2000, 2500);
  EXPECT_THAT(schedule.due(), Optional(2500 + ShrinkSchedule::kPauses * 500));
  const int64_t later = 1600 + ShrinkSchedule::kIdleAfter;
  schedule.NoteStep(kMore, kHalfFree, later, later + 10);
  EXPECT_THAT(schedule.due(), Optional(later + 10));
}

TEST(ShrinkSchedule, LooksForReadersSeldomAndThenOnlyAfterCommits) {
  ShrinkSchedule schedule(0);
  schedule.Ask(0);
  int64_t now = 0;
  for (int i = 1; i < ShrinkSchedule::kBlockedLooks; ++i) {
    schedule.NoteStep(kBlocked, kHalfFree, now, now);
    EXPECT_FALSE(schedule.is_held_by_readers());
    EXPECT_THAT(schedule.due(), Optional(now + ShrinkSchedule::kBlockedPause));
    now = *schedule.due();
  }
  schedule.NoteStep(kBlocked, kHalfFree, now, now);
  EXPECT_TRUE(schedule.is_held_by_readers());
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.NoteCommit(kHalfFree, now + 5);
  EXPECT_THAT(schedule.due(), Optional(now + 5));
  schedule.NoteStep(kDone, kFull, now + 6, now + 7);
  EXPECT_FALSE(schedule.is_running());
  EXPECT_EQ(schedule.due(), std::nullopt);
}

TEST(ShrinkSchedule, StartsAgainOnlyWhenFreeSpaceHasGrown) {
  ShrinkSchedule schedule(0.4);
  schedule.NoteCommit(kHalfFree, 1);
  schedule.NoteStep(kDone, kHalfFree, 1, 2);  // nothing could be done
  schedule.NoteCommit(kHalfFree, 3);
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.NoteCommit({.total_bytes = 100 << 20, .in_use_bytes = 30 << 20}, 4);
  EXPECT_THAT(schedule.due(), Optional(4));
}

TEST(ShrinkSchedule, AFailureEndsItUntilSomebodyAsks) {
  ShrinkSchedule schedule(0.4);
  schedule.NoteCommit(kHalfFree, 1);
  schedule.NoteFailure();
  schedule.NoteCommit(kHalfFree, 2);
  EXPECT_EQ(schedule.due(), std::nullopt);
  schedule.Ask(3);
  EXPECT_THAT(schedule.due(), Optional(3));
}

}  // namespace
}  // namespace socle::kv
