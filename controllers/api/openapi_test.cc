// The OpenAPI document: whole, consistent, and the same in protobuf.
#include "controllers/api/openapi.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"

namespace socle::api {
namespace {

const Json& Document() {
  static const Json& document = *new Json(OpenApiV2(KindRegistry::Builtin()));
  return document;
}

void CollectReferences(const Json& value, std::vector<std::string>* found) {
  if (const JsonObject* object = value.if_object()) {
    for (const auto& member : *object) {
      if (View(member.key()) == "$ref") {
        found->emplace_back(View(member.value().as_string()));
      }
      CollectReferences(member.value(), found);
    }
  } else if (const JsonArray* list = value.if_array()) {
    for (const Json& element : *list) {
      CollectReferences(element, found);
    }
  }
}

TEST(OpenApi, EveryReferenceLeadsToADefinition) {
  std::vector<std::string> references;
  CollectReferences(Document(), &references);
  EXPECT_GT(references.size(), 100U);
  for (const std::string& reference : references) {
    ASSERT_TRUE(reference.starts_with("#/definitions/"));
    EXPECT_NE(FindObject(Document(), {"definitions", reference.substr(14)}), nullptr) << reference;
  }
}

TEST(OpenApi, EveryKindHasADefinitionAndAPatchThatTakesDryRun) {
  for (const ServedKind& served : KindRegistry::Builtin().served()) {
    const Kind& kind = *served.kind;
    SCOPED_TRACE(fmt::format("{} {}", served.ApiVersion(), kind.kind));
    const Json* definition = Find(Document(), {"definitions", DefinitionName(served)});
    ASSERT_NE(definition, nullptr);
    const JsonArray* gvk = FindArray(*definition, {"x-kubernetes-group-version-kind"});
    ASSERT_NE(gvk, nullptr);
    EXPECT_EQ(StringAt(gvk->front(), {"kind"}), kind.kind);
    EXPECT_EQ(StringAt(gvk->front(), {"version"}), served.version);
    EXPECT_NE(Find(Document(), {"definitions", DefinitionName(served) + "List"}), nullptr);

    const std::string path = fmt::format(
        "/{}/{}{}/{{name}}", kind.group.empty() ? "api" : "apis", served.ApiVersion(),
        fmt::format("{}/{}", kind.is_namespaced ? "/namespaces/{namespace}" : "", kind.resource));
    const Json* patch = Find(Document(), {"paths", path, "patch"});
    ASSERT_NE(patch, nullptr) << path;
    // Clients read the one of an operation as an object, those of a definition as a list.
    EXPECT_EQ(*Find(*patch, {"x-kubernetes-group-version-kind"}), gvk->front());
    bool has_dry_run = false;
    for (const Json& parameter : *FindArray(*patch, {"parameters"})) {
      has_dry_run = has_dry_run || (StringAt(parameter, {"name"}) == "dryRun" &&
                                    StringAt(parameter, {"in"}) == "query");
    }
    EXPECT_TRUE(has_dry_run);
  }
}

TEST(OpenApi, TellsMergeKeysAndFieldNames) {
  const auto property = [](std::string_view definition, std::string_view name) {
    const Json* found = Find(Document(), {"definitions", definition, "properties", name});
    return found == nullptr ? Json(JsonObject()) : *found;
  };
  const Json containers = property("io.k8s.api.core.v1.PodSpec", "containers");
  EXPECT_EQ(StringAt(containers, {"x-kubernetes-patch-merge-key"}), "name");
  EXPECT_EQ(StringAt(containers, {"x-kubernetes-patch-strategy"}), "merge");
  EXPECT_EQ(StringAt(containers, {"items", "$ref"}), "#/definitions/io.k8s.api.core.v1.Container");
  EXPECT_EQ(
      StringAt(property("io.k8s.api.core.v1.PodSpec", "volumes"), {"x-kubernetes-patch-strategy"}),
      "merge,retainKeys");
  const Json* kind = Find(Document(), {"definitions", "io.k8s.api.core.v1.Pod"});
  EXPECT_EQ(StringAt(*kind, {"properties", "spec", "$ref"}),
            "#/definitions/io.k8s.api.core.v1.PodSpec");
  // A field of the newer version does not show in the older one.
  EXPECT_NE(Find(Document(), {"definitions", "io.kruise.apps.v1beta1.InplaceSet", "properties",
                              "spec", "properties", "reserveOrdinals"}),
            nullptr);
  EXPECT_EQ(Find(Document(), {"definitions", "io.kruise.apps.v1alpha1.InplaceSet", "properties",
                              "spec", "properties", "reserveOrdinals"}),
            nullptr);
}

TEST(OpenApi, ParsesAsItsOwnText) {
  const absl::StatusOr<Json> parsed = ParseJson(Dump(Document()));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed, Document());
}

// The length-delimited fields of a message, by number.
std::vector<std::pair<uint64_t, std::string_view>> Fields(std::string_view bytes) {
  std::vector<std::pair<uint64_t, std::string_view>> fields;
  while (!bytes.empty()) {
    uint64_t tag = 0;
    uint64_t skipped = 0;
    std::string_view value;
    EXPECT_TRUE(ConsumeVarint(&bytes, &tag));
    switch (tag & 7U) {
      case 0:
        EXPECT_TRUE(ConsumeVarint(&bytes, &skipped));
        break;
      case 1:
        EXPECT_GE(bytes.size(), 8U);
        bytes.remove_prefix(std::min<size_t>(8, bytes.size()));
        break;
      default:
        EXPECT_EQ(tag & 7U, 2U);
        if (!ConsumeLengthPrefixed(&bytes, &value)) {
          ADD_FAILURE() << "cut short";
          return fields;
        }
        fields.emplace_back(tag >> 3U, value);
    }
  }
  return fields;
}

std::string_view FieldOf(std::string_view message, uint64_t number) {
  for (const auto& [field, value] : Fields(message)) {
    if (field == number) {
      return value;
    }
  }
  return {};
}

TEST(OpenApi, SaysTheSameInProtobuf) {
  const std::string bytes = OpenApiV2Proto(Document());
  EXPECT_EQ(FieldOf(bytes, 1), "2.0");
  EXPECT_EQ(FieldOf(FieldOf(bytes, 2), 1), "Kubernetes");

  size_t definitions = 0;
  for (const auto& [field, named] : Fields(FieldOf(bytes, 9))) {
    const std::string_view name = FieldOf(named, 1);
    const std::string_view schema = FieldOf(named, 2);
    const Json* definition = Find(Document(), {"definitions", name});
    ASSERT_NE(definition, nullptr) << name;
    ++definitions;
    EXPECT_EQ(FieldOf(schema, 4), StringAt(*definition, {"description"}));
    const JsonObject* properties = FindObject(*definition, {"properties"});
    EXPECT_EQ(Fields(FieldOf(schema, 25)).size(), properties == nullptr ? 0 : properties->size());
  }
  EXPECT_EQ(definitions, FindObject(Document(), {"definitions"})->size());

  size_t paths = 0;
  for (const auto& [field, named] : Fields(FieldOf(bytes, 8))) {
    EXPECT_EQ(field, 2U);
    const std::string_view name = FieldOf(named, 1);
    const std::string_view patch = FieldOf(FieldOf(named, 2), 8);
    const Json* given = Find(Document(), {"paths", name, "patch"});
    ++paths;
    EXPECT_EQ(patch.empty(), given == nullptr) << name;
    if (given == nullptr) {
      continue;
    }
    EXPECT_EQ(FieldOf(patch, 5), StringAt(*given, {"operationId"}));
    // The first parameter after the body: Parameter.non_body_parameter.query_parameter_sub_schema.
    std::vector<std::string_view> parameters;
    for (const auto& [number, value] : Fields(patch)) {
      if (number == 8) {
        parameters.push_back(value);
      }
    }
    ASSERT_GE(parameters.size(), 2U);
    const std::string_view query = FieldOf(FieldOf(FieldOf(parameters[1], 1), 2), 3);
    EXPECT_EQ(FieldOf(query, 4), "dryRun");
    EXPECT_EQ(FieldOf(query, 2), "query");
  }
  EXPECT_EQ(paths, FindObject(Document(), {"paths"})->size());
}

}  // namespace
}  // namespace socle::api
