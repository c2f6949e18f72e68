#include "controllers/api/yaml.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include <absl/status/status.h>
#include <fmt/format.h>
#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

#include "controllers/api/json.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

absl::Status ErrorAt(const YAML::Mark& mark, std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("malformed YAML at line {}, column {}: {}",
                                                mark.line + 1, mark.column + 1, what));
}

bool IsOneOf(std::string_view text, std::initializer_list<std::string_view> words) {
  for (const std::string_view word : words) {
    if (text == word) {
      return true;
    }
  }
  return false;
}

std::optional<std::string> AsBool(std::string_view text) {
  if (IsOneOf(text, {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})) {
    return "true";
  }
  if (IsOneOf(text, {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"})) {
    return "false";
  }
  return std::nullopt;
}

// Decimal, 0x…, 0o…, 0b…, and octal with a leading zero; underscores between digits don't count.
std::optional<std::string> AsInteger(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '_') {
      digits += c;
    }
  }
  std::string_view rest = digits;
  const bool is_negative = rest.starts_with('-');
  if (is_negative || rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  int base = 10;
  for (const auto& [prefix, its_base] :
       std::array<std::pair<std::string_view, int>, 3>{{{"0x", 16}, {"0o", 8}, {"0b", 2}}}) {
    if (rest.starts_with(prefix)) {
      base = its_base;
      rest.remove_prefix(prefix.size());
    }
  }
  if (base == 10 && rest.size() > 1 && rest.front() == '0') {
    base = 8;
  }
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (rest.empty() || error != std::errc() || end != rest.data() + rest.size()) {
    return std::nullopt;
  }
  return fmt::format("{}{}", is_negative && number != 0 ? "-" : "", number);
}

std::optional<std::string> AsFloat(std::string_view text) {
  if (text.find_first_of("0123456789") == std::string_view::npos ||
      text.find_first_not_of("+-.eE0123456789") != std::string_view::npos) {
    return std::nullopt;
  }
  std::string_view rest = text;
  if (rest.starts_with('+')) {
    rest.remove_prefix(1);
  }
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc() || end != rest.data() + rest.size() || !std::isfinite(number)) {
    return std::nullopt;
  }
  return fmt::format("{}", number);
}

// Writes JSON as the parser walks the document. After an error it takes events and does nothing.
class JsonWriter final : public YAML::EventHandler {
 public:
  explicit JsonWriter(size_t bytes_max) : bytes_max_(bytes_max) {}

  const absl::Status& status() const { return status_; }

  std::string Take() { return out_.empty() ? "null" : std::move(out_); }

  void OnDocumentStart(const YAML::Mark& /*mark*/) override {}

  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    Scalar(mark, anchor, IsKeyNext() ? "\"null\"" : "null");
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end()) {
      Fail(mark, "an alias inside of what it names");
      return;
    }
    if (IsKeyNext() && !found->second.starts_with('"')) {
      Fail(mark, "a key must be a scalar");
      return;
    }
    const std::string text = found->second;
    Scalar(mark, 0, text);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    if (tag != "!" && tag != "?" && !std::string_view(tag).starts_with("tag:yaml.org,2002:")) {
      Fail(mark, fmt::format("unknown tag {}", tag));
      return;
    }
    const std::string quoted = Dump(Json(JsonView(value)));
    const bool is_text = tag == "!" || tag == "tag:yaml.org,2002:str";
    if (IsKeyNext()) {
      if (value == "<<" && !is_text) {
        Fail(mark, "merge keys (<<) are not read here: write the members out");
        return;
      }
      Scalar(mark, anchor, is_text ? quoted : KeyOf(value, quoted));
      return;
    }
    if (!is_text && IsOneOf(value, {".nan", ".NaN", ".NAN", ".inf", ".Inf", ".INF", "-.inf",
                                    "-.Inf", "-.INF", "+.inf", "+.Inf", "+.INF"})) {
      Fail(mark, fmt::format("{} is no number that JSON has", value));
      return;
    }
    Scalar(mark, anchor, is_text ? quoted : Resolve(value).value_or(quoted));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value /*style*/) override {
    Open(mark, anchor, /*is_map=*/false);
  }

  void OnSequenceEnd() override { Close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& /*tag*/, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value /*style*/) override {
    Open(mark, anchor, /*is_map=*/true);
  }

  void OnMapEnd() override { Close(); }

 private:
  struct Level {
    bool is_map = false;
    size_t count = 0;  // of nodes: keys and values
    size_t begin = 0;  // its place in out_
    YAML::anchor_t anchor = 0;
  };

  static std::optional<std::string> Resolve(std::string_view value) {
    if (IsOneOf(value, {"", "~", "null", "Null", "NULL"})) {
      return "null";
    }
    for (const auto read : {AsBool, AsInteger, AsFloat}) {
      if (std::optional<std::string> text = read(value)) {
        return text;
      }
    }
    return std::nullopt;
  }

  // Keys are texts: a number or a boolean becomes the text of its value.
  static std::string KeyOf(const std::string& value, const std::string& quoted) {
    const std::optional<std::string> resolved = Resolve(value);
    return resolved.has_value() ? fmt::format("\"{}\"", *resolved) : quoted;
  }

  bool IsKeyNext() const {
    return !levels_.empty() && levels_.back().is_map && levels_.back().count % 2 == 0;
  }

  void Fail(const YAML::Mark& mark, std::string_view what) {
    if (status_.ok()) {
      status_ = ErrorAt(mark, what);
    }
  }

  // What stands before the next node.
  void Separate() {
    if (levels_.empty()) {
      return;
    }
    Level& level = levels_.back();
    const bool is_value = level.is_map && level.count % 2 == 1;
    if (is_value) {
      out_ += ':';
    } else if (level.count > 0) {
      out_ += ',';
    }
    ++level.count;
  }

  void Scalar(const YAML::Mark& mark, YAML::anchor_t anchor, std::string_view text) {
    if (!status_.ok()) {
      return;
    }
    if (out_.size() + text.size() > bytes_max_) {
      Fail(mark, fmt::format("with its aliases written out it has more than {} bytes", bytes_max_));
      return;
    }
    Separate();
    out_ += text;
    if (anchor != 0) {
      anchors_.insert_or_assign(anchor, std::string(text));
    }
  }

  void Open(const YAML::Mark& mark, YAML::anchor_t anchor, bool is_map) {
    if (!status_.ok()) {
      return;
    }
    if (IsKeyNext()) {
      Fail(mark, "a key must be a scalar");
      return;
    }
    if (levels_.size() >= kJsonDepthMax) {
      Fail(mark, fmt::format("nested deeper than {}", kJsonDepthMax));
      return;
    }
    Separate();
    levels_.push_back({.is_map = is_map, .begin = out_.size(), .anchor = anchor});
    out_ += is_map ? '{' : '[';
  }

  void Close() {
    if (!status_.ok() || levels_.empty()) {
      return;
    }
    const Level level = levels_.back();
    levels_.pop_back();
    out_ += level.is_map ? '}' : ']';
    if (level.anchor != 0) {
      anchors_.insert_or_assign(level.anchor, out_.substr(level.begin));
    }
  }

  const size_t bytes_max_;
  absl::Status status_;
  std::string out_;
  std::vector<Level> levels_;
  std::map<YAML::anchor_t, std::string> anchors_;
};

}  // namespace

absl::StatusOr<std::string> YamlToJson(std::string_view text, size_t bytes_max) {
  std::istringstream stream{std::string(text)};
  JsonWriter writer(bytes_max);
  try {
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(writer)) {
      return "null";
    }
    if (!writer.status().ok()) {
      return writer.status();
    }
    JsonWriter others(bytes_max);
    if (parser.HandleNextDocument(others) && others.Take() != "null") {
      return absl::InvalidArgumentError("several YAML documents: send each in its own request");
    }
  } catch (const YAML::DeepRecursion& error) {
    return ErrorAt(error.mark, "nested too deep");
  } catch (const YAML::Exception& error) {
    return ErrorAt(error.mark, error.msg);
  }
  return writer.Take();
}

}  // namespace socle::api
