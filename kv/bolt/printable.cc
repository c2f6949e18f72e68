#include "kv/bolt/printable.h"

#include <array>
#include <cstdint>

#include <fmt/format.h>

namespace socle::kv::bolt {
namespace {

// Length of the UTF-8 sequence at the front; 0 when it is none, is overlong, a surrogate or a control character.
size_t SequenceLength(std::string_view bytes) {
  const auto at = [bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if (at(0) < 0x80) {
    return at(0) >= 0x20 && at(0) != 0x7F ? 1 : 0;
  }
  const size_t length = at(0) >= 0xF0 ? 4 : at(0) >= 0xE0 ? 3 : 2;
  if (at(0) < 0xC2 || at(0) > 0xF4 || bytes.size() < length) {
    return 0;
  }
  uint32_t code = at(0) & (0xFFU >> (length + 1));
  for (size_t i = 1; i < length; ++i) {
    if ((at(i) & 0xC0U) != 0x80) {
      return 0;
    }
    code = code << 6U | (at(i) & 0x3FU);
  }
  constexpr std::array<uint32_t, 5> kLeast = {0, 0, 0xA0, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < kLeast.at(length) || is_surrogate || code > 0x10FFFF ? 0 : length;
}

}  // namespace

bool IsPrintable(std::string_view bytes) {
  while (!bytes.empty()) {
    const size_t length = SequenceLength(bytes);
    if (length == 0) {
      return false;
    }
    bytes.remove_prefix(length);
  }
  return true;
}

std::string Hex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const char byte : bytes) {
    text.push_back(kDigits[static_cast<uint8_t>(byte) >> 4U]);
    text.push_back(kDigits[static_cast<uint8_t>(byte) & 0x0FU]);
  }
  return text;
}

std::string Printable(std::string_view bytes, size_t bytes_max) {
  const bool is_cut = bytes.size() > bytes_max;
  std::string_view shown = bytes.substr(0, bytes_max);
  // A sequence that the cut went through is left out whole.
  for (size_t back = 0; is_cut && back < 3 && back < shown.size(); ++back) {
    const std::string_view whole = bytes.substr(0, shown.size() - back);
    if (IsPrintable(whole)) {
      shown = whole;
      break;
    }
  }
  std::string text =
      IsPrintable(shown) && !shown.starts_with("0x") ? std::string(shown) : "0x" + Hex(shown);
  if (is_cut) {
    text += fmt::format("... ({} bytes)", bytes.size());
  }
  return text;
}

}  // namespace socle::kv::bolt
