#include "controllers/hollow/controls.h"

#include <xxhash.h>

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

namespace socle::hollow {
namespace {

constexpr int64_t kMillisMax = int64_t{100} * 365 * 24 * 3600 * 1000;

// What `texts` says of the name; nullptr when nothing.
const std::string* FindText(const ControlTexts* texts, std::string_view name) {
  if (texts != nullptr) {
    for (const auto& [key, text] : *texts) {
      if (key == name) {
        return &text;
      }
    }
  }
  return nullptr;
}

std::optional<double> ParseNumber(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(number)) {
    return std::nullopt;
  }
  return number;
}

// One pattern, by the last star: linear in the product of both lengths at worst.
bool MatchesOne(std::string_view pattern, std::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string_view::npos;
  size_t resume = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++resume;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

}  // namespace

ControlTexts ReadControls(const api::Json& object) {
  ControlTexts texts;
  const api::JsonObject* annotations = api::FindObject(object, {"metadata", "annotations"});
  if (annotations == nullptr) {
    return texts;
  }
  for (const auto& annotation : *annotations) {
    const std::string_view key = api::View(annotation.key());
    if (key.starts_with(kControlPrefix) && annotation.value().is_string()) {
      texts.emplace_back(key.substr(kControlPrefix.size()),
                         api::View(annotation.value().get_string()));
    }
  }
  return texts;
}

std::optional<int64_t> ParseMillis(std::string_view text) {
  struct Unit {
    std::string_view name;
    double millis;
  };

  // Longer names before those that they begin with.
  constexpr std::array<Unit, 6> kUnits = {
      {{"ms", 1}, {"us", 0.001}, {"ns", 0.000001}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}}};
  if (text == "0") {
    return 0;
  }
  if (text.empty()) {
    return std::nullopt;
  }
  double sum = 0;
  while (!text.empty()) {
    const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
    const std::optional<double> number = ParseNumber(text.substr(0, digits));
    if (digits == 0 || !number.has_value()) {
      return std::nullopt;
    }
    text.remove_prefix(digits);
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (text.starts_with(unit.name)) {
        found = &unit;
        break;
      }
    }
    if (found == nullptr) {
      return std::nullopt;
    }
    text.remove_prefix(found->name.size());
    sum += *number * found->millis;
  }
  if (sum > static_cast<double>(kMillisMax)) {
    return std::nullopt;
  }
  return std::llround(sum);
}

std::string_view Controls::Text(std::string_view name, std::string_view container) const {
  const std::string own = container.empty() ? std::string() : fmt::format("{}.{}", name, container);
  for (const ControlTexts* texts : {pod_, node_}) {
    const std::string* text = own.empty() ? nullptr : FindText(texts, own);
    if (text == nullptr) {
      text = FindText(texts, name);
    }
    if (text != nullptr) {
      return *text;
    }
  }
  return {};
}

bool Controls::Has(std::string_view name) const {
  return FindText(pod_, name) != nullptr || FindText(node_, name) != nullptr;
}

bool Controls::IsTrue(std::string_view name, std::string_view container) const {
  return Text(name, container) == "true";
}

std::optional<int64_t> Controls::Millis(std::string_view name, std::string_view container) const {
  return ParseMillis(Text(name, container));
}

std::optional<int64_t> Controls::Integer(std::string_view name, std::string_view container) const {
  const std::string_view text = Text(name, container);
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

std::optional<double> Controls::Share(std::string_view name, std::string_view container) const {
  const std::optional<double> number = ParseNumber(Text(name, container));
  return number.has_value() && *number >= 0 && *number <= 1 ? number : std::nullopt;
}

bool MatchesPattern(std::string_view patterns, std::string_view text) {
  while (!patterns.empty()) {
    const size_t comma = std::min(patterns.find(','), patterns.size());
    if (comma > 0 && MatchesOne(patterns.substr(0, comma), text)) {
      return true;
    }
    patterns.remove_prefix(std::min(comma + 1, patterns.size()));
  }
  return false;
}

uint64_t Draw(uint64_t seed, uint64_t what, uint64_t which) {
  const std::array<uint64_t, 3> words = {seed, what, which};
  return XXH3_64bits(words.data(), sizeof(words));
}

int64_t Jittered(int64_t millis, double jitter, uint64_t draw) {
  const double unit = static_cast<double>(draw >> 11U) * 0x1.0p-53;  // [0, 1)
  return std::llround(static_cast<double>(millis) * (1 + jitter * (2 * unit - 1)));
}

}  // namespace socle::hollow
