#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/namespace/controller.h"
#include "controllers/namespace/plan.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::namespaces {
namespace {

using registry::Reason;
using testing::ElementsAre;
using testing::HasSubstr;

class NamespaceTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(runtime::Runtime* on) override {
    plane_testing::Controllers controllers;
    controllers.push_back(StartNamespace(on));
    return controllers;
  }

  void Make(std::string_view name) {
    Apply(fmt::format(R"({{"apiVersion":"v1","kind":"Namespace","metadata":{{"name":"{}"}}}})",
                      name));
  }

  static std::string Map(std::string_view ns, std::string_view name) {
    return fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","namespace":"{}"}}}})",
        name, ns);
  }

  // `status: reason: message` of the condition.
  std::string Condition(std::string_view name, std::string_view type) {
    const api::Json space = Get("namespaces", name);
    const api::JsonArray* conditions = api::FindArray(space, {"status", "conditions"});
    for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
      const api::Json& one = (*conditions)[i];
      if (api::StringAt(one, {"type"}) == type) {
        return fmt::format("{}: {}: {}", api::StringAt(one, {"status"}),
                           api::StringAt(one, {"reason"}), api::StringAt(one, {"message"}));
      }
    }
    return "none";
  }
};

TEST_F(NamespaceTest, GoesWithAllThatIsInIt) {
  Make("room");
  Make("other");
  for (int i = 0; i < 700; ++i) {  // Two batches.
    Apply(Map("room", fmt::format("m{}", i)));
  }
  Apply(Map("other", "m"));
  Apply(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":"s","namespace":"room"}})");
  Apply(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"room"},)"
        R"("spec":{"containers":[{"name":"c","image":"i"}]}})");
  Advance(5);
  EXPECT_EQ(Count("configmaps"), 701U);
  Delete("namespaces", "room");
  EXPECT_TRUE(RunUntil([&] { return !Has("namespaces", "room"); }, 10));
  EXPECT_THAT(Names("configmaps"), ElementsAre("m"));
  EXPECT_EQ(Count("secrets"), 0U);
  EXPECT_EQ(Count("pods"), 0U);
  EXPECT_TRUE(Has("namespaces", "other"));
}

TEST_F(NamespaceTest, AnEmptyOneGoesAtOnceAndItsNameIsFreeAgain) {
  Make("room");
  Settle();
  Delete("namespaces", "room");
  EXPECT_TRUE(RunUntil([&] { return !Has("namespaces", "room"); }, 10));
  Make("room");
  Apply(Map("room", "m"));
  Advance(5);
  EXPECT_TRUE(Has("configmaps", "room/m"));
}

TEST_F(NamespaceTest, WaitsForWhatIsHeldUpAndSaysSo) {
  Make("room");
  Apply(Map("room", "held"));
  Apply(Map("room", "free"));
  Patch("configmaps", "room/held", R"({"metadata":{"finalizers":["example.com/hold"]}})");
  Delete("namespaces", "room");
  Advance(5);
  EXPECT_EQ(api::StringAt(Get("namespaces", "room"), {"status", "phase"}), "Terminating");
  EXPECT_FALSE(Has("configmaps", "room/free"));
  EXPECT_EQ(Condition("room", "NamespaceContentRemaining"),
            "True: SomeResourcesRemain: Some resources are remaining: configmaps has 1 resource "
            "instances");
  EXPECT_EQ(Condition("room", "NamespaceFinalizersRemaining"),
            "True: SomeFinalizersRemain: Some content in the namespace has finalizers remaining: "
            "example.com/hold in 1 resource instances");
  EXPECT_THAT(Condition("room", "NamespaceDeletionContentFailure"), HasSubstr("False"));
  const absl::StatusOr<api::Json> refused = TryApply(Map("room", "late"));
  EXPECT_EQ(registry::ReasonOf(refused.status()), Reason::kForbidden) << refused.status();
  Patch("configmaps", "room/held", R"({"metadata":{"finalizers":null}})");
  EXPECT_TRUE(RunUntil([&] { return !Has("namespaces", "room"); }, 10));
}

TEST_F(NamespaceTest, GoesOnAfterARestart) {
  Make("room");
  Apply(Map("room", "held"));
  Patch("configmaps", "room/held", R"({"metadata":{"finalizers":["example.com/hold"]}})");
  Delete("namespaces", "room");
  Advance(5);
  Restart();
  Advance(5);
  EXPECT_TRUE(Has("namespaces", "room"));
  Patch("configmaps", "room/held", R"({"metadata":{"finalizers":null}})");
  EXPECT_TRUE(RunUntil([&] { return !Has("namespaces", "room"); }, 10));
}

TEST(NamespaceConditions, KeepTheTimeOfTheirLastTransition) {
  const api::Kind* maps = nullptr;
  for (const api::Kind& kind : api::KindRegistry::Builtin().kinds()) {
    maps = kind.resource == "configmaps" ? &kind : maps;
  }
  ASSERT_NE(maps, nullptr);
  Remainder remainder;
  registry::Object object;
  object.kind = maps;
  remainder.Add(object);
  remainder.Add(object);
  const api::JsonArray before = Conditions(remainder, "", nullptr, 1'000 * kNanosPerSecond);
  const api::JsonArray after = Conditions({}, "refused", &before, 2'000 * kNanosPerSecond);
  ASSERT_EQ(after.size(), 3U);
  EXPECT_EQ(api::StringAt(before[1], {"message"}),
            "Some resources are remaining: configmaps has 2 resource instances");
  // Failure came, content went, finalizers were none before and after.
  EXPECT_EQ(api::StringAt(after[0], {"status"}), "True");
  EXPECT_EQ(api::StringAt(after[0], {"lastTransitionTime"}), "1970-01-01T00:33:20Z");
  EXPECT_EQ(api::StringAt(after[1], {"lastTransitionTime"}), "1970-01-01T00:33:20Z");
  EXPECT_EQ(api::StringAt(after[2], {"lastTransitionTime"}), "1970-01-01T00:16:40Z");
}

}  // namespace
}  // namespace socle::namespaces
