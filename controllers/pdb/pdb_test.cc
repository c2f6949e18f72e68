#include <string>
#include <utility>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/timestamp.h"
#include "controllers/pdb/controller.h"
#include "controllers/testing/interruption.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::pdb {
namespace {

using registry::Reason;

class PdbTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Admission MakeAdmission(registry::ObjectCache*) override {
    plane_testing::Admission admission;
    admission.push_back(interruption_.MakePlugin());
    return admission;
  }

  plane_testing::Controllers StartControllers(runtime::Runtime* on) override {
    plane_testing::Controllers controllers;
    controllers.push_back(StartPdb(on));
    return controllers;
  }

  void MakeBudget(std::string_view spec) {
    Apply(fmt::format(R"({{"apiVersion":"policy/v1","kind":"PodDisruptionBudget",)"
                      R"("metadata":{{"name":"b"}},"spec":{{{},)"
                      R"("selector":{{"matchLabels":{{"app":"web"}}}}}}}})",
                      spec));
  }

  void MakePod(std::string_view name, bool is_ready = true, std::string_view app = "web",
               std::string_view owners = "") {
    Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}","labels":{{"app":"{}"}},)"
        R"("ownerReferences":[{}]}},"spec":{{"nodeName":"n","containers":[)"
        R"({{"name":"c","image":"i"}}]}}}})",
        name, app, owners));
    SetReady(name, is_ready);
  }

  void SetReady(std::string_view name, bool is_ready) {
    PatchStatus("pods", name,
                fmt::format(R"({{"phase":"Running","conditions":[{{"type":"Ready",)"
                            R"("status":"{}"}}]}})",
                            is_ready ? "True" : "False"));
  }

  // healthy/desired/expected/allowed
  std::string Status() {
    const api::Json budget = Get("poddisruptionbudgets", "b");
    const auto at = [&budget](std::string_view member) {
      return api::IntAt(budget, {"status", member}).value_or(-1);
    };
    EXPECT_EQ(at("observedGeneration"), api::IntAt(budget, {"metadata", "generation"}));
    return fmt::format("{}/{}/{}/{}", at("currentHealthy"), at("desiredHealthy"),
                       at("expectedPods"), at("disruptionsAllowed"));
  }

  size_t Disrupted() {
    const api::Json budget = Get("poddisruptionbudgets", "b");
    const api::JsonObject* disrupted = api::FindObject(budget, {"status", "disruptedPods"});
    return disrupted == nullptr ? 0 : disrupted->size();
  }

  absl::Status Evict(std::string_view name) {
    return registry()
        ->Evict(registry::PlaneContext("test"), TargetOf("pods", name), api::JsonObject())
        .status();
  }

  // More than the controller waits between two looks.
  void Rest() { Advance(1); }

  plane_testing::Interruption interruption_;
};

TEST_F(PdbTest, CountsThePodsItCovers) {
  MakePod("a");
  MakePod("b", false);
  MakePod("other", true, "db");
  MakeBudget(R"("minAvailable":1)");
  Rest();
  EXPECT_EQ(Status(), "1/1/2/0");
  SetReady("b", true);
  Rest();
  EXPECT_EQ(Status(), "2/1/2/1");
  MakePod("c");
  Rest();
  EXPECT_EQ(Status(), "3/1/3/2");
  Patch("pods", "c", R"({"metadata":{"labels":{"app":"db"}}})");
  Rest();
  EXPECT_EQ(Status(), "2/1/2/1");
  Patch("poddisruptionbudgets", "b", R"({"spec":{"minAvailable":"100%"}})");
  Rest();
  EXPECT_EQ(Status(), "2/2/2/0");
  Delete("pods", "a", registry::Propagation::kDefault, 0);
  Rest();
  EXPECT_EQ(Status(), "1/1/1/0");
}

TEST_F(PdbTest, AShareIsOfWhatTheControllersWant) {
  const api::Json set = Apply(
      R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{"name":"s"},)"
      R"("spec":{"replicas":10,"selector":{"matchLabels":{"app":"web"}},"template":)"
      R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}})");
  const std::string owner = fmt::format(
      R"({{"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","name":"s","uid":"{}",)"
      R"("controller":true}})",
      api::StringAt(set, {"metadata", "uid"}));
  for (int i = 0; i < 4; ++i) {
    MakePod(fmt::format("s-{}", i), true, "web", owner);
  }
  MakeBudget(R"("maxUnavailable":"70%")");
  Rest();
  EXPECT_EQ(Status(), "4/3/10/1");
  Scale("inplacesets", "s", 20);
  Rest();
  EXPECT_EQ(Status(), "4/6/20/0");
}

TEST_F(PdbTest, EvictionsAreGrantedUntilTheBudgetIsUsedUp) {
  for (const char* name : {"a", "b", "c"}) {
    MakePod(name);
  }
  MakeBudget(R"("maxUnavailable":1)");
  Rest();
  EXPECT_EQ(Status(), "3/2/3/1");
  EXPECT_OK(Evict("a"));
  EXPECT_EQ(registry::ReasonOf(Evict("b")), Reason::kTooManyRequests);
  Rest();
  EXPECT_EQ(registry::ReasonOf(Evict("b")), Reason::kTooManyRequests);
  EXPECT_EQ(Disrupted(), 0U);  // It is going: its deletion counts now.
  EXPECT_EQ(Status(), "2/2/3/0");
  Delete("pods", "a", registry::Propagation::kDefault, 0);
  MakePod("a2");
  Rest();
  EXPECT_EQ(Status(), "3/2/3/1");
  EXPECT_OK(Evict("b"));
}

TEST_F(PdbTest, AnEvictionThatDoesNotComeIsGivenUpAfterTwoMinutes) {
  MakePod("a");
  MakePod("b");
  MakeBudget(R"("minAvailable":1)");
  Rest();
  PatchStatus("poddisruptionbudgets", "b",
              fmt::format(R"({{"disruptionsAllowed":0,"disruptedPods":{{"a":"{}"}}}})",
                          api::FormatTime(clock()->WallNanos())));
  Rest();
  EXPECT_EQ(Status(), "1/1/2/0");
  EXPECT_EQ(Disrupted(), 1U);
  Restart();
  Advance(110);
  EXPECT_EQ(Status(), "1/1/2/0");
  Advance(20);
  EXPECT_EQ(Status(), "2/1/2/1");
  EXPECT_EQ(Disrupted(), 0U);
}

TEST_F(PdbTest, AGrantIsNotOverwrittenByAStatusThatDidNotKnowOfIt) {
  for (const char* name : {"a", "b", "c"}) {
    MakePod(name);
  }
  MakeBudget(R"("minAvailable":1)");
  Rest();
  EXPECT_EQ(Status(), "3/1/3/2");
  interruption_.Arm("disruption-controller", [this] {
    ChangeBehind("poddisruptionbudgets", "b", [now = clock()->WallNanos()](api::Json* budget) {
      api::Set(&api::EnsureObject(budget, {"status", "disruptedPods"}), "a",
               api::Json(api::JsonView(api::FormatTime(now))));
    });
  });
  MakePod("d");
  Rest();
  EXPECT_TRUE(interruption_.has_happened());
  EXPECT_EQ(Disrupted(), 1U);
  EXPECT_EQ(Status(), "3/1/4/2");
}

TEST_F(PdbTest, NothingIsWrittenWhenNothingChanges) {
  MakePod("a");
  MakeBudget(R"("minAvailable":1)");
  Rest();
  const int64_t before = Find("poddisruptionbudgets", "b")->mod_revision;
  SetReady("a", true);
  Patch("pods", "a", R"({"metadata":{"annotations":{"x":"y"}}})");
  Rest();
  Restart();
  Rest();
  EXPECT_EQ(Find("poddisruptionbudgets", "b")->mod_revision, before);
}

}  // namespace
}  // namespace socle::pdb
