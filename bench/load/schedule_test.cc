#include "bench/load/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/load/progress.h"
#include "kv/base/clock.h"

namespace socle::bench {
namespace {

TEST(Schedule, SpacesRequestsEvenlyWithoutDrift) {
  const int64_t start = 123'456'789'000;
  const Schedule schedule(start, 3);
  EXPECT_EQ(schedule.DueNanos(0), start);
  EXPECT_EQ(schedule.DueNanos(1), start + 333'333'333);
  EXPECT_EQ(schedule.DueNanos(3), start + kNanosPerSecond);
  EXPECT_EQ(schedule.DueNanos(3'000'000), start + 1'000'000 * kNanosPerSecond);
  for (uint64_t n = 1; n < 10'000; ++n) {
    const int64_t gap = schedule.DueNanos(n) - schedule.DueNanos(n - 1);
    ASSERT_GE(gap, 333'333'333) << n;
    ASSERT_LE(gap, 333'333'334) << n;
  }
}

TEST(Schedule, TakesRatesBelowOneAndAboveAMillion) {
  EXPECT_EQ(Schedule(0, 0.5).DueNanos(1), 2 * kNanosPerSecond);
  EXPECT_EQ(Schedule(0, 4e6).DueNanos(4), 1'000);
}

TEST(Progress, ShowsHowFarAndHowLong) {
  const ProgressState state{250, 1'000, 2, 10 * kNanosPerSecond, 25};
  EXPECT_EQ(RenderLine(state), "10 s: 250 of 1000 (25.0 %), 25/s, 2 errors, 30s left");
  EXPECT_EQ(RenderBar(state),
            "[=======.......................]  25.0 %  250/1000  25/s  2 errors  30s left");
}

TEST(Progress, SurvivesTheEdges) {
  EXPECT_THAT(RenderBar({0, 0, 0, 0, 0}), testing::HasSubstr("100.0 %"));
  EXPECT_THAT(RenderLine({0, 10, 0, 0, 0}), testing::HasSubstr("? left"));
  EXPECT_THAT(RenderLine({11, 10, 0, kNanosPerSecond, 0}), testing::HasSubstr("(100.0 %)"));
  EXPECT_THAT(RenderLine({1, 1'000, 0, kNanosPerSecond, 0}), testing::HasSubstr("16m39s left"));
}

TEST(Progress, PrintsALineEveryFiveSecondsAndNothingWhenQuiet) {
  std::string out;
  const auto sink = [&](std::string_view text) { out += text; };
  Progress lines(Progress::Style::kLines, 100, sink);
  for (int64_t second = 0; second <= 11; ++second) {
    lines.Tick(static_cast<uint64_t>(second), 0, second * kNanosPerSecond);
  }
  lines.Finish();
  EXPECT_EQ(out,
            "5 s: 5 of 100 (5.0 %), 1/s, 0 errors, 1m35s left\n"
            "10 s: 10 of 100 (10.0 %), 1/s, 0 errors, 1m30s left\n");
  out.clear();
  Progress quiet(Progress::Style::kNone, 100, sink);
  quiet.Tick(50, 0, 60 * kNanosPerSecond);
  quiet.Finish();
  EXPECT_EQ(out, "");
}

}  // namespace
}  // namespace socle::bench
