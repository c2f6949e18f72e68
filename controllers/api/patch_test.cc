// JSON patch, merge patch and strategic merge patch.
#include <string_view>

#include <gtest/gtest.h>

#include "controllers/api/json_patch.h"
#include "controllers/api/kind_registry.h"
#include "controllers/api/strategic_merge.h"

namespace socle::api {
namespace {

struct PatchCase {
  const char* name;
  std::string_view document;
  std::string_view patch;
  std::string_view result;  // empty: refused
};

// The examples of RFC 6902, appendix A, by their numbers.
constexpr PatchCase kJsonPatchCases[] = {
    {"A.1 adds a member", R"({"foo":"bar"})", R"([{"op":"add","path":"/baz","value":"qux"}])",
     R"({"foo":"bar","baz":"qux"})"},
    {"A.2 adds an element", R"({"foo":["bar","baz"]})",
     R"([{"op":"add","path":"/foo/1","value":"qux"}])", R"({"foo":["bar","qux","baz"]})"},
    {"A.3 removes a member", R"({"baz":"qux","foo":"bar"})", R"([{"op":"remove","path":"/baz"}])",
     R"({"foo":"bar"})"},
    {"A.4 removes an element", R"({"foo":["bar","qux","baz"]})",
     R"([{"op":"remove","path":"/foo/1"}])", R"({"foo":["bar","baz"]})"},
    {"A.5 replaces", R"({"baz":"qux","foo":"bar"})",
     R"([{"op":"replace","path":"/baz","value":"boo"}])", R"({"baz":"boo","foo":"bar"})"},
    {"A.6 moves a member", R"({"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}})",
     R"([{"op":"move","from":"/foo/waldo","path":"/qux/thud"}])",
     R"({"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}})"},
    {"A.7 moves an element", R"({"foo":["all","grass","cows","eat"]})",
     R"([{"op":"move","from":"/foo/1","path":"/foo/3"}])",
     R"({"foo":["all","cows","eat","grass"]})"},
    {"A.8 tests with success", R"({"baz":"qux","foo":["a",2,"c"]})",
     R"([{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}])",
     R"({"baz":"qux","foo":["a",2,"c"]})"},
    {"A.9 tests with failure", R"({"baz":"qux"})", R"([{"op":"test","path":"/baz","value":"bar"}])",
     ""},
    {"A.10 adds an object", R"({"foo":"bar"})",
     R"([{"op":"add","path":"/child","value":{"grandchild":{}}}])",
     R"({"foo":"bar","child":{"grandchild":{}}})"},
    {"A.11 ignores unknown members", R"({"foo":"bar"})",
     R"([{"op":"add","path":"/baz","value":"qux","xyz":123}])", R"({"foo":"bar","baz":"qux"})"},
    {"A.12 adds below nothing", R"({"foo":"bar"})",
     R"([{"op":"add","path":"/baz/bat","value":"qux"}])", ""},
    {"A.14 escapes", R"({"/":9,"~1":10})", R"([{"op":"test","path":"/~01","value":10}])",
     R"({"/":9,"~1":10})"},
    {"A.15 compares text and number", R"({"/":9,"~1":10})",
     R"([{"op":"test","path":"/~01","value":"10"}])", ""},
    {"A.16 adds an array", R"({"foo":["bar"]})",
     R"([{"op":"add","path":"/foo/-","value":["abc","def"]}])", R"({"foo":["bar",["abc","def"]]})"},
    {"replaces the whole", R"({"a":1})", R"([{"op":"replace","path":"","value":[1]}])", "[1]"},
    {"copies", R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/c"}])",
     R"({"a":{"b":1},"c":{"b":1}})"},
    {"index with a leading zero", R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/01"}])", ""},
    {"index past the end", R"({"a":[1,2]})", R"([{"op":"add","path":"/a/3","value":1}])", ""},
    {"remove of nothing", R"({"a":1})", R"([{"op":"remove","path":"/b"}])", ""},
    {"move into itself", R"({"a":{"b":1}})", R"([{"op":"move","from":"/a","path":"/a/b/c"}])", ""},
    {"no array", R"({"a":1})", R"({"op":"remove","path":"/a"})", ""},
    {"no operation", R"({"a":1})", R"([{"path":"/a"}])", ""},
    {"unknown operation", R"({"a":1})", R"([{"op":"drop","path":"/a"}])", ""},
    {"add without value", R"({"a":1})", R"([{"op":"add","path":"/a"}])", ""},
    {"bad pointer", R"({"a":1})", R"([{"op":"remove","path":"a"}])", ""},
    {"bad escape", R"({"a":1})", R"([{"op":"remove","path":"/~2"}])", ""},
    {"all or nothing", R"({"a":1})", R"([{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}])",
     ""},
};

TEST(JsonPatch, DoesWhatTheStandardSays) {
  for (const PatchCase& c : kJsonPatchCases) {
    SCOPED_TRACE(c.name);
    Json document = Literal(c.document);
    const absl::Status status = ApplyJsonPatch(Literal(c.patch), &document);
    EXPECT_EQ(status.ok(), !c.result.empty()) << status;
    // A patch that fails changes nothing.
    EXPECT_EQ(document, Literal(c.result.empty() ? c.document : c.result));
  }
}

TEST(JsonPatch, TellsMalformedPatchesFromThoseThatDoNotApply) {
  Json document = Literal(R"({"a":1})");
  EXPECT_EQ(ApplyJsonPatch(Literal("{}"), &document).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(ApplyJsonPatch(Literal(R"([{"op":"test","path":"/a","value":2}])"), &document).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(JsonPatch, BoundsOperationsAndCopies) {
  JsonArray many;
  for (size_t i = 0; i <= kPatchOperationsMax; ++i) {
    many.push_back(Literal(R"({"op":"test","path":"/a","value":1})"));
  }
  Json document = Literal(R"({"a":1})");
  EXPECT_EQ(ApplyJsonPatch(many, &document).code(), absl::StatusCode::kInvalidArgument);

  JsonArray doubling;
  for (int i = 0; i < 64; ++i) {
    doubling.push_back(Literal(R"({"op":"copy","from":"","path":"/a"})"));
    doubling.push_back(Literal(R"({"op":"copy","from":"/a","path":"/b"})"));
  }
  EXPECT_EQ(ApplyJsonPatch(doubling, &document).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(document, Literal(R"({"a":1})"));
}

TEST(MergePatch, DoesWhatTheStandardSays) {
  // RFC 7386, appendix A.
  constexpr PatchCase kCases[] = {
      {"replaces", R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {"adds", R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {"removes", R"({"a":"b"})", R"({"a":null})", R"({})"},
      {"removes one of two", R"({"a":"b","b":"c"})", R"({"a":null})", R"({"b":"c"})"},
      {"list by text", R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {"text by list", R"({"a":"c"})", R"({"a":["b"]})", R"({"a":["b"]})"},
      {"deep", R"({"a":{"b":"c"}})", R"({"a":{"b":"d","c":null}})", R"({"a":{"b":"d"}})"},
      {"list of objects", R"({"a":[{"b":"c"}]})", R"({"a":[1]})", R"({"a":[1]})"},
      {"whole by list", R"(["a","b"])", R"(["c","d"])", R"(["c","d"])"},
      {"object by list", R"({"a":"b"})", R"(["c"])", R"(["c"])"},
      {"null kept in the document", R"({"e":null})", R"({"a":1})", R"({"e":null,"a":1})"},
      {"list by object", R"([1,2])", R"({"a":"b","c":null})", R"({"a":"b"})"},
      {"nulls inside new objects", R"({})", R"({"a":{"bb":{"ccc":null}}})", R"({"a":{"bb":{}}})"},
  };
  for (const PatchCase& c : kCases) {
    SCOPED_TRACE(c.name);
    Json document = Literal(c.document);
    ApplyMergePatch(Literal(c.patch), &document);
    EXPECT_EQ(document, Literal(c.result));
  }
}

constexpr PatchCase kStrategicCases[] = {
    {"changes one container by name",
     R"({"spec":{"containers":[{"name":"a","image":"x:1"},{"name":"b","image":"y:1"}]}})",
     R"({"spec":{"containers":[{"name":"b","image":"y:2"}]}})",
     R"({"spec":{"containers":[{"name":"a","image":"x:1"},{"name":"b","image":"y:2"}]}})"},
    {"adds a container at the end", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"containers":[{"name":"b","image":"y"}]}})",
     R"({"spec":{"containers":[{"name":"a"},{"name":"b","image":"y"}]}})"},
    {"deletes a container", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"containers":[{"name":"a","$patch":"delete"}]}})",
     R"({"spec":{"containers":[{"name":"b"}]}})"},
    {"replaces the list", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"containers":[{"$patch":"replace"},{"name":"c"}]}})",
     R"({"spec":{"containers":[{"name":"c"}]}})"},
    {"merges env by name, deeper",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"2"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"Y","value":"3"},{"name":"Z","value":"4"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"},{"name":"Y","value":"3"},{"name":"Z","value":"4"}]}]}})"},
    {"env goes from value to source",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":"1"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","value":null,"valueFrom":{"fieldRef":{"fieldPath":"p"}}}]}]}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","valueFrom":{"fieldRef":{"fieldPath":"p"}}}]}]}})"},
    {"merges ports by containerPort",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http"}]}]}})",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"protocol":"TCP"},{"containerPort":81}]}]}})",
     R"({"spec":{"containers":[{"name":"a","ports":[{"containerPort":80,"name":"http","protocol":"TCP"},{"containerPort":81}]}]}})"},
    {"tolerations have no merge key and are replaced", R"({"spec":{"tolerations":[{"key":"a"}]}})",
     R"({"spec":{"tolerations":[{"key":"b"}]}})", R"({"spec":{"tolerations":[{"key":"b"}]}})"},
    {"merges conditions by type",
     R"({"status":{"conditions":[{"type":"Ready","status":"False","reason":"x"}]}})",
     R"({"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"New","status":"True"}]}})",
     R"({"status":{"conditions":[{"type":"Ready","status":"True","reason":"x"},{"type":"New","status":"True"}]}})"},
    {"merges finalizers as a set", R"({"metadata":{"finalizers":["a","b"]}})",
     R"({"metadata":{"finalizers":["b","c"]}})", R"({"metadata":{"finalizers":["a","b","c"]}})"},
    {"deletes from a set", R"({"metadata":{"finalizers":["a","b","c"]}})",
     R"({"metadata":{"$deleteFromPrimitiveList/finalizers":["a","c"]}})",
     R"({"metadata":{"finalizers":["b"]}})"},
    {"orders elements as told",
     R"({"spec":{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"c"},{"name":"b"},{"name":"a"}],"containers":[{"name":"b","image":"x"}]}})",
     R"({"spec":{"containers":[{"name":"c"},{"name":"b","image":"x"},{"name":"a"}]}})"},
    {"what only the server has keeps its place",
     R"({"spec":{"containers":[{"name":"a"},{"name":"sidecar"},{"name":"b"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"},{"name":"b"},{"name":"c"}],"containers":[{"name":"c"}]}})",
     R"({"spec":{"containers":[{"name":"a"},{"name":"sidecar"},{"name":"b"},{"name":"c"}]}})"},
    {"order without a list", R"({"spec":{"containers":[{"name":"a"},{"name":"b"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}]}})",
     R"({"spec":{"containers":[{"name":"b"},{"name":"a"}]}})"},
    {"order that the list contradicts", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"z"}]}})", ""},
    {"retains keys of a volume",
     R"({"spec":{"volumes":[{"name":"v","emptyDir":{"medium":"Memory"}}]}})",
     R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}})",
     R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})"},
    {"retainKeys without the key it sets", R"({"spec":{"volumes":[{"name":"v"}]}})",
     R"({"spec":{"volumes":[{"name":"v","$retainKeys":["name"],"hostPath":{"path":"/x"}}]}})", ""},
    {"replaces an object", R"({"metadata":{"labels":{"a":"1","b":"2"}}})",
     R"({"metadata":{"labels":{"$patch":"replace","c":"3"}}})",
     R"({"metadata":{"labels":{"c":"3"}}})"},
    {"empties an object", R"({"metadata":{"labels":{"a":"1"}}})",
     R"({"metadata":{"labels":{"$patch":"delete"}}})", R"({"metadata":{"labels":{}}})"},
    {"null deletes", R"({"spec":{"nodeName":"n","hostname":"h"}})", R"({"spec":{"nodeName":null}})",
     R"({"spec":{"hostname":"h"}})"},
    {"null list deletes", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"containers":null}})", R"({"spec":{}})"},
    {"directives fall away where nothing was", R"({})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"X","$patch":"delete"},{"name":"Y"}]}],"hostname":null}})",
     R"({"spec":{"containers":[{"name":"a","env":[{"name":"Y"}]}]}})"},
    {"element without its key", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"containers":[{"image":"x"}]}})", ""},
    {"element that is no object", R"({"spec":{"containers":[{"name":"a"}]}})",
     R"({"spec":{"containers":[7]}})", ""},
    {"unknown directive", R"({"spec":{"hostname":"x"}})", R"({"spec":{"$patch":"burn"}})", ""},
    {"order that is no list", R"({"spec":{"containers":[]}})",
     R"({"spec":{"$setElementOrder/containers":7}})", ""},
    {"no object", R"({})", R"([])", ""},
};

TEST(StrategicMerge, FollowsTheSchemaOfPods) {
  const ServedKind* pod = KindRegistry::Builtin().ByKind({"", "v1", "Pod"});
  ASSERT_NE(pod, nullptr);
  for (const PatchCase& c : kStrategicCases) {
    SCOPED_TRACE(c.name);
    Json document = Literal(c.document);
    const absl::Status status = ApplyStrategicMerge(pod->schema, Literal(c.patch), &document);
    EXPECT_EQ(status.ok(), !c.result.empty()) << status;
    if (status.ok()) {
      EXPECT_EQ(Dump(document), Dump(Literal(c.result)));
    }
  }
}

TEST(StrategicMerge, RefusesListsThatWouldTakeForEver) {
  const ServedKind* pod = KindRegistry::Builtin().ByKind({"", "v1", "Pod"});
  JsonArray many;
  for (int i = 0; i < 100'000; ++i) {
    many.push_back(i);
  }
  for (const char* field :
       {"finalizers", "$deleteFromPrimitiveList/finalizers", "$setElementOrder/finalizers"}) {
    SCOPED_TRACE(field);
    Json document = Literal(R"({"metadata":{"finalizers":["a"]}})");
    const Json patch = JsonObject{{"metadata", JsonObject{{field, many}}}};
    EXPECT_EQ(ApplyStrategicMerge(pod->schema, patch, &document).code(),
              absl::StatusCode::kInvalidArgument);
  }
}

TEST(StrategicMerge, FollowsTheSchemaOfNodesAndServices) {
  const ServedKind* node = KindRegistry::Builtin().ByKind({"", "v1", "Node"});
  Json document = Literal(
      R"({"spec":{"taints":[{"key":"a"}]},"status":{"addresses":[{"type":"InternalIP","address":"1"}]}})");
  ASSERT_TRUE(
      ApplyStrategicMerge(
          node->schema,
          Literal(
              R"({"spec":{"taints":[{"key":"b"}]},"status":{"addresses":[{"type":"InternalIP","address":"2"}]}})"),
          &document)
          .ok());
  EXPECT_EQ(
      document,
      Literal(
          R"({"spec":{"taints":[{"key":"b"}]},"status":{"addresses":[{"type":"InternalIP","address":"2"}]}})"));
  const ServedKind* service = KindRegistry::Builtin().ByKind({"", "v1", "Service"});
  document = Literal(R"({"spec":{"ports":[{"port":80,"name":"a"}]}})");
  ASSERT_TRUE(ApplyStrategicMerge(service->schema,
                                  Literal(R"({"spec":{"ports":[{"port":80,"nodePort":30000}]}})"),
                                  &document)
                  .ok());
  EXPECT_EQ(document, Literal(R"({"spec":{"ports":[{"port":80,"name":"a","nodePort":30000}]}})"));
}

}  // namespace
}  // namespace socle::api
