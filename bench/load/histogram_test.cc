#include "bench/load/histogram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"

namespace socle::bench {
namespace {

TEST(Histogram, IsAllZeroWhenEmpty) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.Percentile(99), 0);
  EXPECT_EQ(histogram.mean(), 0);
  EXPECT_TRUE(histogram.Buckets().empty());
}

TEST(Histogram, KeepsEveryValueWithinItsErrorOverTheWholeRange) {
  for (int64_t value = 1; value < int64_t{3} * 3600 * 1'000'000'000; value = value * 5 / 4 + 1) {
    SCOPED_TRACE(value);
    Histogram histogram;
    histogram.Record(value);
    histogram.Record(value * 2);  // keeps max() from hiding the bucket's bound
    const int64_t reported = histogram.Percentile(50);
    EXPECT_GE(reported, value);
    EXPECT_LE(static_cast<double>(reported), static_cast<double>(value) * (1 + 1.0 / 256));
    const auto buckets = histogram.Buckets();
    EXPECT_LE(buckets[0].low_nanos, value);
    EXPECT_GE(buckets[0].high_nanos, value);
  }
}

TEST(Histogram, AgreesWithASortedListOnPercentilesMeanAndBounds) {
  constexpr uint64_t kSeed = 7;
  SCOPED_TRACE(kSeed);
  Random random(kSeed);
  Histogram histogram;
  std::vector<int64_t> values;
  double sum = 0;
  for (int i = 0; i < 100'000; ++i) {
    const auto value = static_cast<int64_t>(std::exp(random.Fraction() * 23));  // 1 ns to 10 s
    values.push_back(value);
    sum += static_cast<double>(value);
    histogram.Record(value);
  }
  std::sort(values.begin(), values.end());
  EXPECT_EQ(histogram.count(), values.size());
  EXPECT_EQ(histogram.min(), values.front());
  EXPECT_EQ(histogram.max(), values.back());
  EXPECT_NEAR(histogram.mean(), sum / static_cast<double>(values.size()), 1e-6 * sum);
  for (const double percent : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
    SCOPED_TRACE(percent);
    const double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
    const int64_t exact = values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
    EXPECT_GE(histogram.Percentile(percent), exact);
    EXPECT_LE(static_cast<double>(histogram.Percentile(percent)),
              static_cast<double>(exact) * (1 + 1.0 / 256));
  }
}

TEST(Histogram, MergingEqualsRecordingInOne) {
  Histogram whole;
  Histogram parts[3];
  Random random(3);
  for (int i = 0; i < 10'000; ++i) {
    const auto value = static_cast<int64_t>(random.Below(1'000'000'000));
    whole.Record(value);
    parts[random.Below(2)].Record(value);  // parts[2] stays empty
  }
  Histogram merged;
  for (const Histogram& part : parts) {
    merged.Merge(part);
  }
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.min(), whole.min());
  EXPECT_EQ(merged.max(), whole.max());
  for (const double percent : {10.0, 50.0, 99.0, 99.9}) {
    EXPECT_EQ(merged.Percentile(percent), whole.Percentile(percent));
  }
}

TEST(Histogram, ClampsWhatIsOutOfRangeAndKeepsTheMaximum) {
  Histogram histogram;
  histogram.Record(-5);
  histogram.Record(INT64_MAX);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), INT64_MAX);
  EXPECT_EQ(histogram.CountUpTo(-1), 0U);
  EXPECT_EQ(histogram.CountUpTo(0), 1U);
  EXPECT_EQ(histogram.CountUpTo(INT64_MAX), 2U);
}

}  // namespace
}  // namespace socle::bench
