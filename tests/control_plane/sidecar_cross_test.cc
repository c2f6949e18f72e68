// SidecarSets with the other parts of the plane: hollow nodes as kubelets, the scheduler, BroadcastJobs and
// InplaceSets (spec controllers 6.4, 7.6, 7.7 F12).
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/broadcastjob/controller.h"
#include "controllers/hollow/controller.h"
#include "controllers/inplaceset/controller.h"
#include "controllers/scheduler/controller.h"
#include "controllers/sidecarset/controller.h"
#include "controllers/sidecarset/injection_plugin.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::plane_testing {
namespace {

using api::Json;
using ::testing::ElementsAre;

constexpr int kNodes = 3;

class SidecarCrossTest : public PlaneFixture {
 protected:
  Admission MakeAdmission(registry::ObjectCache* cache) override {
    auto plugin =
        std::make_unique<sidecarset::InjectionPlugin>(&api::KindRegistry::Builtin(), clock());
    plugin->Attach(cache);
    Admission admission;
    admission.push_back(std::move(plugin));
    return admission;
  }

  Controllers StartControllers(runtime::Runtime* runtime) override {
    Controllers controllers;
    controllers.push_back(hollow::StartHollow(runtime, {.nodes = kNodes, .seed = 3}));
    controllers.push_back(scheduler::StartScheduler(runtime));
    controllers.push_back(sidecarset::StartSidecarSet(runtime));
    controllers.push_back(broadcastjob::StartBroadcastJob(runtime));
    controllers.push_back(inplaceset::StartInplaceSet(runtime));
    return controllers;
  }

  void SetUp() override {
    PlaneFixture::SetUp();
    ASSERT_TRUE(RunUntil([&] { return Count("nodes") == kNodes; }, 30));
  }

  void ApplySet(std::string_view image, std::string_view container_more = "",
                std::string_view spec_more = "") {
    Apply(fmt::format(R"({{"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
        "metadata": {{"name": "s"}}, "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}},
        "containers": [{{"name": "agent", "image": "{}"{}}}]{}}}}})",
                      image, container_more, spec_more));
  }

  void ApplyPods(int count) {
    for (int i = 0; i < count; ++i) {
      Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod",
          "metadata": {{"name": "p{}", "labels": {{"app": "web"}}}},
          "spec": {{"containers": [{{"name": "main", "image": "main:1"}}]}}}})",
                        i));
    }
  }

  // matched/updated/ready/updatedReady
  std::string Counts() {
    const Json set = Get("sidecarsets", "s");
    const auto count = [&](std::string_view field) {
      return api::IntAt(set, {"status", field}).value_or(-1);
    };
    return fmt::format("{}/{}/{}/{}", count("matchedPods"), count("updatedPods"),
                       count("readyPods"), count("updatedReadyPods"));
  }

  // `name image restarts`, of each container of the pod's status.
  std::vector<std::string> Running(std::string_view pod) {
    const Json document = Get("pods", pod);
    std::vector<std::string> running;
    const api::JsonArray* statuses = api::FindArray(document, {"status", "containerStatuses"});
    for (size_t i = 0; statuses != nullptr && i < statuses->size(); ++i) {
      const Json& status = (*statuses)[i];
      running.push_back(fmt::format("{} {} {}", api::StringAt(status, {"name"}),
                                    api::StringAt(status, {"image"}),
                                    api::IntAt(status, {"restartCount"}).value_or(-1)));
    }
    std::sort(running.begin(), running.end());
    return running;
  }

  int64_t StatusOf(std::string_view resource, std::string_view name, std::string_view field) {
    return api::IntAt(Get(resource, name), {"status", field}).value_or(0);
  }
};

TEST_F(SidecarCrossTest, HollowNodesRestartOnlyTheSidecarThatIsUpgraded) {  // E9
  ApplySet("agent:1");
  ApplyPods(3);
  ASSERT_TRUE(RunUntil([&] { return Counts() == "3/3/3/3"; }, 60)) << Counts();
  ApplySet("agent:2");
  ASSERT_TRUE(RunUntil(
      [&] {
        return Counts() == "3/3/3/3" && StatusOf("sidecarsets", "s", "observedGeneration") == 2;
      },
      120))
      << Counts();
  EXPECT_THAT(Running("p0"), ElementsAre("agent agent:2 1", "main main:1 0"));
}

TEST_F(SidecarCrossTest, AnImageThatCanNotBePulledStopsAtOnePod) {  // E10
  ApplySet("agent:1");
  ApplyPods(2);
  ASSERT_TRUE(RunUntil([&] { return Counts() == "2/2/2/2"; }, 60)) << Counts();
  ApplySet("agent:does-not-exist");
  Advance(300);
  EXPECT_EQ(Counts(), "2/1/1/0");
  ApplySet("agent:3");
  EXPECT_TRUE(RunUntil([&] { return Counts() == "2/2/2/2"; }, 600)) << Counts();
}

TEST_F(SidecarCrossTest, AHotUpgradeEndsInTheOtherContainer) {  // E17
  const char* hot = R"(, "upgradeStrategy": {"upgradeType": "HotUpgrade",
                                             "hotUpgradeEmptyImage": "empty:1"})";
  ApplySet("agent:1", hot);
  ApplyPods(1);
  ASSERT_TRUE(RunUntil([&] { return Counts() == "1/1/1/1"; }, 60)) << Counts();
  ApplySet("agent:2", hot);
  ASSERT_TRUE(RunUntil(
      [&] {
        return Running("p0") == std::vector<std::string>{"agent-1 empty:1 1", "agent-2 agent:2 1",
                                                         "main main:1 0"} &&
               Counts() == "1/1/1/1";
      },
      120))
      << ::testing::PrintToString(Running("p0")) << Counts();
}

TEST_F(SidecarCrossTest, ASetThatIsDeletedLeavesNothingOnHollowNodes) {  // E20, 4.10
  ApplySet("agent:1", "", R"(, "deletePolicy": "Remove")");
  ApplyPods(3);
  ASSERT_TRUE(RunUntil([&] { return Counts() == "3/3/3/3"; }, 60)) << Counts();
  Delete("sidecarsets", "s");
  ASSERT_TRUE(RunUntil([&] { return !Has("sidecarsets", "s"); }, 300))
      << ::testing::PrintToString(Running("p0")) << api::Dump(Get("sidecarsets", "s"));
  for (const char* pod : {"p0", "p1", "p2"}) {
    EXPECT_THAT(Running(pod), ElementsAre("main main:1 0"));
    EXPECT_EQ(api::StringAt(Get("pods", pod),
                            {"metadata", "annotations", "kruise.io/sidecarset-injected-list"}),
              "");
  }
}

TEST_F(SidecarCrossTest, ABroadcastJobWithASidecarCompletes) {  // F12
  ApplySet("agent:1",
           R"(, "env": [{"name": "KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT", "value": "true"}])");
  Apply(R"({"apiVersion": "apps.kruise.io/v1beta1", "kind": "BroadcastJob",
      "metadata": {"name": "j"}, "spec": {"template": {
        "metadata": {"labels": {"app": "web"},
                     "annotations": {"hollow.socle.dev/run-duration.main": "5s"}},
        "spec": {"restartPolicy": "Never",
                 "containers": [{"name": "main", "image": "main:1"}]}},
      "completionPolicy": {"type": "Always"}}})");
  ASSERT_TRUE(RunUntil([&] { return StatusOf("broadcastjobs", "j", "succeeded") == kNodes; }, 300))
      << api::Dump(Get("broadcastjobs", "j"))
      << api::Dump(List("pods").empty() ? Json() : List("pods")[0]);
  EXPECT_EQ(api::StringAt(Get("broadcastjobs", "j"), {"status", "phase"}), "completed");
}

TEST_F(SidecarCrossTest, AnInplaceSetAndASidecarSetRollOutTogether) {
  ApplySet("agent:1");
  const auto apply_workload = [&](std::string_view image) {
    Apply(fmt::format(R"({{"apiVersion": "apps.kruise.io/v1beta1", "kind": "InplaceSet",
        "metadata": {{"name": "w"}}, "spec": {{"replicas": 3, "serviceName": "w",
        "podManagementPolicy": "Parallel",
        "selector": {{"matchLabels": {{"app": "web"}}}},
        "updateStrategy": {{"rollingUpdate": {{"podUpdatePolicy": "InPlaceOnly"}}}},
        "template": {{"metadata": {{"labels": {{"app": "web"}}}},
          "spec": {{"readinessGates": [{{"conditionType": "InPlaceUpdateReady"}}],
                    "containers": [{{"name": "main", "image": "{}"}}]}}}}}}}})",
                      image));
  };
  apply_workload("main:1");
  ASSERT_TRUE(RunUntil([&] { return Counts() == "3/3/3/3"; }, 120)) << Counts();
  const std::string uid(api::StringAt(Get("pods", "w-0"), {"metadata", "uid"}));
  apply_workload("main:2");
  ApplySet("agent:2");
  ASSERT_TRUE(RunUntil(
      [&] {
        return Counts() == "3/3/3/3" && StatusOf("sidecarsets", "s", "observedGeneration") == 2 &&
               Running("w-0") == std::vector<std::string>{"agent agent:2 1", "main main:2 1"};
      },
      600))
      << Counts() << ::testing::PrintToString(Running("w-0"));
  EXPECT_TRUE(
      RunUntil([&] { return StatusOf("inplacesets", "w", "updatedReadyReplicas") == 3; }, 120))
      << api::Dump(Get("inplacesets", "w"));
  EXPECT_EQ(api::StringAt(Get("pods", "w-0"), {"metadata", "uid"}), uid);
}

}  // namespace
}  // namespace socle::plane_testing
