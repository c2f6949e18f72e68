#include "controllers/api/kind.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/defaulting.h"
#include "controllers/api/timestamp.h"
#include "controllers/api/validation.h"

namespace socle::api {
namespace {

std::string ApiVersionOf(std::string_view group, std::string_view version) {
  return group.empty() ? std::string(version) : fmt::format("{}/{}", group, version);
}

void CheckName(const Kind& kind, const Json& object, Causes* causes) {
  const std::string_view name = StringAt(object, {"metadata", "name"});
  const std::string_view prefix = StringAt(object, {"metadata", "generateName"});
  if (name.empty() && prefix.empty()) {
    causes->Required("metadata.name", "name or generateName is required");
  }
  if (!name.empty()) {
    for (const std::string& problem : FormatProblems(kind.name_format, name)) {
      causes->Invalid("metadata.name", Json(JsonView(name)), problem);
    }
  }
  if (!prefix.empty()) {
    // The server ends the name with a letter: a prefix may end with a dash or dot.
    for (const std::string& problem :
         FormatProblems(kind.name_format, std::string(prefix.substr(0, 58)) + "a")) {
      causes->Invalid("metadata.generateName", Json(JsonView(prefix)), problem);
    }
  }
  const std::string_view space = StringAt(object, {"metadata", "namespace"});
  if (kind.is_namespaced && space.empty()) {
    causes->Required("metadata.namespace");
  } else if (!kind.is_namespaced && !space.empty()) {
    causes->Forbidden("metadata.namespace", "not allowed on this type");
  }
}

void CheckMetaUnchanged(const Json& object, const Json& old, Causes* causes) {
  for (const std::string_view member : {"name", "namespace", "uid", "creationTimestamp"}) {
    const Json* after = Find(object, {"metadata", member});
    const Json* before = Find(old, {"metadata", member});
    const bool is_same =
        after == nullptr || before == nullptr ? after == before : *after == *before;
    if (!is_same) {
      causes->Invalid(fmt::format("metadata.{}", member), after == nullptr ? Json(nullptr) : *after,
                      "field is immutable");
    }
  }
}

}  // namespace

bool Kind::HasSubresource(std::string_view name) const {
  return std::any_of(subresources.begin(), subresources.end(),
                     [name](const Subresource& one) { return one.name == name; });
}

std::string ServedKind::ApiVersion() const {
  return ApiVersionOf(kind->group, version);
}

std::string StorageApiVersion(const Kind& kind) {
  return ApiVersionOf(kind.group, kind.storage_version);
}

void DefaultObject(const ServedKind& served, Json* object) {
  ApplyDefaults(served.schema, object);
}

Causes ValidateCreate(const ServedKind& served, const Json& object) {
  Causes causes;
  ValidateAgainst(served.schema, object, "", &causes);
  if (object.is_object()) {
    CheckName(*served.kind, object, &causes);
    // Rules of a kind read members freely: they trust the types that the schema has checked.
    if (served.kind->validate != nullptr) {
      served.kind->validate(object, nullptr, &causes);
    }
  }
  return causes;
}

Causes ValidateUpdate(const ServedKind& served, const Json& object, const Json& old) {
  Causes causes;
  ValidateAgainst(served.schema, object, "", &causes);
  if (object.is_object()) {
    CheckMetaUnchanged(object, old, &causes);
    ValidateImmutable(served.schema, object, old, "", &causes);
    if (served.kind->validate != nullptr) {
      served.kind->validate(object, &old, &causes);
    }
  }
  return causes;
}

void ToServed(const ServedKind& served, Json* object) {
  JsonObject* members = object->if_object();
  if (members == nullptr) {
    return;
  }
  if (served.kind->versions.size() > 1) {
    for (const Property& member : served.kind->schema.members) {
      Json* value = members->if_contains(JsonView(member.name));
      const Property* shown = served.schema.Member(member.name);
      if (value != nullptr && shown != nullptr && shown->schema->definition.empty()) {
        PruneUnknown(*shown->schema, value);
      }
    }
  }
  Set(members, "apiVersion", Json(JsonView(served.ApiVersion())));
  Set(members, "kind", Json(JsonView(served.kind->kind)));
}

void ToStored(const ServedKind& served, const Json* stored, Json* object) {
  JsonObject* members = object->if_object();
  if (members == nullptr) {
    return;
  }
  if (stored != nullptr && served.kind->versions.size() > 1) {
    CarryHidden(served.schema, served.kind->schema, *stored, object);
  }
  Set(members, "apiVersion", Json(JsonView(StorageApiVersion(*served.kind))));
  Set(members, "kind", Json(JsonView(served.kind->kind)));
}

JsonArray RowCells(const Kind& kind, const Json& object, int64_t now_nanos) {
  JsonArray cells;
  cells.reserve(kind.columns.size());
  for (const Column& column : kind.columns) {
    if (column.cell != nullptr) {
      cells.push_back(column.cell(object, now_nanos));
      continue;
    }
    const Json* at = &object;
    for (const std::string_view name : column.path) {
      at = at == nullptr ? nullptr : Find(*at, {name});
    }
    if (at == nullptr) {
      cells.push_back(column.type == "date" ? Json("<unknown>") : Json(nullptr));
    } else if (column.type == "date") {
      cells.push_back(Json(JsonView(AgeText(*at, {}, now_nanos))));
    } else {
      cells.push_back(*at);
    }
  }
  return cells;
}

Subresource StatusOf(std::string_view kind) {
  return Subresource{"status", "", "", kind, {"get", "patch", "update"}};
}

std::string AgeText(const Json& object, JsonPath path, int64_t now_nanos) {
  const std::optional<int64_t> then = ParseTime(StringAt(object, path));
  return then.has_value() ? HumanDuration(now_nanos - *then) : "<unknown>";
}

Column NameColumn() {
  return Column{.name = "Name",
                .format = "name",
                .description = "Name of the object, unique within its namespace.",
                .path = {"metadata", "name"}};
}

Column AgeColumn() {
  return Column{
      .name = "Age",
      .description = "Time since the object was created.",
      .cell = [](const Json& object, int64_t now_nanos) {
        return Json(JsonView(AgeText(object, {"metadata", "creationTimestamp"}, now_nanos)));
      }};
}

std::vector<SelectableField> FieldsWithNames(bool is_namespaced,
                                             std::vector<SelectableField> more) {
  std::vector<SelectableField> fields = {{"metadata.name", {"metadata", "name"}}};
  if (is_namespaced) {
    fields.push_back({"metadata.namespace", {"metadata", "namespace"}});
  }
  fields.insert(fields.end(), more.begin(), more.end());
  return fields;
}

}  // namespace socle::api
