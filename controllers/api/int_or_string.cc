#include "controllers/api/int_or_string.h"

#include <algorithm>
#include <charconv>

#include <absl/status/status.h>
#include <fmt/format.h>

namespace socle::api {

std::optional<int64_t> PercentOf(std::string_view text) {
  if (text.size() < 2 || text.back() != '%') {
    return std::nullopt;
  }
  text.remove_suffix(1);
  int64_t percent = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), percent);
  if (error != std::errc() || end != text.data() + text.size() || percent > INT32_MAX ||
      percent < INT32_MIN) {
    return std::nullopt;
  }
  return percent;
}

absl::StatusOr<int64_t> ScaledValue(const Json& value, int64_t total, Rounding rounding) {
  if (const std::optional<int64_t> number = AsInt(value)) {
    return *number;
  }
  if (!value.is_string()) {
    return absl::InvalidArgumentError("invalid type: neither int nor percentage");
  }
  const std::optional<int64_t> percent = PercentOf(View(value.get_string()));
  if (!percent.has_value()) {
    return absl::InvalidArgumentError(
        fmt::format("invalid value for IntOrString: invalid type: string is not a percentage: {}",
                    View(value.get_string())));
  }
  const __int128 hundredths = static_cast<__int128>(*percent) * total;
  __int128 whole = hundredths / 100;
  if (hundredths % 100 > 0 && rounding == Rounding::kUp) {
    ++whole;
  } else if (hundredths % 100 < 0 && rounding == Rounding::kDown) {
    --whole;
  }
  return static_cast<int64_t>(std::clamp<__int128>(whole, INT64_MIN, INT64_MAX));
}

}  // namespace socle::api
