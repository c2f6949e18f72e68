#include "server/service/auto_compactor.h"

#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace socle::server {
namespace {

TEST(CompactionPlan, ReadsRetentionByMode) {
  struct Case {
    const char* mode;
    const char* retention;
    bool is_ok;
    bool is_on;
    int64_t interval_seconds;
  };

  constexpr Case kCases[] = {
      {"periodic", "0", true, false, 0},     {"periodic", "", true, false, 0},
      {"periodic", "1", true, true, 360},    {"periodic", "10m", true, true, 60},
      {"periodic", "72h", true, true, 360},  {"periodic", "soon", false, false, 0},
      {"periodic", "-1", false, false, 0},   {"revision", "0", true, false, 0},
      {"revision", "1000", true, true, 300}, {"revision", "10m", false, false, 0},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(std::string(c.mode) + " " + c.retention);
    const auto plan = CompactionPlan::Make(c.mode, c.retention);
    ASSERT_EQ(plan.ok(), c.is_ok);
    if (c.is_ok) {
      ASSERT_EQ(plan->has_value(), c.is_on);
      if (c.is_on) {
        EXPECT_EQ((*plan)->interval_nanos(), c.interval_seconds * kNanosPerSecond);
      }
    }
  }
}

TEST(CompactionPlan, KeepsRevisionsInRevisionMode) {
  CompactionPlan plan = **CompactionPlan::Make("revision", "100");
  EXPECT_EQ(plan.Sample(0, 50), std::nullopt);
  EXPECT_EQ(plan.Sample(0, 100), std::nullopt);
  EXPECT_EQ(plan.Sample(0, 250), 150);
}

TEST(CompactionPlan, CompactsToOnePeriodAgoOncePerPeriod) {
  CompactionPlan plan = **CompactionPlan::Make("periodic", "10m");
  const int64_t step = plan.interval_nanos();
  int compactions = 0;
  for (int64_t i = 0; i < 40; ++i) {
    const std::optional<int64_t> target = plan.Sample(i * step, 100 + i);
    if (target.has_value()) {
      ++compactions;
      EXPECT_EQ(i % 10, 0);
      EXPECT_EQ(*target, 100 + i - 10);
    }
  }
  EXPECT_EQ(compactions, 3);
}

}  // namespace
}  // namespace socle::server
