#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/gc/controller.h"
#include "controllers/testing/interruption.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::gc {
namespace {

using registry::Propagation;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class GcTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Admission MakeAdmission(registry::ObjectCache*) override {
    plane_testing::Admission admission;
    admission.push_back(interruption_.MakePlugin());
    return admission;
  }

  plane_testing::Controllers StartControllers(runtime::Runtime* on) override {
    plane_testing::Controllers controllers;
    if (is_on_) {
      controllers.push_back(StartGc(on));
    }
    return controllers;
  }

  // Its uid.
  std::string Make(std::string_view name, std::string_view owners = "", std::string_view ns = "") {
    const api::Json made = Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","namespace":"{}",)"
        R"("ownerReferences":[{}]}}}})",
        name, ns.empty() ? kNamespace : ns, owners));
    return std::string(api::StringAt(made, {"metadata", "uid"}));
  }

  static std::string Owner(std::string_view name, std::string_view uid, bool blocks = false,
                           std::string_view kind = "ConfigMap") {
    return fmt::format(
        R"({{"apiVersion":"v1","kind":"{}","name":"{}","uid":"{}","blockOwnerDeletion":{}}})", kind,
        name, uid, blocks);
  }

  // Everything that wants to happen within a minute has happened.
  void Rest() { Advance(60); }

  std::vector<std::string> Maps() { return Names("configmaps"); }

  bool is_on_ = true;
  plane_testing::Interruption interruption_;
};

TEST_F(GcTest, DependentsGoWhenTheirOwnerIsGone) {
  const std::string owner = Make("owner");
  for (int i = 0; i < 1'200; ++i) {  // Several batches.
    Make(fmt::format("d{}", i), Owner("owner", owner));
  }
  const std::string child =
      std::string(api::StringAt(Get("configmaps", "d7"), {"metadata", "uid"}));
  Make("grandchild", Owner("d7", child));
  Make("other");
  Rest();
  EXPECT_EQ(Maps().size(), 1'203U);
  Delete("configmaps", "owner", Propagation::kBackground);
  EXPECT_FALSE(Has("configmaps", "owner"));
  EXPECT_TRUE(RunUntil([&] { return Maps().size() == 1; }, 60));
  EXPECT_THAT(Maps(), ElementsAre("other"));
}

TEST_F(GcTest, WhatNamesAnOwnerThatIsNotThereGoes) {
  const std::string owner = Make("owner");
  Apply(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"elsewhere"}})");
  Make("right", Owner("owner", owner));
  Make("wrong-uid", Owner("owner", "no-such-uid"));
  Make("wrong-name", Owner("nobody", owner));
  Make("wrong-kind", Owner("owner", owner, false, "Secret"));
  Make("wrong-namespace", Owner("owner", owner), "elsewhere");
  Make("unknown-kind", R"({"apiVersion":"example.com/v1","kind":"X","name":"x","uid":"y"})");
  Rest();
  EXPECT_THAT(Maps(), UnorderedElementsAre("owner", "right", "unknown-kind"));
}

TEST_F(GcTest, AClusterScopedOwnerOwnsInEveryNamespace) {
  const api::Json node = Apply(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"}})");
  Make("a", Owner("n", api::StringAt(node, {"metadata", "uid"}), false, "Node"));
  Rest();
  EXPECT_THAT(Maps(), ElementsAre("a"));
  Delete("nodes", "n");
  Rest();
  EXPECT_THAT(Maps(), IsEmpty());
}

TEST_F(GcTest, AReferenceToAnOwnerThatIsGoneIsTakenAwayBesideOneThatStays) {
  const std::string a = Make("a");
  const std::string b = Make("b");
  Make("both", Owner("a", a) + "," + Owner("b", b));
  Delete("configmaps", "a");
  Rest();
  const api::Json both = Get("configmaps", "both");
  ASSERT_FALSE(both.is_null());
  const api::JsonArray* owners = api::FindArray(both, {"metadata", "ownerReferences"});
  ASSERT_NE(owners, nullptr);
  ASSERT_EQ(owners->size(), 1U);
  EXPECT_EQ(api::StringAt((*owners)[0], {"uid"}), b);
  Delete("configmaps", "b");
  Rest();
  EXPECT_FALSE(Has("configmaps", "both"));
}

TEST_F(GcTest, InTheForegroundTheOwnerGoesAfterWhatBlocksIt) {
  const std::string owner = Make("owner");
  Make("blocks", Owner("owner", owner, true));
  Make("does-not", Owner("owner", owner));
  Patch("configmaps", "blocks", R"({"metadata":{"finalizers":["example.com/hold"]}})");
  Rest();
  Delete("configmaps", "owner", Propagation::kForeground);
  Rest();
  EXPECT_THAT(Maps(), UnorderedElementsAre("owner", "blocks"));
  EXPECT_TRUE(Find("configmaps", "blocks")->is_deleting);
  Patch("configmaps", "blocks", R"({"metadata":{"finalizers":null}})");
  Rest();
  EXPECT_THAT(Maps(), IsEmpty());
}

TEST_F(GcTest, TheForegroundReachesDown) {
  const std::string owner = Make("owner");
  const std::string child = Make("child", Owner("owner", owner, true));
  Make("grandchild", Owner("child", child, true));
  Patch("configmaps", "grandchild", R"({"metadata":{"finalizers":["example.com/hold"]}})");
  Rest();
  Delete("configmaps", "owner", Propagation::kForeground);
  Rest();
  EXPECT_THAT(Maps(), UnorderedElementsAre("owner", "child", "grandchild"));
  Patch("configmaps", "grandchild", R"({"metadata":{"finalizers":null}})");
  Rest();
  EXPECT_THAT(Maps(), IsEmpty());
}

TEST_F(GcTest, ADependentThatIsFreedDoesNotBlockAnyMore) {
  const std::string owner = Make("owner");
  Make("blocks", Owner("owner", owner, true));
  Patch("configmaps", "blocks", R"({"metadata":{"finalizers":["example.com/hold"]}})");
  Rest();
  Delete("configmaps", "owner", Propagation::kForeground);
  Rest();
  EXPECT_TRUE(Has("configmaps", "owner"));
  Patch("configmaps", "blocks", R"({"metadata":{"ownerReferences":null}})");
  Rest();
  EXPECT_FALSE(Has("configmaps", "owner"));
}

TEST_F(GcTest, OrphansStayAndForgetTheirOwner) {
  const std::string owner = Make("owner");
  const std::string other = Make("other");
  Make("a", Owner("owner", owner));
  Make("b", Owner("owner", owner, true) + "," + Owner("other", other));
  Rest();
  Delete("configmaps", "owner", Propagation::kOrphan);
  Rest();
  EXPECT_THAT(Maps(), UnorderedElementsAre("a", "b", "other"));
  EXPECT_EQ(Find("configmaps", "a")->owners.size(), 0U);
  ASSERT_EQ(Find("configmaps", "b")->owners.size(), 1U);
  EXPECT_EQ(Find("configmaps", "b")->owners[0].uid, other);
}

TEST_F(GcTest, WhatIsAdoptedAtTheLastMomentStays) {
  const std::string owner = Make("owner");
  const std::string saviour = Make("saviour");
  Make("adopted", Owner("owner", owner));
  Rest();
  interruption_.Arm("generic-garbage-collector", [this, saviour] {
    ChangeBehind("configmaps", "adopted", [&saviour](api::Json* object) {
      object->at("metadata")
          .at("ownerReferences")
          .as_array()
          .push_back(api::Literal(Owner("saviour", saviour)));
    });
  });
  Delete("configmaps", "owner");
  Rest();
  EXPECT_TRUE(interruption_.has_happened());
  ASSERT_TRUE(Has("configmaps", "adopted"));
  ASSERT_EQ(Find("configmaps", "adopted")->owners.size(), 1U);
  EXPECT_EQ(Find("configmaps", "adopted")->owners[0].uid, saviour);
}

TEST_F(GcTest, LooksAtEverythingWhenItStarts) {
  Close();
  is_on_ = false;
  Open();
  const std::string owner = Make("owner");
  const std::string going = Make("going");
  const std::string orphaning = Make("orphaning");
  Make("lost", Owner("owner", owner));
  Make("with-going", Owner("going", going, true));
  Make("with-orphaning", Owner("orphaning", orphaning));
  Delete("configmaps", "owner");
  Delete("configmaps", "going", Propagation::kForeground);
  Delete("configmaps", "orphaning", Propagation::kOrphan);
  Rest();
  EXPECT_EQ(Maps().size(), 5U);
  Close();
  is_on_ = true;
  Open();
  Rest();
  EXPECT_THAT(Maps(), ElementsAre("with-orphaning"));
}

TEST_F(GcTest, BothNamesOfASetMayOwn) {
  const api::Json set = Apply(
      R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"StatefulSet","metadata":{"name":"s"},)"
      R"("spec":{"replicas":0,"selector":{"matchLabels":{"a":"b"}},"template":)"
      R"({"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
  const std::string uid(api::StringAt(set, {"metadata", "uid"}));
  for (const char* kind : {"StatefulSet", "InplaceSet"}) {
    Make(fmt::format("of-{}", kind == std::string_view("InplaceSet") ? "i" : "s"),
         fmt::format(R"({{"apiVersion":"apps.kruise.io/v1alpha1","kind":"{}","name":"s",)"
                     R"("uid":"{}"}})",
                     kind, uid));
  }
  Rest();
  EXPECT_EQ(Maps().size(), 2U);
  Delete("inplacesets", "s", Propagation::kBackground);
  Rest();
  EXPECT_THAT(Maps(), IsEmpty());
}

}  // namespace
}  // namespace socle::gc
