// Nodes that fall silent, with hollow nodes and the node lifecycle in one plane (spec controllers 11, T21).
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/hollow/controller.h"
#include "controllers/nodelifecycle/controller.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::plane {
namespace {

using api::Json;

constexpr int kNodes = 30;
constexpr int kLost = 10;

class NodeLossTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(runtime::Runtime* runtime) override {
    plane_testing::Controllers controllers;
    controllers.push_back(hollow::StartHollow(runtime, {.nodes = kNodes, .seed = 3}));
    controllers.push_back(nodelifecycle::StartNodeLifecycle(runtime));
    return controllers;
  }

  void SetUp() override {
    set_step_nanos(100 * kNanosPerMilli);
    PlaneFixture::SetUp();
    ASSERT_TRUE(RunUntil([&] { return Count("nodes") == kNodes; }, 10));
    for (int i = 0; i < kNodes; ++i) {
      Apply(fmt::format(R"({{"apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "p{}"}},
          "spec": {{"nodeName": "hollow-node-{}", "containers": [{{"name": "a", "image": "i:1"}}]}}}})",
                        i, i));
    }
    ASSERT_TRUE(RunUntil([&] { return ReadyPods() == kNodes; }, 20));
  }

  void Silence(bool is_silent) {
    for (int i = 0; i < kLost; ++i) {
      Patch("nodes", fmt::format("hollow-node-{}", i),
            fmt::format(
                R"({{"metadata": {{"annotations": {{"hollow.socle.dev/lease-silence": {}}}}}}})",
                is_silent ? R"("true")" : "null"));
    }
  }

  static bool IsReady(const Json& object) {
    const api::JsonArray* conditions = api::FindArray(object, {"status", "conditions"});
    for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
      if (api::StringAt((*conditions)[i], {"type"}) == "Ready") {
        return api::StringAt((*conditions)[i], {"status"}) == "True";
      }
    }
    return false;
  }

  int ReadyPods() {
    int ready = 0;
    for (const Json& pod : List("pods")) {
      ready += IsReady(pod) ? 1 : 0;
    }
    return ready;
  }

  int TaintedNodes() {
    int tainted = 0;
    for (const Json& node : List("nodes")) {
      const api::JsonArray* taints = api::FindArray(node, {"spec", "taints"});
      tainted += taints != nullptr && !taints->empty() ? 1 : 0;
    }
    return tainted;
  }
};

TEST_F(NodeLossTest, SilentNodesAreTaintedInTimeAndTheirPodsLeaveWhenTolerationEnds) {
  Advance(30);
  EXPECT_EQ(TaintedNodes(), 0);
  Silence(true);
  Advance(29);
  EXPECT_EQ(TaintedNodes(), 0) << "leases were renewed at most ten seconds before";
  Advance(16);
  EXPECT_EQ(TaintedNodes(), kLost);
  EXPECT_EQ(ReadyPods(), kNodes - kLost);
  EXPECT_EQ(Count("pods"), static_cast<size_t>(kNodes));
  Advance(280);
  EXPECT_EQ(Count("pods"), static_cast<size_t>(kNodes));
  EXPECT_TRUE(RunUntil([&] { return Count("pods") == static_cast<size_t>(kNodes - kLost); }, 25));
}

TEST_F(NodeLossTest, NodesThatSpeakAgainAreFreedAndTheirPodsReady) {
  Silence(true);
  ASSERT_TRUE(RunUntil([&] { return TaintedNodes() == kLost; }, 45));
  Silence(false);
  EXPECT_TRUE(RunUntil([&] { return TaintedNodes() == 0 && ReadyPods() == kNodes; }, 15));
  Advance(400);
  EXPECT_EQ(Count("pods"), static_cast<size_t>(kNodes)) << "nobody is evicted any more";
}

}  // namespace
}  // namespace socle::plane
