#include "controllers/api/schema.h"

#include <algorithm>
#include <utility>

#include "kv/base/check.h"

namespace socle::api {

std::string_view TypeName(Type type) {
  switch (type) {
    case Type::kObject:
    case Type::kMap:
      return "object";
    case Type::kList:
      return "array";
    case Type::kInt32:
    case Type::kInt64:
      return "integer";
    case Type::kNumber:
      return "number";
    case Type::kBool:
      return "boolean";
    case Type::kIntOrString:
      return "int-or-string";
    case Type::kQuantity:
      return "quantity";
    case Type::kString:
    case Type::kTime:
    case Type::kMicroTime:
    case Type::kBytes:
      return "string";
    case Type::kFree:
      return "any";
  }
  return "any";
}

Schema& Schema::Field(std::string_view name, const Schema& schema) {
  CHECK(type == Type::kObject);
  const auto at =
      std::lower_bound(members.begin(), members.end(), name,
                       [](const Property& p, std::string_view n) { return p.name < n; });
  auto shared = std::make_shared<const Schema>(schema);
  if (at != members.end() && at->name == name) {
    at->schema = std::move(shared);
  } else {
    members.insert(at, Property{name, std::move(shared)});
  }
  return *this;
}

Schema& Schema::FieldsOf(const Schema& other) {
  for (const Property& member : other.members) {
    Field(member.name, *member.schema);
  }
  checks.insert(checks.end(), other.checks.begin(), other.checks.end());
  fillers.insert(fillers.end(), other.fillers.begin(), other.fillers.end());
  return *this;
}

Schema& Schema::Named(std::string_view name) {
  definition = name;
  return *this;
}

Schema& Schema::About(std::string_view text) {
  description = text;
  return *this;
}

Schema& Schema::Required() {
  is_required = true;
  return *this;
}

Schema& Schema::Immutable() {
  is_immutable = true;
  return *this;
}

Schema& Schema::Default(Json value) {
  default_value = std::move(value);
  return *this;
}

Schema& Schema::Min(int64_t value) {
  min = value;
  return *this;
}

Schema& Schema::Max(int64_t value) {
  max = value;
  return *this;
}

Schema& Schema::MaxBytes(int64_t count) {
  bytes_max = count;
  return *this;
}

Schema& Schema::MinItems(int64_t count) {
  items_min = count;
  return *this;
}

Schema& Schema::Enum(std::vector<std::string_view> allowed) {
  values = std::move(allowed);
  return *this;
}

Schema& Schema::Like(Format wanted) {
  format = wanted;
  return *this;
}

Schema& Schema::KeysLike(Format wanted) {
  key_format = wanted;
  return *this;
}

Schema& Schema::MergeKey(std::string_view key) {
  is_merged = true;
  merge_key = key;
  return *this;
}

Schema& Schema::MergeSet() {
  is_merged = true;
  return *this;
}

Schema& Schema::RetainKeys() {
  retains_keys = true;
  return *this;
}

Schema& Schema::MapKey(std::string_view key) {
  map_keys.push_back(key);
  return *this;
}

Schema& Schema::Set() {
  is_set = true;
  return *this;
}

Schema& Schema::Rule(Check rule) {
  checks.push_back(rule);
  return *this;
}

Schema& Schema::Fill(Filler rule) {
  fillers.push_back(rule);
  return *this;
}

Schema& Schema::OnlyIn(std::string_view one_version) {
  version = one_version;
  return *this;
}

const Property* Schema::Member(std::string_view name) const {
  const auto at =
      std::lower_bound(members.begin(), members.end(), name,
                       [](const Property& p, std::string_view n) { return p.name < n; });
  return at != members.end() && at->name == name ? &*at : nullptr;
}

Schema Schema::ForVersion(std::string_view shown_version) const {
  Schema shown = *this;
  std::erase_if(shown.members, [shown_version](const Property& member) {
    return !member.schema->version.empty() && member.schema->version != shown_version;
  });
  for (Property& member : shown.members) {
    // Definitions of the core group have no versions of their own: they stay shared.
    if (member.schema->definition.empty()) {
      member.schema = std::make_shared<const Schema>(member.schema->ForVersion(shown_version));
    }
  }
  if (items != nullptr && items->definition.empty()) {
    shown.items = std::make_shared<const Schema>(items->ForVersion(shown_version));
  }
  return shown;
}

Schema Object(std::string_view description) {
  return Schema(Type::kObject, description);
}

Schema ListOf(const Schema& element, std::string_view description) {
  Schema schema(Type::kList, description);
  schema.items = std::make_shared<const Schema>(element);
  return schema;
}

Schema MapOf(const Schema& value, std::string_view description) {
  Schema schema(Type::kMap, description);
  schema.items = std::make_shared<const Schema>(value);
  return schema;
}

Schema String(std::string_view description) {
  return Schema(Type::kString, description);
}

Schema Int32(std::string_view description) {
  return Schema(Type::kInt32, description);
}

Schema Int64(std::string_view description) {
  return Schema(Type::kInt64, description);
}

Schema Bool(std::string_view description) {
  return Schema(Type::kBool, description);
}

Schema IntOrString(std::string_view description) {
  return Schema(Type::kIntOrString, description);
}

Schema Amount(std::string_view description) {
  return Schema(Type::kQuantity, description);
}

Schema Time(std::string_view description) {
  return Schema(Type::kTime, description);
}

Schema MicroTime(std::string_view description) {
  return Schema(Type::kMicroTime, description);
}

Schema Bytes(std::string_view description) {
  return Schema(Type::kBytes, description);
}

Schema Free(std::string_view description) {
  return Schema(Type::kFree, description);
}

}  // namespace socle::api
