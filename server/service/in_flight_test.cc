#include "server/service/in_flight.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class InFlightTest : public ::testing::Test {
 protected:
  InFlight::Start Note(const std::string& name) {
    return [this, name](absl::StatusOr<InFlight::Share> share) {
      started_.push_back(share.ok() ? name : name + " refused");
      if (share.ok()) {
        shares_.push_back(*std::move(share));
      }
    };
  }

  // What starts meanwhile adds to shares_.
  void GiveBackAll() { const std::vector<InFlight::Share> given_back = std::exchange(shares_, {}); }

  InFlight in_flight_{100, 2};
  std::vector<std::string> started_;
  std::vector<InFlight::Share> shares_;
};

TEST_F(InFlightTest, StartsAtOnceWhatHasRoom) {
  in_flight_.Enter(60, Note("a"));
  in_flight_.Enter(40, Note("b"));
  EXPECT_THAT(started_, ElementsAre("a", "b"));
}

TEST_F(InFlightTest, StartsWhatWaitsInOrderWhenRoomComesBack) {
  in_flight_.Enter(60, Note("a"));
  in_flight_.Enter(50, Note("b"));
  in_flight_.Enter(10, Note("c"));  // would fit, but is not the first
  EXPECT_THAT(started_, ElementsAre("a"));
  EXPECT_EQ(in_flight_.TryEnter(10).bytes(), 0U);
  GiveBackAll();
  EXPECT_THAT(started_, ElementsAre("a", "b", "c"));
}

TEST_F(InFlightTest, LetsOneInThatIsLargerThanTheBoundWhenItIsAlone) {
  in_flight_.Enter(60, Note("a"));
  in_flight_.Enter(1'000, Note("huge"));
  EXPECT_THAT(started_, ElementsAre("a"));
  GiveBackAll();
  EXPECT_THAT(started_, ElementsAre("a", "huge"));
  in_flight_.Enter(1, Note("b"));
  EXPECT_THAT(started_, ElementsAre("a", "huge"));
  GiveBackAll();
  EXPECT_THAT(started_, ElementsAre("a", "huge", "b"));
}

TEST_F(InFlightTest, RefusesWhenTooManyWait) {
  in_flight_.Enter(100, Note("a"));
  in_flight_.Enter(1, Note("b"));
  in_flight_.Enter(1, Note("c"));
  in_flight_.Enter(1, Note("d"));
  EXPECT_THAT(started_, ElementsAre("a", "d refused"));
}

TEST_F(InFlightTest, TakesAShareOnceHoweverOftenItMoves) {
  InFlight::Share share = in_flight_.TryEnter(100);
  EXPECT_EQ(share.bytes(), 100U);
  InFlight::Share moved = std::move(share);
  share = std::move(moved);
  in_flight_.Enter(1, Note("a"));
  EXPECT_THAT(started_, IsEmpty());
  share = {};
  EXPECT_THAT(started_, ElementsAre("a"));
}

TEST(InFlight, StartsOneAfterTheOtherWhenEachIsDoneAtOnce) {
  constexpr int kWaiting = 10'000;
  InFlight in_flight(100, kWaiting);
  InFlight::Share first = in_flight.TryEnter(100);
  int depth = 0;
  int deepest = 0;
  int started = 0;
  for (int i = 0; i < kWaiting; ++i) {
    in_flight.Enter(100, [&](absl::StatusOr<InFlight::Share> share) {
      deepest = std::max(deepest, ++depth);
      ++started;
      { const InFlight::Share given_back = *std::move(share); }
      --depth;
    });
  }
  EXPECT_EQ(started, 0);
  first = {};
  EXPECT_EQ(started, kWaiting);
  EXPECT_EQ(deepest, 1);
}

}  // namespace
}  // namespace socle::server
