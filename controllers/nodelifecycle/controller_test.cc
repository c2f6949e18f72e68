#include "controllers/nodelifecycle/controller.h"

#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "controllers/api/timestamp.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::nodelifecycle {
namespace {

using plane_testing::Controllers;

class NodeLifecycleTest : public plane_testing::PlaneFixture {
 protected:
  Controllers StartControllers(runtime::Runtime* runtime) override {
    Controllers controllers;
    controllers.push_back(StartNodeLifecycle(runtime));
    return controllers;
  }

  void AddNode(const std::string& name) {
    Apply(fmt::format(R"({{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{}"}}}})", name));
    PatchStatus("nodes", name, R"({"conditions":[{"type":"Ready","status":"True"}]})");
    Renew(name);
  }

  void Renew(const std::string& name) {
    Apply(fmt::format(R"({{"apiVersion":"coordination.k8s.io/v1","kind":"Lease",)"
                      R"("metadata":{{"name":"{}","namespace":"kube-node-lease"}},)"
                      R"("spec":{{"holderIdentity":"{}","renewTime":"{}"}}}})",
                      name, name, api::FormatMicroTime(clock()->WallNanos())));
  }

  void AddPod(const std::string& name, const std::string& node, const std::string& more = "") {
    Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}"}},"spec":{{"nodeName":"{}",)"
        R"("terminationGracePeriodSeconds":0,{}"containers":[{{"name":"a","image":"a"}}]}}}})",
        name, node, more));
  }

  std::string ReadyOf(const std::string& node) {
    const api::Json document = Get("nodes", node);
    for (const api::Json& condition : *api::FindArray(document, {"status", "conditions"})) {
      if (api::StringAt(condition, {"type"}) == "Ready") {
        return std::string(api::StringAt(condition, {"status"}));
      }
    }
    return "";
  }

  bool HasTaint(const std::string& node, std::string_view key) {
    const api::Json document = Get("nodes", node);
    const api::JsonArray* taints = api::FindArray(document, {"spec", "taints"});
    for (size_t i = 0; taints != nullptr && i < taints->size(); ++i) {
      if (api::StringAt((*taints)[i], {"key"}) == key) {
        return true;
      }
    }
    return false;
  }
};

TEST_F(NodeLifecycleTest, NodeThatRenewsItsLeaseStaysReady) {
  AddNode("n");
  for (int i = 0; i < 12; ++i) {
    Advance(10);
    Renew("n");
  }
  EXPECT_EQ(ReadyOf("n"), "True");
  EXPECT_FALSE(HasTaint("n", "node.kubernetes.io/unreachable"));
}

TEST_F(NodeLifecycleTest, SilentNodeIsUnreachableAfterItsGraceAndBackWhenItSpeaks) {
  AddNode("a");
  AddNode("b");
  AddNode("c");
  Settle();
  int64_t waited = 0;
  while (ReadyOf("a") == "True" && waited < 60) {
    Advance(1);
    ++waited;
    if (waited % 10 == 0) {
      Renew("b");
      Renew("c");
    }
  }
  EXPECT_GE(waited, 39);
  EXPECT_LE(waited, 45);
  EXPECT_TRUE(HasTaint("a", "node.kubernetes.io/unreachable"));
  EXPECT_EQ(ReadyOf("b"), "True");

  Renew("a");
  PatchStatus("nodes", "a", R"({"conditions":[{"type":"Ready","status":"True"}]})");
  EXPECT_TRUE(RunUntil([&] { return !HasTaint("a", "node.kubernetes.io/unreachable"); }, 5));
}

TEST_F(NodeLifecycleTest, PodsLeaveWhenTheirTolerationRunsOut) {
  for (const char* node : {"a", "b", "c"}) {
    AddNode(node);
  }
  AddPod("default-300", "a");
  AddPod("short", "a",
         R"("tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists",)"
         R"("effect":"NoExecute","tolerationSeconds":5}],)");
  AddPod("forever", "a", R"("tolerations":[{"operator":"Exists"}],)");
  const auto live = [&](int seconds) {
    for (int i = 0; i < seconds; i += 5) {
      Advance(5);
      Renew("b");
      Renew("c");
    }
  };
  live(45);
  EXPECT_TRUE(Has("pods", "default-300"));
  live(10);
  EXPECT_FALSE(Has("pods", "short"));
  EXPECT_TRUE(Has("pods", "default-300"));
  live(310);
  EXPECT_FALSE(Has("pods", "default-300"));
  EXPECT_TRUE(Has("pods", "forever"));
}

TEST_F(NodeLifecycleTest, TolerationsOfATaintThatSomebodySetRunOutOnceAlsoAcrossARestart) {
  AddNode("a");
  AddPod("p", "a",
         R"("tolerations":[{"key":"own","operator":"Exists","effect":"NoExecute",)"
         R"("tolerationSeconds":60}],)");
  AddPod("q", "a", "");
  Patch("nodes", "a", R"({"spec":{"taints":[{"key":"own","effect":"NoExecute"}]}})");
  const auto live = [&](int seconds) {
    for (int i = 0; i < seconds; i += 5) {
      Renew("a");
      Advance(5);
    }
  };
  live(30);
  EXPECT_FALSE(Has("pods", "q"));
  Restart();
  live(25);
  EXPECT_TRUE(Has("pods", "p"));
  live(10);
  EXPECT_FALSE(Has("pods", "p"));
}

TEST_F(NodeLifecycleTest, NobodyIsEvictedWhenMostNodesAreSilent) {
  for (const char* node : {"a", "b", "c"}) {
    AddNode(node);
    AddPod(std::string("on-") + node, node);
  }
  Advance(1000);
  EXPECT_EQ(ReadyOf("a"), "Unknown");
  EXPECT_EQ(Count("pods"), 3U);
}

TEST_F(NodeLifecycleTest, PodsOfADeletedNodeGo) {
  AddNode("a");
  AddPod("p", "a");
  Settle();
  Delete("nodes", "a");
  EXPECT_TRUE(RunUntil([&] { return !Has("pods", "p"); }, 5));
}

TEST_F(NodeLifecycleTest, CordonIsMirroredByATaint) {
  AddNode("a");
  Patch("nodes", "a", R"({"spec":{"unschedulable":true}})");
  EXPECT_TRUE(RunUntil([&] { return HasTaint("a", "node.kubernetes.io/unschedulable"); }, 5));
  Patch("nodes", "a", R"({"spec":{"unschedulable":null}})");
  EXPECT_TRUE(RunUntil([&] { return !HasTaint("a", "node.kubernetes.io/unschedulable"); }, 5));
}

TEST_F(NodeLifecycleTest, RestartCondemnsNobody) {
  AddNode("a");
  Settle();
  Close();
  clock()->Advance(3600 * kNanosPerSecond);
  Open();
  Settle();
  EXPECT_EQ(ReadyOf("a"), "True");
  EXPECT_TRUE(RunUntil([&] { return ReadyOf("a") == "Unknown"; }, 60));
}

TEST_F(NodeLifecycleTest, ReadyPodsOfALostNodeAreNotReady) {
  for (const char* node : {"a", "b", "c"}) {
    AddNode(node);
  }
  AddPod("p", "a");
  PatchStatus("pods", "p", R"({"conditions":[{"type":"Ready","status":"True"}]})");
  Advance(60);
  const api::Json pod = Get("pods", "p");
  EXPECT_EQ(api::StringAt((*api::FindArray(pod, {"status", "conditions"}))[0], {"status"}),
            "False");
}

}  // namespace
}  // namespace socle::nodelifecycle
