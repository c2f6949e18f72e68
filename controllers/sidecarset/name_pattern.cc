#include "controllers/sidecarset/name_pattern.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::sidecarset {
namespace {

constexpr size_t kBytesMax = 1024;
constexpr int kRepeatsMax = 64;
constexpr int kDepthMax = 16;
constexpr size_t kStatesMax = 4096;

}  // namespace

// Builds the states from the back: every part is told which state follows it.
class PatternParser {
 public:
  PatternParser(std::string_view text, NamePattern* out) : text_(text), out_(out) {}

  absl::Status Run() {
    if (text_.size() > kBytesMax) {
      return Wrong("too long");
    }
    ASSIGN_OR_RETURN(const Part whole, Choice(0));
    if (at_ != text_.size()) {
      return Wrong("unexpected )");
    }
    const int accept = Add({});
    ASSIGN_OR_RETURN(out_->start_, Emit(whole, accept));
    return absl::OkStatus();
  }

 private:
  using State = NamePattern::State;

  // The parsed form: a tree as deep as the groups.
  struct Part {
    enum class Type : uint8_t { kOne, kAll, kAny, kRepeat } type = Type::kAll;
    State state = {};         // kOne
    std::vector<Part> parts;  // kAll, kAny, kRepeat (one)
    int min = 1;
    int max = 1;  // -1: no limit
  };

  absl::Status Wrong(std::string_view why) const {
    return absl::InvalidArgumentError(fmt::format("error parsing regexp: {}: `{}`", why, text_));
  }

  bool AtEnd() const { return at_ == text_.size(); }

  bool TakeIf(char c) {
    if (AtEnd() || text_[at_] != c) {
      return false;
    }
    ++at_;
    return true;
  }

  absl::StatusOr<Part> Choice(int depth) {
    if (depth > kDepthMax) {
      return Wrong("nested too deep");
    }
    Part choice{.type = Part::Type::kAny};
    do {
      ASSIGN_OR_RETURN(Part sequence, Sequence(depth));
      choice.parts.push_back(std::move(sequence));
    } while (TakeIf('|'));
    return choice;
  }

  absl::StatusOr<Part> Sequence(int depth) {
    Part sequence{.type = Part::Type::kAll};
    while (!AtEnd() && text_[at_] != '|' && text_[at_] != ')') {
      ASSIGN_OR_RETURN(Part atom, Atom(depth));
      ASSIGN_OR_RETURN(Part repeated, Repeated(std::move(atom)));
      sequence.parts.push_back(std::move(repeated));
    }
    return sequence;
  }

  absl::StatusOr<Part> Atom(int depth) {
    const char c = text_[at_++];
    Part part{.type = Part::Type::kOne};
    part.state.type = State::Type::kSet;
    switch (c) {
      case '(': {
        if (text_.substr(at_).starts_with("?:")) {
          at_ += 2;
        }
        ASSIGN_OR_RETURN(Part group, Choice(depth + 1));
        if (!TakeIf(')')) {
          return Wrong("missing closing )");
        }
        return group;
      }
      case '[': {
        ASSIGN_OR_RETURN(part.state.bytes, Class());
        return part;
      }
      case '.':
        part.state.bytes.set();
        return part;
      case '^':
        part.state.type = State::Type::kStart;
        return part;
      case '$':
        part.state.type = State::Type::kEnd;
        return part;
      case '*':
      case '+':
      case '?':
      case '{':
        return Wrong("missing argument to repetition operator");
      case '\\': {
        ASSIGN_OR_RETURN(part.state.bytes, Escaped());
        return part;
      }
      default:
        part.state.bytes.set(static_cast<uint8_t>(c));
        return part;
    }
  }

  absl::StatusOr<std::bitset<256>> Escaped() {
    if (AtEnd()) {
      return Wrong("trailing backslash at end of expression");
    }
    const char c = text_[at_++];
    const auto is_letter = [](unsigned byte) {
      return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    };
    const auto is_digit = [](unsigned byte) { return byte >= '0' && byte <= '9'; };
    std::bitset<256> bytes;
    const char lower = static_cast<char>(c | 0x20);
    if (lower == 'd' || lower == 'w' || lower == 's') {
      for (unsigned byte = 0; byte < 256; ++byte) {
        const bool is_word = is_letter(byte) || is_digit(byte) || byte == '_';
        const bool is_space = byte == ' ' || (byte >= '\t' && byte <= '\r');
        bytes.set(byte, lower == 'd' ? is_digit(byte) : lower == 'w' ? is_word : is_space);
      }
      return c == lower ? bytes : ~bytes;
    }
    if (is_letter(static_cast<uint8_t>(c)) || is_digit(static_cast<uint8_t>(c))) {
      return Wrong("invalid escape sequence");
    }
    bytes.set(static_cast<uint8_t>(c));
    return bytes;
  }

  absl::StatusOr<std::bitset<256>> Class() {
    std::bitset<256> bytes;
    const bool is_negated = TakeIf('^');
    bool is_first = true;
    while (is_first || AtEnd() || text_[at_] != ']') {
      if (AtEnd()) {
        return Wrong("missing closing ]");
      }
      is_first = false;
      const auto from = static_cast<uint8_t>(text_[at_++]);
      if (from == '\\') {
        ASSIGN_OR_RETURN(const std::bitset<256> escaped, Escaped());
        bytes |= escaped;
        continue;
      }
      auto to = from;
      if (text_.substr(at_).size() > 1 && text_[at_] == '-' && text_[at_ + 1] != ']') {
        to = static_cast<uint8_t>(text_[at_ + 1]);
        at_ += 2;
      }
      if (to < from) {
        return Wrong("invalid character class range");
      }
      for (unsigned byte = from; byte <= to; ++byte) {
        bytes.set(byte);
      }
    }
    ++at_;
    return is_negated ? ~bytes : bytes;
  }

  std::optional<int> Number() {
    int number = 0;
    const char* const begin = text_.data() + at_;
    const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), number);
    if (error != std::errc()) {
      return std::nullopt;
    }
    at_ += static_cast<size_t>(end - begin);
    return number;
  }

  absl::StatusOr<Part> Repeated(Part part) {
    Part repeat{.type = Part::Type::kRepeat};
    if (TakeIf('*')) {
      repeat.min = 0;
      repeat.max = -1;
    } else if (TakeIf('+')) {
      repeat.max = -1;
    } else if (TakeIf('?')) {
      repeat.min = 0;
    } else if (TakeIf('{')) {
      const std::optional<int> min = Number();
      const bool is_range = TakeIf(',');
      const std::optional<int> max = is_range ? Number() : min;
      if (!min.has_value() || *min < 0 || !TakeIf('}') || max.value_or(*min) < *min ||
          max.value_or(*min) > kRepeatsMax) {
        return Wrong("invalid repeat count");
      }
      repeat.min = *min;
      repeat.max = max.value_or(-1);
    } else {
      return part;
    }
    if (TakeIf('*') || TakeIf('+')) {
      return Wrong("invalid nested repetition operator");
    }
    TakeIf('?');  // lazy: the same to a test
    repeat.parts.push_back(std::move(part));
    return repeat;
  }

  int Add(State state) {
    out_->states_.push_back(std::move(state));
    return static_cast<int>(out_->states_.size()) - 1;
  }

  // The states of the part, before `next`; their first.
  absl::StatusOr<int> Emit(const Part& part, int next) {
    if (out_->states_.size() > kStatesMax) {
      return Wrong("expression too large");
    }
    switch (part.type) {
      case Part::Type::kOne: {
        State state = part.state;
        state.next = next;
        return Add(std::move(state));
      }
      case Part::Type::kAll:
        for (auto it = part.parts.rbegin(); it != part.parts.rend(); ++it) {
          ASSIGN_OR_RETURN(next, Emit(*it, next));
        }
        return next;
      case Part::Type::kAny: {
        ASSIGN_OR_RETURN(int first, Emit(part.parts.front(), next));
        for (size_t i = 1; i < part.parts.size(); ++i) {
          ASSIGN_OR_RETURN(const int other, Emit(part.parts[i], next));
          first = Add({.type = State::Type::kSplit, .next = first, .other = other});
        }
        return first;
      }
      case Part::Type::kRepeat:
        return EmitRepeat(part, next);
    }
    return next;
  }

  absl::StatusOr<int> EmitRepeat(const Part& part, int next) {
    const Part& body = part.parts.front();
    if (part.max < 0) {
      const int loop = Add({.type = State::Type::kSplit, .other = next});
      ASSIGN_OR_RETURN(const int first, Emit(body, loop));
      out_->states_[static_cast<size_t>(loop)].next = first;
      next = loop;
    } else {
      const int end = next;
      for (int i = part.min; i < part.max; ++i) {
        ASSIGN_OR_RETURN(const int first, Emit(body, next));
        next = Add({.type = State::Type::kSplit, .next = first, .other = end});
      }
    }
    for (int i = 0; i < part.min; ++i) {
      ASSIGN_OR_RETURN(next, Emit(body, next));
    }
    return next;
  }

  const std::string_view text_;
  size_t at_ = 0;
  NamePattern* const out_;
};

absl::StatusOr<NamePattern> NamePattern::Parse(std::string_view text) {
  NamePattern pattern;
  RETURN_IF_ERROR(PatternParser(text, &pattern).Run());
  return pattern;
}

void NamePattern::Reach(int state, Position at, std::vector<bool>* reached) const {
  std::vector<int> open = {state};
  while (!open.empty()) {
    const auto index = static_cast<size_t>(open.back());
    open.pop_back();
    if ((*reached)[index]) {
      continue;
    }
    (*reached)[index] = true;
    const State& here = states_[index];
    if (here.type == State::Type::kSplit) {
      open.push_back(here.next);
      open.push_back(here.other);
    } else if ((here.type == State::Type::kStart && at.is_start) ||
               (here.type == State::Type::kEnd && at.is_end)) {
      open.push_back(here.next);
    }
  }
}

bool NamePattern::Matches(std::string_view name) const {
  std::vector<bool> now(states_.size());
  for (size_t i = 0; i <= name.size(); ++i) {
    Reach(start_, {.is_start = i == 0, .is_end = i == name.size()}, &now);
    std::vector<bool> next(states_.size());
    for (size_t state = 0; state < states_.size(); ++state) {
      if (!now[state]) {
        continue;
      }
      if (states_[state].type == State::Type::kAccept) {
        return true;
      }
      if (states_[state].type == State::Type::kSet && i < name.size() &&
          states_[state].bytes.test(static_cast<uint8_t>(name[i]))) {
        Reach(states_[state].next, {.is_start = false, .is_end = i + 1 == name.size()}, &next);
      }
    }
    now = std::move(next);
  }
  return false;
}

}  // namespace socle::sidecarset
