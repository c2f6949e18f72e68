#include "controllers/workload/raw_member.h"

#include <cstddef>
#include <cstring>
#include <utility>

#include <absl/status/statusor.h>

namespace socle::workload {
namespace {

constexpr size_t kNone = std::string_view::npos;

size_t SkipSpace(std::string_view text, size_t at) {
  while (at < text.size() &&
         (text[at] == ' ' || text[at] == '\n' || text[at] == '\t' || text[at] == '\r')) {
    ++at;
  }
  return at;
}

// `at` is on the opening quote; the offset after the closing one.
size_t SkipString(std::string_view text, size_t at) {
  size_t from = at + 1;
  while (true) {
    const size_t quote = text.find('"', from);
    if (quote == kNone) {
      return kNone;
    }
    // A quote after an odd number of backslashes belongs to the string.
    size_t first = quote;
    while (first > at + 1 && text[first - 1] == '\\') {
      --first;
    }
    if ((quote - first) % 2 == 0) {
      return quote + 1;
    }
    from = quote + 1;
  }
}

// The offset after the value that begins at `at`.
size_t SkipValue(std::string_view text, size_t at) {
  if (at >= text.size()) {
    return kNone;
  }
  if (text[at] == '"') {
    return SkipString(text, at);
  }
  if (text[at] != '{' && text[at] != '[') {
    const size_t end = text.find_first_of(",]} \n\t\r", at);
    return end == kNone ? text.size() : end;
  }
  size_t depth = 0;
  while (at < text.size()) {
    switch (text[at]) {
      case '"':
        at = SkipString(text, at);
        if (at == kNone) {
          return kNone;
        }
        continue;
      case '{':
      case '[':
        ++depth;
        break;
      case '}':
      case ']':
        if (--depth == 0) {
          return at + 1;
        }
        break;
      default:
        break;
    }
    ++at;
  }
  return kNone;
}

std::string_view MemberOf(std::string_view object, std::string_view name) {
  size_t at = SkipSpace(object, 0);
  if (at >= object.size() || object[at] != '{') {
    return {};
  }
  ++at;
  while (true) {
    at = SkipSpace(object, at);
    if (at < object.size() && object[at] == ',') {
      at = SkipSpace(object, at + 1);
    }
    if (at >= object.size() || object[at] != '"') {
      return {};
    }
    const size_t name_end = SkipString(object, at);
    if (name_end == kNone) {
      return {};
    }
    const std::string_view key = object.substr(at + 1, name_end - at - 2);
    at = SkipSpace(object, name_end);
    if (at >= object.size() || object[at] != ':') {
      return {};
    }
    const size_t begin = SkipSpace(object, at + 1);
    const size_t end = SkipValue(object, begin);
    if (end == kNone) {
      return {};
    }
    if (key == name) {
      return object.substr(begin, end - begin);
    }
    at = end;
  }
}

}  // namespace

std::string_view RawMember(std::string_view document, api::JsonPath path) {
  for (const std::string_view name : path) {
    document = MemberOf(document, name);
  }
  return document;
}

api::Json ParseMember(std::string_view document, api::JsonPath path) {
  const std::string_view text = RawMember(document, path);
  if (text.empty()) {
    return nullptr;
  }
  absl::StatusOr<api::Json> parsed = api::ParseJson(text);
  return parsed.ok() ? *std::move(parsed) : api::Json(nullptr);
}

}  // namespace socle::workload
