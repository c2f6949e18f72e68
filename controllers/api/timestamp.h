// Timestamps: RFC 3339 text of objects, in whole seconds (Time) or micros (MicroTime), always UTC.
//
// Threads  pure functions.
// Errors   nothing (nullopt) for text that is no time.
#ifndef SOCLE_CONTROLLERS_API_TIMESTAMP_H_
#define SOCLE_CONTROLLERS_API_TIMESTAMP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace socle::api {

// 2026-01-02T03:04:05Z; fractions are cut.
std::string FormatTime(int64_t wall_nanos);
// 2026-01-02T03:04:05.678901Z
std::string FormatMicroTime(int64_t wall_nanos);
// Nanoseconds since the epoch; takes zones and fractions.
std::optional<int64_t> ParseTime(std::string_view text);

// How long ago, in the two largest units that matter, as kubectl prints ages: 5m, 3h20m, 2d.
std::string HumanDuration(int64_t nanos);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_TIMESTAMP_H_
