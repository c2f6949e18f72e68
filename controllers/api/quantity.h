// Quantity: amounts of resources as Kubernetes writes them: 100m, 1.5Gi, 2e3.
//
// Laws     1. Exact: a value is a whole number of billionths (nano) in 128 bits; what is finer is
//             rounded up, what is bigger is refused.
//          2. Text keeps its family of suffixes: binary (Ki, Mi), decimal (m, k, M) or exponent.
// Threads  values; thread-compatible.
// Errors   InvalidArgument in the words of Kubernetes.
#ifndef SOCLE_CONTROLLERS_API_QUANTITY_H_
#define SOCLE_CONTROLLERS_API_QUANTITY_H_

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"

namespace socle::api {

class Quantity {
 public:
  enum class Family : uint8_t { kDecimal, kBinary, kExponent };

  Quantity() = default;

  static absl::StatusOr<Quantity> Parse(std::string_view text);
  // A string, or a bare number.
  static absl::StatusOr<Quantity> FromJson(const Json& value);
  static Quantity FromMillis(int64_t millis);
  static Quantity FromUnits(int64_t units, Family family = Family::kDecimal);

  // Rounded up; cut to the range of int64.
  int64_t Units() const;
  int64_t Millis() const;

  bool is_negative() const { return nanos_ < 0; }

  bool is_zero() const { return nanos_ == 0; }

  // True when it is a whole number of units.
  bool is_whole() const;

  Quantity operator+(const Quantity& other) const;
  Quantity operator-(const Quantity& other) const;

  bool operator==(const Quantity& other) const { return nanos_ == other.nanos_; }

  std::strong_ordering operator<=>(const Quantity& other) const { return nanos_ <=> other.nanos_; }

  // The canonical text: 1500m, 2Gi.
  std::string ToString() const;

 private:
  Quantity(__int128 nanos, Family family) : nanos_(nanos), family_(family) {}

  __int128 nanos_ = 0;
  Family family_ = Family::kDecimal;
};

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_QUANTITY_H_
