#include "controllers/scheduler/engine.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/scheduler/testing/stored_objects.h"
#include "kv/base/clock.h"

namespace socle::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kSecond = kNanosPerSecond;

constexpr std::string_view kApart =
    R"("affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
       {"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"kubernetes.io/hostname"}]}})";

class EngineTest : public ::testing::Test {
 protected:
  // The nodes that pods get until nothing is active; "" for a pod that gets none.
  std::vector<std::string> Drain(int64_t now = 0) {
    std::vector<std::string> nodes;
    while (std::optional<Decision> decision = engine_.Next(now)) {
      nodes.push_back(decision->node);
      message_ = decision->message;
    }
    engine_.cache().CheckInvariants();
    return nodes;
  }

  StoredObjects make_;
  Engine engine_{EngineOptions()};
  std::string message_;
};

TEST_F(EngineTest, GivesAPodTheNodeWithMostLeft) {
  engine_.NodeChanged(*make_.Node("small", R"({"cpu":"1","memory":"1Gi","pods":"9"})"));
  engine_.NodeChanged(*make_.Node("big", R"({"cpu":"64","memory":"64Gi","pods":"9"})"));
  engine_.PodChanged(make_.Pod("a"));
  EXPECT_THAT(Drain(), ElementsAre("big"));
}

TEST_F(EngineTest, LeavesAloneWhatIsNotItsOwn) {
  engine_.NodeChanged(*make_.Node("n"));
  engine_.PodChanged(make_.Pod("gated", {.spec = R"("schedulingGates":[{"name":"wait"}])"}));
  engine_.PodChanged(
      make_.Pod("going", {.metadata = R"("deletionTimestamp":"2026-01-01T00:00:00Z")"}));
  engine_.PodChanged(make_.Pod("done", {.phase = "Succeeded"}));
  engine_.PodChanged(make_.Pod("bound", {.node = "n"}));
  EXPECT_THAT(Drain(), IsEmpty());
  engine_.PodChanged(make_.Pod("gated"));  // the gate opens
  EXPECT_THAT(Drain(), ElementsAre("n"));
}

TEST_F(EngineTest, LeavesPodsOfOtherSchedulersAlone) {
  Engine other(EngineOptions{.scheduler_name = "mine"});
  other.NodeChanged(*make_.Node("n"));
  other.PodChanged(make_.Pod("a"));
  EXPECT_FALSE(other.Next(0).has_value());
}

TEST_F(EngineTest, SaysWhyInTheWordsOfKubeScheduler) {
  engine_.PodChanged(make_.Pod("early"));
  EXPECT_THAT(Drain(), ElementsAre(""));
  EXPECT_EQ(message_, "no nodes available to schedule pods");
  engine_.PodDeleted(*make_.Pod("early"));
  for (int i = 0; i < 1000; ++i) {
    engine_.NodeChanged(*make_.Node(
        fmt::format("n{}", i), R"({"cpu":"1","memory":"8Gi","pods":"110"})",
        i < 3 ? R"({"taints":[{"key":"node.kubernetes.io/unreachable","effect":"NoExecute"}]})"
              : "{}"));
  }
  engine_.PodChanged(make_.Pod("a", {.cpu = "2"}));
  EXPECT_THAT(Drain(), ElementsAre(""));
  EXPECT_EQ(message_,
            "0/1000 nodes are available: 3 node(s) had taint {node.kubernetes.io/unreachable: }, "
            "that the pod didn't tolerate, 997 Insufficient cpu.");
}

TEST_F(EngineTest, SaysTheSameOnlyOnce) {
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"1","memory":"1Gi","pods":"1"})"));
  engine_.PodChanged(make_.Pod("a", {.cpu = "2"}));
  const std::optional<Decision> first = engine_.Next(0);
  ASSERT_TRUE(first.has_value());
  EXPECT_TRUE(first->is_message_new);
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"1500m","memory":"1Gi","pods":"1"})"));
  const std::optional<Decision> second = engine_.Next(kSecond);
  ASSERT_TRUE(second.has_value());
  EXPECT_FALSE(second->is_message_new);
}

TEST_F(EngineTest, TakesHigherPriorityFirstAndThenTheOldest) {
  engine_.NodeChanged(*make_.Node("n"));
  const registry::ObjectRef first = make_.Pod("first");
  engine_.PodChanged(make_.Pod("second"));
  engine_.PodChanged(make_.Pod("urgent", {.spec = R"("priority":100)"}));
  engine_.PodChanged(first);
  std::vector<std::string> names;
  while (std::optional<Decision> decision = engine_.Next(0)) {
    names.push_back(decision->pod->name);
  }
  EXPECT_THAT(names, ElementsAre("urgent", "first", "second"));
}

TEST_F(EngineTest, TriesAgainWhenSomethingChangesAndTheBackoffIsOver) {
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"1","memory":"1Gi","pods":"5"})"));
  engine_.PodChanged(make_.Pod("old", {.cpu = "1", .node = "n"}));
  engine_.PodChanged(make_.Pod("new", {.cpu = "1"}));
  EXPECT_THAT(Drain(0), ElementsAre(""));
  EXPECT_THAT(Drain(kSecond * 100), IsEmpty()) << "nothing changed";
  engine_.NodeChanged(*make_.Node("n2", R"({"cpu":"500m","memory":"1Gi","pods":"5"})"));
  EXPECT_THAT(Drain(kSecond * 100), ElementsAre(""));
  engine_.PodDeleted(*make_.Pod("old"));
  EXPECT_THAT(Drain(kSecond * 101), IsEmpty()) << "two seconds after the second failure";
  EXPECT_EQ(engine_.NextDue(), kSecond * 102);
  EXPECT_THAT(Drain(kSecond * 102), ElementsAre("n"));
}

TEST_F(EngineTest, AFinishedPodMakesRoomAsADeletedOneDoes) {
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"1","memory":"1Gi","pods":"5"})"));
  engine_.PodChanged(make_.Pod("old", {.cpu = "1", .node = "n"}));
  engine_.PodChanged(make_.Pod("new", {.cpu = "1"}));
  EXPECT_THAT(Drain(0), ElementsAre(""));
  engine_.PodChanged(make_.Pod("old", {.cpu = "1", .phase = "Succeeded", .node = "n"}));
  EXPECT_THAT(Drain(kSecond), ElementsAre("n"));
}

TEST_F(EngineTest, HeartbeatsWakeNobody) {
  engine_.NodeChanged(*make_.Node("n"));
  engine_.PodChanged(make_.Pod("big", {.cpu = "99"}));
  EXPECT_THAT(Drain(0), ElementsAre(""));
  engine_.NodeChanged(*make_.Node("n"));
  EXPECT_THAT(Drain(kSecond * 100), IsEmpty());
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"100","memory":"8Gi","pods":"110"})"));
  EXPECT_THAT(Drain(kSecond * 100), ElementsAre("n"));
}

TEST_F(EngineTest, AnAssumedPodCountsUntilItsBindingFails) {
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"1","memory":"1Gi","pods":"5"})"));
  engine_.PodChanged(make_.Pod("a", {.cpu = "1"}));
  engine_.PodChanged(make_.Pod("b", {.cpu = "1"}));
  EXPECT_THAT(Drain(0), ElementsAre("n", ""));
  engine_.BindFailed("uid-a", 0);
  // Both come again when their backoff ends, the older first.
  EXPECT_THAT(Drain(kSecond), ElementsAre("n", ""));
  engine_.PodChanged(make_.Pod("a", {.cpu = "1", .node = "n"}));
  engine_.BindFailed("uid-a", 0);  // a late answer: it is bound
  EXPECT_EQ(engine_.cache().slot(0).free_milli_cpu, 0);
}

TEST_F(EngineTest, ABindingByAnotherHandMovesThePod) {
  engine_.NodeChanged(*make_.Node("n", R"({"cpu":"8","memory":"8Gi","pods":"5"})"));
  engine_.PodChanged(make_.Pod("a"));
  EXPECT_THAT(Drain(), ElementsAre("n"));
  engine_.NodeChanged(*make_.Node("m"));
  engine_.PodChanged(make_.Pod("a", {.node = "m"}));
  engine_.cache().CheckInvariants();
  EXPECT_EQ(engine_.cache().node(engine_.cache().SlotOf("n")).pods.size(), 0U);
  EXPECT_EQ(engine_.cache().node(engine_.cache().SlotOf("m")).pods.size(), 1U);
}

TEST_F(EngineTest, PodsOfANodeThatIsNotThereYetCountWhenItComes) {
  engine_.PodChanged(make_.Pod("a", {.cpu = "3", .node = "n"}));
  engine_.NodeChanged(*make_.Node("n"));
  engine_.PodChanged(make_.Pod("b", {.cpu = "2"}));
  EXPECT_THAT(Drain(), ElementsAre(""));
  engine_.NodeDeleted(*make_.Node("n"));
  engine_.cache().CheckInvariants();
  engine_.PodDeleted(*make_.Pod("a"));
  EXPECT_EQ(engine_.cache().SlotOf("n"), -1);
  engine_.NodeChanged(*make_.Node("m"));
  EXPECT_EQ(engine_.cache().slots(), 1U) << "the slot is used again";
  EXPECT_THAT(Drain(kSecond), ElementsAre("m"));
}

TEST_F(EngineTest, SpreadsThePodsOfAController) {
  for (int i = 0; i < 10; ++i) {
    engine_.NodeChanged(*make_.Node(fmt::format("n{}", i)));
  }
  // Another's load on half of the nodes is less of a reason than a pod of the same controller.
  for (int i = 0; i < 5; ++i) {
    engine_.PodChanged(
        make_.Pod(fmt::format("x{}", i), {.cpu = "1", .node = fmt::format("n{}", i)}));
  }
  for (int i = 0; i < 10; ++i) {
    engine_.PodChanged(make_.Pod(fmt::format("p{}", i), {.owner = "set"}));
  }
  const std::vector<std::string> nodes = Drain();
  EXPECT_EQ(std::set<std::string>(nodes.begin(), nodes.end()).size(), 10U);
}

TEST_F(EngineTest, KeepsPodsWithAntiAffinityApart) {
  engine_.NodeChanged(*make_.Node("n0"));
  engine_.NodeChanged(*make_.Node("n1"));
  for (const char* name : {"a", "b", "c"}) {
    engine_.PodChanged(
        make_.Pod(name, {.spec = std::string(kApart), .metadata = R"("labels":{"app":"web"})"}));
  }
  const std::vector<std::string> nodes = Drain();
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_NE(nodes[0], nodes[1]);
  EXPECT_EQ(nodes[2], "");
  EXPECT_EQ(message_, "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");
  engine_.PodDeleted(*make_.Pod("a"));
  EXPECT_THAT(Drain(kSecond), ElementsAre(nodes[0]));
}

TEST_F(EngineTest, ATermCountsPodsThatWereThereBeforeIt) {
  engine_.NodeChanged(*make_.Node("n0"));
  engine_.PodChanged(make_.Pod("old", {.metadata = R"("labels":{"app":"web"})", .node = "n0"}));
  engine_.PodChanged(make_.Pod("new", {.spec = std::string(kApart)}));
  EXPECT_THAT(Drain(), ElementsAre(""));
}

TEST_F(EngineTest, APodWithAntiAffinityKeepsLaterPodsAway) {
  engine_.NodeChanged(*make_.Node("n0"));
  engine_.PodChanged(make_.Pod("guard", {.spec = std::string(kApart)}));
  EXPECT_THAT(Drain(), ElementsAre("n0"));
  engine_.PodChanged(make_.Pod("web", {.metadata = R"("labels":{"app":"web"})"}));
  EXPECT_THAT(Drain(), ElementsAre(""));
  EXPECT_EQ(message_,
            "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.");
  engine_.PodChanged(make_.Pod("db", {.metadata = R"("labels":{"app":"db"})"}));
  EXPECT_THAT(Drain(), ElementsAre("n0"));
}

TEST_F(EngineTest, DomainsFollowTheLabelsOfNodes) {
  const std::string by_zone =
      R"("affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
         {"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"zone"}]}})";
  engine_.NodeChanged(*make_.Node("n0", R"({"cpu":"4","pods":"9"})", "{}", R"("zone":"a")"));
  engine_.NodeChanged(*make_.Node("n1", R"({"cpu":"4","pods":"9"})", "{}", R"("zone":"a")"));
  engine_.PodChanged(make_.Pod("a", {.metadata = R"("labels":{"app":"web"})", .node = "n0"}));
  engine_.PodChanged(make_.Pod("b", {.spec = by_zone}));
  EXPECT_THAT(Drain(), ElementsAre(""));
  engine_.NodeChanged(*make_.Node("n0", R"({"cpu":"4","pods":"9"})", "{}", R"("zone":"b")"));
  EXPECT_THAT(Drain(kSecond), ElementsAre("n1"));
}

TEST_F(EngineTest, AffinityFollowsItsKindAndTheFirstGoesAnywhere) {
  const std::string together =
      R"("affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
         {"labelSelector":{"matchLabels":{"app":"web"}},"topologyKey":"zone"}]}})";
  engine_.NodeChanged(*make_.Node("bare", R"({"cpu":"64","pods":"9"})"));
  engine_.NodeChanged(*make_.Node("a0", R"({"cpu":"4","pods":"9"})", "{}", R"("zone":"a")"));
  engine_.NodeChanged(*make_.Node("b0", R"({"cpu":"4","pods":"1"})", "{}", R"("zone":"b")"));
  engine_.NodeChanged(*make_.Node("b1", R"({"cpu":"4","pods":"9"})", "{}", R"("zone":"b")"));
  engine_.PodChanged(make_.Pod("far", {.spec = together}));
  EXPECT_THAT(Drain(), ElementsAre("")) << "it is not of that kind itself";
  EXPECT_EQ(message_, "0/4 nodes are available: 4 node(s) didn't match pod affinity rules.");
  engine_.PodChanged(make_.Pod("there", {.metadata = R"("labels":{"app":"web"})", .node = "b0"}));
  engine_.PodChanged(make_.Pod("web", {.spec = together, .metadata = R"("labels":{"app":"web"})"}));
  EXPECT_THAT(Drain(), ElementsAre("b1"));
}

TEST_F(EngineTest, APinnedPodLooksAtItsNodeOnly) {
  for (int i = 0; i < 500; ++i) {
    engine_.NodeChanged(*make_.Node(fmt::format("n{}", i)));
  }
  const auto pinned = [this](const std::string& name, const std::string& node) {
    return make_.Pod(
        name, {.cpu = "3",
               .spec = fmt::format(
                   R"("affinity":{{"nodeAffinity":{{)"
                   R"("requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[)"
                   R"({{"matchFields":[{{"key":"metadata.name","operator":"In",)"
                   R"("values":["{}"]}}]}}]}}}}}})",
                   node)});
  };
  engine_.PodChanged(pinned("a", "n300"));
  engine_.PodChanged(pinned("b", "n300"));
  EXPECT_THAT(Drain(), ElementsAre("n300", ""));
  EXPECT_EQ(message_,
            "0/500 nodes are available: 1 Insufficient cpu, 499 node(s) didn't match Pod's node "
            "affinity/selector.");
  EXPECT_LE(engine_.placement().nodes_examined(), 2U);
}

TEST_F(EngineTest, AMissingClaimIsNamedAndWaitedFor) {
  engine_.NodeChanged(*make_.Node("n"));
  engine_.PodChanged(make_.Pod(
      "a", {.spec = R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"disk"}}])"}));
  EXPECT_THAT(Drain(), ElementsAre(""));
  EXPECT_EQ(message_, "0/1 nodes are available: 1 persistentvolumeclaim \"disk\" not found.");
  engine_.NodeChanged(*make_.Node("m"));
  EXPECT_THAT(Drain(kSecond * 60), IsEmpty()) << "nodes do not help";
  engine_.ClaimChanged(*make_.Claim("disk"), kSecond * 60);
  EXPECT_EQ(Drain(kSecond * 60).size(), 1U);
  EXPECT_EQ(message_, "");
}

TEST_F(EngineTest, TwoPodsDoNotShareAHostPort) {
  engine_.NodeChanged(*make_.Node("n"));
  const auto with_port = [this](const std::string& name) {
    return make_.Pod(name, {.spec = R"("containers":[{"name":"a","ports":[
                                       {"containerPort":80,"hostPort":80}]}])"});
  };
  engine_.PodChanged(with_port("a"));
  engine_.PodChanged(with_port("b"));
  EXPECT_THAT(Drain(), ElementsAre("n", ""));
  engine_.PodDeleted(*make_.Pod("a"));
  EXPECT_THAT(Drain(kSecond), ElementsAre("n"));
}

TEST_F(EngineTest, PrefersWhatThePodPrefers) {
  engine_.NodeChanged(*make_.Node("n0"));
  engine_.NodeChanged(
      *make_.Node("n1", R"({"cpu":"4","memory":"8Gi","pods":"110"})", "{}", R"("disk":"ssd")"));
  engine_.NodeChanged(*make_.Node("n2", R"({"cpu":"4","memory":"8Gi","pods":"110"})",
                                  R"({"taints":[{"key":"old","effect":"PreferNoSchedule"}]})",
                                  R"("disk":"ssd")"));
  engine_.PodChanged(make_.Pod("a", {.spec = R"("affinity":{"nodeAffinity":{
              "preferredDuringSchedulingIgnoredDuringExecution":[{"weight":1,"preference":
              {"matchExpressions":[{"key":"disk","operator":"In","values":["ssd"]}]}}]}})"}));
  EXPECT_THAT(Drain(), ElementsAre("n1"));
}

TEST_F(EngineTest, AClassThatFitsNowhereIsRefusedWithoutASearch) {
  for (int i = 0; i < 1000; ++i) {
    engine_.NodeChanged(*make_.Node(fmt::format("n{}", i)));
  }
  for (int i = 0; i < 100; ++i) {
    engine_.PodChanged(make_.Pod(fmt::format("p{}", i), {.cpu = "5"}));
  }
  EXPECT_EQ(Drain().size(), 100U);
  EXPECT_EQ(engine_.placement().nodes_examined(), 1000U);
}

TEST_F(EngineTest, ExaminesABoundedNumberOfNodesAndGivesEachItsTurn) {
  for (int i = 0; i < 5000; ++i) {
    engine_.NodeChanged(*make_.Node(fmt::format("n{}", i)));
  }
  for (int i = 0; i < 100; ++i) {
    engine_.PodChanged(make_.Pod(fmt::format("p{}", i)));
  }
  const std::vector<std::string> nodes = Drain();
  EXPECT_EQ(engine_.placement().nodes_examined(), 100U * 500U);
  EXPECT_EQ(std::set<std::string>(nodes.begin(), nodes.end()).size(), 100U);
}

TEST(NodesToFind, ShrinksWithTheSizeOfTheCluster) {
  EXPECT_EQ(NodesToFind(50, 0), 50U);
  EXPECT_EQ(NodesToFind(150, 0), 100U);
  EXPECT_EQ(NodesToFind(1000, 0), 420U);
  EXPECT_EQ(NodesToFind(5000, 0), 500U);
  EXPECT_EQ(NodesToFind(10'000, 0), 500U);
  EXPECT_EQ(NodesToFind(10'000, 100), 10'000U);
}

}  // namespace
}  // namespace socle::scheduler
