#include "controllers/api/field_selector.h"

#include <algorithm>
#include <utility>

#include <absl/status/status.h>
#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

// Cuts at commas that no backslash guards; the escapes stay.
std::vector<std::string_view> SplitTerms(std::string_view text) {
  std::vector<std::string_view> terms;
  size_t start = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] == '\\') {
      ++i;
    } else if (i >= text.size() || text[i] == ',') {
      const size_t end = std::min(i, text.size());
      if (end > start) {
        terms.push_back(text.substr(start, end - start));
      }
      start = end + 1;
    }
  }
  // An escape at the very end steps over the end of the text.
  if (start < text.size()) {
    terms.push_back(text.substr(start));
  }
  return terms;
}

absl::StatusOr<std::string> Unescape(std::string_view text) {
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      if (text[i] == '=' || text[i] == ',') {
        return absl::InvalidArgumentError(
            fmt::format("invalid field selector: unescaped character in value: {}", text[i]));
      }
      plain.push_back(text[i]);
      continue;
    }
    if (++i >= text.size() || std::string_view("\\,=").find(text[i]) == std::string_view::npos) {
      return absl::InvalidArgumentError(
          fmt::format("invalid field selector: invalid escape sequence in value: {}", text));
    }
    plain.push_back(text[i]);
  }
  return plain;
}

absl::StatusOr<FieldTerm> ParseTerm(std::string_view text) {
  const size_t sign = text.find('=');
  if (sign == std::string_view::npos) {
    return absl::InvalidArgumentError(
        fmt::format("invalid selector: '{}'; can't understand '{}'", text, text));
  }
  FieldTerm term;
  term.is_negated = sign > 0 && text[sign - 1] == '!';
  term.label = text.substr(0, term.is_negated ? sign - 1 : sign);
  std::string_view value = text.substr(sign + 1);
  if (!term.is_negated && !value.empty() && value.front() == '=') {
    value.remove_prefix(1);
  }
  ASSIGN_OR_RETURN(term.value, Unescape(value));
  return term;
}

}  // namespace

std::string FieldText(const SelectableField& field, const Json& object) {
  const Json* at = &object;
  for (const std::string_view name : field.path) {
    at = Find(*at, {name});
    if (at == nullptr) {
      return std::string(field.when_missing);
    }
  }
  return at->is_string() ? std::string(View(at->get_string())) : Dump(*at);
}

absl::StatusOr<FieldSelector> FieldSelector::Parse(std::string_view text,
                                                   const std::vector<SelectableField>& fields) {
  FieldSelector selector;
  for (const std::string_view piece : SplitTerms(text)) {
    ASSIGN_OR_RETURN(FieldTerm term, ParseTerm(piece));
    const auto field = std::find_if(fields.begin(), fields.end(), [&term](const auto& known) {
      return known.label == term.label;
    });
    if (field == fields.end()) {
      return absl::InvalidArgumentError(fmt::format("field label not supported: {}", term.label));
    }
    selector.terms_.push_back(std::move(term));
    selector.fields_.push_back(&*field);
  }
  return selector;
}

bool FieldSelector::Matches(const Json& object) const {
  for (size_t i = 0; i < terms_.size(); ++i) {
    if ((FieldText(*fields_[i], object) == terms_[i].value) == terms_[i].is_negated) {
      return false;
    }
  }
  return true;
}

const std::string* FieldSelector::ExactValue(std::string_view label) const {
  for (const FieldTerm& term : terms_) {
    if (!term.is_negated && term.label == label) {
      return &term.value;
    }
  }
  return nullptr;
}

}  // namespace socle::api
