// Scaling, order, identity, repair: rows A and B of spec controllers 7, on a plane.
#include <algorithm>

#include "controllers/inplaceset/testing/set_fixture.h"

namespace socle::inplaceset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ScaleFlow : public SetFixture {};

constexpr std::string_view kClaims =
    R"("volumeClaimTemplates":[{"metadata":{"name":"data"},"spec":{"accessModes":["ReadWriteOnce"],
       "resources":{"requests":{"storage":"1Gi"}}}}])";

TEST_F(ScaleFlow, OrderedPodsComeOneAfterTheOtherWithTheirClaimsAndTheirIdentity) {
  Wish([](auto* wishes) { wishes->start_nanos = kNanosPerSecond; });
  Apply(Set(fmt::format(R"("replicas":3,{})", kClaims)));
  EXPECT_TRUE(RunUntil([&] { return Pods().size() == 2; }, 10));
  EXPECT_TRUE(IsReadyPod("web-0"));
  EXPECT_FALSE(IsReadyPod("web-1"));
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_THAT(History(), ElementsAre("web-0", "web-1", "web-2"));
  EXPECT_THAT(Names("persistentvolumeclaims"),
              ElementsAre("data-web-0", "data-web-1", "data-web-2"));
  EXPECT_EQ(TextOf("web-1", {"spec", "hostname"}), "web-1");
  EXPECT_EQ(TextOf("web-1", {"spec", "subdomain"}), "svc");
  EXPECT_EQ(LabelOfPod("web-1", "statefulset.kubernetes.io/pod-name"), "web-1");
  EXPECT_EQ(LabelOfPod("web-1", "apps.kubernetes.io/pod-index"), "1");
  EXPECT_EQ(LabelOfPod("web-1", "controller-revision-hash"), StatusText("updateRevision"));
  EXPECT_EQ(StateOf("web-1"), "Normal");
  EXPECT_EQ(StatusText("labelSelector"), "app=web");
  EXPECT_EQ(StatusText("currentRevision"), StatusText("updateRevision"));
  EXPECT_EQ(Status("availableReplicas"), 3);
  const std::vector<std::string> events = EventsAbout("web");
  EXPECT_THAT(events, ::testing::Contains(HasSubstr("SuccessfulCreate: create Pod web-0")));
}

TEST_F(ScaleFlow, AnUnreadyPodHaltsTheOrderedAndNotTheParallel) {
  Wish([](auto* wishes) { wishes->unready = {"web-0"}; });
  Apply(Set(R"("replicas":3)"));
  Advance(30);
  EXPECT_THAT(Pods(), ElementsAre("web-0"));
  EXPECT_EQ(Status("readyReplicas"), 0);
  Delete("inplacesets", "web");
  Settle();
  Delete("pods", "web-0");
  Settle();
  Apply(Set(R"("replicas":3,"podManagementPolicy":"Parallel")"));
  EXPECT_TRUE(RunUntil([&] { return Status("readyReplicas") == 2; }, 30));
  EXPECT_THAT(Pods(), ElementsAre("web-0", "web-1", "web-2"));
}

TEST_F(ScaleFlow, ScalesUpAscendingAndDownDescendingOneAtATime) {
  Apply(Set(fmt::format(R"("replicas":3,{})", kClaims)));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  ForgetHistory();
  Scale("inplacesets", "web", 5);
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Scale("inplacesets", "web", 2);
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_THAT(History(), ElementsAre("web-3", "web-4", "-web-4", "-web-3", "-web-2"));
  EXPECT_LE(MostAway(), 3U);                       // those that are gone by wish
  EXPECT_EQ(Count("persistentvolumeclaims"), 5U);  // kept
  Scale("inplacesets", "web", 0);
  ASSERT_TRUE(RunUntil([&] { return Pods().empty(); }, 30));
  Delete("inplacesets", "web");
  Settle();
  EXPECT_EQ(Count("persistentvolumeclaims"), 5U);
}

TEST_F(ScaleFlow, AScaleDownWaitsForAnUnhealthyPodBelow) {
  Apply(Set(R"("replicas":3)"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Wish([](auto* wishes) { wishes->unready = {"web-0"}; });
  Settle();
  Scale("inplacesets", "web", 1);
  Advance(30);
  EXPECT_THAT(Pods(), ElementsAre("web-0", "web-1", "web-2"));
  Wish([](auto* wishes) { wishes->unready = {"web-2"}; });  // itself the first unhealthy one
  EXPECT_TRUE(RunUntil([&] { return Pods().size() == 1; }, 30));
}

TEST_F(ScaleFlow, ADeletedPodComesBackWithItsNameAndClaim) {
  Apply(Set(fmt::format(R"("replicas":2,{})", kClaims)));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  const std::string before = UidOf("web-0");
  const std::string claim(
      api::StringAt(Get("persistentvolumeclaims", "data-web-0"), {"metadata", "uid"}));
  Delete("pods", "web-0");
  ASSERT_TRUE(RunUntil([&] { return IsReadyPod("web-0") && UidOf("web-0") != before; }, 60));
  EXPECT_EQ(api::StringAt(Get("persistentvolumeclaims", "data-web-0"), {"metadata", "uid"}), claim);
}

TEST_F(ScaleFlow, AFailedPodIsReplaced) {
  Apply(Set(R"("replicas":2)"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  const std::string before = UidOf("web-1");
  Wish([](auto* wishes) { wishes->failing = {"web-1"}; });
  ASSERT_TRUE(RunUntil([&] { return UidOf("web-1") != before; }, 30));
  Wish([](auto* wishes) { wishes->failing.clear(); });
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
}

TEST_F(ScaleFlow, AdoptsOrphansOfItsNameAndReleasesWhatNoLongerMatches) {
  const std::string_view orphan = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web-1",
      "labels":{"app":"web"}},"spec":{"containers":[{"name":"app","image":"app:1"}]}})";
  Apply(orphan);
  const std::string uid = UidOf("web-1");
  Apply(Set(R"("replicas":2,"updateStrategy":{"type":"OnDelete"})"));
  ASSERT_TRUE(RunUntil([&] { return Status("readyReplicas") == 2; }, 30));
  EXPECT_EQ(UidOf("web-1"), uid);
  ASSERT_NE(Find("pods", "web-1")->Controller(), nullptr);
  EXPECT_EQ(LabelOfPod("web-1", "apps.kubernetes.io/pod-index"), "1");

  Patch("pods", "web-1", R"({"metadata":{"labels":{"app":"other"}}})");
  ASSERT_TRUE(RunUntil([&] { return Find("pods", "web-1")->Controller() == nullptr; }, 30));
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedCreatePod") == "True"; }, 60));
  Patch("pods", "web-1", R"({"metadata":{"labels":{"app":"web"}}})");
  EXPECT_TRUE(RunUntil([&] { return Find("pods", "web-1")->Controller() != nullptr; }, 60));
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("FailedCreatePod") == "False"; }, 60));
  EXPECT_EQ(UidOf("web-1"), uid);
}

TEST_F(ScaleFlow, ASetThatIsGoingCreatesNothing) {
  Apply(Set(R"("replicas":2)"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Patch("inplacesets", "web", R"({"metadata":{"finalizers":["test/hold"]}})");
  Delete("inplacesets", "web");
  Settle();
  Delete("pods", "web-1");
  Advance(60);
  EXPECT_THAT(Pods(), ElementsAre("web-0"));
  EXPECT_EQ(Status("replicas"), 1);
}

TEST_F(ScaleFlow, LostIdentityIsRepaired) {
  Apply(Set(R"("replicas":1)"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Patch("pods", "web-0", R"({"metadata":{"labels":{"statefulset.kubernetes.io/pod-name":"x"}}})");
  EXPECT_TRUE(RunUntil(
      [&] { return LabelOfPod("web-0", "statefulset.kubernetes.io/pod-name") == "web-0"; }, 10));
}

TEST_F(ScaleFlow, CreationsStayWithinTheUnavailableOfTheScaleStrategy) {
  Apply(
      Set(R"("replicas":2,"podManagementPolicy":"Parallel","scaleStrategy":{"maxUnavailable":2})"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  Wish([](auto* wishes) { wishes->unready = {"web-2", "web-3", "web-4", "web-5"}; });
  Scale("inplacesets", "web", 6);
  Advance(30);
  EXPECT_EQ(Pods().size(), 4U);
  Wish([](auto* wishes) { wishes->unready.erase("web-2"); });
  Advance(30);
  EXPECT_EQ(Pods().size(), 5U);
}

TEST_F(ScaleFlow, MinReadySecondsDelaysTheNextAndAvailability) {
  Apply(Set(R"("replicas":2,"updateStrategy":{"rollingUpdate":{"minReadySeconds":10}})"));
  ASSERT_TRUE(RunUntil([&] { return IsReadyPod("web-0"); }, 5));
  const int64_t ready_at = clock()->WallNanos();
  Settle();
  EXPECT_EQ(Status("readyReplicas"), 1);
  EXPECT_EQ(Status("availableReplicas"), 0);
  ASSERT_TRUE(RunUntil([&] { return Has("pods", "web-1"); }, 30));
  EXPECT_GE(clock()->WallNanos() - ready_at, 9 * kNanosPerSecond);
  EXPECT_TRUE(RunUntil([&] { return Status("availableReplicas") == 2; }, 30));
}

TEST_F(ScaleFlow, ReservedOrdinalsAndTheStartMoveTheSlots) {
  Apply(Set(R"("replicas":3,"reserveOrdinals":[1])"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_THAT(Pods(), ElementsAre("web-0", "web-2", "web-3"));
  PatchSet(R"("reserveOrdinals":[])");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_THAT(Pods(), ElementsAre("web-0", "web-1", "web-2"));
  PatchSet(R"("reserveOrdinals":["0-1"])");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_THAT(Pods(), ElementsAre("web-2", "web-3", "web-4"));
  PatchSet(R"("reserveOrdinals":[],"ordinals":{"start":5})");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_THAT(Pods(), ElementsAre("web-5", "web-6", "web-7"));
}

TEST_F(ScaleFlow, ClaimsBelongToTheSetOrThePodByTheRetentionPolicy) {
  Apply(Set(fmt::format(
      R"("replicas":2,"persistentVolumeClaimRetentionPolicy":{{"whenDeleted":"Delete","whenScaled":"Delete"}},{})",
      kClaims)));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  const std::string set_uid(api::StringAt(Get("inplacesets", "web"), {"metadata", "uid"}));
  const auto owner_of = [&](std::string_view claim) {
    const registry::ObjectRef object = Find("persistentvolumeclaims", claim);
    return object->owners.size() == 1 ? object->owners[0].uid : std::string("none");
  };
  EXPECT_EQ(owner_of("data-web-1"), set_uid);
  const std::string pod_uid = UidOf("web-1");
  Wish([](auto* wishes) { wishes->lingering = {"web-1"}; });
  Scale("inplacesets", "web", 1);
  ASSERT_TRUE(RunUntil([&] { return Find("pods", "web-1")->is_deleting; }, 30));
  EXPECT_EQ(owner_of("data-web-1"), pod_uid);
  EXPECT_EQ(owner_of("data-web-0"), set_uid);
  PatchSet(R"("persistentVolumeClaimRetentionPolicy":{"whenDeleted":"Retain"})");
  EXPECT_TRUE(RunUntil([&] { return owner_of("data-web-0") == "none"; }, 30));

  // The claim is of the old pod: the new one waits until it is gone.
  Wish([](auto* wishes) { wishes->lingering.clear(); });
  ASSERT_TRUE(RunUntil([&] { return !Has("pods", "web-1"); }, 30));
  Scale("inplacesets", "web", 2);
  Advance(5);
  EXPECT_FALSE(Has("pods", "web-1"));
  EXPECT_EQ(ConditionOf("FailedCreatePod"), "True");
  Delete("persistentvolumeclaims", "data-web-1");
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
}

TEST_F(ScaleFlow, ALostClaimOfAPendingPodComesBack) {
  Wish([](auto* wishes) { wishes->start_nanos = 100 * kNanosPerSecond; });
  Apply(Set(fmt::format(R"("replicas":1,{})", kClaims)));
  ASSERT_TRUE(RunUntil([&] { return Has("pods", "web-0"); }, 5));
  const std::string first(
      api::StringAt(Get("persistentvolumeclaims", "data-web-0"), {"metadata", "uid"}));
  Delete("persistentvolumeclaims", "data-web-0");
  ASSERT_TRUE(RunUntil([&] { return Has("persistentvolumeclaims", "data-web-0"); }, 5));
  EXPECT_NE(api::StringAt(Get("persistentvolumeclaims", "data-web-0"), {"metadata", "uid"}), first);
}

TEST_F(ScaleFlow, SetsWithOneSelectorTouchTheirOwnPodsOnly) {
  Apply(Set(R"("replicas":2)"));
  std::string other = Set(R"("replicas":1)");
  other.replace(other.find("\"name\":\"web\""), 12, "\"name\":\"web-1\"");
  Apply(other);
  ASSERT_TRUE(RunUntil([&] { return IsComplete() && Pods().size() == 3; }, 30));
  EXPECT_THAT(Pods(), ElementsAre("web-0", "web-1", "web-1-0"));
  EXPECT_EQ(Find("pods", "web-1-0")->Controller()->name, "web-1");
}

TEST_F(ScaleFlow, APodThatDoesNotComeToRunIsTriedOnOtherNodes) {
  for (const std::string_view node : {"node-1", "node-2", "node-3"}) {
    Apply(fmt::format(R"({{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{}"}},
        "status":{{"conditions":[{{"type":"Ready","status":"{}"}}]}}}})",
                      node, node == "node-1" ? "Unknown" : "True"));
  }
  Wish([](auto* wishes) { wishes->dead_nodes = {"node-1"}; });
  Apply(Set(
      R"("replicas":1,"scheduleStrategy":{"retryOnOtherNodes":{"enabled":true,"timeoutSeconds":30}})"));
  Advance(20);
  EXPECT_EQ(TextOf("web-0", {"spec", "nodeName"}), "node-1");
  ASSERT_TRUE(RunUntil([&] { return IsReadyPod("web-0"); }, 60));
  EXPECT_EQ(TextOf("web-0", {"spec", "nodeName"}), "node-2");
  EXPECT_EQ(TextOf("web-0", {"metadata", "annotations", "apps.kruise.io/failed-nodes"}), "node-1");
  EXPECT_EQ(Status("retriedPods"), 1);
  EXPECT_THAT(EventsAbout("web"), ::testing::Contains(HasSubstr("PodRetriedOnOtherNode")));
  Settle();
  EXPECT_EQ(api::FindArray(Get("inplacesets", "web"), {"status", "nodeRetries"}), nullptr);
}

TEST_F(ScaleFlow, HundredsOfPodsComeAndGoInParallel) {
  Apply(Set(R"("replicas":300,"podManagementPolicy":"Parallel")"));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_EQ(Pods().size(), 300U);
  Scale("inplacesets", "web", 0);
  ASSERT_TRUE(RunUntil([&] { return Pods().empty(); }, 60));
}

}  // namespace
}  // namespace socle::inplaceset
