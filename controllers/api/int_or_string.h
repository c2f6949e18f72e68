// IntOrString: counts that may be given as a share of a whole: 3 or "25%".
//
// Threads  pure functions.
// Errors   InvalidArgument in the words of Kubernetes.
#ifndef SOCLE_CONTROLLERS_API_INT_OR_STRING_H_
#define SOCLE_CONTROLLERS_API_INT_OR_STRING_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"

namespace socle::api {

enum class Rounding : uint8_t { kUp, kDown };

// 25 of "25%"; nothing when the text is no whole number with a percent sign.
std::optional<int64_t> PercentOf(std::string_view text);

// The count that `value` means of `total`: an integer as it is, a percentage of `total` rounded.
absl::StatusOr<int64_t> ScaledValue(const Json& value, int64_t total, Rounding rounding);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_INT_OR_STRING_H_
