#include "tests/crash/expected_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::crash {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// One acknowledged put of each of two keys, at revisions 2 and 3.
void PutTwo(ExpectedState* state) {
  state->BeforeSend(1, {{{"a", "1"}}});
  state->OnAcknowledged(1, 2);
  state->BeforeSend(1, {{{"b", "2"}}});
  state->OnAcknowledged(1, 3);
}

Listing Both() {
  Listing listing;
  listing.revision = 3;
  listing.entries["a"] = {"1", 2};
  listing.entries["b"] = {"2", 3};
  return listing;
}

TEST(ExpectedState, AcceptsWhatWasAcknowledged) {
  ExpectedState state;
  PutTwo(&state);
  EXPECT_THAT(state.Verify(Both()), IsEmpty());
}

TEST(ExpectedState, NoticesAMissingWrite) {
  ExpectedState state;
  PutTwo(&state);
  Listing listing = Both();
  listing.entries.erase("b");
  EXPECT_THAT(state.Verify(listing),
              ElementsAre(HasSubstr("b (acknowledged at revision 3) is missing")));
}

TEST(ExpectedState, NoticesAKeyThatWasNeverSent) {
  ExpectedState state;
  PutTwo(&state);
  Listing listing = Both();
  listing.entries["c"] = {"?", 3};
  EXPECT_THAT(state.Verify(listing), ElementsAre(HasSubstr("c of revision 3 was never sent")));
}

TEST(ExpectedState, NoticesARevisionThatWentBack) {
  ExpectedState state;
  PutTwo(&state);
  Listing listing = Both();
  listing.revision = 2;
  EXPECT_THAT(state.Verify(listing), ElementsAre(HasSubstr("at revision 2")));
}

TEST(ExpectedState, TakesARequestWithoutAnAnswerEitherWay) {
  for (const bool applied : {false, true}) {
    SCOPED_TRACE(applied);
    ExpectedState state;
    PutTwo(&state);
    state.BeforeSend(1, {{{"a", "3"}, {"b", std::nullopt}}});
    Listing listing = Both();
    if (applied) {
      listing.revision = 4;
      listing.entries["a"] = {"3", 4};
      listing.entries.erase("b");
    }
    EXPECT_THAT(state.Verify(listing), IsEmpty());
    // Settled: from now on it is the truth.
    EXPECT_THAT(state.Verify(listing), IsEmpty());
  }
}

TEST(ExpectedState, NoticesARequestAppliedInPart) {
  ExpectedState state;
  PutTwo(&state);
  state.BeforeSend(1, {{{"a", "3"}, {"b", "3"}}});
  Listing listing = Both();
  listing.revision = 4;
  listing.entries["a"] = {"3", 4};
  EXPECT_THAT(state.Verify(listing), testing::Contains(HasSubstr("applied in part")));
}

TEST(ExpectedState, NoticesARevisionAcknowledgedTwice) {
  ExpectedState state;
  PutTwo(&state);
  state.BeforeSend(2, {{{"c", "1"}}});
  state.OnAcknowledged(2, 3);
  Listing listing = Both();
  listing.entries["c"] = {"1", 3};
  EXPECT_THAT(state.Verify(listing), ElementsAre(HasSubstr("acknowledged twice")));
}

}  // namespace
}  // namespace socle::crash
