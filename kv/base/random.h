// Random: the only source of chance; small, fast, the same numbers for the same seed on every
// machine.
// Threads  thread-compatible.
// Source   xoshiro256** seeded by splitmix64 (Blackman, Vigna).
#ifndef SOCLE_KV_BASE_RANDOM_H_
#define SOCLE_KV_BASE_RANDOM_H_

#include <array>
#include <bit>
#include <cstdint>

#include "kv/base/check.h"

namespace socle {

class Random {
 public:
  explicit Random(uint64_t seed) {
    for (uint64_t& word : state_) {
      seed += 0x9E3779B97F4A7C15ULL;
      uint64_t z = seed;
      z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
      z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
      word = z ^ (z >> 31U);
    }
  }

  uint64_t Next() {
    const uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const uint64_t t = state_[1] << 17U;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // Uniform in [0, limit). Requires limit > 0.
  uint64_t Below(uint64_t limit) {
    CHECK_GT(limit, 0U);
    return static_cast<uint64_t>((static_cast<__uint128_t>(Next()) * limit) >> 64U);
  }

  // True once in `n` calls on average. Requires n > 0.
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  // Uniform in [0, 1).
  double Fraction() { return static_cast<double>(Next() >> 11U) * 0x1.0p-53; }

  // A seed that differs between runs, from the machine's entropy.
  static uint64_t FreshSeed();

 private:
  std::array<uint64_t, 4> state_{};
};

}  // namespace socle

#endif  // SOCLE_KV_BASE_RANDOM_H_
