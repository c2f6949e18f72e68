// Histogram: how often a duration was seen, log-linear, in fixed memory (76 KiB).
//
// Laws     1. A value is reported at most 1/256 (0.4 %) above what was recorded, never below it.
//          2. Count, minimum, maximum and sum are exact. Values above 4.8 hours are counted as 4.8
//             hours, except in max().
//          3. Merge equals having recorded everything in one.
// Threads  thread-compatible.
// Source   the bucket layout of HDR histograms.
#ifndef SOCLE_BENCH_LOAD_HISTOGRAM_H_
#define SOCLE_BENCH_LOAD_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace socle::bench {

class Histogram {
 public:
  struct Bucket {
    int64_t low_nanos;   // first value of the bucket
    int64_t high_nanos;  // last value of the bucket
    uint64_t count;
  };

  Histogram();

  // Negative durations (a clock's rounding) count as 0.
  void Record(int64_t nanos);
  void Merge(const Histogram& other);

  uint64_t count() const { return count_; }

  int64_t min() const { return count_ == 0 ? 0 : min_; }

  int64_t max() const { return max_; }

  double mean() const;

  // The smallest reported value that `percent` of the recorded values do not exceed; 0 when empty.
  int64_t Percentile(double percent) const;

  // How many recorded values are at or below `nanos`, to the precision of law 1.
  uint64_t CountUpTo(int64_t nanos) const;

  // Buckets with something in them, ascending.
  std::vector<Bucket> Buckets() const;

 private:
  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  int64_t min_ = INT64_MAX;
  int64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_LOAD_HISTOGRAM_H_
