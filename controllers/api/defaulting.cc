#include "controllers/api/defaulting.h"

#include <vector>

namespace socle::api {
namespace {

void DropNulls(JsonObject* object) {
  std::vector<std::string> nulls;
  for (const auto& member : *object) {
    if (member.value().is_null()) {
      nulls.emplace_back(View(member.key()));
    }
  }
  for (const std::string& name : nulls) {
    object->erase(JsonView(name));
  }
}

// An empty list says the same as none: two manifests that mean the same are to be stored the same, or
// one of them would be a new revision.
bool IsEmptyList(const Schema& described, const Json& value) {
  return described.type == Type::kList && !described.is_required && value.is_array() &&
         value.get_array().empty();
}

bool IsOpen(const Json* value) {
  return value == nullptr || (value->is_string() && value->get_string().empty());
}

void FillObject(const Schema& schema, JsonObject* object) {
  DropNulls(object);
  for (const Property& member : schema.members) {
    const Schema& described = *member.schema;
    if (described.default_value.has_value() && IsOpen(Find(*object, member.name))) {
      Set(object, member.name, *described.default_value);
    }
    Json* value = object->if_contains(JsonView(member.name));
    if (value != nullptr && IsEmptyList(described, *value)) {
      object->erase(JsonView(member.name));
    } else if (value != nullptr) {
      ApplyDefaults(described, value);
    }
  }
  for (const Filler fill : schema.fillers) {
    fill(object);
  }
}

}  // namespace

void ApplyDefaults(const Schema& schema, Json* value) {
  switch (schema.type) {
    case Type::kObject:
      if (JsonObject* object = value->if_object()) {
        FillObject(schema, object);
      }
      return;
    case Type::kMap:
      if (JsonObject* object = value->if_object()) {
        for (auto& member : *object) {
          ApplyDefaults(*schema.items, &member.value());
        }
      }
      return;
    case Type::kList:
      if (JsonArray* list = value->if_array()) {
        for (Json& element : *list) {
          ApplyDefaults(*schema.items, &element);
        }
      }
      return;
    default:
      return;
  }
}

void PruneUnknown(const Schema& schema, Json* value) {
  JsonObject* object = value->if_object();
  if (schema.type == Type::kObject && object != nullptr) {
    std::vector<std::string> unknown;
    for (auto& member : *object) {
      const Property* described = schema.Member(View(member.key()));
      if (described == nullptr) {
        unknown.emplace_back(View(member.key()));
      } else {
        PruneUnknown(*described->schema, &member.value());
      }
    }
    for (const std::string& name : unknown) {
      object->erase(JsonView(name));
    }
  } else if (schema.type == Type::kMap && object != nullptr) {
    for (auto& member : *object) {
      PruneUnknown(*schema.items, &member.value());
    }
  } else if (schema.type == Type::kList && value->is_array()) {
    for (Json& element : value->get_array()) {
      PruneUnknown(*schema.items, &element);
    }
  }
}

void CarryHidden(const Schema& shown, const Schema& stored_schema, const Json& stored,
                 Json* object) {
  const JsonObject* from = stored.if_object();
  JsonObject* to = object->if_object();
  if (stored_schema.type != Type::kObject || from == nullptr || to == nullptr) {
    return;
  }
  for (const Property& member : stored_schema.members) {
    const Json* kept = Find(*from, member.name);
    if (kept == nullptr) {
      continue;
    }
    const Property* visible = shown.Member(member.name);
    if (visible == nullptr) {
      Set(to, member.name, *kept);
    } else if (Json* next = to->if_contains(JsonView(member.name))) {
      CarryHidden(*visible->schema, *member.schema, *kept, next);
    }
  }
}

}  // namespace socle::api
