#include "controllers/api/names.h"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

namespace socle::api {
namespace {

constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
constexpr size_t kSuffixLength = 5;
constexpr size_t kLabelMax = 63;
constexpr size_t kSubdomainMax = 253;
constexpr size_t kPortNameMax = 15;

constexpr std::string_view kLabelText =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kSubdomainText =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view k1035Text =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kNamePartText =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kQualifiedText =
    "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
    "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS "
    "subdomain prefix and '/' (e.g. 'example.com/MyName')";
constexpr std::string_view kLabelValueText =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  "
    "or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr std::string_view kEnvText =
    "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', "
    "or '.', and must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or "
    "'MyEnvName1', regex used for validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')";
constexpr std::string_view kConfigKeyText =
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
    "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
    "'[-._a-zA-Z0-9]+')";
constexpr std::string_view kKruiseNameText =
    "name must consist of alphanumeric characters or '-' (regex used for validation is "
    "'^[a-zA-Z0-9\\-]+$')";

bool IsLower(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool IsAlnum(char c) {
  return IsLower(c) || (c >= 'A' && c <= 'Z');
}

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

bool IsOneOf(char c, std::string_view set) {
  return set.find(c) != std::string_view::npos;
}

std::string TooLongText(size_t bytes_max) {
  return fmt::format("must be no more than {} characters", bytes_max);
}

bool IsLabelShaped(std::string_view text) {
  return !text.empty() && IsLower(text.front()) && IsLower(text.back()) &&
         std::all_of(text.begin(), text.end(), [](char c) { return IsLower(c) || c == '-'; });
}

bool IsSubdomainShaped(std::string_view text) {
  while (true) {
    const size_t dot = text.find('.');
    if (!IsLabelShaped(text.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

bool IsNamePart(std::string_view text) {
  return !text.empty() && IsAlnum(text.front()) && IsAlnum(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlnum(c) || IsOneOf(c, "-_."); });
}

std::vector<std::string> ShapeAndLength(bool shaped, std::string_view text, size_t bytes_max,
                                        std::string_view problem) {
  std::vector<std::string> problems;
  if (text.size() > bytes_max) {
    problems.push_back(TooLongText(bytes_max));
  }
  if (!shaped) {
    problems.emplace_back(problem);
  }
  return problems;
}

std::vector<std::string> QualifiedNameProblems(std::string_view text) {
  std::vector<std::string> problems;
  std::string_view name = text;
  const size_t slash = text.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      problems.emplace_back(kQualifiedText);
      return problems;
    }
    if (prefix.empty()) {
      problems.emplace_back("prefix part must be non-empty");
    } else {
      for (const std::string& problem : FormatProblems(Format::kDnsSubdomain, prefix)) {
        problems.push_back("prefix part " + problem);
      }
    }
  }
  if (name.empty()) {
    problems.emplace_back("name part must be non-empty");
  } else if (name.size() > kLabelMax) {
    problems.push_back("name part " + TooLongText(kLabelMax));
  }
  if (!IsNamePart(name)) {
    problems.emplace_back(kNamePartText);
  }
  return problems;
}

std::vector<std::string> EnvNameProblems(std::string_view text) {
  std::vector<std::string> problems;
  const bool shaped =
      !text.empty() && !IsDigit(text.front()) &&
      std::all_of(text.begin(), text.end(), [](char c) { return IsAlnum(c) || IsOneOf(c, "-._"); });
  if (!shaped) {
    problems.emplace_back(kEnvText);
  }
  if (text == ".") {
    problems.emplace_back("must not be '.'");
  } else if (text == "..") {
    problems.emplace_back("must not be '..'");
  } else if (text.substr(0, 2) == "..") {
    problems.emplace_back("must not start with '..'");
  }
  return problems;
}

std::vector<std::string> ConfigKeyProblems(std::string_view text) {
  std::vector<std::string> problems = ShapeAndLength(
      !text.empty() && std::all_of(text.begin(), text.end(),
                                   [](char c) { return IsAlnum(c) || IsOneOf(c, "-._"); }),
      text, kSubdomainMax, kConfigKeyText);
  if (text == ".") {
    problems.emplace_back("must not be '.'");
  } else if (text == "..") {
    problems.emplace_back("must not be '..'");
  } else if (text.substr(0, 2) == "..") {
    problems.emplace_back("must not start with '..'");
  }
  return problems;
}

std::vector<std::string> PortNameProblems(std::string_view text) {
  std::vector<std::string> problems;
  if (text.size() > kPortNameMax) {
    problems.push_back(TooLongText(kPortNameMax));
  }
  if (!std::all_of(text.begin(), text.end(), [](char c) { return IsLower(c) || c == '-'; })) {
    problems.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!std::any_of(text.begin(), text.end(), [](char c) { return c >= 'a' && c <= 'z'; })) {
    problems.emplace_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != std::string_view::npos) {
    problems.emplace_back("must not contain consecutive hyphens");
  }
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    problems.emplace_back("must not begin or end with a hyphen");
  }
  return problems;
}

std::vector<std::string> PathSegmentProblems(std::string_view text) {
  std::vector<std::string> problems;
  if (text == "." || text == "..") {
    problems.push_back(fmt::format("may not be '{}'", text));
  }
  for (const char c : {'/', '%'}) {
    if (text.find(c) != std::string_view::npos) {
      problems.push_back(fmt::format("may not contain '{}'", c));
    }
  }
  return problems;
}

bool IsIpv4(std::string_view text) {
  for (int part = 0; part < 4; ++part) {
    const size_t dot = part < 3 ? text.find('.') : text.size();
    if (dot == std::string_view::npos || dot == 0 || dot > 3) {
      return false;
    }
    int number = 0;
    for (const char c : text.substr(0, dot)) {
      if (!IsDigit(c)) {
        return false;
      }
      number = number * 10 + (c - '0');
    }
    if (number > 255 || (dot > 1 && text.front() == '0')) {
      return false;
    }
    text.remove_prefix(std::min(dot + 1, text.size()));
  }
  return text.empty();
}

// Groups of hexadecimal digits with colons; nothing when malformed.
std::optional<int> CountIpv6Groups(std::string_view text) {
  int groups = 0;
  while (!text.empty()) {
    const size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (colon == std::string_view::npos && group.find('.') != std::string_view::npos) {
      return IsIpv4(group) ? std::optional<int>(groups + 2) : std::nullopt;
    }
    if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), [](char c) {
          return IsOneOf(c, "0123456789abcdefABCDEF");
        })) {
      return std::nullopt;
    }
    ++groups;
    if (colon == std::string_view::npos) {
      break;
    }
    text.remove_prefix(colon + 1);
    if (text.empty()) {
      return std::nullopt;
    }
  }
  return groups;
}

bool IsIpv6(std::string_view text) {
  const size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    return CountIpv6Groups(text) == 8;
  }
  const std::optional<int> before = CountIpv6Groups(text.substr(0, gap));
  const std::optional<int> after = CountIpv6Groups(text.substr(gap + 2));
  return before.has_value() && after.has_value() && *before + *after < 8;
}

}  // namespace

bool IsIpAddress(std::string_view text) {
  return IsIpv4(text) || (text.find(':') != std::string_view::npos && IsIpv6(text));
}

std::vector<std::string> FormatProblems(Format format, std::string_view text) {
  switch (format) {
    case Format::kNone:
      return {};
    case Format::kDnsLabel:
      return ShapeAndLength(IsLabelShaped(text), text, kLabelMax, kLabelText);
    case Format::kDnsSubdomain:
      return ShapeAndLength(IsSubdomainShaped(text), text, kSubdomainMax, kSubdomainText);
    case Format::kDns1035Label:
      return ShapeAndLength(IsLabelShaped(text) && !IsDigit(text.front()), text, kLabelMax,
                            k1035Text);
    case Format::kQualifiedName:
      return QualifiedNameProblems(text);
    case Format::kLabelValue:
      return ShapeAndLength(text.empty() || IsNamePart(text), text, kLabelMax, kLabelValueText);
    case Format::kEnvName:
      return EnvNameProblems(text);
    case Format::kConfigKey:
      return ConfigKeyProblems(text);
    case Format::kPortName:
      return PortNameProblems(text);
    case Format::kAbsolutePath:
      return text.substr(0, 1) == "/" ? std::vector<std::string>{}
                                      : std::vector<std::string>{"must be an absolute path"};
    case Format::kIpAddress:
      return IsIpAddress(text)
                 ? std::vector<std::string>{}
                 : std::vector<std::string>{
                       "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
    case Format::kPathSegment:
      return PathSegmentProblems(text);
    case Format::kKruiseName:
      return ShapeAndLength(
          !text.empty() &&
              std::all_of(text.begin(), text.end(), [](char c) { return IsAlnum(c) || c == '-'; }),
          text, kLabelMax, kKruiseNameText);
  }
  return {};
}

std::string RandomSuffix(size_t count, Random* random) {
  std::string out;
  out.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    out.push_back(kAlphabet[random->Below(kAlphabet.size())]);
  }
  return out;
}

std::string GenerateName(std::string_view base, Random* random) {
  return std::string(base.substr(0, kLabelMax - kSuffixLength)) +
         RandomSuffix(kSuffixLength, random);
}

std::string SafeEncode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    out.push_back(kAlphabet[static_cast<uint8_t>(c) % kAlphabet.size()]);
  }
  return out;
}

}  // namespace socle::api
