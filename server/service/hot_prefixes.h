// HotPrefixes: which prefixes of the key space are read, written and watched most, about and lately.
//
// Every so-manieth operation is looked at (a sample) and counts for as many. The busiest prefixes are kept by the
// space-saving rule: a prefix that is not known takes the place of the least busy one and inherits its count as its error. Counts
// decay by half every kHalfLifeNanos, so that they speak of the last minute or so.
//
//   "/registry/pods/kube-system/x" at depth 2 ─► "/registry/pods/"       "plain" ─► ""       "a/b/c" ─► "a/b/"
//
// Laws     1. An operation that is no sample costs a few nanoseconds and touches no memory of others.
//          2. At most 4 × `top` prefixes are kept, of at most kPrefixBytesMax bytes each.
//          3. Every prefix whose rate is more than 1/(4 × top) of all (of the samples) is kept.
// Threads  thread-safe.
// Source   A. Metwally, D. Agrawal, A. El Abbadi, "Efficient computation of frequent and top-k elements in data streams",
//          2005; forward decay: G. Cormode et al., 2009.
#ifndef SOCLE_SERVER_SERVICE_HOT_PREFIXES_H_
#define SOCLE_SERVER_SERVICE_HOT_PREFIXES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::server {

// As much of the key as its first `depth` parts with the slashes after them; without so many, up to the last slash.
std::string_view PrefixOf(std::string_view key, int64_t depth);

class HotPrefixes {
 public:
  static constexpr int64_t kHalfLifeNanos = 30 * kNanosPerSecond;
  static constexpr size_t kPrefixBytesMax = 256;
  static constexpr uint32_t kSampleDefault = 64;

  enum class Kind { kRead, kWrite, kEvent };

  struct Options {
    size_t top = 20;
    int64_t depth = 2;
    uint32_t sample = kSampleDefault;  // one in so many, at random; 1: all
    Clock* clock = nullptr;            // null: Clock::Real()
  };

  // Per second.
  struct Row {
    std::string prefix;
    double reads = 0;
    double writes = 0;
    double events = 0;  // sent to watchers
    double bytes = 0;
    double error = 0;  // so much of reads + writes + events may be another's
  };

  explicit HotPrefixes(Options options);

  // Whether the operation that comes is a sample; then Add it.
  bool IsSampled() {
    thread_local uint32_t wait = 0;
    if (wait-- != 0) [[likely]] {
      return false;
    }
    wait = NextGap();
    return true;
  }

  // A sample. `operations`: those it is made of, such as the events of one message.
  void Add(Kind kind, std::string_view key, size_t bytes, uint64_t operations = 1);

  // By reads + writes + events, at most `top` (0: as many as were asked for at the start).
  std::vector<Row> Top(size_t top = 0) const;
  // The page: Top() and what they mean.
  std::string ToJson(size_t top) const;

 private:
  struct Count {
    double reads = 0;
    double writes = 0;
    double events = 0;
    double bytes = 0;
    double error = 0;

    double all() const { return reads + writes + events; }
  };

  uint32_t NextGap() const;
  Count* Find(std::string_view prefix) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // What an operation counts now, so that all counts decay without being touched.
  double WeightAt(int64_t now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Rescale(int64_t now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Options options_;
  Clock* const clock_;
  const int64_t started_;
  const size_t counts_max_;
  mutable Mutex mu_;
  int64_t scaled_at_ ABSL_GUARDED_BY(mu_);  // when an operation counted 1
  StringMap<Count> counts_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_HOT_PREFIXES_H_
