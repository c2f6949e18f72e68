#include "lease/lessor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/manual_clock.h"
#include "mvcc/errors.h"

namespace socle::lease {
namespace {

using mvcc::StoreError;
using testing::ElementsAre;
using testing::IsEmpty;

class LessorTest : public testing::Test {
 protected:
  LessorTest() { lessor_.StartDeadlines(); }

  ~LessorTest() override {
    lessor_.CheckInvariants();
    lessor_.Close();
  }

  void Advance(int64_t seconds) { clock_.Advance(seconds * kNanosPerSecond); }

  int64_t Remaining(int64_t id) {
    return lessor_.TimeToLive(LeaseId{id}, false).value().remaining_seconds;
  }

  Lessor::RenewalKind Renew(int64_t id) {
    Lessor::RenewalDone done = [this](const absl::StatusOr<int64_t>& ttl) {
      answers_.push_back(ttl.ok() ? *ttl : -1);
    };
    return lessor_.Renew(LeaseId{id}, &done).value().kind;
  }

  ManualClock clock_;
  Lessor lessor_{{.clock = &clock_, .random_seed = 1}};
  std::vector<int64_t> answers_;
};

TEST_F(LessorTest, RaisesShortTtlsAndRefusesTooLongOnes) {
  struct Case {
    int64_t asked;
    std::optional<int64_t> granted;
  };

  for (const Case& c : {Case{-5, 2}, Case{0, 2}, Case{1, 2}, Case{2, 2}, Case{3, 3},
                        Case{9'000'000'000, 9'000'000'000}, Case{9'000'000'001, {}}}) {
    SCOPED_TRACE(c.asked);
    const absl::StatusOr<int64_t> ttl = lessor_.GrantableTtl(c.asked);
    EXPECT_EQ(ttl.ok(), c.granted.has_value());
    if (ttl.ok()) {
      EXPECT_EQ(*ttl, *c.granted);
    } else {
      EXPECT_EQ(mvcc::ErrorOf(ttl.status()), StoreError::kLeaseTtlTooLarge);
    }
  }
}

TEST_F(LessorTest, ChoosesPositiveIdsThatAreFree) {
  for (int i = 0; i < 1000; ++i) {
    const LeaseId id = lessor_.NewId();
    EXPECT_GT(Raw(id), 0);
    EXPECT_FALSE(lessor_.Exists(id));
    lessor_.Grant(id, 10, 0);
  }
}

TEST_F(LessorTest, TellsRemainingSecondsTruncatedTowardZero) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  EXPECT_EQ(Remaining(7), 10);
  clock_.Advance(1);
  EXPECT_EQ(Remaining(7), 9);
  Advance(9);
  EXPECT_EQ(Remaining(7), 0);
  Advance(2);
  EXPECT_EQ(Remaining(7), -1);  // past the deadline by 1.000000001 s, not revoked yet
  EXPECT_EQ(lessor_.TimeToLive(LeaseId{8}, true), std::nullopt);
  EXPECT_EQ(lessor_.TimeToLive(LeaseId{7}, false)->granted_ttl_seconds, 10);
}

TEST_F(LessorTest, HoldsTheAttachedKeysInOrder) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  lessor_.Attach(LeaseId{7}, "b");
  lessor_.Attach(LeaseId{7}, "c");
  lessor_.Attach(LeaseId{7}, "a");
  lessor_.Attach(LeaseId{7}, "b");
  lessor_.Detach(LeaseId{7}, "c");
  EXPECT_THAT(lessor_.KeysOf(LeaseId{7}), ElementsAre("a", "b"));
  EXPECT_THAT(lessor_.TimeToLive(LeaseId{7}, true)->keys, ElementsAre("a", "b"));
  EXPECT_THAT(lessor_.TimeToLive(LeaseId{7}, false)->keys, IsEmpty());
}

TEST_F(LessorTest, KnowsTheLeaseOfAKeyUntilItIsDetachedOrRevoked) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  lessor_.Grant(LeaseId{8}, 10, 0);
  EXPECT_EQ(lessor_.LeaseOf("a"), mvcc::kNoLease);
  lessor_.Attach(LeaseId{7}, "a");
  lessor_.Attach(LeaseId{7}, "b");
  EXPECT_EQ(lessor_.LeaseOf("a"), LeaseId{7});
  lessor_.Detach(LeaseId{7}, "a");
  EXPECT_EQ(lessor_.LeaseOf("a"), mvcc::kNoLease);
  lessor_.Attach(LeaseId{8}, "a");
  lessor_.CheckInvariants();
  lessor_.Detach(LeaseId{7}, "a");  // belongs to 8 by now
  EXPECT_EQ(lessor_.LeaseOf("a"), LeaseId{8});
  lessor_.Revoke(LeaseId{7});
  EXPECT_EQ(lessor_.LeaseOf("b"), mvcc::kNoLease);
  EXPECT_EQ(lessor_.GrantedTtl(LeaseId{8}), 10);
}

TEST_F(LessorTest, IgnoresKeysOfLeasesThatAreGone) {
  lessor_.Attach(LeaseId{7}, "a");
  lessor_.Detach(LeaseId{7}, "a");
  lessor_.Checkpoint({.id = LeaseId{7}, .remaining_ttl_seconds = 5});
  EXPECT_FALSE(lessor_.Exists(LeaseId{7}));
}

TEST_F(LessorTest, ListsLeasesByRemainingTime) {
  lessor_.Grant(LeaseId{1}, 30, 0);
  lessor_.Grant(LeaseId{2}, 10, 0);
  lessor_.Grant(LeaseId{3}, 20, 0);
  Advance(5);
  EXPECT_EQ(Renew(2), Lessor::RenewalKind::kRenewed);
  lessor_.Grant(LeaseId{4}, 3, 0);
  EXPECT_THAT(lessor_.Leases(), ElementsAre(LeaseId{4}, LeaseId{2}, LeaseId{3}, LeaseId{1}));
}

TEST_F(LessorTest, RenewalMovesTheDeadlineByTheWholeTtl) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  for (int i = 0; i < 5; ++i) {
    Advance(9);
    EXPECT_EQ(Renew(7), Lessor::RenewalKind::kRenewed);
    EXPECT_THAT(lessor_.TakeExpired(10), IsEmpty());
  }
  EXPECT_EQ(Remaining(7), 10);
  EXPECT_EQ(Renew(8), Lessor::RenewalKind::kUnknown);
  EXPECT_EQ(lessor_.Stats().renewed, 5U);
}

TEST_F(LessorTest, AnExpiredLeaseIsRenewedNoMoreAndAnsweredWhenRevoked) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  Advance(10);
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kWaits);
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kWaits);
  EXPECT_THAT(answers_, IsEmpty());
  lessor_.Revoke(LeaseId{7});
  EXPECT_THAT(answers_, ElementsAre(0, 0));
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kUnknown);
}

TEST_F(LessorTest, CloseAnswersThoseWhoWait) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  Advance(10);
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kWaits);
  lessor_.Close();
  EXPECT_THAT(answers_, ElementsAre(-1));
  Lessor::RenewalDone done = [](const absl::StatusOr<int64_t>&) { FAIL(); };
  EXPECT_EQ(mvcc::ErrorOf(lessor_.Renew(LeaseId{7}, &done).status()), StoreError::kStopped);
}

TEST_F(LessorTest, HandsOutExpiredLeasesFirstDueFirstInBatches) {
  for (int64_t id = 1; id <= 5; ++id) {
    lessor_.Grant(LeaseId{id}, 20 - id, 0);
  }
  Advance(18);
  EXPECT_THAT(lessor_.TakeExpired(3), ElementsAre(LeaseId{5}, LeaseId{4}, LeaseId{3}));
  EXPECT_THAT(lessor_.TakeExpired(3), ElementsAre(LeaseId{2}));
  EXPECT_THAT(lessor_.TakeExpired(3), IsEmpty());
  EXPECT_EQ(lessor_.Stats().expired, 4U);
  EXPECT_EQ(lessor_.Stats().leases, 5U);
}

TEST_F(LessorTest, HandsOutAnUnconfirmedRevocationAgainAfterThreeSeconds) {
  lessor_.Grant(LeaseId{7}, 10, 0);
  Advance(10);
  EXPECT_THAT(lessor_.TakeExpired(9), ElementsAre(LeaseId{7}));
  Advance(2);
  EXPECT_THAT(lessor_.TakeExpired(9), IsEmpty());
  Advance(1);
  EXPECT_THAT(lessor_.TakeExpired(9), ElementsAre(LeaseId{7}));
  EXPECT_EQ(lessor_.Stats().expired, 1U);
  lessor_.Revoke(LeaseId{7});
  Advance(10);
  EXPECT_THAT(lessor_.TakeExpired(9), IsEmpty());
}

TEST_F(LessorTest, NotesOnlyDeadlinesThatWereNotRenewedForHalfTheTtl) {
  lessor_.Grant(LeaseId{1}, 100, 0);
  lessor_.Grant(LeaseId{2}, 1000, 0);
  lessor_.Grant(LeaseId{3}, 1000, 0);
  lessor_.Grant(LeaseId{4}, Lessor::kNotedTtlMinSeconds - 1, 0);
  Advance(49);
  EXPECT_THAT(lessor_.TakeCheckpoints(10), IsEmpty());
  Advance(1);
  const auto first = lessor_.TakeCheckpoints(10);
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].id, LeaseId{1});
  EXPECT_EQ(first[0].remaining_ttl_seconds, 0);  // etcd has none for leases as short
  EXPECT_EQ(first[0].left_millis, 50'000);
  EXPECT_EQ(first[0].noted_unix_millis, clock_.WallNanos() / kNanosPerMilli);
  Advance(150);
  EXPECT_EQ(Renew(3), Lessor::RenewalKind::kRenewed);
  EXPECT_THAT(lessor_.TakeCheckpoints(10), IsEmpty());  // half of 1000 is more than the interval
  clock_.Advance(100 * kNanosPerSecond + 1);
  const auto second = lessor_.TakeCheckpoints(10);
  ASSERT_EQ(second.size(), 1U);
  EXPECT_EQ(second[0].id, LeaseId{2});
  EXPECT_EQ(second[0].remaining_ttl_seconds, 700);  // 699.999999999, rounded up
  EXPECT_EQ(second[0].left_millis, 700'000);
  EXPECT_THAT(lessor_.TakeCheckpoints(10), IsEmpty());
}

TEST_F(LessorTest, ALeaseThatIsRenewedInTimeIsNeverNoted) {
  lessor_.Grant(LeaseId{1}, 30, 0);
  for (int i = 0; i < 20; ++i) {
    Advance(10);
    EXPECT_EQ(Renew(1), Lessor::RenewalKind::kRenewed);
    EXPECT_THAT(lessor_.TakeCheckpoints(10), IsEmpty());
  }
}

TEST_F(LessorTest, ANoteIsClearedBeforeARenewalCounts) {
  lessor_.Grant(LeaseId{1}, 30, 0);
  Advance(15);
  const auto noted = lessor_.TakeCheckpoints(10);
  ASSERT_EQ(noted.size(), 1U);
  lessor_.Checkpoint(noted[0]);
  EXPECT_EQ(Renew(1), Lessor::RenewalKind::kNeedsCheckpoint0);
  lessor_.Checkpoint({.id = LeaseId{1}});
  EXPECT_EQ(Renew(1), Lessor::RenewalKind::kRenewed);
}

TEST_F(LessorTest, AJumpOfTheWallClockMovesNoDeadlineAndMakesNotesAnew) {
  lessor_.Grant(LeaseId{1}, 100, 0);
  Advance(50);
  lessor_.Checkpoint(lessor_.TakeCheckpoints(10).at(0));
  for (const int64_t jump : {-3'600, 7'200}) {
    clock_.JumpWall(jump * kNanosPerSecond);
    EXPECT_EQ(Remaining(1), 50);
    const auto noted = lessor_.TakeCheckpoints(10);
    ASSERT_EQ(noted.size(), 1U);
    EXPECT_EQ(noted[0].noted_unix_millis, clock_.WallNanos() / kNanosPerMilli);
    EXPECT_EQ(noted[0].left_millis, 50'000);
    lessor_.Checkpoint(noted[0]);
    EXPECT_THAT(lessor_.TakeCheckpoints(10), IsEmpty());
  }
}

TEST_F(LessorTest, ACheckpointIsClearedBeforeARenewalCounts) {
  lessor_.Grant(LeaseId{7}, 1000, 0);
  Advance(300);
  ASSERT_EQ(lessor_.TakeCheckpoints(10).size(), 1U);
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kNeedsCheckpoint0);  // one is under way
  lessor_.Checkpoint({.id = LeaseId{7}, .remaining_ttl_seconds = 700});
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kNeedsCheckpoint0);  // one is stored
  lessor_.Checkpoint({.id = LeaseId{7}});
  EXPECT_EQ(Renew(7), Lessor::RenewalKind::kRenewed);
  EXPECT_EQ(Remaining(7), 1000);
}

TEST(LessorRestart, NothingIsDueBeforeTheDeadlinesStart) {
  ManualClock clock;
  Lessor lessor({.clock = &clock});
  lessor.Grant(LeaseId{1}, 10, 0);
  clock.Advance(100 * kNanosPerSecond);  // opening takes long
  EXPECT_THAT(lessor.TakeExpired(10), IsEmpty());
  EXPECT_EQ(lessor.NextDue(), DeadlineHeap::kNever);
  EXPECT_EQ(lessor.TimeToLive(LeaseId{1}, false)->remaining_seconds, 10);
  lessor.StartDeadlines();
  EXPECT_EQ(lessor.TimeToLive(LeaseId{1}, false)->remaining_seconds, 10);
  EXPECT_EQ(lessor.Stats().granted, 0U);
}

TEST(LessorRestart, BeginsWithTheFullTtlOrWhatTheLastCheckpointLeft) {
  ManualClock clock;
  Lessor lessor({.clock = &clock});
  lessor.Grant(LeaseId{1}, 1000, 0);
  lessor.Grant(LeaseId{2}, 1000, 400);
  lessor.Grant(LeaseId{3}, 1000, 0);
  lessor.Checkpoint({.id = LeaseId{3}, .remaining_ttl_seconds = 300});  // from the log
  lessor.Grant(LeaseId{4}, 1000, 200);
  lessor.Checkpoint({.id = LeaseId{4}});
  lessor.Grant(LeaseId{5}, 0, 0);      // a file may hold less than the minimum …
  lessor.Grant(LeaseId{6}, 1000, -7);  // … or nonsense
  lessor.StartDeadlines();
  const int64_t want[] = {1000, 400, 300, 1000, 2, 1000};
  for (int64_t id = 1; id <= 6; ++id) {
    EXPECT_EQ(lessor.TimeToLive(LeaseId{id}, false)->remaining_seconds, want[id - 1]) << id;
  }
}

// Wall time of the tests below when the deadline was noted.
constexpr int64_t kNoted = 1'700'000'000'000;

int64_t RemainingAfterRestart(int64_t wall_seconds_later, int64_t ttl, int64_t left) {
  ManualClock clock(kNoted * kNanosPerMilli + wall_seconds_later * kNanosPerSecond);
  Lessor lessor({.clock = &clock});
  lessor.Grant(LeaseId{1}, ttl, 0);
  lessor.Checkpoint({.id = LeaseId{1}, .noted_unix_millis = kNoted, .left_millis = left * 1'000});
  lessor.StartDeadlines();
  return lessor.TimeToLive(LeaseId{1}, false)->remaining_seconds;
}

TEST(LessorRestart, GoesOnToTheDeadlineThatWasNoted) {
  EXPECT_EQ(RemainingAfterRestart(0, 1000, 400), 400);
  EXPECT_EQ(RemainingAfterRestart(100, 1000, 400), 300);
  EXPECT_EQ(RemainingAfterRestart(100, 9'000'000'000, 8'999'999'999), 8'999'999'899);
}

TEST(LessorRestart, ALeaseThatEndedMeanwhileHasAMomentForItsClient) {
  EXPECT_EQ(RemainingAfterRestart(400, 1000, 400), Lessor::kRestartGraceSeconds);
  EXPECT_EQ(RemainingAfterRestart(1'000'000, 1000, 400), Lessor::kRestartGraceSeconds);
}

TEST(LessorRestart, AClockThatWentBackTakesNothingAwayAndGivesNothing) {
  EXPECT_EQ(RemainingAfterRestart(-50, 1000, 400), 400);
  EXPECT_EQ(RemainingAfterRestart(-1'600'000'000, 1000, 400), 400);
}

TEST(LessorRestart, AClockThatWentBackMakesTheNoteAnew) {
  ManualClock clock((kNoted - 50'000) * kNanosPerMilli);
  Lessor lessor({.clock = &clock});
  lessor.Grant(LeaseId{1}, 100, 0);
  lessor.Checkpoint({.id = LeaseId{1}, .noted_unix_millis = kNoted, .left_millis = 40'000});
  lessor.StartDeadlines();
  const auto noted = lessor.TakeCheckpoints(10);
  ASSERT_EQ(noted.size(), 1U);
  EXPECT_EQ(noted[0].noted_unix_millis, kNoted - 50'000);
  EXPECT_EQ(noted[0].left_millis, 40'000);
}

TEST(LessorRestart, NotesOfTheEndCoverEveryLeaseThatIsAlive) {
  ManualClock clock;
  Lessor lessor({.clock = &clock});
  lessor.StartDeadlines();
  lessor.Grant(LeaseId{1}, 100, 0);
  lessor.Grant(LeaseId{2}, 5, 0);  // too short for a note
  lessor.Grant(LeaseId{3}, 10, 0);
  clock.Advance(10 * kNanosPerSecond);
  const auto noted = lessor.TakeAllCheckpoints();
  ASSERT_EQ(noted.size(), 1U);
  EXPECT_EQ(noted[0].id, LeaseId{1});
  EXPECT_EQ(noted[0].left_millis, 90'000);
}

TEST(LessorRestart, SpreadsLeasesThatWouldExpireTogether) {
  ManualClock clock;
  Lessor lessor({.clock = &clock});
  constexpr int64_t kLeases = 3000;
  for (int64_t id = 1; id <= kLeases; ++id) {
    lessor.Grant(LeaseId{id}, 60, 0);
  }
  lessor.StartDeadlines();
  lessor.CheckInvariants();
  clock.Advance(60 * kNanosPerSecond);
  size_t taken = 0;
  for (int second = 0; second < 4; ++second) {
    const std::vector<LeaseId> expired = lessor.TakeExpired(kLeases);
    EXPECT_EQ(expired.size(), Lessor::kRestartsPerSecond);
    taken += expired.size();
    for (const LeaseId id : expired) {
      lessor.Revoke(id);
    }
    clock.Advance(kNanosPerSecond);
  }
  EXPECT_EQ(taken, static_cast<size_t>(kLeases));
}

}  // namespace
}  // namespace socle::lease
