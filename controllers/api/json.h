// Json: the documents that objects are, and the few ways to read them.
//
// Laws     1. Parsing takes hostile bytes: depth and keys are bounded, nothing throws.
//          2. A null member of an object means the same as no member (Find skips it).
// Threads  pure functions.
// Memory   a parsed document costs about three times its bytes: keep bytes, parse for a request.
// Errors   InvalidArgument with the offset for malformed text.
#ifndef SOCLE_CONTROLLERS_API_JSON_H_
#define SOCLE_CONTROLLERS_API_JSON_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>
#include <boost/json.hpp>

namespace socle::api {

using Json = boost::json::value;
using JsonObject = boost::json::object;
using JsonArray = boost::json::array;

inline constexpr size_t kJsonDepthMax = 128;

using JsonPath = std::initializer_list<std::string_view>;

// The document in `text`; of a key that comes twice the last value stays.
absl::StatusOr<Json> ParseJson(std::string_view text);

// Paths of the keys that occur more than once in one object, as `spec.containers[0].name`; at most
// 64. Requires that `text` parses.
std::vector<std::string> DuplicateFields(std::string_view text);

std::string Dump(const Json& value);
// Members sorted by name at every level: equal documents have equal text.
std::string CanonicalDump(const Json& value);

inline std::string_view View(const boost::json::string& text) {
  return {text.data(), text.size()};
}

inline std::string_view View(boost::json::string_view text) {
  return {text.data(), text.size()};
}

inline boost::json::string_view JsonView(std::string_view text) {
  return {text.data(), text.size()};
}

// The member, or nullptr when there is none or it is null.
const Json* Find(const JsonObject& object, std::string_view name);
// The value at the path of member names; nullptr when a step is missing, null, or no object.
const Json* Find(const Json& root, JsonPath path);
const JsonObject* FindObject(const Json& root, JsonPath path);
const JsonArray* FindArray(const Json& root, JsonPath path);
// Empty when missing or no string. The view lives as long as the document is unchanged.
std::string_view StringAt(const Json& root, JsonPath path);
std::string_view StringAt(const JsonObject& object, std::string_view name);
std::optional<int64_t> IntAt(const Json& root, JsonPath path);
// False when missing or no boolean.
bool BoolAt(const Json& root, JsonPath path);

// The integer that the value is; nothing for other types and beyond 64 bits.
std::optional<int64_t> AsInt(const Json& value);

// The object at the path, made (in place of anything that is no object) where missing.
JsonObject& EnsureObject(Json* root, JsonPath path);
// Sets a member.
void Set(JsonObject* object, std::string_view name, Json value);

// A JSON literal in a source file. Requires well-formed text.
Json Literal(std::string_view text);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_JSON_H_
