#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/thread.h"
#include "kv/testing/manual_clock.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle {
namespace {

using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(StatusMatchers, MatchCodeMessageAndValue) {
  const absl::Status missing = absl::NotFoundError("no key");
  const absl::StatusOr<int> three = 3;
  const absl::StatusOr<int> none = missing;
  EXPECT_THAT(absl::OkStatus(), IsOk());
  EXPECT_THAT(missing, Not(IsOk()));
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(none, StatusIs(absl::StatusCode::kNotFound, HasSubstr("key")));
  EXPECT_THAT(none, Not(StatusIs(absl::StatusCode::kNotFound, HasSubstr("door"))));
  EXPECT_THAT(none, Not(StatusIs(absl::StatusCode::kInternal)));
  EXPECT_THAT(three, IsOkAndHolds(3));
  EXPECT_THAT(three, IsOkAndHolds(Gt(2)));
  EXPECT_THAT(none, Not(IsOkAndHolds(3)));
  ASSERT_OK_AND_ASSIGN(const int value, three);
  EXPECT_EQ(value, 3);
}

TEST(TempDir, IsUniqueAndGoesAway) {
  std::string path;
  {
    const TempDir one;
    const TempDir two;
    EXPECT_NE(one.path(), two.path());
    path = one.path();
    std::filesystem::create_directories(one.PathOf("below/it"));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(TestSeed, IsStableWithinATest) {
  EXPECT_EQ(TestSeed(), TestSeed());
}

TEST(ManualClock, SleepersWakeWhenTheirTimeHasCome) {
  ManualClock clock;
  const int64_t wall = clock.WallNanos();
  Thread sleeper("sleeper", [&] { clock.SleepFor(10); });
  clock.AwaitSleepers(1);
  clock.Advance(9);
  clock.AwaitSleepers(1);
  clock.Advance(1);
  sleeper.Join();
  clock.JumpWall(-1000);
  EXPECT_EQ(clock.WallNanos(), wall + 10 - 1000);
}

}  // namespace
}  // namespace socle
