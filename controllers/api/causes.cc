#include "controllers/api/causes.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace socle::api {
namespace {

// A value of a cause longer than this is cut: the sender has the whole of it.
constexpr size_t kShownMax = 1024;

}  // namespace

std::string_view ReasonOf(CauseType type) {
  switch (type) {
    case CauseType::kNotFound:
      return "FieldValueNotFound";
    case CauseType::kRequired:
      return "FieldValueRequired";
    case CauseType::kDuplicate:
      return "FieldValueDuplicate";
    case CauseType::kInvalid:
      return "FieldValueInvalid";
    case CauseType::kNotSupported:
      return "FieldValueNotSupported";
    case CauseType::kForbidden:
      return "FieldValueForbidden";
    case CauseType::kTooLong:
      return "FieldValueTooLong";
    case CauseType::kTooMany:
      return "FieldValueTooMany";
    case CauseType::kTypeInvalid:
      return "FieldValueTypeInvalid";
  }
  return "FieldValueInvalid";
}

std::string Shown(const Json& value) {
  std::string text = Dump(value);
  if (text.size() <= kShownMax) {
    return text;
  }
  size_t cut = kShownMax;
  while (cut > 0 && (static_cast<uint8_t>(text[cut]) & 0xC0U) == 0x80U) {
    --cut;  // not inside a character
  }
  return text.substr(0, cut) + "...";
}

void Causes::Add(CauseType type, std::string_view field, std::string message) {
  if (!full()) {
    items_.push_back(Cause{type, std::string(field), std::move(message)});
  }
}

void Causes::NotFound(std::string_view field, const Json& value) {
  Add(CauseType::kNotFound, field, fmt::format("Not found: {}", Shown(value)));
}

void Causes::Required(std::string_view field, std::string_view detail) {
  Add(CauseType::kRequired, field,
      detail.empty() ? "Required value" : fmt::format("Required value: {}", detail));
}

void Causes::Duplicate(std::string_view field, const Json& value) {
  Add(CauseType::kDuplicate, field, fmt::format("Duplicate value: {}", Shown(value)));
}

void Causes::Invalid(std::string_view field, const Json& value, std::string_view detail) {
  Add(CauseType::kInvalid, field, fmt::format("Invalid value: {}: {}", Shown(value), detail));
}

void Causes::NotSupported(std::string_view field, const Json& value,
                          const std::vector<std::string_view>& supported) {
  std::vector<std::string_view> sorted = supported;
  std::sort(sorted.begin(), sorted.end());
  Add(CauseType::kNotSupported, field,
      fmt::format("Unsupported value: {}: supported values: \"{}\"", Shown(value),
                  fmt::join(sorted, "\", \"")));
}

void Causes::Forbidden(std::string_view field, std::string_view detail) {
  Add(CauseType::kForbidden, field, fmt::format("Forbidden: {}", detail));
}

void Causes::TooLong(std::string_view field, int64_t bytes_max) {
  Add(CauseType::kTooLong, field, fmt::format("Too long: must have at most {} bytes", bytes_max));
}

void Causes::TooMany(std::string_view field, int64_t actual, int64_t items_max) {
  Add(CauseType::kTooMany, field,
      fmt::format("Too many: {}: must have at most {} items", actual, items_max));
}

void Causes::TypeInvalid(std::string_view field, const Json& value, std::string_view type) {
  const std::string shown = Shown(value);
  Add(CauseType::kTypeInvalid, field,
      fmt::format("Invalid value: {}: {} in body must be of type {}: {}", shown, field, type,
                  shown));
}

std::string Causes::Text() const {
  std::vector<std::string> texts;
  for (const Cause& cause : items_) {
    std::string text = fmt::format("{}: {}", cause.field, cause.message);
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) {
      texts.push_back(std::move(text));
    }
  }
  return texts.size() == 1 ? texts.front() : fmt::format("[{}]", fmt::join(texts, ", "));
}

std::string InvalidMessage(std::string_view group, std::string_view kind, std::string_view name,
                           const Causes& causes) {
  return fmt::format("{}{}{} \"{}\" is invalid: {}", kind, group.empty() ? "" : ".", group, name,
                     causes.Text());
}

}  // namespace socle::api
