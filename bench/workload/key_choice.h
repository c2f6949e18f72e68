// KeyChoice and ValueSizes: which key a request takes and how long its value is, by the distributions that
// benchmarks of key-value stores use.
//
//   uniform   every key as often as any other
//   zipfian   few keys take most of the load (theta 0.99: the hottest of a million about 7 %); the hot ones lie
//             scattered over the key space
//   latest    zipfian by age: what was written last is asked for most
// Threads  immutable; pure functions.
// Memory   a few numbers; the constructor sums at most a million terms.
// Source   Gray et al., "Quickly generating billion-record synthetic databases" (1994).
#ifndef SOCLE_BENCH_WORKLOAD_KEY_CHOICE_H_
#define SOCLE_BENCH_WORKLOAD_KEY_CHOICE_H_

#include <cstdint>
#include <string_view>

#include <absl/status/statusor.h>

#include "kv/base/random.h"

namespace socle::bench {

// Ranks below a limit; rank 0 comes most often.
class Zipf {
 public:
  // Requires: limit > 0.
  explicit Zipf(uint64_t limit);

  uint64_t Rank(Random* random) const;

 private:
  uint64_t limit_;
  double zeta_;
  double alpha_;
  double eta_;
};

enum class KeySpread { kUniform, kZipfian, kLatest };

absl::StatusOr<KeySpread> ParseKeySpread(std::string_view name);

class KeyChoice {
 public:
  // Requires: keys > 0.
  KeyChoice(KeySpread spread, uint64_t keys);

  // Index of the key that a request reads or overwrites.
  uint64_t Pick(Random* random, uint64_t sequence) const;
  // Index of the key that a request writes: kLatest writes in order, so that there is a latest.
  uint64_t PickForWrite(Random* random, uint64_t sequence) const;

 private:
  KeySpread spread_;
  uint64_t keys_;
  Zipf zipf_;
};

enum class SizeSpread { kFixed, kUniform, kZipfian };

absl::StatusOr<SizeSpread> ParseSizeSpread(std::string_view name);

class ValueSizes {
 public:
  // Requires: smallest <= largest. kFixed: always the smallest; kZipfian: mostly near it.
  ValueSizes(SizeSpread spread, uint64_t smallest, uint64_t largest);

  uint64_t Pick(Random* random) const;

 private:
  SizeSpread spread_;
  uint64_t smallest_;
  uint64_t largest_;
  Zipf zipf_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_WORKLOAD_KEY_CHOICE_H_
