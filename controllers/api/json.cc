#include "controllers/api/json.h"

#include <algorithm>
#include <limits>
#include <utility>

#include <absl/status/status.h>
#include <boost/json/basic_parser_impl.hpp>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::api {
namespace {

namespace bj = boost::json;

constexpr size_t kDuplicatesMax = 64;

bj::parse_options Options() {
  bj::parse_options options;
  options.max_depth = kJsonDepthMax;
  return options;
}

// Follows a parse only to know which keys each open object has had.
class DuplicateFinder {
 public:
  static constexpr std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_array_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_key_size = std::numeric_limits<std::size_t>::max();
  static constexpr std::size_t max_string_size = std::numeric_limits<std::size_t>::max();

  bool on_document_begin(bj::error_code&) { return true; }

  bool on_document_end(bj::error_code&) { return true; }

  bool on_object_begin(bj::error_code&) {
    EnterValue();
    levels_.push_back(Level{.is_array = false});
    return true;
  }

  bool on_object_end(std::size_t, bj::error_code&) {
    levels_.pop_back();
    return true;
  }

  bool on_array_begin(bj::error_code&) {
    EnterValue();
    levels_.push_back(Level{.is_array = true});
    return true;
  }

  bool on_array_end(std::size_t, bj::error_code&) {
    levels_.pop_back();
    return true;
  }

  bool on_key_part(bj::string_view part, std::size_t, bj::error_code&) {
    key_.append(part.data(), part.size());
    return true;
  }

  bool on_key(bj::string_view part, std::size_t, bj::error_code&) {
    key_.append(part.data(), part.size());
    Level& level = levels_.back();
    level.key = std::exchange(key_, {});
    if (!level.keys.insert(level.key).second && found_.size() < kDuplicatesMax) {
      std::string path = PathHere();
      if (std::find(found_.begin(), found_.end(), path) == found_.end()) {
        found_.push_back(std::move(path));
      }
    }
    return true;
  }

  bool on_string_part(bj::string_view, std::size_t, bj::error_code&) { return true; }

  bool on_string(bj::string_view, std::size_t, bj::error_code&) { return Scalar(); }

  bool on_number_part(bj::string_view, bj::error_code&) { return true; }

  bool on_int64(int64_t, bj::string_view, bj::error_code&) { return Scalar(); }

  bool on_uint64(uint64_t, bj::string_view, bj::error_code&) { return Scalar(); }

  bool on_double(double, bj::string_view, bj::error_code&) { return Scalar(); }

  bool on_bool(bool, bj::error_code&) { return Scalar(); }

  bool on_null(bj::error_code&) { return Scalar(); }

  bool on_comment_part(bj::string_view, bj::error_code&) { return true; }

  bool on_comment(bj::string_view, bj::error_code&) { return true; }

  std::vector<std::string> Take() { return std::move(found_); }

 private:
  struct Level {
    bool is_array = false;
    int64_t index = -1;
    std::string key;
    StringSet keys;
  };

  void EnterValue() {
    if (!levels_.empty() && levels_.back().is_array) {
      ++levels_.back().index;
    }
  }

  bool Scalar() {
    EnterValue();
    return true;
  }

  std::string PathHere() const {
    std::string path;
    for (const Level& level : levels_) {
      if (level.is_array) {
        path += fmt::format("[{}]", level.index);
      } else {
        path += path.empty() ? level.key : "." + level.key;
      }
    }
    return path;
  }

  std::vector<Level> levels_;
  std::string key_;
  std::vector<std::string> found_;
};

void AppendCanonical(const Json& value, std::string* out) {
  if (const JsonObject* object = value.if_object()) {
    std::vector<const bj::key_value_pair*> members;
    members.reserve(object->size());
    for (const bj::key_value_pair& member : *object) {
      members.push_back(&member);
    }
    std::sort(members.begin(), members.end(),
              [](const auto* a, const auto* b) { return a->key() < b->key(); });
    out->push_back('{');
    for (const bj::key_value_pair* member : members) {
      out->append(out->back() == '{' ? "" : ",");
      out->append(bj::serialize(bj::string(member->key())));
      out->push_back(':');
      AppendCanonical(member->value(), out);
    }
    out->push_back('}');
  } else if (const JsonArray* array = value.if_array()) {
    out->push_back('[');
    for (const Json& element : *array) {
      out->append(&element == array->data() ? "" : ",");
      AppendCanonical(element, out);
    }
    out->push_back(']');
  } else {
    out->append(bj::serialize(value));
  }
}

}  // namespace

absl::StatusOr<Json> ParseJson(std::string_view text) {
  bj::error_code error;
  bj::stream_parser parser({}, Options());
  const size_t taken = parser.write_some(text.data(), text.size(), error);
  if (!error && parser.done()) {
    if (taken == text.size() ||
        text.find_first_not_of(" \t\r\n", taken) == std::string_view::npos) {
      return parser.release();
    }
    return absl::InvalidArgumentError(
        fmt::format("malformed JSON at offset {}: text after the value", taken));
  }
  if (error) {
    return absl::InvalidArgumentError(
        fmt::format("malformed JSON at offset {}: {}", taken, error.message()));
  }
  // A number may be cut short by the end of the text; everything else is incomplete.
  parser.finish(error);
  if (error || !parser.done()) {
    return absl::InvalidArgumentError(
        fmt::format("malformed JSON at offset {}: unexpected end of text", text.size()));
  }
  return parser.release();
}

std::vector<std::string> DuplicateFields(std::string_view text) {
  bj::error_code error;
  bj::basic_parser<DuplicateFinder> parser(Options());
  parser.write_some(false, text.data(), text.size(), error);
  return parser.handler().Take();
}

std::string Dump(const Json& value) {
  return bj::serialize(value);
}

std::string CanonicalDump(const Json& value) {
  std::string out;
  AppendCanonical(value, &out);
  return out;
}

const Json* Find(const JsonObject& object, std::string_view name) {
  const Json* found = object.if_contains(JsonView(name));
  return found == nullptr || found->is_null() ? nullptr : found;
}

const Json* Find(const Json& root, JsonPath path) {
  const Json* at = &root;
  for (const std::string_view name : path) {
    const JsonObject* object = at->if_object();
    at = object == nullptr ? nullptr : Find(*object, name);
    if (at == nullptr) {
      return nullptr;
    }
  }
  return at;
}

const JsonObject* FindObject(const Json& root, JsonPath path) {
  const Json* found = Find(root, path);
  return found == nullptr ? nullptr : found->if_object();
}

const JsonArray* FindArray(const Json& root, JsonPath path) {
  const Json* found = Find(root, path);
  return found == nullptr ? nullptr : found->if_array();
}

std::string_view StringAt(const Json& root, JsonPath path) {
  const Json* found = Find(root, path);
  return found != nullptr && found->is_string() ? View(found->get_string()) : std::string_view();
}

std::string_view StringAt(const JsonObject& object, std::string_view name) {
  const Json* found = Find(object, name);
  return found != nullptr && found->is_string() ? View(found->get_string()) : std::string_view();
}

std::optional<int64_t> IntAt(const Json& root, JsonPath path) {
  const Json* found = Find(root, path);
  return found == nullptr ? std::nullopt : AsInt(*found);
}

bool BoolAt(const Json& root, JsonPath path) {
  const Json* found = Find(root, path);
  return found != nullptr && found->is_bool() && found->get_bool();
}

std::optional<int64_t> AsInt(const Json& value) {
  if (value.is_int64()) {
    return value.get_int64();
  }
  if (value.is_uint64() && value.get_uint64() <= static_cast<uint64_t>(INT64_MAX)) {
    return static_cast<int64_t>(value.get_uint64());
  }
  return std::nullopt;
}

JsonObject& EnsureObject(Json* root, JsonPath path) {
  if (!root->is_object()) {
    root->emplace_object();
  }
  JsonObject* at = &root->get_object();
  for (const std::string_view name : path) {
    Json& next = (*at)[JsonView(name)];
    if (!next.is_object()) {
      next.emplace_object();
    }
    at = &next.get_object();
  }
  return *at;
}

void Set(JsonObject* object, std::string_view name, Json value) {
  (*object)[JsonView(name)] = std::move(value);
}

Json Literal(std::string_view text) {
  absl::StatusOr<Json> parsed = ParseJson(text);
  CHECK_OK(parsed.status());
  return *std::move(parsed);
}

}  // namespace socle::api
