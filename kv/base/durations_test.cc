#include "kv/base/durations.h"

#include <array>
#include <cstdint>
#include <vector>

#include <gtest/gtest.h>

namespace socle {
namespace {

TEST(DurationsTest, EachBucketHoldsWhatTookAtMostItsBound) {
  struct Case {
    int64_t value;
    size_t bucket;
  };

  for (const auto& [value, bucket] : std::vector<Case>{{-5, 0},
                                                       {0, 0},
                                                       {1, 0},
                                                       {1'000, 0},
                                                       {1'001, 1},
                                                       {2'000, 1},
                                                       {2'001, 2},
                                                       {4'000, 2},
                                                       {4'001, 3},
                                                       {INT64_MAX, 3}}) {
    SCOPED_TRACE(value);
    Durations durations(1'000, 3);
    durations.Observe(value);
    for (size_t i = 0; i <= durations.buckets(); ++i) {
      EXPECT_EQ(durations.count(i), i == bucket ? 1U : 0U) << i;
    }
    EXPECT_EQ(durations.sum(), value);
  }
}

TEST(DurationsTest, TakesBoundsOfAnyKind) {
  constexpr std::array<int64_t, 3> kBounds = {5, 10, 25};
  Durations durations(kBounds);
  for (const int64_t value : {5, 6, 10, 11, 25, 26}) {
    durations.Observe(value);
  }
  EXPECT_EQ(durations.bound(2), 25);
  EXPECT_EQ(durations.count(0), 1U);
  EXPECT_EQ(durations.count(1), 2U);
  EXPECT_EQ(durations.count(2), 2U);
  EXPECT_EQ(durations.count(3), 1U);
}

TEST(DurationsTest, BoundsDouble) {
  const Durations durations(100'000, 20);
  EXPECT_EQ(durations.buckets(), 20U);
  EXPECT_EQ(durations.bound(0), 100'000);
  EXPECT_EQ(durations.bound(19), int64_t{100'000} << 19U);
}

}  // namespace
}  // namespace socle
