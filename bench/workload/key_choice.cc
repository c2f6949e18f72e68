#include "bench/workload/key_choice.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace socle::bench {
namespace {

constexpr double kTheta = 0.99;
constexpr uint64_t kTermsMax = 1'000'000;

// The sum of 1 / i^theta for i up to n: the first terms one by one, the rest as an integral.
double Zeta(uint64_t n) {
  const uint64_t terms = std::min(n, kTermsMax);
  double sum = 0;
  for (uint64_t i = terms; i > 0; --i) {
    sum += std::pow(static_cast<double>(i), -kTheta);
  }
  if (n > terms) {
    sum += (std::pow(static_cast<double>(n), 1 - kTheta) -
            std::pow(static_cast<double>(terms), 1 - kTheta)) /
           (1 - kTheta);
  }
  return sum;
}

// Spreads neighbouring ranks over the key space; the same rank gets the same key always.
uint64_t Scatter(uint64_t rank, uint64_t keys) {
  return Random(rank).Below(keys);
}

absl::Status Unknown(std::string_view flag, std::string_view name, std::string_view known) {
  return absl::InvalidArgumentError(std::string(flag) + " " + std::string(name) +
                                    " is not one of " + std::string(known));
}

}  // namespace

Zipf::Zipf(uint64_t limit)
    : limit_(limit),
      zeta_(Zeta(limit)),
      alpha_(1 / (1 - kTheta)),
      eta_((1 - std::pow(2.0 / static_cast<double>(limit), 1 - kTheta)) /
           (1 - Zeta(std::min<uint64_t>(limit, 2)) / zeta_)) {}

uint64_t Zipf::Rank(Random* random) const {
  const double u = random->Fraction();
  const double scaled = u * zeta_;
  if (scaled < 1 || limit_ == 1) {
    return 0;
  }
  if (scaled < 1 + std::pow(0.5, kTheta) || limit_ == 2) {
    return 1;
  }
  const double rank = static_cast<double>(limit_) * std::pow(eta_ * u - eta_ + 1, alpha_);
  return std::min(static_cast<uint64_t>(rank), limit_ - 1);
}

absl::StatusOr<KeySpread> ParseKeySpread(std::string_view name) {
  if (name == "uniform") {
    return KeySpread::kUniform;
  }
  if (name == "zipfian") {
    return KeySpread::kZipfian;
  }
  if (name == "latest") {
    return KeySpread::kLatest;
  }
  return Unknown("--key-distribution", name, "uniform, zipfian, latest");
}

KeyChoice::KeyChoice(KeySpread spread, uint64_t keys)
    : spread_(spread), keys_(keys), zipf_(spread == KeySpread::kUniform ? 1 : keys) {}

uint64_t KeyChoice::Pick(Random* random, uint64_t sequence) const {
  switch (spread_) {
    case KeySpread::kUniform:
      return random->Below(keys_);
    case KeySpread::kZipfian:
      return Scatter(zipf_.Rank(random), keys_);
    case KeySpread::kLatest:
      return (sequence % keys_ + keys_ - zipf_.Rank(random)) % keys_;
  }
  return 0;
}

uint64_t KeyChoice::PickForWrite(Random* random, uint64_t sequence) const {
  return spread_ == KeySpread::kLatest ? sequence % keys_ : Pick(random, sequence);
}

absl::StatusOr<SizeSpread> ParseSizeSpread(std::string_view name) {
  if (name == "fixed") {
    return SizeSpread::kFixed;
  }
  if (name == "uniform") {
    return SizeSpread::kUniform;
  }
  if (name == "zipfian") {
    return SizeSpread::kZipfian;
  }
  return Unknown("--val-size-distribution", name, "fixed, uniform, zipfian");
}

ValueSizes::ValueSizes(SizeSpread spread, uint64_t smallest, uint64_t largest)
    : spread_(spread),
      smallest_(smallest),
      largest_(largest),
      zipf_(spread == SizeSpread::kZipfian ? largest - smallest + 1 : 1) {}

uint64_t ValueSizes::Pick(Random* random) const {
  switch (spread_) {
    case SizeSpread::kFixed:
      return smallest_;
    case SizeSpread::kUniform:
      return smallest_ + random->Below(largest_ - smallest_ + 1);
    case SizeSpread::kZipfian:
      return smallest_ + zipf_.Rank(random);
  }
  return smallest_;
}

}  // namespace socle::bench
