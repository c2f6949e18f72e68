// Durations: how often something took how long.
//
// Laws     1. A bucket holds what took at most its bound and more than the one before; what took longer
//             than the last bound is counted as well.
//          2. Observing costs two relaxed adds and no lock.
// Threads  thread-safe. A reader may see an observation in the counts and not yet in the sum.
#ifndef SOCLE_KV_BASE_DURATIONS_H_
#define SOCLE_KV_BASE_DURATIONS_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kv/base/check.h"

namespace socle {

class Durations {
 public:
  static constexpr size_t kBucketsMax = 24;

  // Bounds that double from `first` on, in the unit of what is observed (nanoseconds, mostly).
  Durations(int64_t first, size_t buckets) : buckets_(buckets) {
    CHECK(first > 0 && buckets <= kBucketsMax);
    for (size_t i = 0; i < buckets; ++i, first *= 2) {
      bounds_[i] = first;
    }
  }

  // In ascending order.
  explicit Durations(std::span<const int64_t> bounds) : buckets_(bounds.size()) {
    CHECK(bounds.size() <= kBucketsMax && std::is_sorted(bounds.begin(), bounds.end()));
    std::copy(bounds.begin(), bounds.end(), bounds_.begin());
  }

  void Observe(int64_t value) {
    const auto end = bounds_.begin() + static_cast<std::ptrdiff_t>(buckets_);
    const auto found = std::lower_bound(bounds_.begin(), end, value);
    const auto bucket = static_cast<size_t>(found - bounds_.begin());
    counts_[bucket].fetch_add(1, std::memory_order_relaxed);
    sum_.fetch_add(value, std::memory_order_relaxed);
  }

  size_t buckets() const { return buckets_; }

  int64_t bound(size_t bucket) const { return bounds_[bucket]; }

  // Observations in one bucket alone; `buckets()` is the one without a bound.
  uint64_t count(size_t bucket) const { return counts_[bucket].load(std::memory_order_relaxed); }

  int64_t sum() const { return sum_.load(std::memory_order_relaxed); }

 private:
  const size_t buckets_;
  std::array<int64_t, kBucketsMax> bounds_{};
  std::array<std::atomic<uint64_t>, kBucketsMax + 1> counts_{};
  std::atomic<int64_t> sum_{0};
};

}  // namespace socle

#endif  // SOCLE_KV_BASE_DURATIONS_H_
