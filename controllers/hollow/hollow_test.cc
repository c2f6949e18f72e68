// Hollow nodes on a real store, registry and cache, with time in the hands of the test.
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/hollow/controller.h"
#include "controllers/testing/plane_fixture.h"
#include "kv/base/random.h"

namespace socle::hollow {
namespace {

using api::Json;
using plane_testing::Controllers;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class HollowTest : public plane_testing::PlaneFixture {
 protected:
  Controllers StartControllers(runtime::Runtime* runtime) override {
    Controllers controllers;
    controllers.push_back(StartHollow(runtime, options_));
    return controllers;
  }

  void SetUp() override {
    options_.nodes = 3;
    options_.seed = 5;
    PlaneFixture::SetUp();
    ASSERT_TRUE(RunUntil([&] { return Count("nodes") == 3; }, 10));
  }

  // A pod that is bound already.
  void CreatePod(std::string_view name, std::string_view more = "",
                 std::string_view image = "app:1", std::string_view annotations = "") {
    Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}",
        "annotations": {{{}}}}},
        "spec": {{"nodeName": "hollow-node-0", "containers": [{{"name": "a", "image": "{}"}}]{}}}}})",
                      name, annotations, image, more));
  }

  std::string PhaseOf(std::string_view pod) {
    return std::string(api::StringAt(Get("pods", pod), {"status", "phase"}));
  }

  std::string ReasonOf(std::string_view pod) {
    return std::string(api::StringAt(Get("pods", pod), {"status", "reason"}));
  }

  std::string WaitingOf(std::string_view pod) {
    const Json document = Get("pods", pod);
    const api::JsonArray* statuses = api::FindArray(document, {"status", "containerStatuses"});
    return statuses == nullptr
               ? ""
               : std::string(api::StringAt((*statuses)[0], {"state", "waiting", "reason"}));
  }

  bool IsReady(std::string_view resource, std::string_view name) {
    const Json document = Get(resource, name);
    const api::JsonArray* conditions = api::FindArray(document, {"status", "conditions"});
    for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
      if (api::StringAt((*conditions)[i], {"type"}) == "Ready") {
        return api::StringAt((*conditions)[i], {"status"}) == "True";
      }
    }
    return false;
  }

  int64_t RestartsOf(std::string_view pod) {
    const Json document = Get("pods", pod);
    const api::JsonArray* statuses = api::FindArray(document, {"status", "containerStatuses"});
    return statuses == nullptr ? -1 : api::IntAt((*statuses)[0], {"restartCount"}).value_or(-1);
  }

  std::string RenewTimeOf(std::string_view node) {
    return std::string(
        api::StringAt(Get("leases.coordination.k8s.io", fmt::format("kube-node-lease/{}", node)),
                      {"spec", "renewTime"}));
  }

  uint64_t Failures() { return controllers()->front()->stats().failures; }

  HollowOptions options_;
};

TEST_F(HollowTest, NodesAreRegisteredReadyAndDistinct) {
  std::set<std::string> addresses;
  for (const Json& node : List("nodes")) {
    EXPECT_TRUE(IsReady("nodes", api::StringAt(node, {"metadata", "name"})));
    addresses.emplace(api::StringAt(node.at("status").at("addresses").at(0), {"address"}));
    addresses.emplace(api::StringAt(node, {"spec", "podCIDR"}));
  }
  EXPECT_EQ(addresses.size(), 6U);
  EXPECT_THAT(Names("nodes", "socle.dev/hollow=true"),
              ElementsAre("hollow-node-0", "hollow-node-1", "hollow-node-2"));
}

TEST_F(HollowTest, LeasesAreRenewedEveryTenSecondsAndSurviveARestart) {
  ASSERT_TRUE(RunUntil([&] { return !RenewTimeOf("hollow-node-0").empty(); }, 10));
  Advance(10);
  const std::string before = RenewTimeOf("hollow-node-0");
  Advance(10);
  EXPECT_GT(RenewTimeOf("hollow-node-0"), before);
  Close();
  clock()->Advance(100 * kNanosPerSecond);
  Open();
  Settle();
  const std::string after = RenewTimeOf("hollow-node-0");
  EXPECT_GT(after, before) << "at once";
  EXPECT_EQ(Count("nodes"), 3U);
  EXPECT_EQ(Failures(), 0U);
}

TEST_F(HollowTest, NodeStatusIsSentEveryFiveMinutesOnly) {
  Advance(300);  // the first comes within the period
  const int64_t before = Find("nodes", "hollow-node-1")->mod_revision;
  Advance(299);
  const int64_t then = Find("nodes", "hollow-node-1")->mod_revision;
  Advance(301);
  EXPECT_GT(Find("nodes", "hollow-node-1")->mod_revision, then);
  EXPECT_LE(before, then);
}

TEST_F(HollowTest, APodRunsAndIsReadyAfterThreeWrites) {
  std::set<int64_t> revisions;
  const registry::Observation observed = cache()->Observe(
      Served("pods")->kind,
      [&](const registry::ChangeRef& change) { revisions.insert(change->revision); });
  CreatePod("p");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 5));
  EXPECT_EQ(revisions.size(), 1U + 3U) << "its creation, and three writes";
  const Json pod = Get("pods", "p");
  EXPECT_EQ(PhaseOf("p"), "Running");
  EXPECT_TRUE(api::StringAt(pod, {"status", "podIP"}).starts_with("10.0.0."));
  EXPECT_THAT(std::string(api::StringAt(
                  pod, {"metadata", "annotations", "apps.kruise.io/runtime-containers-meta"})),
              HasSubstr("plainHash"));
  Advance(60);
  EXPECT_EQ(revisions.size(), 1U + 3U) << "nothing is written without need";
}

TEST_F(HollowTest, PodsOfOtherNodesAreLeftAlone) {
  Apply(R"({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "real"}})");
  Apply(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec":
      {"nodeName": "real", "containers": [{"name": "a", "image": "app:1"}]}})");
  Advance(60);
  EXPECT_EQ(PhaseOf("p"), "Pending");
  EXPECT_FALSE(IsReady("nodes", "real"));
}

TEST_F(HollowTest, ANodeWithTheLabelIsAdoptedWithItsPods) {
  Apply(R"({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "mine"},
      "status": {"capacity": {"cpu": "2", "memory": "1Gi", "pods": "5"}}})");
  Apply(R"({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec":
      {"nodeName": "mine", "containers": [{"name": "a", "image": "app:1"}]}})");
  Patch("nodes", "mine", R"({"metadata": {"labels": {"socle.dev/hollow": "true"}}})");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p") && IsReady("nodes", "mine"); }, 10));
  EXPECT_EQ(api::StringAt(Get("nodes", "mine"), {"status", "allocatable", "cpu"}), "2");
  EXPECT_FALSE(RenewTimeOf("mine").empty());
}

TEST_F(HollowTest, PodsHaveAddressesOfTheirOwnAndReuseThem) {
  std::set<std::string> addresses;
  for (int i = 0; i < 20; ++i) {
    CreatePod(fmt::format("p{}", i));
  }
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p19") && IsReady("pods", "p0"); }, 10));
  for (const Json& pod : List("pods")) {
    addresses.emplace(api::StringAt(pod, {"status", "podIP"}));
  }
  EXPECT_EQ(addresses.size(), 20U);
  const std::string freed(api::StringAt(Get("pods", "p3"), {"status", "podIP"}));
  Delete("pods", "p3");
  ASSERT_TRUE(RunUntil([&] { return !Has("pods", "p3"); }, 10));
  Restart();
  CreatePod("q");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "q"); }, 10));
  EXPECT_EQ(api::StringAt(Get("pods", "q"), {"status", "podIP"}), freed);
}

TEST_F(HollowTest, DeletionIsConfirmedWithinGrace) {
  CreatePod("p", "", "app:1", R"("hollow.socle.dev/termination-delay": "5s")");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  Delete("pods", "p");
  Advance(4);
  EXPECT_TRUE(Has("pods", "p"));
  ASSERT_TRUE(RunUntil([&] { return !Has("pods", "p"); }, 2));
}

TEST_F(HollowTest, APodWithAFinalizerIsReportedStoppedAndGoesWithIt) {
  CreatePod("p");
  Patch("pods", "p", R"({"metadata": {"finalizers": ["example.com/hold"]}})");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  Delete("pods", "p");
  ASSERT_TRUE(RunUntil([&] { return PhaseOf("p") == "Succeeded"; }, 10));
  Advance(60);
  ASSERT_TRUE(Has("pods", "p"));
  Patch("pods", "p", R"({"metadata": {"finalizers": null}})");
  EXPECT_TRUE(RunUntil([&] { return !Has("pods", "p"); }, 10));
}

TEST_F(HollowTest, AnImageChangesInPlace) {
  CreatePod("p");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  const Json before = Get("pods", "p");
  Patch("pods", "p", R"({"spec": {"containers": [{"name": "a", "image": "app:2"}]}})");
  ASSERT_TRUE(RunUntil([&] { return RestartsOf("p") == 1; }, 10));
  EXPECT_FALSE(IsReady("pods", "p"));
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  const Json after = Get("pods", "p");
  EXPECT_EQ(api::StringAt(after, {"metadata", "uid"}), api::StringAt(before, {"metadata", "uid"}));
  EXPECT_EQ(api::StringAt(after, {"status", "podIP"}), api::StringAt(before, {"status", "podIP"}));
  const auto id = [](const Json& pod) {
    return api::StringAt(pod.at("status").at("containerStatuses").at(0), {"imageID"});
  };
  EXPECT_NE(id(after), id(before));
  EXPECT_EQ(Failures(), 0U);
}

TEST_F(HollowTest, ABadImageStaysInBackOffAndSaysSo) {
  CreatePod("p", "", "app:does-not-exist");
  ASSERT_TRUE(RunUntil([&] { return WaitingOf("p") == "ImagePullBackOff"; }, 10));
  Settle();
  EXPECT_THAT(EventsAbout("p"), Contains(HasSubstr("Failed to pull image")));
  Advance(600);
  EXPECT_EQ(WaitingOf("p"), "ImagePullBackOff");
  Patch("pods", "p", R"({"spec": {"containers": [{"name": "a", "image": "app:2"}]}})");
  EXPECT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
}

TEST_F(HollowTest, PodsThatDontFitAreRefused) {
  struct Case {
    const char* name;
    const char* more;
    const char* reason;
  };

  const Case cases[] = {
      {"cpu", R"({"requests": {"cpu": "33"}})", "OutOfcpu"},
      {"memory", R"({"requests": {"memory": "257Gi"}})", "OutOfmemory"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}"}}, "spec":
        {{"nodeName": "hollow-node-0", "containers": [{{"name": "a", "image": "app:1",
        "resources": {}}}]}}}})",
                      c.name, c.more));
    ASSERT_TRUE(RunUntil([&] { return PhaseOf(c.name) == "Failed"; }, 10));
    EXPECT_EQ(ReasonOf(c.name), c.reason);
  }
  CreatePod("affinity", R"(, "nodeSelector": {"disk": "ssd"})");
  ASSERT_TRUE(RunUntil([&] { return PhaseOf("affinity") == "Failed"; }, 10));
  EXPECT_EQ(ReasonOf("affinity"), "NodeAffinity");
}

TEST_F(HollowTest, WhatAPodHeldIsFreeWhenItIsGone) {
  const auto create = [&](std::string_view name) {
    Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}"}}, "spec":
        {{"nodeName": "hollow-node-0", "containers": [{{"name": "a", "image": "app:1",
        "resources": {{"requests": {{"cpu": "20"}}}}}}]}}}})",
                      name));
  };
  create("a");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "a"); }, 10));
  create("b");
  ASSERT_TRUE(RunUntil([&] { return ReasonOf("b") == "OutOfcpu"; }, 10));
  Delete("pods", "a");
  ASSERT_TRUE(RunUntil([&] { return !Has("pods", "a"); }, 10));
  create("c");
  EXPECT_TRUE(RunUntil([&] { return IsReady("pods", "c"); }, 10));
}

TEST_F(HollowTest, ThePlaneMayRestartAtAnyMoment) {
  CreatePod("run");
  CreatePod("once", R"(, "restartPolicy": "Never")", "app:1",
            R"("hollow.socle.dev/run-duration": "20s")");
  for (int i = 0; i < 12; ++i) {
    clock()->Advance(150 * kNanosPerMilli);
    Restart();
  }
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "run") && IsReady("pods", "once"); }, 10));
  EXPECT_EQ(RestartsOf("run"), 0);
  Patch("pods", "run", R"({"spec": {"containers": [{"name": "a", "image": "app:2"}]}})");
  Restart();
  ASSERT_TRUE(RunUntil([&] { return RestartsOf("run") == 1; }, 10));
  ASSERT_TRUE(RunUntil([&] { return PhaseOf("once") == "Succeeded"; }, 30));
  Delete("pods", "run");
  Restart();
  EXPECT_TRUE(RunUntil([&] { return !Has("pods", "run"); }, 10));
}

TEST_F(HollowTest, ASilentNodeIsNotHeardOfAndComesBack) {
  CreatePod("p");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  Patch("nodes", "hollow-node-0",
        R"({"metadata": {"annotations": {"hollow.socle.dev/lease-silence": "true"}}})");
  Settle();
  const std::string renewed = RenewTimeOf("hollow-node-0");
  Patch("pods", "p", R"({"spec": {"containers": [{"name": "a", "image": "app:2"}]}})");
  Advance(60);
  EXPECT_EQ(RenewTimeOf("hollow-node-0"), renewed);
  EXPECT_EQ(RestartsOf("p"), 0);
  Patch("nodes", "hollow-node-0",
        R"({"metadata": {"annotations": {"hollow.socle.dev/lease-silence": null}}})");
  ASSERT_TRUE(RunUntil([&] { return RestartsOf("p") == 1 && IsReady("pods", "p"); }, 10));
  EXPECT_GT(RenewTimeOf("hollow-node-0"), renewed);
}

TEST_F(HollowTest, ACrashedNodeDoesNothingAndStartsItsPodsAgain) {
  CreatePod("p");
  CreatePod("q");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p") && IsReady("pods", "q"); }, 10));
  Patch("nodes", "hollow-node-0",
        R"({"metadata": {"annotations": {"hollow.socle.dev/crash": "true"}}})");
  Settle();
  Delete("pods", "q");
  Advance(60);
  EXPECT_TRUE(Has("pods", "q"));
  EXPECT_EQ(RestartsOf("p"), 0);
  Patch("nodes", "hollow-node-0",
        R"({"metadata": {"annotations": {"hollow.socle.dev/crash": null}}})");
  ASSERT_TRUE(RunUntil([&] { return !Has("pods", "q") && RestartsOf("p") == 1; }, 10));
  EXPECT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
}

TEST_F(HollowTest, AStatusThatSomebodyTurnedIsTurnedBack) {
  CreatePod("p");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  PatchStatus("nodes", "hollow-node-0",
              R"({"conditions": [{"type": "Ready", "status": "Unknown"}]})");
  PatchStatus("pods", "p", R"({"conditions": [{"type": "Ready", "status": "False"},
                                              {"type": "Own", "status": "True"}]})");
  ASSERT_TRUE(
      RunUntil([&] { return IsReady("pods", "p") && IsReady("nodes", "hollow-node-0"); }, 10));
  const Json pod = Get("pods", "p");
  bool has_own = false;
  for (const Json& condition : pod.at("status").at("conditions").as_array()) {
    has_own = has_own || api::StringAt(condition, {"type"}) == "Own";
  }
  EXPECT_TRUE(has_own) << "conditions of others stay";
}

TEST_F(HollowTest, ADeletedNodeIsForgottenAndItsPodsToo) {
  CreatePod("p");
  ASSERT_TRUE(RunUntil([&] { return IsReady("pods", "p"); }, 10));
  Delete("nodes", "hollow-node-0");
  Advance(30);
  EXPECT_EQ(Count("nodes"), 2U);
  EXPECT_TRUE(Has("pods", "p")) << "who cleans up is another";
  Restart();
  ASSERT_TRUE(RunUntil([&] { return Count("nodes") == 3; }, 10)) << "a new process registers it";
}

// Changes come while own writes are under way, and are handed out together with their echo.
TEST_F(HollowTest, NoChangeIsLostAmongOwnWrites) {
  constexpr int kPods = 20;
  for (int i = 0; i < kPods; ++i) {
    CreatePod(fmt::format("p{}", i));
  }
  Random random(11);
  std::vector<std::string> images(kPods, "app:1");
  for (int step = 0; step < 400; ++step) {
    const auto i = static_cast<size_t>(random.Below(kPods));
    images[i] = fmt::format("app:{}", random.Below(5));
    Patch("pods", fmt::format("p{}", i),
          fmt::format(R"({{"spec": {{"containers": [{{"name": "a", "image": "{}"}}]}}}})",
                      images[i]));
    clock()->Advance(static_cast<int64_t>(random.Below(60)) * kNanosPerMilli);
    timers()->RunDue();
  }
  const auto is_settled = [&] {
    for (size_t i = 0; i < kPods; ++i) {
      const Json pod = Get("pods", fmt::format("p{}", i));
      const api::JsonArray* statuses = api::FindArray(pod, {"status", "containerStatuses"});
      if (statuses == nullptr || api::StringAt((*statuses)[0], {"image"}) != images[i] ||
          !api::BoolAt((*statuses)[0], {"ready"})) {
        return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(RunUntil(is_settled, 10));
  EXPECT_EQ(Failures(), 0U);
}

TEST_F(HollowTest, ManyPodsCostThreeWritesEachAndComeToRest) {
  constexpr int kPods = 300;
  for (int i = 0; i < kPods; ++i) {
    Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "p{}"}}, "spec":
        {{"nodeName": "hollow-node-{}", "containers": [{{"name": "a", "image": "app:1"}}]}}}})",
                      i, i % 3));
  }
  const auto before = store()->CurrentRevision();
  ASSERT_OK(before);
  const auto all_ready = [&] {
    for (const Json& pod : List("pods")) {
      if (!IsReady("pods", api::StringAt(pod, {"metadata", "name"}))) {
        return false;
      }
    }
    return true;
  };
  ASSERT_TRUE(RunUntil(all_ready, 20));
  const auto after = store()->CurrentRevision();
  ASSERT_OK(after);
  EXPECT_LE(*after - *before, 3 * kPods + 20) << "leases apart";
  EXPECT_EQ(Failures(), 0U);
}

}  // namespace
}  // namespace socle::hollow
