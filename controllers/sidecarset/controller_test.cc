// SidecarSets on a plane in the process: upgrades of running pods, revisions, removal, restarts.
#include "controllers/sidecarset/controller.h"

#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/sidecarset/testing/sidecar_fixture.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::sidecarset {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SidecarSetTest : public SidecarFixture {
 protected:
  // Pods p0, p1 … that run.
  void StartPods(int count, std::string_view labels = R"("app": "web")") {
    for (int i = 0; i < count; ++i) {
      Apply(PodText(fmt::format("p{}", i), labels));
    }
    Rest();
  }

  int CountImage(std::string_view container, std::string_view image) {
    int count = 0;
    for (const std::string& name : Names("pods")) {
      count += ImageOf(name, container) == image ? 1 : 0;
    }
    return count;
  }

  std::vector<int64_t> Revisions(std::string_view set) {
    std::vector<int64_t> numbers;
    for (const api::Json& revision : List("controllerrevisions")) {
      if (api::StringAt(revision, {"metadata", "labels", kSetNameLabel}) == set) {
        numbers.push_back(api::IntAt(revision, {"revision"}).value_or(0));
      }
    }
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  std::string Upgradable(std::string_view pod) {
    const api::JsonArray* conditions =
        api::FindArray(document_ = Get("pods", pod), {"status", "conditions"});
    for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
      const api::Json& condition = (*conditions)[i];
      if (api::StringAt(condition, {"type"}) == kUpgradableCondition) {
        return fmt::format("{} {} {}", api::StringAt(condition, {"status"}),
                           api::StringAt(condition, {"reason"}),
                           api::StringAt(condition, {"message"}));
      }
    }
    return "-";
  }

 private:
  api::Json document_;
};

TEST_F(SidecarSetTest, UpgradesAnImagePodByPod) {  // E9
  Apply(SetText("s", "agent:1"));
  StartPods(2);
  EXPECT_EQ(Counts("s"), "2/2/2/2");
  const std::string without_image = Annotation("p0", kHashWithoutImageAnnotation);
  SetImage("s", "agent:2");
  Settle();
  EXPECT_EQ(CountImage("s-agent", "agent:2"), 1) << "maxUnavailable is 1";
  Rest();
  EXPECT_EQ(CountImage("s-agent", "agent:2"), 2);
  EXPECT_EQ(Counts("s"), "2/2/2/2");
  EXPECT_EQ(CountImage("main", "main:1"), 2);
  const api::Json set = Get("sidecarsets", "s");
  EXPECT_EQ(ParseMarks(Annotation("p0", kHashAnnotation)).at("s").revision,
            api::StringAt(set, {"status", "latestRevision"}));
  EXPECT_EQ(ParseMarks(Annotation("p0", kHashWithoutImageAnnotation)).at("s").hash,
            ParseMarks(without_image).at("s").hash);
  EXPECT_EQ(ParseUpdateState(Annotation("p0", kUpdateStateAnnotation)).at("s").at("s-agent"),
            "sha:agent:1");
  EXPECT_EQ(api::IntAt(set, {"status", "observedGeneration"}), 2);
}

TEST_F(SidecarSetTest, StopsAtTheFirstPodWhenTheImageIsBad) {  // E10
  Apply(SetText("s", "agent:1"));
  StartPods(2);
  SetImage("s", "agent:bad");
  Rest();
  EXPECT_EQ(CountImage("s-agent", "agent:bad"), 1);
  EXPECT_EQ(Counts("s"), "2/1/1/0");
  SetImage("s", "agent:3");
  Rest();
  EXPECT_EQ(Counts("s"), "2/2/2/2");
}

TEST_F(SidecarSetTest, ReportsPodsThatCanNotBeUpgraded) {  // E11
  Apply(SetText("s", "agent:1"));
  StartPods(2);
  api::Json set = Get("sidecarsets", "s");
  const api::Json before = set;
  api::Set(&set.at("spec").at("containers").at(0).get_object(), "command",
           api::JsonArray({"sleep"}));
  Apply(api::Dump(set));
  Rest();
  EXPECT_EQ(Counts("s"), "2/0/2/0");
  EXPECT_EQ(Upgradable("p0"), R"(False UpdateImmutableField {"s":false})");
  EXPECT_EQ(Upgradable("p1"), R"(False UpdateImmutableField {"s":false})");
  Apply(SetText("s", "agent:2"));
  Rest();
  EXPECT_EQ(Counts("s"), "2/2/2/2");
  EXPECT_EQ(Upgradable("p0"), R"(True AllSidecarsetUpgradable {"s":true})");
}

TEST_F(SidecarSetTest, FollowsTheUpdateStrategy) {  // E12

  struct Case {
    const char* name;
    const char* strategy;
    int at_once;
    int in_the_end;
  };

  const Case cases[] = {
      {"paused", R"({"paused": true})", 0, 0},
      {"NotUpdate", R"({"type": "NotUpdate"})", 0, 0},
      {"selector", R"({"selector": {"matchLabels": {"n": "2"}}, "maxUnavailable": 4})", 1, 1},
      {"partition 50%", R"({"partition": "50%", "maxUnavailable": 4})", 2, 2},
      {"partition 1", R"({"partition": 1})", 1, 3},
      {"maxUnavailable 50%", R"({"maxUnavailable": "50%"})", 2, 4},
      {"maxUnavailable 100%", R"({"maxUnavailable": "100%"})", 4, 4},
  };
  int round = 1;
  Apply(SetText("s", "agent:1"));
  for (int i = 0; i < 4; ++i) {
    Apply(PodText(fmt::format("p{}", i), fmt::format(R"("app": "web", "n": "{}")", i)));
  }
  Rest();
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    ++round;
    Apply(SetText("s", fmt::format("agent:{}", round),
                  fmt::format(R"(, "updateStrategy": {})", c.strategy)));
    Settle();
    EXPECT_EQ(CountImage("s-agent", fmt::format("agent:{}", round)), c.at_once);
    Rest();
    EXPECT_EQ(CountImage("s-agent", fmt::format("agent:{}", round)), c.in_the_end);
    EXPECT_EQ(Counts("s"), fmt::format("4/{0}/4/{0}", c.in_the_end));
    // The next case begins with all pods alike.
    Apply(SetText("s", fmt::format("agent:{}", round),
                  R"(, "updateStrategy": {"maxUnavailable": 4})"));
    Rest();
    ASSERT_EQ(Counts("s"), "4/4/4/4");
  }
}

TEST_F(SidecarSetTest, NeverTouchesPodsThatItHasNotInjected) {
  Apply(PodText("older"));
  Apply(SetText("s", "agent:1"));
  Rest();
  const api::Json before = Get("pods", "older");
  SetImage("s", "agent:2");
  Rest();
  EXPECT_EQ(Get("pods", "older"), before);
  EXPECT_EQ(Counts("s"), "0/0/0/0");
}

TEST_F(SidecarSetTest, AnInitContainerIsNotUpgradedInPlace) {  // E15
  const char* more = R"(, "initContainers": [{{"name": "init", "image": "init:{}"}}])";
  Apply(SetText("s", "agent:1", fmt::format(fmt::runtime(more), 1)));
  StartPods(1);
  const api::Json before = Get("pods", "p0");
  Apply(SetText("s", "agent:1", fmt::format(fmt::runtime(more), 2)));
  Rest();
  EXPECT_EQ(Get("pods", "p0"), before);
  EXPECT_EQ(Counts("s"), "1/1/1/1");
  Apply(PodText("new"));
  const api::Json created = Get("pods", "new");
  EXPECT_EQ(api::StringAt(api::FindArray(created, {"spec", "initContainers"})->at(0), {"image"}),
            "init:2");
}

TEST_F(SidecarSetTest, KeepsAsManyRevisionsAsTheLimitSays) {  // E16
  Apply(SetText("s", "agent:1"));
  Settle();
  for (int i = 2; i <= 15; ++i) {
    SetImage("s", fmt::format("agent:{}", i));
    Settle();
  }
  EXPECT_THAT(Revisions("s"), ElementsAre(6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  SetImage("s", "agent:12");
  Settle();
  EXPECT_THAT(Revisions("s"), ElementsAre(6, 7, 8, 9, 10, 11, 13, 14, 15, 16));
}

TEST_F(SidecarSetTest, RevisionsThatPodsRunAreKept) {
  Apply(SetText("s", "agent:1", R"(, "revisionHistoryLimit": 2,
      "updateStrategy": {"type": "NotUpdate"})"));
  StartPods(1);
  for (int i = 2; i <= 6; ++i) {
    SetImage("s", fmt::format("agent:{}", i));
    Settle();
  }
  EXPECT_THAT(Revisions("s"), ElementsAre(1, 6));
}

TEST_F(SidecarSetTest, TheMatchedSetFollowsTheNamespaceSelector) {  // E18
  Apply(R"({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "n", "labels": {"team": "a"}}})");
  Apply(SetText("s", "agent:1"));
  Apply(PodText("p0"));
  Apply(PodText("p0", R"("app": "web")", "n"));
  Rest();
  EXPECT_EQ(Counts("s"), "2/2/2/2");
  Patch("sidecarsets", "s", R"({"spec": {"namespaceSelector": {"matchLabels": {"team": "a"}}}})");
  Rest();
  EXPECT_EQ(Counts("s"), "1/1/1/1");
  SetImage("s", "agent:2");
  Rest();
  EXPECT_EQ(ImageOf("p0", "s-agent"), "agent:1");
  EXPECT_EQ(ImageOf("n/p0", "s-agent"), "agent:2");
  Patch("namespaces", "n", R"({"metadata": {"labels": {"team": "b"}}})");
  Rest();
  EXPECT_EQ(Counts("s"), "0/0/0/0");
}

TEST_F(SidecarSetTest, APodThatGoesIsNoLongerCounted) {
  Apply(SetText("s", "agent:1"));
  StartPods(3);
  Delete("pods", "p1", registry::Propagation::kDefault, 0);
  Rest();
  EXPECT_EQ(Counts("s"), "2/2/2/2");
}

TEST_F(SidecarSetTest, SeveralSetsInOnePodAreUpgradedApart) {
  Apply(SetText("s", "agent:1"));
  Apply(SetText("t", "other:1"));
  StartPods(2);
  SetImage("s", "agent:2");
  SetImage("t", "other:2");
  Rest();
  EXPECT_EQ(CountImage("s-agent", "agent:2"), 2);
  EXPECT_EQ(CountImage("t-agent", "other:2"), 2);
  const ImageIds ids = ParseUpdateState(Annotation("p0", kUpdateStateAnnotation));
  EXPECT_EQ(ids.at("s").at("s-agent"), "sha:agent:1");
  EXPECT_EQ(ids.at("t").at("t-agent"), "sha:other:1");
  EXPECT_EQ(Annotation("p0", kInjectedListAnnotation), "s,t");
}

// ------------------------------------------------------------------------------ hot (E17)

class HotUpgradeTest : public SidecarSetTest {
 protected:
  void SetUp() override {
    SidecarSetTest::SetUp();
    Apply(HotSet("hot:1"));
    StartPods(1);
  }

  static std::string HotSet(std::string_view image) {
    return fmt::format(R"({{"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
        "metadata": {{"name": "s"}}, "spec": {{"selector": {{"matchLabels": {{"app": "web"}}}},
        "containers": [{{"name": "hot", "image": "{}", "upgradeStrategy": {{
            "upgradeType": "HotUpgrade", "hotUpgradeEmptyImage": "empty:1"}}}}]}}}})",
                       image);
  }

  // Images and versions of hot-1 and hot-2, and which of them works.
  std::string State() {
    const auto version = [&](std::string_view prefix, std::string_view name) {
      const std::string text = Annotation("p0", fmt::format("{}{}", prefix, name));
      return text.size() > 1 ? std::string("rv") : text;
    };
    return fmt::format("{} {}/{} | {} {}/{} | {}", ImageOf("p0", "hot-1"),
                       version(kVersionPrefix, "hot-1"), version(kVersionAltPrefix, "hot-1"),
                       ImageOf("p0", "hot-2"), version(kVersionPrefix, "hot-2"),
                       version(kVersionAltPrefix, "hot-2"),
                       Annotation("p0", kWorkingContainersAnnotation));
  }
};

TEST_F(HotUpgradeTest, GoesThroughTheEmptyContainer) {
  EXPECT_EQ(State(), R"(hot:1 1/0 | empty:1 0/1 | {"hot":"hot-1"})");
  Apply(HotSet("hot:2"));
  Settle();
  EXPECT_EQ(State(), R"(hot:1 1/rv | hot:2 rv/1 | {"hot":"hot-2"})");
  EXPECT_EQ(Counts("s"), "1/1/0/0");
  Rest();
  EXPECT_EQ(State(), R"(empty:1 0/rv | hot:2 rv/0 | {"hot":"hot-2"})");
  EXPECT_EQ(Counts("s"), "1/1/1/1");
  Apply(HotSet("hot:3"));
  Rest();
  EXPECT_EQ(State(), R"(hot:3 rv/0 | empty:1 0/rv | {"hot":"hot-1"})");
}

TEST_F(HotUpgradeTest, TheOldOneServesUntilTheNewOneRuns) {
  Apply(HotSet("hot:bad"));
  Rest();
  EXPECT_EQ(ImageOf("p0", "hot-1"), "hot:1");
  EXPECT_EQ(ImageOf("p0", "hot-2"), "hot:bad");
  EXPECT_EQ(Counts("s"), "1/1/0/0");
  Apply(HotSet("hot:3"));
  Rest();
  EXPECT_EQ(ImageOf("p0", "hot-1"), "empty:1");
  EXPECT_EQ(ImageOf("p0", "hot-2"), "hot:3") << "the one that is not ready gets the next image";
  EXPECT_EQ(Counts("s"), "1/1/1/1");
}

// ------------------------------------------------------------------------------ the end (E20)

constexpr std::string_view kRemove = R"(, "deletePolicy": "Remove",
    "volumes": [{"name": "logs", "emptyDir": {}}],
    "patchPodMetadata": [{"annotations": {"logs": "on"}}])";

TEST_F(SidecarSetTest, ContainersStayWhenASetWithoutDeletePolicyGoes) {
  Apply(SetText("s", "agent:1"));
  StartPods(1);
  const api::Json before = Get("pods", "p0");
  Delete("sidecarsets", "s");
  Rest();
  EXPECT_FALSE(Has("sidecarsets", "s"));
  EXPECT_EQ(Get("pods", "p0"), before);
}

TEST_F(SidecarSetTest, ASetThatRemovesTakesItsContainersBackBeforeItGoes) {
  api::Json set = api::Literal(SetText("s", "agent:1", kRemove));
  set.at("spec").at("containers").at(0).get_object()["volumeMounts"] =
      api::Literal(R"([{"name": "logs", "mountPath": "/logs"}])");
  Apply(api::Dump(set));
  Apply(SetText("t", "other:1"));
  StartPods(3);
  ASSERT_EQ(Annotation("p0", "logs"), "on");
  Delete("sidecarsets", "s");
  Settle();
  EXPECT_TRUE(Has("sidecarsets", "s"));
  EXPECT_EQ(CountImage("s-agent", "agent:1"), 2) << "one at a time: maxUnavailable is 1";
  Apply(PodText("late"));
  EXPECT_EQ(ImageOf("late", "s-agent"), "-") << "a set that goes is not injected any more";
  Rest();
  EXPECT_FALSE(Has("sidecarsets", "s"));
  EXPECT_EQ(CountImage("s-agent", "agent:1"), 0);
  EXPECT_EQ(CountImage("t-agent", "other:1"), 4);
  for (const char* name : {"p0", "p1", "p2"}) {
    EXPECT_EQ(Annotation(name, kInjectedListAnnotation), "t");
    EXPECT_EQ(ParseMarks(Annotation(name, kHashAnnotation)).count("s"), 0U);
    EXPECT_EQ(Annotation(name, "logs"), "");
    const api::Json pod = Get("pods", name);
    const api::JsonArray* volumes = api::FindArray(pod, {"spec", "volumes"});
    EXPECT_TRUE(volumes == nullptr || volumes->empty()) << api::Dump(pod);
  }
}

TEST_F(SidecarSetTest, RemovalWaitsWhilePausedAndEndsWhenThePolicyIsTakenBack) {
  Apply(
      SetText("s", "agent:1", R"(, "deletePolicy": "Remove", "updateStrategy": {"paused": true})"));
  StartPods(2);
  Delete("sidecarsets", "s");
  Rest();
  EXPECT_EQ(CountImage("s-agent", "agent:1"), 2);
  ASSERT_TRUE(Has("sidecarsets", "s"));
  Patch("sidecarsets", "s", R"({"spec": {"deletePolicy": "Keep"}})");
  Rest();
  EXPECT_FALSE(Has("sidecarsets", "s"));
  EXPECT_EQ(CountImage("s-agent", "agent:1"), 2);
}

// ---------------------------------------------------------------------------------- restarts

TEST_F(SidecarSetTest, ARestartAnywhereGoesOnAndKeepsTheBudget) {  // 7.9
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  Apply(SetText("s", "agent:1", R"(, "updateStrategy": {"maxUnavailable": 2})"));
  StartPods(8);
  int image = 1;
  for (int step = 0; step < 60; ++step) {
    switch (random.Below(4)) {
      case 0:
        SetImage("s", fmt::format("agent:{}", random.OneIn(4) ? "bad" : std::to_string(++image)));
        break;
      case 1:
        Restart();
        break;
      case 2:
        Settle();
        break;
      default:
        Kubelet();
        break;
    }
    Settle();
    // What the set has upgraded and is not ready again is never more than the budget, but for pods
    // that were not ready before.
    int away = 0;
    for (const api::Json& pod : List("pods")) {
      const api::JsonArray* statuses = api::FindArray(pod, {"status", "containerStatuses"});
      bool is_away = false;
      for (const api::Json& status : *statuses) {
        if (api::StringAt(status, {"name"}) == "s-agent") {
          is_away = !api::BoolAt(status, {"ready"}) ||
                    api::StringAt(status, {"image"}) !=
                        ImageOf(api::StringAt(pod, {"metadata", "name"}), "s-agent");
        }
      }
      away += is_away ? 1 : 0;
    }
    ASSERT_LE(away, 2) << "step " << step;
  }
  SetImage("s", "agent:last");
  Rest();
  EXPECT_EQ(Counts("s"), "8/8/8/8");
  EXPECT_EQ(CountImage("s-agent", "agent:last"), 8);
}

}  // namespace
}  // namespace socle::sidecarset
