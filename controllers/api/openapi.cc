#include "controllers/api/openapi.h"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"

namespace socle::api {
namespace {

constexpr std::string_view kRefPrefix = "#/definitions/";

Json Text(std::string_view text) {
  return Json(JsonView(text));
}

JsonObject Reference(std::string_view definition) {
  JsonObject out;
  Set(&out, "$ref", Text(fmt::format("{}{}", kRefPrefix, definition)));
  return out;
}

// Operations carry it as it is, definitions as a list.
JsonObject GroupVersionKindOf(const ServedKind& served, std::string_view kind) {
  JsonObject gvk;
  Set(&gvk, "group", Text(served.kind->group));
  Set(&gvk, "version", Text(served.version));
  Set(&gvk, "kind", Text(kind));
  return gvk;
}

std::string_view WireFormat(Type type) {
  switch (type) {
    case Type::kInt32:
      return "int32";
    case Type::kInt64:
      return "int64";
    case Type::kNumber:
      return "double";
    case Type::kIntOrString:
      return "int-or-string";
    case Type::kTime:
    case Type::kMicroTime:
      return "date-time";
    case Type::kBytes:
      return "byte";
    default:
      return {};
  }
}

std::string_view WireType(Type type) {
  switch (type) {
    case Type::kIntOrString:
    case Type::kQuantity:
      return "string";
    case Type::kFree:
      return {};
    default:
      return TypeName(type);
  }
}

class Writer {
 public:
  Json Document(const KindRegistry& registry) {
    for (const ServedKind& served : registry.served()) {
      AddKind(served);
    }
    Define(ListMeta());
    JsonObject about;
    Set(&about, "title", "Kubernetes");
    Set(&about, "version", "v1.29.0");
    JsonObject document;
    Set(&document, "swagger", "2.0");
    Set(&document, "info", std::move(about));
    Set(&document, "paths", std::move(paths_));
    Set(&document, "definitions", std::move(definitions_));
    return document;
  }

 private:
  // A property: a reference to a definition, or the shape itself.
  JsonObject Property(const Schema& schema) {
    JsonObject out;
    if (!schema.definition.empty()) {
      Define(schema);
      out = Reference(schema.definition);
      if (!schema.description.empty()) {
        Set(&out, "description", Text(schema.description));
      }
    } else {
      out = Shape(schema);
    }
    AddMergeKeys(schema, &out);
    return out;
  }

  static void AddMergeKeys(const Schema& schema, JsonObject* out) {
    if (schema.is_merged) {
      Set(out, "x-kubernetes-patch-strategy", schema.retains_keys ? "merge,retainKeys" : "merge");
    }
    if (!schema.merge_key.empty()) {
      Set(out, "x-kubernetes-patch-merge-key", Text(schema.merge_key));
    }
    if (!schema.map_keys.empty()) {
      JsonArray keys;
      for (const std::string_view key : schema.map_keys) {
        keys.push_back(Text(key));
      }
      Set(out, "x-kubernetes-list-map-keys", std::move(keys));
      Set(out, "x-kubernetes-list-type", "map");
    } else if (schema.is_set) {
      Set(out, "x-kubernetes-list-type", "set");
    }
  }

  JsonObject Shape(const Schema& schema) {
    JsonObject out;
    if (!schema.description.empty()) {
      Set(&out, "description", Text(schema.description));
    }
    if (const std::string_view type = WireType(schema.type); !type.empty()) {
      Set(&out, "type", Text(type));
    }
    if (const std::string_view format = WireFormat(schema.type); !format.empty()) {
      Set(&out, "format", Text(format));
    }
    if (schema.default_value.has_value() && !schema.default_value->is_object()) {
      Set(&out, "default", *schema.default_value);
    }
    // int-or-string takes both: a bound of numbers would refuse the text.
    const bool is_number = schema.type == Type::kInt32 || schema.type == Type::kInt64;
    if (schema.min.has_value() && is_number) {
      Set(&out, "minimum", *schema.min);
    }
    if (schema.max.has_value() && is_number) {
      Set(&out, "maximum", *schema.max);
    }
    if (!schema.values.empty()) {
      JsonArray values;
      for (const std::string_view value : schema.values) {
        values.push_back(Text(value));
      }
      Set(&out, "enum", std::move(values));
    }
    if (schema.type == Type::kList) {
      Set(&out, "items", Property(*schema.items));
    } else if (schema.type == Type::kMap) {
      Set(&out, "additionalProperties", Property(*schema.items));
    } else if (schema.type == Type::kObject) {
      AddMembers(schema, &out);
    }
    return out;
  }

  void AddMembers(const Schema& schema, JsonObject* out) {
    JsonArray required;
    JsonObject properties;
    for (const api::Property& member : schema.members) {
      if (member.schema->is_required) {
        required.push_back(Text(member.name));
      }
      Set(&properties, member.name, Property(*member.schema));
    }
    if (!required.empty()) {
      Set(out, "required", std::move(required));
    }
    if (!properties.empty()) {
      Set(out, "properties", std::move(properties));
    }
  }

  void Define(const Schema& schema) {
    if (definitions_.contains(JsonView(schema.definition))) {
      return;
    }
    Set(&definitions_, schema.definition, JsonObject());  // taken, so that none is written twice
    JsonObject shape = Shape(schema);
    Set(&definitions_, schema.definition, std::move(shape));
  }

  void AddKind(const ServedKind& served) {
    const std::string name = DefinitionName(served);
    JsonObject shape = Shape(served.schema);
    JsonArray kinds;
    kinds.push_back(GroupVersionKindOf(served, served.kind->kind));
    Set(&shape, "x-kubernetes-group-version-kind", std::move(kinds));
    Set(&definitions_, name, std::move(shape));

    JsonObject items;
    Set(&items, "type", "array");
    Set(&items, "items", Reference(name));
    JsonObject properties;
    Set(&properties, "apiVersion", Shape(String()));
    Set(&properties, "kind", Shape(String()));
    Set(&properties, "metadata", Reference(ListMeta().definition));
    Set(&properties, "items", std::move(items));
    JsonObject list;
    Set(&list, "description",
        Text(fmt::format("{} is a list of {}.", served.kind->list_kind, served.kind->kind)));
    Set(&list, "type", "object");
    Set(&list, "required", JsonArray{"items"});
    Set(&list, "properties", std::move(properties));
    JsonArray list_kinds;
    list_kinds.push_back(GroupVersionKindOf(served, served.kind->list_kind));
    Set(&list, "x-kubernetes-group-version-kind", std::move(list_kinds));
    Set(&definitions_, name + "List", std::move(list));
    AddPaths(served, name);
  }

  static JsonObject QueryParameter(std::string_view name, std::string_view type,
                                   std::string_view description) {
    JsonObject out;
    Set(&out, "name", Text(name));
    Set(&out, "in", "query");
    Set(&out, "type", Text(type));
    Set(&out, "uniqueItems", true);
    Set(&out, "description", Text(description));
    return out;
  }

  static JsonObject Operation(const ServedKind& served, std::string_view action,
                              std::string_view answer, bool has_body, bool is_write) {
    JsonArray parameters;
    if (has_body) {
      JsonObject body;
      Set(&body, "name", "body");
      Set(&body, "in", "body");
      Set(&body, "required", true);
      Set(&body, "schema", action == "patch" ? JsonObject{{"type", "object"}} : Reference(answer));
      parameters.push_back(std::move(body));
    }
    if (is_write) {
      parameters.push_back(
          QueryParameter("dryRun", "string", "All: everything is checked and nothing is kept."));
      parameters.push_back(QueryParameter("fieldManager", "string", "Who writes."));
      parameters.push_back(QueryParameter("fieldValidation", "string",
                                          "Strict, Warn or Ignore: what unknown fields mean."));
    }
    if (action == "patch") {
      parameters.push_back(QueryParameter("force", "boolean", "Take fields from other writers."));
    }
    JsonObject ok;
    Set(&ok, "description", "OK");
    Set(&ok, "schema", Reference(answer));
    JsonObject responses;
    Set(&responses, "200", std::move(ok));
    JsonObject out;
    Set(&out, "operationId",
        Text(fmt::format("{}{}{}{}", action, served.kind->group, served.version,
                         served.kind->kind)));
    Set(&out, "parameters", std::move(parameters));
    Set(&out, "responses", std::move(responses));
    Set(&out, "x-kubernetes-action", Text(action));
    Set(&out, "x-kubernetes-group-version-kind", GroupVersionKindOf(served, served.kind->kind));
    return out;
  }

  void AddPaths(const ServedKind& served, const std::string& definition) {
    const Kind& kind = *served.kind;
    const std::string root = kind.group.empty()
                                 ? fmt::format("/api/{}", served.version)
                                 : fmt::format("/apis/{}/{}", kind.group, served.version);
    const std::string collection =
        kind.is_namespaced ? fmt::format("{}/namespaces/{{namespace}}/{}", root, kind.resource)
                           : fmt::format("{}/{}", root, kind.resource);
    const std::string list = definition + "List";
    JsonObject all;
    Set(&all, "get", Operation(served, "list", list, false, false));
    Set(&all, "post", Operation(served, "post", definition, true, true));
    Set(&all, "delete", Operation(served, "deletecollection", list, false, true));
    Set(&paths_, collection, std::move(all));
    const std::string item = collection + "/{name}";
    Set(&paths_, item, ItemPath(served, definition, true));
    for (const Subresource& subresource : kind.subresources) {
      if (subresource.name == "status") {
        Set(&paths_, item + "/status", ItemPath(served, definition, false));
      }
    }
  }

  static JsonObject ItemPath(const ServedKind& served, const std::string& definition,
                             bool has_delete) {
    JsonObject one;
    Set(&one, "get", Operation(served, "get", definition, false, false));
    Set(&one, "put", Operation(served, "put", definition, true, true));
    Set(&one, "patch", Operation(served, "patch", definition, true, true));
    if (has_delete) {
      Set(&one, "delete", Operation(served, "delete", definition, false, true));
    }
    return one;
  }

  JsonObject definitions_;
  JsonObject paths_;
};

}  // namespace

std::string DefinitionName(const ServedKind& served) {
  return fmt::format("{}.{}.{}", served.kind->definition_prefix, served.version, served.kind->kind);
}

Json OpenApiV2(const KindRegistry& registry) {
  return Writer().Document(registry);
}

}  // namespace socle::api
