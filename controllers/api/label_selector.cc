#include "controllers/api/label_selector.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/names.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

using Op = LabelRequirement::Op;

absl::Status Unparsable(const std::string& text) {
  return absl::InvalidArgumentError(fmt::format("unable to parse requirement: {}", text));
}

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

absl::Status CheckRequirement(const LabelRequirement& requirement) {
  for (const std::string& problem : FormatProblems(Format::kQualifiedName, requirement.key)) {
    return Unparsable(fmt::format("<nil>: Invalid value: \"{}\": {}", requirement.key, problem));
  }
  for (const std::string& value : requirement.values) {
    if (requirement.op == Op::kGreater || requirement.op == Op::kLess) {
      if (!WholeNumber(value)) {
        return Unparsable("for 'Gt', 'Lt' operators, the value must be an integer");
      }
      continue;
    }
    for (const std::string& problem : FormatProblems(Format::kLabelValue, value)) {
      return Unparsable(
          fmt::format("values[0][{}]: Invalid value: \"{}\": {}", requirement.key, value, problem));
    }
  }
  return absl::OkStatus();
}

// Splits selector text into words and signs.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : rest_(text) { Advance(); }

  // The next token; empty at the end.
  std::string_view token() const { return token_; }

  bool is_word() const { return is_word_; }

  std::string_view Take() {
    const std::string_view taken = token_;
    Advance();
    return taken;
  }

  bool TakeIf(std::string_view wanted) {
    if (token_ != wanted) {
      return false;
    }
    Advance();
    return true;
  }

 private:
  static bool IsSign(char c) {
    return std::string_view("=!,()<>").find(c) != std::string_view::npos;
  }

  static bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void Advance() {
    while (!rest_.empty() && IsSpace(rest_.front())) {
      rest_.remove_prefix(1);
    }
    size_t size = 0;
    is_word_ = false;
    if (rest_.empty()) {
      token_ = {};
      return;
    }
    if (IsSign(rest_.front())) {
      size = rest_.starts_with("==") || rest_.starts_with("!=") ? 2 : 1;
    } else {
      is_word_ = true;
      while (size < rest_.size() && !IsSign(rest_[size]) && !IsSpace(rest_[size])) {
        ++size;
      }
    }
    token_ = rest_.substr(0, size);
    rest_.remove_prefix(size);
  }

  std::string_view rest_;
  std::string_view token_;
  bool is_word_ = false;
};

absl::StatusOr<std::string> TakeWord(Lexer* lexer, std::string_view wanted) {
  if (!lexer->is_word()) {
    return Unparsable(fmt::format("found '{}', expected: {}", lexer->token(), wanted));
  }
  return std::string(lexer->Take());
}

absl::StatusOr<std::vector<std::string>> TakeSet(Lexer* lexer) {
  if (!lexer->TakeIf("(")) {
    return Unparsable(fmt::format("found '{}' expected: '('", lexer->token()));
  }
  std::vector<std::string> values;
  while (true) {
    // An empty place is the empty value: `x in (,a)`.
    values.emplace_back(lexer->is_word() ? lexer->Take() : std::string_view());
    if (lexer->TakeIf(")")) {
      return values;
    }
    if (!lexer->TakeIf(",")) {
      return Unparsable(fmt::format("found '{}', expected: ',' or ')'", lexer->token()));
    }
  }
}

absl::StatusOr<LabelRequirement> TakeRequirement(Lexer* lexer) {
  LabelRequirement requirement;
  if (lexer->TakeIf("!")) {
    ASSIGN_OR_RETURN(requirement.key, TakeWord(lexer, "identifier"));
    requirement.op = Op::kAbsent;
    return requirement;
  }
  ASSIGN_OR_RETURN(requirement.key, TakeWord(lexer, "!, identifier, or ','"));
  const std::string_view token = lexer->token();
  if (token.empty() || token == ",") {
    requirement.op = Op::kExists;
  } else if (token == "in" || token == "notin") {
    requirement.op = token == "in" ? Op::kIn : Op::kNotIn;
    lexer->Take();
    ASSIGN_OR_RETURN(requirement.values, TakeSet(lexer));
  } else if (token == "=" || token == "==" || token == "!=") {
    requirement.op = token == "!=" ? Op::kNotIn : Op::kIn;
    lexer->Take();
    requirement.values.emplace_back(lexer->is_word() ? lexer->Take() : std::string_view());
  } else if (token == ">" || token == "<") {
    requirement.op = token == ">" ? Op::kGreater : Op::kLess;
    lexer->Take();
    ASSIGN_OR_RETURN(std::string value, TakeWord(lexer, "number"));
    requirement.values.push_back(std::move(value));
  } else if (token == "exists") {
    requirement.op = Op::kExists;
    lexer->Take();
  } else {
    return Unparsable(fmt::format("found '{}', expected: in, notin, =, ==, !=, gt, lt", token));
  }
  return requirement;
}

// Whether the label's number is above (or below) that of the requirement.
bool IsBeyond(const LabelRequirement& requirement, std::string_view label) {
  const std::optional<int64_t> have = WholeNumber(label);
  const std::optional<int64_t> limit =
      requirement.values.empty() ? std::nullopt : WholeNumber(requirement.values.front());
  if (!have.has_value() || !limit.has_value()) {
    return false;
  }
  return requirement.op == Op::kGreater ? *have > *limit : *have < *limit;
}

// `label`: that of the requirement's key, nullopt when the object has none.
bool MatchesOne(const LabelRequirement& requirement, std::optional<std::string_view> label) {
  const bool is_present = label.has_value();
  const std::string_view value = label.value_or(std::string_view());
  const auto is_listed = [&] {
    return std::find(requirement.values.begin(), requirement.values.end(), value) !=
           requirement.values.end();
  };
  switch (requirement.op) {
    case Op::kIn:
      return is_present && is_listed();
    case Op::kNotIn:
      return !is_present || !is_listed();
    case Op::kExists:
      return is_present;
    case Op::kAbsent:
      return !is_present;
    case Op::kGreater:
    case Op::kLess:
      return is_present && IsBeyond(requirement, value);
  }
  return false;
}

std::optional<Op> OperatorOf(std::string_view word) {
  constexpr std::pair<std::string_view, Op> kWords[] = {
      {"In", Op::kIn},         {"NotIn", Op::kNotIn},
      {"Exists", Op::kExists}, {"DoesNotExist", Op::kAbsent},
      {"Gt", Op::kGreater},    {"Lt", Op::kLess}};
  for (const auto& [known, op] : kWords) {
    if (known == word) {
      return op;
    }
  }
  return std::nullopt;
}

std::string TextOf(const LabelRequirement& requirement) {
  const std::string values = fmt::format("{}", fmt::join(requirement.values, ","));
  switch (requirement.op) {
    case Op::kIn:
      return requirement.values.size() == 1 ? requirement.key + "=" + values
                                            : requirement.key + " in (" + values + ")";
    case Op::kNotIn:
      return requirement.values.size() == 1 ? requirement.key + "!=" + values
                                            : requirement.key + " notin (" + values + ")";
    case Op::kExists:
      return requirement.key;
    case Op::kAbsent:
      return "!" + requirement.key;
    case Op::kGreater:
      return requirement.key + ">" + values;
    case Op::kLess:
      return requirement.key + "<" + values;
  }
  return {};
}

}  // namespace

LabelSelector LabelSelector::Nothing() {
  LabelSelector selector;
  selector.is_nothing_ = true;
  return selector;
}

void LabelSelector::Sort() {
  for (LabelRequirement& requirement : requirements_) {
    std::sort(requirement.values.begin(), requirement.values.end());
    requirement.values.erase(std::unique(requirement.values.begin(), requirement.values.end()),
                             requirement.values.end());
  }
  std::stable_sort(requirements_.begin(), requirements_.end(),
                   [](const auto& a, const auto& b) { return a.key < b.key; });
}

absl::StatusOr<LabelSelector> LabelSelector::Parse(std::string_view text) {
  LabelSelector selector;
  Lexer lexer(text);
  while (!lexer.token().empty()) {
    ASSIGN_OR_RETURN(LabelRequirement requirement, TakeRequirement(&lexer));
    RETURN_IF_ERROR(CheckRequirement(requirement));
    selector.requirements_.push_back(std::move(requirement));
    if (lexer.token().empty()) {
      break;
    }
    if (!lexer.TakeIf(",")) {
      return Unparsable(fmt::format("found '{}', expected: ',' or 'end of string'", lexer.token()));
    }
    if (lexer.token().empty()) {
      return Unparsable("found '', expected: identifier after ','");
    }
  }
  selector.Sort();
  return selector;
}

absl::StatusOr<LabelSelector> LabelSelector::FromExpressions(const JsonArray& expressions) {
  LabelSelector selector;
  for (const Json& expression : expressions) {
    LabelRequirement requirement;
    requirement.key = StringAt(expression, {"key"});
    const std::string_view word = StringAt(expression, {"operator"});
    const std::optional<Op> op = OperatorOf(word);
    if (!op.has_value()) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is not a valid label selector operator", word));
    }
    requirement.op = *op;
    if (const JsonArray* values = FindArray(expression, {"values"})) {
      for (const Json& value : *values) {
        requirement.values.emplace_back(value.is_string() ? View(value.get_string())
                                                          : std::string_view());
      }
    }
    RETURN_IF_ERROR(CheckRequirement(requirement));
    selector.requirements_.push_back(std::move(requirement));
  }
  selector.Sort();
  return selector;
}

absl::StatusOr<LabelSelector> LabelSelector::FromJson(const Json* selector) {
  if (selector == nullptr || !selector->is_object()) {
    return Nothing();
  }
  LabelSelector result;
  if (const JsonArray* expressions = FindArray(*selector, {"matchExpressions"})) {
    ASSIGN_OR_RETURN(result, FromExpressions(*expressions));
  }
  if (const JsonObject* labels = FindObject(*selector, {"matchLabels"})) {
    for (const auto& label : *labels) {
      LabelRequirement requirement;
      requirement.key = View(label.key());
      requirement.op = Op::kIn;
      requirement.values.emplace_back(label.value().is_string() ? View(label.value().get_string())
                                                                : std::string_view());
      RETURN_IF_ERROR(CheckRequirement(requirement));
      result.requirements_.push_back(std::move(requirement));
    }
  }
  result.Sort();
  return result;
}

bool LabelSelector::Matches(const JsonObject* labels) const {
  return !is_nothing_ &&
         std::all_of(requirements_.begin(), requirements_.end(), [labels](const auto& requirement) {
           const Json* label = labels == nullptr ? nullptr : Find(*labels, requirement.key);
           return MatchesOne(requirement, label != nullptr && label->is_string()
                                              ? std::optional(View(label->get_string()))
                                              : std::nullopt);
         });
}

bool LabelSelector::MatchesSorted(const SortedLabels& labels) const {
  return !is_nothing_ &&
         std::all_of(requirements_.begin(), requirements_.end(),
                     [&labels](const LabelRequirement& requirement) {
                       const auto label = std::lower_bound(
                           labels.begin(), labels.end(), requirement.key,
                           [](const auto& one, const std::string& key) { return one.first < key; });
                       return MatchesOne(requirement,
                                         label != labels.end() && label->first == requirement.key
                                             ? std::optional<std::string_view>(label->second)
                                             : std::nullopt);
                     });
}

std::string LabelSelector::ToString() const {
  std::vector<std::string> texts;
  texts.reserve(requirements_.size());
  for (const LabelRequirement& requirement : requirements_) {
    texts.push_back(TextOf(requirement));
  }
  return fmt::format("{}", fmt::join(texts, ","));
}

void CheckExpressions(const JsonArray& expressions, std::string_view path, bool is_node_selector,
                      Causes* causes) {
  for (size_t i = 0; i < expressions.size(); ++i) {
    const std::string at = fmt::format("{}[{}]", path, i);
    const std::string_view word = StringAt(expressions[i], {"operator"});
    const std::optional<Op> op = OperatorOf(word);
    const JsonArray* values = FindArray(expressions[i], {"values"});
    const size_t count = values == nullptr ? 0 : values->size();
    const bool is_ordered = op == Op::kGreater || op == Op::kLess;
    if (!op.has_value() || (is_ordered && !is_node_selector)) {
      causes->Invalid(at + ".operator", Json(JsonView(word)), "not a valid selector operator");
    } else if ((op == Op::kIn || op == Op::kNotIn) && count == 0) {
      causes->Required(at + ".values", "must be specified when `operator` is 'In' or 'NotIn'");
    } else if ((op == Op::kExists || op == Op::kAbsent) && count > 0) {
      causes->Forbidden(at + ".values",
                        "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
    } else if (is_ordered && count != 1) {
      causes->Required(at + ".values",
                       "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
    const std::string_view key = StringAt(expressions[i], {"key"});
    for (const std::string& problem : FormatProblems(Format::kQualifiedName, key)) {
      causes->Invalid(at + ".key", Json(JsonView(key)), problem);
    }
  }
}

void CheckLabelSelector(const Json& selector, std::string_view path, Causes* causes) {
  if (const JsonArray* expressions = FindArray(selector, {"matchExpressions"})) {
    CheckExpressions(*expressions, fmt::format("{}.matchExpressions", path), false, causes);
  }
}

}  // namespace socle::api
