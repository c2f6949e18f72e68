#include "server/gateway/json_text.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include "kv/base/probe.h"

namespace socle::server::gateway {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<int8_t, 256> kBase64Values = [] {
  std::array<int8_t, 256> values{};
  values.fill(-1);
  for (size_t i = 0; i < kBase64.size(); ++i) {
    values[static_cast<unsigned char>(kBase64[i])] = static_cast<int8_t>(i);
  }
  return values;
}();

// Bytes of the UTF-8 sequence that `text` begins with; 0 when it begins with none.
size_t Utf8Length(std::string_view text) {
  const auto byte = [text](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto is_tail = [&byte](size_t i) { return (byte(i) & 0xc0U) == 0x80U; };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return 1;
  }
  if (first >= 0xc2 && first < 0xe0) {
    return is_tail(1) ? 2 : 0;
  }
  if (first >= 0xe0 && first < 0xf0) {
    const bool is_overlong = first == 0xe0 && byte(1) < 0xa0;
    const bool is_surrogate = first == 0xed && byte(1) >= 0xa0;
    return is_tail(1) && is_tail(2) && !is_overlong && !is_surrogate ? 3 : 0;
  }
  if (first >= 0xf0 && first < 0xf5) {
    const bool is_overlong = first == 0xf0 && byte(1) < 0x90;
    const bool is_beyond = first == 0xf4 && byte(1) >= 0x90;
    return is_tail(1) && is_tail(2) && is_tail(3) && !is_overlong && !is_beyond ? 4 : 0;
  }
  return 0;
}

void AppendUtf8(uint32_t rune, std::string* out) {
  const auto tail = [out](uint32_t bits) { *out += static_cast<char>(0x80U | (bits & 0x3fU)); };
  if (rune < 0x80) {
    *out += static_cast<char>(rune);
  } else if (rune < 0x800) {
    *out += static_cast<char>(0xc0U | (rune >> 6U));
    tail(rune);
  } else if (rune < 0x10000) {
    *out += static_cast<char>(0xe0U | (rune >> 12U));
    tail(rune >> 6U);
    tail(rune);
  } else {
    *out += static_cast<char>(0xf0U | (rune >> 18U));
    tail(rune >> 12U);
    tail(rune >> 6U);
    tail(rune);
  }
}

// Four hex digits at the front.
uint32_t HexOf(std::string_view digits) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    const char c = digits[i];
    const int digit = c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10;
    value = value * 16 + static_cast<uint32_t>(digit);
  }
  return value;
}

// The escape that `rest` begins with, after its "\u"; takes it off.
void AppendUnicodeEscape(std::string_view* rest, std::string* out) {
  const uint32_t first = HexOf(*rest);
  rest->remove_prefix(4);
  const bool is_surrogate = first >= 0xd800 && first < 0xe000;
  if (!is_surrogate) {
    AppendUtf8(first, out);
    return;
  }
  if (first < 0xdc00 && rest->starts_with("\\u")) {
    const uint32_t second = HexOf(rest->substr(2));
    if (second >= 0xdc00 && second < 0xe000) {
      rest->remove_prefix(6);
      AppendUtf8(0x10000U + ((first - 0xd800U) << 10U) + (second - 0xdc00U), out);
      return;
    }
  }
  PROBE("gateway: half a surrogate pair");
  *out += kReplacement;
}

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      *out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
  }
}

// Base64 four digits at a time; what is corrupt is named by the place that Go names.
class Base64Groups {
 public:
  explicit Base64Groups(std::string_view text) : text_(text) {}

  // False at the end, for good or bad.
  bool Next(std::string* bytes) {
    uint32_t group = 0;
    size_t digits = 0;
    bool has_padding = false;
    for (; digits < 4 && !has_padding; ++digits) {
      SkipBreaks();
      if (at_ == text_.size()) {
        return digits == 0 ? false : Corrupt(at_ - digits);
      }
      const char c = text_[at_++];
      const int8_t value = kBase64Values[static_cast<unsigned char>(c)];
      if (value < 0 && (c != '=' || digits < 2)) {
        return Corrupt(at_ - 1);
      }
      has_padding = value < 0;
      group = (group << 6U) | (has_padding ? 0U : static_cast<uint32_t>(value));
    }
    if (!has_padding) {
      Append(group, 3, bytes);
      return true;
    }
    const size_t kept = digits - 2;  // bytes: the padding counts as a digit here
    Append(group << (6U * (4 - digits)), kept, bytes);
    return EndAfterPadding(kept == 1);
  }

  std::optional<size_t> corrupt_at() const { return corrupt_at_; }

 private:
  static void Append(uint32_t group, size_t count, std::string* bytes) {
    for (unsigned shift = 16; count > 0; shift -= 8, --count) {
      *bytes += static_cast<char>((group >> shift) & 0xffU);
    }
  }

  // Nothing follows but the second mark of the padding, if there has to be one.
  bool EndAfterPadding(bool needs_second) {
    SkipBreaks();
    if (needs_second) {
      if (at_ == text_.size()) {
        return Corrupt(at_);
      }
      if (text_[at_] != '=') {
        return Corrupt(at_ - 1);
      }
      ++at_;
      SkipBreaks();
    }
    return at_ < text_.size() ? Corrupt(at_) : false;
  }

  bool Corrupt(size_t at) {
    corrupt_at_ = at;
    return false;
  }

  void SkipBreaks() {
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  const std::string_view text_;
  size_t at_ = 0;
  std::optional<size_t> corrupt_at_;
};

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  constexpr std::string_view kEscaped = "\"\\<>&";
  *out += '"';
  while (!text.empty()) {
    const char c = text.front();
    if (const size_t length = Utf8Length(text); length == 0) {
      *out += "\\ufffd";
      text.remove_prefix(1);
    } else if (length == 1) {
      if (static_cast<unsigned char>(c) < 0x20 || kEscaped.find(c) != std::string_view::npos) {
        AppendEscaped(c, out);
      } else {
        *out += c;
      }
      text.remove_prefix(1);
    } else {
      const std::string_view rune = text.substr(0, length);
      if (rune == "\xe2\x80\xa8" || rune == "\xe2\x80\xa9") {
        *out += rune.back() == '\xa8' ? "\\u2028" : "\\u2029";
      } else {
        *out += rune;
      }
      text.remove_prefix(length);
    }
  }
  *out += '"';
}

std::string UnquoteJson(std::string_view quoted) {
  std::string text;
  std::string_view rest = quoted.substr(1, quoted.size() - 2);
  while (!rest.empty()) {
    if (rest.front() != '\\') {
      const size_t length = Utf8Length(rest);
      text += length == 0 ? kReplacement : rest.substr(0, length);
      rest.remove_prefix(length == 0 ? 1 : length);
      continue;
    }
    const char code = rest[1];
    rest.remove_prefix(2);
    switch (code) {
      case 'b':
        text += '\b';
        break;
      case 'f':
        text += '\f';
        break;
      case 'n':
        text += '\n';
        break;
      case 'r':
        text += '\r';
        break;
      case 't':
        text += '\t';
        break;
      case 'u':
        AppendUnicodeEscape(&rest, &text);
        break;
      default:
        text += code;
    }
  }
  return text;
}

void AppendBase64(std::string_view bytes, std::string* out) {
  const auto at = [bytes](size_t i) {
    return i < bytes.size() ? static_cast<unsigned char>(bytes[i]) : 0U;
  };
  const size_t start = out->size();
  out->resize(start + (bytes.size() + 2) / 3 * 4);
  char* to = out->data() + start;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const uint32_t group = (at(i) << 16U) | (at(i + 1) << 8U) | at(i + 2);
    *to++ = kBase64[group >> 18U];
    *to++ = kBase64[(group >> 12U) & 63U];
    *to++ = i + 1 < bytes.size() ? kBase64[(group >> 6U) & 63U] : '=';
    *to++ = i + 2 < bytes.size() ? kBase64[group & 63U] : '=';
  }
}

absl::StatusOr<std::string> ParseBase64(std::string_view text) {
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  Base64Groups groups(text);
  while (groups.Next(&bytes)) {
  }
  if (const std::optional<size_t> corrupt = groups.corrupt_at(); corrupt.has_value()) {
    return absl::InvalidArgumentError(
        fmt::format("illegal base64 data at input byte {}", *corrupt));
  }
  return bytes;
}

}  // namespace socle::server::gateway
