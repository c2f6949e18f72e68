// Schema: the tree that describes a kind; everything the plane knows of a field stands here once.
//
//   Object("…").Field("replicas", Int32("Wanted pods.").Min(0).Default(1))
//              .Field("containers", ListOf(Container()).Required().MergeKey("name").MapKey("name"))
//
// Laws     1. A null, and an empty string where a default stands, mean the same as no member.
//          2. Members that a schema does not describe are kept unless the request is strict.
// Threads  built once, then immutable.
// Memory   subtrees are shared; a node with other marks is a copy of its top only.
#ifndef SOCLE_CONTROLLERS_API_SCHEMA_H_
#define SOCLE_CONTROLLERS_API_SCHEMA_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"
#include "controllers/api/names.h"

namespace socle::api {

enum class Type : uint8_t {
  kObject,
  kList,
  kMap,
  kString,
  kInt32,
  kInt64,
  kNumber,
  kBool,
  kIntOrString,
  kQuantity,
  kTime,
  kMicroTime,
  kBytes,  // base64 text
  kFree,   // any JSON, kept as it is
};

// The word of OpenAPI and of type errors: "string", "integer", "int or string" …
std::string_view TypeName(Type type);

class Schema;

struct Property {
  std::string_view name;
  std::shared_ptr<const Schema> schema;
};

// A rule that one line of marks can't say; `path` is that of `value`.
using Check = void (*)(const Json& value, std::string_view path, Causes* causes);
// Fills defaults that depend on other members; runs after those of the members.
using Filler = void (*)(JsonObject* object);

class Schema {
 public:
  explicit Schema(Type of, std::string_view about = {}) : type(of), description(about) {}

  // How it is built; each returns the node.
  Schema& Field(std::string_view name, const Schema& schema);
  // All members of another object, as if they stood here.
  Schema& FieldsOf(const Schema& other);
  Schema& Named(std::string_view name);  // OpenAPI definition, io.k8s.api.core.v1.Pod
  Schema& About(std::string_view text);
  Schema& Required();
  Schema& Immutable();
  Schema& Default(Json value);
  Schema& Min(int64_t value);
  Schema& Max(int64_t value);
  Schema& MaxBytes(int64_t count);
  Schema& MinItems(int64_t count);
  Schema& Enum(std::vector<std::string_view> values);
  Schema& Like(Format wanted);
  Schema& KeysLike(Format wanted);
  Schema& MergeKey(std::string_view key);  // patchStrategy merge by this member
  Schema& MergeSet();                      // patchStrategy merge of scalars
  Schema& RetainKeys();                    // patchStrategy retainKeys
  Schema& MapKey(std::string_view key);    // elements differ in these members
  Schema& Set();                           // elements differ
  Schema& Rule(Check rule);
  Schema& Fill(Filler rule);
  Schema& OnlyIn(std::string_view one_version);  // other versions don't show the member

  const Property* Member(std::string_view name) const;

  const Schema* Items() const { return items.get(); }

  // The tree as one version shows it.
  Schema ForVersion(std::string_view shown_version) const;

  Type type;
  std::string description;
  std::string definition;
  std::vector<Property> members;  // sorted by name
  std::shared_ptr<const Schema> items;
  std::optional<Json> default_value;
  std::optional<int64_t> min;
  std::optional<int64_t> max;
  std::optional<int64_t> bytes_max;
  std::optional<int64_t> items_min;
  std::vector<std::string_view> values;
  Format format = Format::kNone;
  Format key_format = Format::kNone;
  std::string_view merge_key;
  std::vector<std::string_view> map_keys;
  std::string_view version;
  std::vector<Check> checks;
  std::vector<Filler> fillers;
  bool is_required = false;
  bool is_immutable = false;
  bool is_merged = false;
  bool is_set = false;
  bool retains_keys = false;
};

Schema Object(std::string_view description = {});
Schema ListOf(const Schema& element, std::string_view description = {});
Schema MapOf(const Schema& value, std::string_view description = {});
Schema String(std::string_view description = {});
Schema Int32(std::string_view description = {});
Schema Int64(std::string_view description = {});
Schema Bool(std::string_view description = {});
Schema IntOrString(std::string_view description = {});
Schema Amount(std::string_view description = {});
Schema Time(std::string_view description = {});
Schema MicroTime(std::string_view description = {});
Schema Bytes(std::string_view description = {});
Schema Free(std::string_view description = {});

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_SCHEMA_H_
