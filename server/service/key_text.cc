#include "server/service/key_text.h"

#include <time.h>

#include <array>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::server {
namespace {

constexpr std::array<std::string_view, 17> kCodeNames = {
    "OK",       "Canceled",       "Unknown",          "InvalidArgument",   "DeadlineExceeded",
    "NotFound", "AlreadyExists",  "PermissionDenied", "ResourceExhausted", "FailedPrecondition",
    "Aborted",  "OutOfRange",     "Unimplemented",    "Internal",          "Unavailable",
    "DataLoss", "Unauthenticated"};

unsigned char Byte(char c) {
  return static_cast<unsigned char>(c);
}

// Of the sequence that begins `text`, which is not empty; 0: not a valid one.
size_t SequenceBytes(std::string_view text) {
  const unsigned char first = Byte(text.front());
  if (first < 0x80) {
    return 1;
  }
  const size_t size = first >= 0xC2 && first <= 0xDF   ? 2
                      : first >= 0xE0 && first <= 0xEF ? 3
                      : first >= 0xF0 && first <= 0xF4 ? 4
                                                       : 0;
  if (size == 0 || text.size() < size) {
    return 0;
  }
  for (size_t i = 1; i < size; ++i) {
    if ((Byte(text[i]) & 0xC0U) != 0x80U) {
      return 0;
    }
  }
  const unsigned char second = Byte(text[1]);
  const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
  const bool is_surrogate = first == 0xED && second >= 0xA0;
  const bool is_beyond = first == 0xF4 && second >= 0x90;
  return is_overlong || is_surrogate || is_beyond ? 0 : size;
}

}  // namespace

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t size = SequenceBytes(text);
    if (size == 0) {
      return false;
    }
    text.remove_prefix(size);
  }
  return true;
}

std::string PrintableKey(std::string_view key, size_t bytes_max) {
  std::string text;
  for (const char c : key.substr(0, bytes_max)) {
    if (Byte(c) < 0x20 || Byte(c) >= 0x7F) {
      text += fmt::format("\\x{:02x}", Byte(c));
    } else {
      text += c == '\\' ? "\\\\" : std::string(1, c);
    }
  }
  return key.size() <= bytes_max ? text : fmt::format("{}…({} bytes)", text, key.size());
}

std::string JsonText(std::string_view text) {
  if (!IsUtf8(text)) {
    const std::string printable = PrintableKey(text, text.size());
    return JsonText(printable);
  }
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (Byte(c) < 0x20 || Byte(c) == 0x7F) {
      out += fmt::format("\\u{:04x}", Byte(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string WallTimeText(int64_t wall_nanos) {
  const time_t seconds = wall_nanos / kNanosPerSecond;
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     wall_nanos % kNanosPerSecond / kNanosPerMicro);
}

std::string_view RpcCodeName(absl::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return kCodeNames[index < kCodeNames.size() ? index : 2];
}

}  // namespace socle::server
