#include "controllers/api/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

using Family = Quantity::Family;

constexpr __int128 kNanosPerUnit = 1'000'000'000;
constexpr __int128 kNanosPerMillieme = 1'000'000;
// Above 2^63 units nothing is a sensible amount; the product stays far inside 128 bits.
constexpr __int128 kNanosMax = static_cast<__int128>(INT64_MAX) * kNanosPerUnit;

constexpr std::string_view kBadFormat =
    "quantities must match the regular expression "
    "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kBadNumber = "unable to parse numeric part of quantity";
constexpr std::string_view kBadSuffix = "unable to parse quantity's suffix";

struct Suffix {
  std::string_view text;
  int exponent;  // of 10, or of 1024 when binary
  bool is_binary;
};

constexpr std::array<Suffix, 16> kSuffixes = {{{"n", -9, false},
                                               {"u", -6, false},
                                               {"m", -3, false},
                                               {"", 0, false},
                                               {"k", 3, false},
                                               {"M", 6, false},
                                               {"G", 9, false},
                                               {"T", 12, false},
                                               {"P", 15, false},
                                               {"E", 18, false},
                                               {"Ki", 1, true},
                                               {"Mi", 2, true},
                                               {"Gi", 3, true},
                                               {"Ti", 4, true},
                                               {"Pi", 5, true},
                                               {"Ei", 6, true}}};

__int128 CutToRange(__int128 nanos) {
  return std::clamp(nanos, -kNanosMax, kNanosMax);
}

struct Scale {
  int exponent10 = 0;
  int exponent1024 = 0;
  Family family = Family::kDecimal;
};

absl::StatusOr<Scale> ParseSuffix(std::string_view suffix) {
  for (const Suffix& known : kSuffixes) {
    if (known.text == suffix) {
      return known.is_binary ? Scale{0, known.exponent, Family::kBinary}
                             : Scale{known.exponent, 0, Family::kDecimal};
    }
  }
  if (suffix.size() > 1 && (suffix[0] == 'e' || suffix[0] == 'E')) {
    std::string_view digits = suffix.substr(1);
    if (digits[0] == '+') {
      digits.remove_prefix(1);
    }
    int exponent = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), exponent);
    if (error == std::errc() && end == digits.data() + digits.size() && exponent > -1000 &&
        exponent < 1000) {
      return Scale{exponent, 0, Family::kExponent};
    }
  }
  return absl::InvalidArgumentError(AbslView(kBadSuffix));
}

// |digits| * 10^exponent10 * 1024^exponent1024 in nanos, rounded up, cut to the range.
__int128 Scaled(__int128 magnitude, int exponent10, int exponent1024) {
  for (; exponent1024 > 0; --exponent1024) {
    magnitude *= 1024;
    if (magnitude > kNanosMax) {
      return kNanosMax;
    }
  }
  int power = exponent10 + 9;
  for (; power > 0 && magnitude != 0; --power) {
    magnitude *= 10;
    if (magnitude > kNanosMax) {
      return kNanosMax;
    }
  }
  bool has_rest = false;
  for (; power < 0 && magnitude != 0; ++power) {
    has_rest = has_rest || magnitude % 10 != 0;
    magnitude /= 10;
  }
  return magnitude + (has_rest ? 1 : 0);
}

std::string Digits(__int128 value) {
  return fmt::format("{}", static_cast<int64_t>(value));
}

}  // namespace

absl::StatusOr<Quantity> Quantity::Parse(std::string_view text) {
  std::string_view rest = text;
  bool is_negative = false;
  if (!rest.empty() && (rest[0] == '+' || rest[0] == '-')) {
    is_negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  const size_t number_size = std::min(rest.find_first_not_of("0123456789."), rest.size());
  const std::string_view number = rest.substr(0, number_size);
  if (number.empty()) {
    return absl::InvalidArgumentError(AbslView(kBadFormat));
  }
  ASSIGN_OR_RETURN(Scale scale, ParseSuffix(rest.substr(number_size)));
  __int128 magnitude = 0;
  bool seen_dot = false;
  bool seen_digit = false;
  bool has_rest = false;
  for (const char c : number) {
    if (c == '.') {
      if (seen_dot) {
        return absl::InvalidArgumentError(AbslView(kBadNumber));
      }
      seen_dot = true;
      continue;
    }
    seen_digit = true;
    if (magnitude > kNanosMax / 100) {
      // More digits than can matter: after the dot they only round up, before it they scale.
      has_rest = has_rest || c != '0';
      scale.exponent10 += seen_dot ? 0 : 1;
      continue;
    }
    magnitude = magnitude * 10 + (c - '0');
    scale.exponent10 -= seen_dot ? 1 : 0;
  }
  if (!seen_digit) {
    return absl::InvalidArgumentError(AbslView(kBadNumber));
  }
  if (has_rest) {
    magnitude += 1;
  }
  const __int128 nanos = Scaled(magnitude, std::min(scale.exponent10, 100), scale.exponent1024);
  return Quantity(is_negative ? -nanos : nanos, scale.family);
}

absl::StatusOr<Quantity> Quantity::FromJson(const Json& value) {
  if (value.is_string()) {
    return Parse(View(value.get_string()));
  }
  if (value.is_number()) {
    return Parse(Dump(value));
  }
  return absl::InvalidArgumentError(AbslView(kBadFormat));
}

Quantity Quantity::FromMillis(int64_t millis) {
  return Quantity(CutToRange(millis * kNanosPerMillieme), Family::kDecimal);
}

Quantity Quantity::FromUnits(int64_t units, Family family) {
  return Quantity(CutToRange(units * kNanosPerUnit), family);
}

namespace {

int64_t RoundedUp(__int128 nanos, __int128 step) {
  const __int128 whole = nanos / step;
  const __int128 rounded = nanos % step > 0 ? whole + 1 : whole;
  return static_cast<int64_t>(std::clamp<__int128>(rounded, INT64_MIN, INT64_MAX));
}

}  // namespace

int64_t Quantity::Units() const {
  return RoundedUp(nanos_, kNanosPerUnit);
}

int64_t Quantity::Millis() const {
  return RoundedUp(nanos_, kNanosPerMillieme);
}

bool Quantity::is_whole() const {
  return nanos_ % kNanosPerUnit == 0;
}

Quantity Quantity::operator+(const Quantity& other) const {
  return Quantity(CutToRange(nanos_ + other.nanos_), nanos_ == 0 ? other.family_ : family_);
}

Quantity Quantity::operator-(const Quantity& other) const {
  return Quantity(CutToRange(nanos_ - other.nanos_), nanos_ == 0 ? other.family_ : family_);
}

std::string Quantity::ToString() const {
  if (nanos_ == 0) {
    return "0";
  }
  const std::string sign = nanos_ < 0 ? "-" : "";
  __int128 magnitude = nanos_ < 0 ? -nanos_ : nanos_;
  if (family_ == Family::kBinary && magnitude % kNanosPerUnit == 0) {
    __int128 units = magnitude / kNanosPerUnit;
    size_t suffix = 9;  // before "Ki"
    while (units % 1024 == 0 && suffix + 1 < kSuffixes.size()) {
      units /= 1024;
      ++suffix;
    }
    return sign + Digits(units) + std::string(suffix == 9 ? "" : kSuffixes[suffix].text);
  }
  size_t suffix = 0;
  while (magnitude % 1000 == 0 && suffix < 9) {
    magnitude /= 1000;
    ++suffix;
  }
  // Nano digits beyond 64 bits exist only for amounts above nine billion with nine places.
  while (magnitude > INT64_MAX) {
    magnitude = (magnitude + 999) / 1000;
    ++suffix;
  }
  if (family_ == Family::kExponent && kSuffixes[suffix].exponent != 0) {
    return fmt::format("{}{}e{}", sign, Digits(magnitude), kSuffixes[suffix].exponent);
  }
  return sign + Digits(magnitude) + std::string(kSuffixes[suffix].text);
}

}  // namespace socle::api
