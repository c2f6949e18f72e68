#include "controllers/api/timestamp.h"

#include <algorithm>

#include <absl/time/civil_time.h>
#include <absl/time/time.h>
#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::api {
namespace {

// Takes `count` digits off the front; false when there are fewer.
bool TakeDigits(std::string_view* text, size_t count, int* number) {
  *number = 0;
  if (text->size() < count) {
    return false;
  }
  for (const char c : text->substr(0, count)) {
    if (c < '0' || c > '9') {
      return false;
    }
    *number = *number * 10 + (c - '0');
  }
  text->remove_prefix(count);
  return true;
}

bool TakeChar(std::string_view* text, char c) {
  if (text->empty() || text->front() != c) {
    return false;
  }
  text->remove_prefix(1);
  return true;
}

// `.123456789`, cut after nine places; nothing when a dot has no digits.
std::optional<int64_t> TakeFraction(std::string_view* text) {
  int64_t nanos = 0;
  if (!TakeChar(text, '.')) {
    return nanos;
  }
  const size_t size = std::min(text->find_first_not_of("0123456789"), text->size());
  if (size == 0) {
    return std::nullopt;
  }
  int64_t place = kNanosPerSecond / 10;
  for (const char c : text->substr(0, size)) {
    nanos += place * (c - '0');
    place /= 10;
  }
  text->remove_prefix(size);
  return nanos;
}

// `Z` or `+hh:mm`, in seconds east of Greenwich; nothing when malformed or text follows.
std::optional<int64_t> TakeZone(std::string_view text) {
  if (text == "Z") {
    return 0;
  }
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-')) {
    return std::nullopt;
  }
  std::string_view rest = text.substr(1);
  int hours = 0;
  int minutes = 0;
  if (!TakeDigits(&rest, 2, &hours) || !TakeChar(&rest, ':') || !TakeDigits(&rest, 2, &minutes) ||
      hours > 23 || minutes > 59) {
    return std::nullopt;
  }
  const int64_t seconds = (hours * 60 + minutes) * 60;
  return text[0] == '-' ? -seconds : seconds;
}

absl::CivilSecond CivilOf(int64_t wall_nanos) {
  return absl::ToCivilSecond(absl::FromUnixNanos(wall_nanos), absl::UTCTimeZone());
}

std::string FormatCivil(absl::CivilSecond civil) {
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", civil.year(), civil.month(),
                     civil.day(), civil.hour(), civil.minute(), civil.second());
}

}  // namespace

std::string FormatTime(int64_t wall_nanos) {
  return FormatCivil(CivilOf(wall_nanos)) + "Z";
}

std::string FormatMicroTime(int64_t wall_nanos) {
  const int64_t in_second = (wall_nanos % kNanosPerSecond + kNanosPerSecond) % kNanosPerSecond;
  return fmt::format("{}.{:06}Z", FormatCivil(CivilOf(wall_nanos)), in_second / kNanosPerMicro);
}

std::optional<int64_t> ParseTime(std::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  int hour = 0;
  int minute = 0;
  int second = 0;
  const bool has_date = TakeDigits(&text, 4, &year) && TakeChar(&text, '-') &&
                        TakeDigits(&text, 2, &month) && TakeChar(&text, '-') &&
                        TakeDigits(&text, 2, &day);
  const bool has_time = has_date && (TakeChar(&text, 'T') || TakeChar(&text, 't')) &&
                        TakeDigits(&text, 2, &hour) && TakeChar(&text, ':') &&
                        TakeDigits(&text, 2, &minute) && TakeChar(&text, ':') &&
                        TakeDigits(&text, 2, &second);
  if (!has_time) {
    return std::nullopt;
  }
  const std::optional<int64_t> fraction = TakeFraction(&text);
  const std::optional<int64_t> zone = TakeZone(text);
  if (!fraction.has_value() || !zone.has_value()) {
    return std::nullopt;
  }
  const absl::CivilSecond civil(year, month, day, hour, minute, second);
  if (civil.month() != month || civil.day() != day || hour > 23 || minute > 59 || second > 59) {
    return std::nullopt;  // the calendar moved it: there is no such day or time
  }
  const int64_t seconds = absl::ToUnixSeconds(absl::FromCivil(civil, absl::UTCTimeZone())) - *zone;
  int64_t nanos = 0;
  if (__builtin_mul_overflow(seconds, kNanosPerSecond, &nanos) ||
      __builtin_add_overflow(nanos, *fraction, &nanos)) {
    return seconds < 0 ? INT64_MIN : INT64_MAX;
  }
  return nanos;
}

std::string HumanDuration(int64_t nanos) {
  const int64_t seconds = nanos / kNanosPerSecond;
  if (seconds < -1) {
    return "<invalid>";
  }
  if (seconds < 0) {
    return "0s";
  }
  if (seconds < 120) {
    return fmt::format("{}s", seconds);
  }
  const int64_t minutes = seconds / 60;
  if (minutes < 10) {
    return seconds % 60 == 0 ? fmt::format("{}m", minutes)
                             : fmt::format("{}m{}s", minutes, seconds % 60);
  }
  if (minutes < 180) {
    return fmt::format("{}m", minutes);
  }
  const int64_t hours = minutes / 60;
  if (hours < 8) {
    return minutes % 60 == 0 ? fmt::format("{}h", hours)
                             : fmt::format("{}h{}m", hours, minutes % 60);
  }
  if (hours < 48) {
    return fmt::format("{}h", hours);
  }
  const int64_t days = hours / 24;
  if (hours < 192) {
    return hours % 24 == 0 ? fmt::format("{}d", days) : fmt::format("{}d{}h", days, hours % 24);
  }
  if (days < 365 * 2) {
    return fmt::format("{}d", days);
  }
  const int64_t years = days / 365;
  if (days < 365 * 8) {
    return days % 365 == 0 ? fmt::format("{}y", years) : fmt::format("{}y{}d", years, days % 365);
  }
  return fmt::format("{}y", years);
}

}  // namespace socle::api
