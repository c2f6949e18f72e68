#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace socle::bench {
namespace {

// Values below 2^(kSubBits+1) have a bucket each; above, every power of two is split into
// 2^kSubBits buckets.
constexpr unsigned kSubBits = 8;
constexpr unsigned kValueBits = 44;
constexpr uint64_t kValueMax = (uint64_t{1} << kValueBits) - 1;

unsigned ShiftOf(uint64_t value) {
  const auto width = static_cast<unsigned>(std::bit_width(value));
  return width <= kSubBits + 1 ? 0 : width - kSubBits - 1;
}

size_t IndexOf(uint64_t value) {
  const unsigned shift = ShiftOf(value);
  return (size_t{shift} << kSubBits) + (value >> shift);
}

const size_t kBucketCount = IndexOf(kValueMax) + 1;

int64_t LowOf(size_t index) {
  if (index < (size_t{2} << kSubBits)) {
    return static_cast<int64_t>(index);
  }
  const size_t shift = (index >> kSubBits) - 1;
  return static_cast<int64_t>((index - (shift << kSubBits)) << shift);
}

int64_t HighOf(size_t index) {
  return LowOf(index + 1) - 1;
}

}  // namespace

Histogram::Histogram() : counts_(kBucketCount) {}

void Histogram::Record(int64_t nanos) {
  nanos = std::max<int64_t>(nanos, 0);
  ++counts_[IndexOf(std::min(static_cast<uint64_t>(nanos), kValueMax))];
  ++count_;
  min_ = std::min(min_, nanos);
  max_ = std::max(max_, nanos);
  sum_ += static_cast<double>(nanos);
}

void Histogram::Merge(const Histogram& other) {
  for (size_t i = 0; i < kBucketCount; ++i) {
    counts_[i] += other.counts_[i];
  }
  count_ += other.count_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  sum_ += other.sum_;
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : sum_ / static_cast<double>(count_);
}

int64_t Histogram::Percentile(double percent) const {
  if (count_ == 0) {
    return 0;
  }
  const double rank = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const auto wanted = static_cast<uint64_t>(std::max(rank, 1.0));
  uint64_t seen = 0;
  for (size_t i = 0; i < kBucketCount; ++i) {
    seen += counts_[i];
    if (seen >= wanted) {
      return std::min(HighOf(i), max_);
    }
  }
  return max_;
}

uint64_t Histogram::CountUpTo(int64_t nanos) const {
  if (nanos < 0) {
    return 0;
  }
  const size_t last = IndexOf(std::min(static_cast<uint64_t>(nanos), kValueMax));
  uint64_t seen = 0;
  for (size_t i = 0; i <= last; ++i) {
    seen += counts_[i];
  }
  return seen;
}

std::vector<Histogram::Bucket> Histogram::Buckets() const {
  std::vector<Bucket> buckets;
  for (size_t i = 0; i < kBucketCount; ++i) {
    if (counts_[i] != 0) {
      buckets.push_back({LowOf(i), HighOf(i), counts_[i]});
    }
  }
  return buckets;
}

}  // namespace socle::bench
