// Rollouts, updates in place, hooks: rows C, D and L of spec controllers 7, on a plane.
#include "controllers/inplaceset/testing/set_fixture.h"

namespace socle::inplaceset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class RolloutFlow : public SetFixture {
 protected:
  // Waits for a set of these members to be there.
  void Start(std::string_view members, std::string_view template_members = {}) {
    Apply(Set(members, template_members));
    ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
    ForgetHistory();
  }

  static std::string InPlace(std::string_view more = {},
                             std::string_view policy = "InPlaceIfPossible") {
    return fmt::format(R"("updateStrategy":{{"rollingUpdate":{{"podUpdatePolicy":"{}"{}}}}})",
                       policy, more);
  }
};

TEST_F(RolloutFlow, ReplacesOrderedPodsFromTheHighestEachWaitingForTheOneBefore) {
  Wish([](auto* wishes) { wishes->start_nanos = kNanosPerSecond; });
  Start(R"("replicas":3)");
  const std::string old = StatusText("currentRevision");
  EXPECT_EQ(ConditionOf("Updated"), "True");
  AllowAway(1);
  SetImage("app:2");
  EXPECT_TRUE(RunUntil([&] { return ConditionOf("Updated") == "False"; }, 10));
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_EQ(ConditionOf("Ready"), "True");
  EXPECT_EQ(ConditionOf("Updated"), "True");
  EXPECT_THAT(History(), ElementsAre("-web-2", "web-2", "-web-1", "web-1", "-web-0", "web-0"));
  EXPECT_NE(StatusText("currentRevision"), old);
  EXPECT_EQ(StatusText("currentRevision"), StatusText("updateRevision"));
  EXPECT_EQ(ImageOf("web-0"), "app:2");
}

TEST_F(RolloutFlow, OnDeleteChangesNothingUntilAPodIsDeleted) {
  Start(R"("replicas":2,"updateStrategy":{"type":"OnDelete"})");
  SetImage("app:2");
  Advance(30);
  EXPECT_EQ(ImageOf("web-1"), "app:1");
  Delete("pods", "web-1");
  ASSERT_TRUE(RunUntil([&] { return IsReadyPod("web-1"); }, 60));
  EXPECT_EQ(ImageOf("web-1"), "app:2");
  EXPECT_EQ(ImageOf("web-0"), "app:1");
  EXPECT_EQ(Status("updatedReplicas"), 1);
}

TEST_F(RolloutFlow, APausedRolloutFreezesWhileScalingGoesOn) {
  Start(
      R"("replicas":3,"podManagementPolicy":"Parallel","updateStrategy":{"rollingUpdate":{"partition":2}})");
  SetImage("app:2");
  ASSERT_TRUE(RunUntil([&] { return Status("updatedReadyReplicas") == 1; }, 60));
  PatchSet(R"("updateStrategy":{"rollingUpdate":{"paused":true,"partition":0}})");
  Scale("inplacesets", "web", 4);
  Advance(30);
  EXPECT_EQ(Status("readyReplicas"), 4);
  EXPECT_EQ(ImageOf("web-0"), "app:1");
  EXPECT_EQ(ImageOf("web-1"), "app:1");
  PatchSet(R"("updateStrategy":{"rollingUpdate":{"paused":false}})");
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
}

TEST_F(RolloutFlow, APartitionLeavesTheLowestOldAlsoWhenTheyAreMadeAnew) {
  Start(R"("replicas":5,"updateStrategy":{"rollingUpdate":{"partition":2}})");
  SetImage("app:2");
  ASSERT_TRUE(RunUntil([&] { return Status("updatedReadyReplicas") == 3; }, 60));
  Advance(30);
  EXPECT_THAT(History(), ElementsAre("-web-4", "web-4", "-web-3", "web-3", "-web-2", "web-2"));
  Delete("pods", "web-1");
  ASSERT_TRUE(RunUntil([&] { return IsReadyPod("web-1") && Status("readyReplicas") == 5; }, 60));
  EXPECT_EQ(ImageOf("web-1"), "app:1");
  EXPECT_EQ(Status("currentReplicas"), 2);
  PatchSet(R"("updateStrategy":{"rollingUpdate":{"partition":0}})");
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
}

TEST_F(RolloutFlow, NeverMoreAwayThanAllowedAtAnyRevision) {
  Wish([](auto* wishes) { wishes->start_nanos = kNanosPerSecond; });
  Start(R"("replicas":6,"podManagementPolicy":"Parallel",
      "updateStrategy":{"rollingUpdate":{"partition":3,"maxUnavailable":2}})");
  AllowAway(2);
  SetImage("app:2");
  ASSERT_TRUE(RunUntil([&] { return Status("updatedReadyReplicas") == 3; }, 60));
  Advance(20);
  EXPECT_EQ(MostAway(), 2U);
  EXPECT_THAT(History(), ::testing::Not(::testing::Contains("-web-2")));
}

TEST_F(RolloutFlow, PodsThatAreGoingUseTheBudget) {
  Start(
      R"("replicas":5,"podManagementPolicy":"Parallel","updateStrategy":{"rollingUpdate":{"maxUnavailable":2}})");
  Wish([](auto* wishes) { wishes->lingering = {"web-0", "web-1"}; });
  Delete("pods", "web-0");
  Delete("pods", "web-1");
  Settle();
  ForgetHistory();
  SetImage("app:2");
  Advance(30);
  EXPECT_THAT(History(), ElementsAre());
  Wish([](auto* wishes) { wishes->lingering.clear(); });
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
}

TEST_F(RolloutFlow, ASpecifiedPodAloneIsReplacedWhateverThePartition) {
  Start(R"("replicas":3,"updateStrategy":{"rollingUpdate":{"partition":3}})");
  Patch("pods", "web-1", R"({"metadata":{"labels":{"apps.kruise.io/specified-delete":"true"}}})");
  ASSERT_TRUE(RunUntil([&] { return !History().empty() && IsComplete(); }, 60));
  EXPECT_THAT(History(), ElementsAre("-web-1", "web-1"));
}

TEST_F(RolloutFlow, AFixedTemplateMendsABrokenRolloutOfBothPolicies) {
  for (const std::string_view policy : {"OrderedReady", "Parallel"}) {
    SCOPED_TRACE(policy);
    Start(fmt::format(R"("replicas":3,"podManagementPolicy":"{}")", policy));
    SetImage("bad:1");
    Advance(30);
    EXPECT_EQ(ImageOf("web-2"), "bad:1");
    EXPECT_EQ(ImageOf("web-1"), "app:1");
    SetImage("app:3");
    EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
    Scale("inplacesets", "web", 0);
    ASSERT_TRUE(RunUntil([&] { return Pods().empty(); }, 60));
    Delete("inplacesets", "web");
    Settle();
  }
}

TEST_F(RolloutFlow, HistoryIsKeptToItsLimitAndAnOldTemplateUsesItsRevisionAgain) {
  Start(R"("replicas":1,"revisionHistoryLimit":2)");
  const std::string first = StatusText("currentRevision");
  for (int i = 2; i <= 4; ++i) {
    SetImage(fmt::format("app:{}", i));
    ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  }
  EXPECT_EQ(Count("controllerrevisions"), 3U);
  EXPECT_FALSE(Has("controllerrevisions", first));
  const auto number_of = [&](std::string_view name) {
    return api::IntAt(Get("controllerrevisions", name), {"revision"}).value_or(0);
  };
  const int64_t newest = number_of(StatusText("updateRevision"));
  SetImage("app:3");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_EQ(Count("controllerrevisions"), 3U);
  EXPECT_EQ(number_of(StatusText("updateRevision")), newest + 1);
}

TEST_F(RolloutFlow, ATakenRevisionNameRaisesTheCollisionCount) {
  Start(R"("replicas":1)");
  const std::string name = StatusText("currentRevision");
  Scale("inplacesets", "web", 0);
  ASSERT_TRUE(RunUntil([&] { return Pods().empty(); }, 30));
  // Another form under the name that the hash gives.
  Delete("controllerrevisions", name);
  Apply(fmt::format(R"({{"apiVersion":"apps/v1","kind":"ControllerRevision",
      "metadata":{{"name":"{}"}},"data":{{}},"revision":1}})",
                    name));
  Scale("inplacesets", "web", 1);
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
  EXPECT_EQ(Status("collisionCount"), 1);
  EXPECT_NE(StatusText("currentRevision"), name);
}

// ------------------------------------------------------------------------------------- in place

TEST_F(RolloutFlow, AnImageChangesInPlaceAfterItsGraceOnTheSamePod) {
  Start(fmt::format(R"("replicas":1,{})",
                    InPlace(R"(,"inPlaceUpdateStrategy":{"gracePeriodSeconds":10})")));
  const std::string uid = UidOf("web-0");
  const int64_t begun = clock()->WallNanos();
  SetImage("app:2");
  Settle();
  EXPECT_EQ(ImageOf("web-0"), "app:1");
  EXPECT_FALSE(IsReadyPod("web-0"));
  ASSERT_TRUE(RunUntil([&] { return ImageOf("web-0") == "app:2"; }, 60));
  EXPECT_GE(clock()->WallNanos() - begun, 10 * kNanosPerSecond);
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_EQ(UidOf("web-0"), uid);
  EXPECT_EQ(StateOf("web-0"), "Normal");
  const api::Json pod = Get("pods", "web-0");
  const api::Json& status = api::FindArray(pod, {"status", "containerStatuses"})->front();
  EXPECT_EQ(api::IntAt(status, {"restartCount"}), 1);
  EXPECT_EQ(api::StringAt(status, {"imageID"}), "digest-of-app:2");
  EXPECT_THAT(EventsAbout("web"), ::testing::Contains(HasSubstr("SuccessfulUpdatePodInPlace")));
  EXPECT_THAT(History(), ElementsAre());
}

TEST_F(RolloutFlow, AnInPlaceRolloutHoldsItsBudgetWithoutGaps) {
  Wish([](auto* wishes) { wishes->start_nanos = kNanosPerSecond; });
  Start(R"("replicas":40,"podManagementPolicy":"Parallel","updateStrategy":{"rollingUpdate":{
      "podUpdatePolicy":"InPlaceIfPossible","maxUnavailable":"25%"}})");
  AllowAway(10);
  const int64_t begun = clock()->WallNanos();
  SetImage("app:2");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_LE(clock()->WallNanos() - begun, 6 * kNanosPerSecond);  // four times ten, a second each
  EXPECT_THAT(History(), ElementsAre());
}

TEST_F(RolloutFlow, WhatCanNotChangeInPlaceIsMadeAnew) {
  Start(fmt::format(R"("replicas":1,{})", InPlace()));
  const std::string uid = UidOf("web-0");
  PatchSet(
      R"("template":{"spec":{"containers":[{"name":"app","image":"app:1","env":[{"name":"A","value":"b"}]}]}})");
  ASSERT_TRUE(RunUntil([&] { return IsComplete() && UidOf("web-0") != uid; }, 60));
}

TEST_F(RolloutFlow, ALabelReadByAVariableRestartsTheContainerInPlace) {
  Apply(R"({"apiVersion":"apps.kruise.io/v1beta1","kind":"InplaceSet","metadata":{"name":"web"},
     "spec":{"selector":{"matchLabels":{"app":"web"}},"updateStrategy":{"rollingUpdate":{"podUpdatePolicy":"InPlaceOnly"}},
       "template":{"metadata":{"labels":{"app":"web","config":"1"}},
         "spec":{"readinessGates":[{"conditionType":"InPlaceUpdateReady"}],
           "containers":[{"name":"app","image":"app:1","env":[{"name":"C","valueFrom":{"fieldRef":{
             "fieldPath":"metadata.labels['config']"}}}]}]}}}})");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  const std::string uid = UidOf("web-0");
  PatchSet(R"("template":{"metadata":{"labels":{"config":"2"}}})");
  ASSERT_TRUE(RunUntil([&] { return IsComplete() && LabelOfPod("web-0", "config") == "2"; }, 60));
  EXPECT_EQ(UidOf("web-0"), uid);
  const api::Json pod = Get("pods", "web-0");
  EXPECT_EQ(
      api::IntAt(api::FindArray(pod, {"status", "containerStatuses"})->front(), {"restartCount"}),
      1);
}

TEST_F(RolloutFlow, ABadImageInPlaceStaysAndTheFixGoesOn) {
  Start(fmt::format(R"("replicas":3,{})", InPlace()));
  const std::string uid = UidOf("web-2");
  AllowAway(1);
  SetImage("bad:1");
  Advance(30);
  EXPECT_EQ(ImageOf("web-2"), "bad:1");
  EXPECT_EQ(ImageOf("web-1"), "app:1");
  EXPECT_EQ(Status("readyReplicas"), 2);
  SetImage("app:3");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 60));
  EXPECT_EQ(UidOf("web-2"), uid);
}

TEST_F(RolloutFlow, ASecondUpdateBeforeTheFirstIsDoneEndsOnTheLast) {
  Wish([](auto* wishes) { wishes->start_nanos = 5 * kNanosPerSecond; });
  Start(fmt::format(R"("replicas":2,{})", InPlace()));
  SetImage("app:2");
  Advance(2);
  SetImage("app:3");
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
  EXPECT_EQ(ImageOf("web-0"), "app:3");
  EXPECT_EQ(ImageOf("web-1"), "app:3");
  EXPECT_THAT(History(), ElementsAre());
}

TEST_F(RolloutFlow, GoesOnAfterARestartAtAnyMoment) {
  Wish([](auto* wishes) { wishes->start_nanos = 3 * kNanosPerSecond; });
  Start(fmt::format(R"("replicas":3,{})",
                    InPlace(R"(,"inPlaceUpdateStrategy":{"gracePeriodSeconds":4})")));
  SetImage("app:2");
  for (int i = 0; i < 8; ++i) {
    Advance(2);
    RestartPlane();
  }
  ASSERT_TRUE(RunUntil([&] { return IsComplete(); }, 120));
  EXPECT_EQ(ImageOf("web-0"), "app:2");
  EXPECT_THAT(History(), ElementsAre());
}

// ---------------------------------------------------------------------------------------- hooks

TEST_F(RolloutFlow, AnUpdateHookHoldsThePodUntilItsLabelGoesAndComesBack) {
  Start(
      fmt::format(R"("replicas":1,"lifecycle":{{"inPlaceUpdate":{{"labelsHandler":{{"hold":"yes"}},
      "markPodNotReady":true}}}},{})",
                  InPlace()));
  Patch("pods", "web-0", R"({"metadata":{"labels":{"hold":"yes"}}})");
  Settle();
  SetImage("app:2");
  Advance(10);
  EXPECT_EQ(StateOf("web-0"), "PreparingUpdate");
  EXPECT_EQ(ImageOf("web-0"), "app:1");
  EXPECT_FALSE(IsReadyPod("web-0"));
  Patch("pods", "web-0", R"({"metadata":{"labels":{"hold":null}}})");
  ASSERT_TRUE(RunUntil([&] { return StateOf("web-0") == "Updated"; }, 30));
  EXPECT_EQ(ImageOf("web-0"), "app:2");
  EXPECT_FALSE(IsReadyPod("web-0"));
  Patch("pods", "web-0", R"({"metadata":{"labels":{"hold":"yes"}}})");
  ASSERT_TRUE(RunUntil([&] { return StateOf("web-0") == "Normal" && IsReadyPod("web-0"); }, 30));
  EXPECT_TRUE(RunUntil([&] { return IsComplete(); }, 30));
}

TEST_F(RolloutFlow, ADeletionHookHoldsThePodThatIsScaledAway) {
  Start(R"("replicas":2,"lifecycle":{"preDelete":{"labelsHandler":{"hold":"yes"}}})", {});
  Patch("pods", "web-1", R"({"metadata":{"labels":{"hold":"yes"}}})");
  Settle();
  Scale("inplacesets", "web", 1);
  Advance(10);
  EXPECT_EQ(StateOf("web-1"), "PreparingDelete");
  EXPECT_FALSE(Find("pods", "web-1")->is_deleting);
  Patch("pods", "web-1", R"({"metadata":{"labels":{"hold":null}}})");
  EXPECT_TRUE(RunUntil([&] { return !Has("pods", "web-1"); }, 30));
}

TEST_F(RolloutFlow, AHeldPodThatIsRolledBackIsNormalAgain) {
  Start(fmt::format(
      R"("replicas":1,"lifecycle":{{"inPlaceUpdate":{{"labelsHandler":{{"hold":"yes"}}}}}},{})",
      InPlace()));
  Patch("pods", "web-0", R"({"metadata":{"labels":{"hold":"yes"}}})");
  Settle();
  SetImage("app:2");
  ASSERT_TRUE(RunUntil([&] { return StateOf("web-0") == "PreparingUpdate"; }, 30));
  SetImage("app:1");
  EXPECT_TRUE(RunUntil([&] { return StateOf("web-0") == "Normal" && IsComplete(); }, 30));
}

}  // namespace
}  // namespace socle::inplaceset
