#include "server/gateway/json_scanner.h"

#include <cstdint>

#include <fmt/format.h>

#include "kv/base/probe.h"

namespace socle::server::gateway {
namespace {

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsHexDigit(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

// A byte as the code point of its number, as Go's string(c).
std::string OneQuoted(char c) {
  if (c == '\'') {
    return R"('\'')";
  }
  if (c == '"') {
    return R"('"')";
  }
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x80) {
    return fmt::format("'{}'", GoQuoted(std::string_view(&c, 1)));
  }
  constexpr unsigned char kNoBreakSpace = 0xa0;
  constexpr unsigned char kSoftHyphen = 0xad;
  if (byte <= kNoBreakSpace || byte == kSoftHyphen) {
    return fmt::format("'\\u{:04x}'", byte);
  }
  return {'\'', static_cast<char>(0xc0U | (byte >> 6U)), static_cast<char>(0x80U | (byte & 0x3fU)),
          '\''};
}

}  // namespace

std::string GoQuoted(std::string_view text) {
  std::string quoted;
  for (const char c : text) {
    switch (c) {
      case '\a':
        quoted += "\\a";
        break;
      case '\b':
        quoted += "\\b";
        break;
      case '\f':
        quoted += "\\f";
        break;
      case '\n':
        quoted += "\\n";
        break;
      case '\r':
        quoted += "\\r";
        break;
      case '\t':
        quoted += "\\t";
        break;
      case '\v':
        quoted += "\\v";
        break;
      case '\\':
        quoted += "\\\\";
        break;
      case '"':
        quoted += "\\\"";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
          quoted += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          quoted += c;
        }
    }
  }
  return quoted;
}

JsonScanner::Found JsonScanner::Scan(std::string_view text, size_t* at) {
  for (; *at < text.size(); ++*at) {
    switch (Take(text[*at])) {
      case Step::kGoOn:
        break;
      case Step::kEndsAfter:
        ++*at;
        state_ = State::kValue;
        return Found::kValue;
      case Step::kEndsBefore:
        state_ = State::kValue;
        return Found::kValue;
      case Step::kError:
        return Found::kError;
    }
  }
  return Found::kMore;
}

JsonScanner::Found JsonScanner::ScanEnd() {
  if (!has_begun()) {
    return Found::kMore;
  }
  if (Take(' ') == Step::kEndsBefore) {
    state_ = State::kValue;
    return Found::kValue;
  }
  if (error_.empty()) {
    error_ = "unexpected end of JSON input";
  }
  return Found::kError;
}

JsonScanner::Step JsonScanner::Take(char c) {
  switch (state_) {
    case State::kValue:
    case State::kValueOrEnd:
      return TakeValue(c);
    case State::kString:
    case State::kEscape:
    case State::kHex:
      return TakeInString(c);
    case State::kLiteral:
      if (c != literal_[literal_at_]) {
        return Fail(c,
                    fmt::format("in literal {} (expecting '{}')", literal_, literal_[literal_at_]));
      }
      return ++literal_at_ == literal_.size() ? Ended() : Step::kGoOn;
    case State::kKeyOrEnd:
    case State::kKey:
    case State::kAfterKey:
    case State::kAfterMember:
    case State::kAfterElement:
      return TakeAfter(c);
    default:
      return TakeInNumber(c);
  }
}

JsonScanner::Step JsonScanner::TakeValue(char c) {
  if (IsSpace(c)) {
    return Step::kGoOn;
  }
  if (c == ']' && state_ == State::kValueOrEnd) {
    return Close();
  }
  is_key_ = false;
  const auto literal = [this](std::string_view word) {
    literal_ = word;
    literal_at_ = 1;
    state_ = State::kLiteral;
    return Step::kGoOn;
  };
  const auto become = [this](State state) {
    state_ = state;
    return Step::kGoOn;
  };
  switch (c) {
    case '{':
    case '[':
      return Open(c);
    case '"':
      return become(State::kString);
    case '-':
      return become(State::kMinus);
    case '0':
      return become(State::kZero);
    case 't':
      return literal("true");
    case 'f':
      return literal("false");
    case 'n':
      return literal("null");
    default:
      return IsDigit(c) ? become(State::kDigits) : Fail(c, "looking for beginning of value");
  }
}

JsonScanner::Step JsonScanner::TakeInString(char c) {
  if (state_ == State::kEscape) {
    constexpr std::string_view kEscapes = "bfnrt\\/\"";
    if (c == 'u') {
      hex_left_ = 4;
      state_ = State::kHex;
    } else if (kEscapes.find(c) != std::string_view::npos) {
      state_ = State::kString;
    } else {
      return Fail(c, "in string escape code");
    }
  } else if (state_ == State::kHex) {
    if (!IsHexDigit(c)) {
      return Fail(c, "in \\u hexadecimal character escape");
    }
    if (--hex_left_ == 0) {
      state_ = State::kString;
    }
  } else if (c == '"') {
    return Ended();
  } else if (c == '\\') {
    state_ = State::kEscape;
  } else if (static_cast<unsigned char>(c) < 0x20) {
    return Fail(c, "in string literal");
  }
  return Step::kGoOn;
}

JsonScanner::Step JsonScanner::TakeInNumber(char c) {
  const auto become = [this](State state) {
    state_ = state;
    return Step::kGoOn;
  };
  const bool is_digit = IsDigit(c);
  switch (state_) {
    case State::kMinus:
      if (!is_digit) {
        return Fail(c, "in numeric literal");
      }
      return become(c == '0' ? State::kZero : State::kDigits);
    case State::kPoint:
      return is_digit ? become(State::kFraction)
                      : Fail(c, "after decimal point in numeric literal");
    case State::kExponent:
      if (c == '+' || c == '-') {
        return become(State::kExponentSign);
      }
      [[fallthrough]];
    case State::kExponentSign:
      return is_digit ? become(State::kExponentDigits) : Fail(c, "in exponent of numeric literal");
    default:
      break;
  }
  if (is_digit && state_ != State::kZero) {
    return Step::kGoOn;
  }
  if (c == '.' && (state_ == State::kZero || state_ == State::kDigits)) {
    return become(State::kPoint);
  }
  if ((c == 'e' || c == 'E') && state_ != State::kExponentDigits) {
    return become(State::kExponent);
  }
  return Ended() == Step::kEndsAfter ? Step::kEndsBefore : Take(c);
}

JsonScanner::Step JsonScanner::TakeAfter(char c) {
  if (IsSpace(c)) {
    return Step::kGoOn;
  }
  const auto become = [this](State state) {
    state_ = state;
    return Step::kGoOn;
  };
  switch (state_) {
    case State::kKeyOrEnd:
      if (c == '}') {
        return Close();
      }
      [[fallthrough]];
    case State::kKey:
      if (c != '"') {
        return Fail(c, "looking for beginning of object key string");
      }
      is_key_ = true;
      return become(State::kString);
    case State::kAfterKey:
      return c == ':' ? become(State::kValue) : Fail(c, "after object key");
    case State::kAfterMember:
      if (c == '}') {
        return Close();
      }
      return c == ',' ? become(State::kKey) : Fail(c, "after object key:value pair");
    default:
      if (c == ']') {
        return Close();
      }
      return c == ',' ? become(State::kValue) : Fail(c, "after array element");
  }
}

JsonScanner::Step JsonScanner::Open(char c) {
  if (open_.size() == kDepthMax) {
    PROBE("gateway: JSON nested too deep");
    return Fail(c, "exceeded max depth");
  }
  open_ += c;
  state_ = c == '{' ? State::kKeyOrEnd : State::kValueOrEnd;
  return Step::kGoOn;
}

JsonScanner::Step JsonScanner::Close() {
  open_.pop_back();
  is_key_ = false;
  return Ended();
}

JsonScanner::Step JsonScanner::Ended() {
  if (is_key_) {
    state_ = State::kAfterKey;
    return Step::kGoOn;
  }
  if (open_.empty()) {
    return Step::kEndsAfter;
  }
  state_ = open_.back() == '{' ? State::kAfterMember : State::kAfterElement;
  return Step::kGoOn;
}

JsonScanner::Step JsonScanner::Fail(char c, std::string_view context) {
  error_ = fmt::format("invalid character {} {}", OneQuoted(c), context);
  return Step::kError;
}

absl::Status CheckWholeJson(std::string_view text) {
  JsonScanner scanner;
  size_t at = 0;
  JsonScanner::Found found = scanner.Scan(text, &at);
  if (found == JsonScanner::Found::kMore) {
    if (!scanner.has_begun()) {
      return absl::InvalidArgumentError("unexpected end of JSON input");
    }
    found = scanner.ScanEnd();
  }
  if (found == JsonScanner::Found::kError) {
    return absl::InvalidArgumentError(scanner.error());
  }
  for (; at < text.size(); ++at) {
    if (!IsSpace(text[at])) {
      return absl::InvalidArgumentError(
          fmt::format("invalid character {} after top-level value", OneQuoted(text[at])));
    }
  }
  return absl::OkStatus();
}

}  // namespace socle::server::gateway
