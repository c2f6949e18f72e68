#include "controllers/registry/object.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "kv/testing/status_matchers.h"

namespace socle::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;
using testing::StartsWith;

const api::ServedKind& Served(std::string_view group, std::string_view version,
                              std::string_view resource) {
  const api::ServedKind* found =
      api::KindRegistry::Builtin().ByResource({group, version, resource});
  EXPECT_NE(found, nullptr) << resource;
  return *found;
}

const api::ServedKind& Pods() {
  return Served("", "v1", "pods");
}

TEST(ObjectKey, NamesObjectsNamespacesAndResources) {
  const api::Kind& pods = *Pods().kind;
  const api::Kind& nodes = *Served("", "v1", "nodes").kind;
  const api::Kind& sets = *Served("apps.kruise.io", "v1alpha1", "statefulsets").kind;
  EXPECT_EQ(ObjectKey(pods, "default", "a"), "/registry/pods/default/a");
  EXPECT_EQ(ObjectKey(pods, "default", ""), "/registry/pods/default/");
  EXPECT_EQ(ObjectKey(pods, "", ""), "/registry/pods/");
  EXPECT_EQ(ObjectKey(nodes, "", "n1"), "/registry/nodes/n1");
  EXPECT_EQ(ObjectKey(sets, "default", "a"), "/registry/apps.kruise.io/inplacesets/default/a");
}

TEST(EncodeStored, BeginsWithKindVersionAndMetadataOfTheKindThatStores) {
  struct Case {
    const char* name;
    const api::ServedKind& served;
    const char* object;
    const char* stored;
  };

  const Case cases[] = {
      {"members are put in order, what the store tells is dropped", Pods(),
       R"({"spec":{"x":[1,null,"q\"\u00e9"]},"metadata":{"resourceVersion":"7","name":"a",)"
       R"("selfLink":"/l","uid":"u"},"kind":"Pod","apiVersion":"v1"})",
       "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"uid\":\"u\"},"
       "\"spec\":{\"x\":[1,null,\"q\\\"\u00e9\"]}}"},
      {"an alias is stored under the name of the kind that stores",
       Served("apps.kruise.io", "v1alpha1", "statefulsets"),
       R"({"apiVersion":"apps.kruise.io/v1alpha1","kind":"StatefulSet","metadata":{"name":"a"}})",
       R"({"kind":"InplaceSet","apiVersion":"apps.kruise.io/v1beta1","metadata":{"name":"a"}})"},
      {"metadata is never empty", Pods(), R"({"metadata":{"resourceVersion":"7"}})",
       R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":""}})"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(EncodeStored(*c.served.kind, api::Literal(c.object)), c.stored);
  }
}

TEST(EncodeStored, WritesDocumentsLargerThanItsBuffer) {
  api::Json object = api::Literal(R"({"metadata":{"name":"a"}})");
  api::EnsureObject(&object, {"data"})["long"] = std::string(100'000, 'x');
  const std::string stored = EncodeStored(*Served("", "v1", "configmaps").kind, object);
  ASSERT_OK_AND_ASSIGN(const api::Json back, api::ParseJson(stored));
  EXPECT_EQ(api::StringAt(back, {"data", "long"}), std::string(100'000, 'x'));
}

TEST(AppendServed, SplicesTheRevisionIntoTheBytes) {
  const std::string stored = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"},"z":1.50})";
  std::string out = "[";
  AppendServed(Pods(), stored, 42, &out);
  // The number as it was written shows that nothing was parsed.
  EXPECT_EQ(out,
            R"([{"kind":"Pod","apiVersion":"v1","metadata":{"resourceVersion":"42","name":"a"},)"
            R"("z":1.50})");
}

TEST(AppendServed, ParsesWhatWasNotEncodedHere) {
  std::string out;
  AppendServed(Pods(), R"({"metadata":{"name":"a"}, "kind":"Pod","apiVersion":"v1"})", 42, &out);
  EXPECT_EQ(out,
            R"({"metadata":{"name":"a","resourceVersion":"42"},"kind":"Pod","apiVersion":"v1"})");
}

TEST(AppendServed, GivesNoRevisionToWhatIsNotStored) {
  std::string out;
  AppendServed(Pods(), R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}})", 0, &out);
  EXPECT_EQ(out, R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}})");
}

TEST(AppendServed, ShowsTheStoredSetUnderBothNamesAndBothVersions) {
  const std::string stored =
      R"({"kind":"InplaceSet","apiVersion":"apps.kruise.io/v1beta1","metadata":{"name":"a"},)"
      R"("spec":{"replicas":1,"reserveOrdinals":[1]}})";

  struct Case {
    const char* version;
    const char* resource;
    const char* kind;
    bool shows_ordinals;
  };

  const Case cases[] = {{"v1beta1", "inplacesets", "InplaceSet", true},
                        {"v1beta1", "statefulsets", "StatefulSet", true},
                        {"v1alpha1", "inplacesets", "InplaceSet", false},
                        {"v1alpha1", "statefulsets", "StatefulSet", false}};
  for (const Case& c : cases) {
    SCOPED_TRACE(std::string(c.version) + " " + c.resource);
    std::string out;
    AppendServed(Served("apps.kruise.io", c.version, c.resource), stored, 9, &out);
    ASSERT_OK_AND_ASSIGN(const api::Json shown, api::ParseJson(out));
    EXPECT_EQ(api::StringAt(shown, {"apiVersion"}), std::string("apps.kruise.io/") + c.version);
    EXPECT_EQ(api::StringAt(shown, {"kind"}), c.kind);
    EXPECT_EQ(api::StringAt(shown, {"metadata", "resourceVersion"}), "9");
    EXPECT_EQ(api::Find(shown, {"spec", "reserveOrdinals"}) != nullptr, c.shows_ordinals);
  }
}

TEST(DecodeObject, ReadsWhatIsLookedUp) {
  const std::string stored =
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","uid":"u1",)"
      R"("labels":{"b":"2","a":"1","empty":""},"finalizers":["f"],"deletionTimestamp":"t",)"
      R"("ownerReferences":[{"apiVersion":"v1","kind":"X","name":"x","uid":"ux"},)"
      R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","name":"s","uid":"us",)"
      R"("controller":true,"blockOwnerDeletion":true}]},)"
      R"("spec":{"nodeName":"n1"},"status":{"phase":"Running"}})";
  ASSERT_OK_AND_ASSIGN(const ObjectRef object,
                       DecodeObject(*Pods().kind, "/registry/pods/ns/a", stored, 3, 5));
  EXPECT_EQ(object->ns, "ns");
  EXPECT_EQ(object->name, "a");
  EXPECT_EQ(object->uid, "u1");
  EXPECT_EQ(object->document, stored);
  EXPECT_EQ(object->create_revision, 3);
  EXPECT_THAT(object->labels, ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("empty", "")));
  EXPECT_EQ(object->Label("b"), "2");
  EXPECT_TRUE(object->HasLabel("empty"));
  EXPECT_FALSE(object->HasLabel("c"));
  EXPECT_EQ(object->FieldText("spec.nodeName"), "n1");
  EXPECT_EQ(object->FieldText("status.phase"), "Running");
  EXPECT_EQ(object->FieldText("spec.hostNetwork"), "false");
  EXPECT_EQ(object->FieldText("no.such"), "");
  EXPECT_THAT(object->finalizers, ElementsAre("f"));
  EXPECT_TRUE(object->is_deleting);
  ASSERT_NE(object->Controller(), nullptr);
  EXPECT_EQ(object->Controller()->uid, "us");
  EXPECT_TRUE(object->Controller()->blocks_deletion);
  EXPECT_EQ(api::StringAt(object->Parse(), {"metadata", "resourceVersion"}), "5");
}

TEST(DecodeObject, AnAliasIsTheKindThatStores) {
  ASSERT_OK_AND_ASSIGN(const ObjectRef object,
                       DecodeObject(*Served("apps.kruise.io", "v1beta1", "statefulsets").kind, "k",
                                    R"({"kind":"StatefulSet","metadata":{"name":"a"}})", 1, 1));
  EXPECT_EQ(object->kind, Served("apps.kruise.io", "v1beta1", "inplacesets").kind);
}

TEST(DecodeObject, NamesTheKeyOfWhatCanNotBeRead) {
  for (const char* document : {"", "{", "[]", "{}", R"({"metadata":{"name":7}})"}) {
    SCOPED_TRACE(document);
    EXPECT_THAT(DecodeObject(*Pods().kind, "/registry/pods/x", document, 1, 1).status(),
                StatusIs(absl::StatusCode::kDataLoss, StartsWith("/registry/pods/x: ")));
  }
}

TEST(ParseServed, AnUnreadableDocumentHarmsNobody) {
  EXPECT_THAT(api::Dump(ParseServed(Pods(), "{broken", 3)),
              testing::AllOf(HasSubstr("\"kind\":\"Pod\""), Not(HasSubstr("broken"))));
}

}  // namespace
}  // namespace socle::registry
