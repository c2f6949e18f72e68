// Which pods are upgraded next: the numeric table of the specification, orders, and removal.
#include "controllers/sidecarset/plan.h"

#include <deque>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/sidecarset/upgrade_order.h"

namespace socle::sidecarset {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kOld = 1;
constexpr uint64_t kNew = 2;
constexpr uint64_t kSameButImage = 7;

// Pods with their objects, which the plan reads labels of. What Add returns stays where it is.
class Pods {
 public:
  Pods() { pods.reserve(10'000); }

  PodState& Add(bool is_updated, bool is_ready) {
    registry::Object& object = objects_.emplace_back();
    object.name = "pod-" + std::to_string(pods.size());
    pods.push_back({.state = {.hash = is_updated ? kNew : kOld,
                              .hash_without_image = kSameButImage,
                              .is_active = true,
                              .is_assigned = true,
                              .phase = workload::PodPhase::kRunning,
                              .is_ready = is_ready,
                              .is_consistent = true,
                              .has_sidecars = true},
                    .object = &object});
    return pods.back().state;
  }

  void AddMany(int count, bool is_updated, bool is_ready) {
    for (int i = 0; i < count; ++i) {
      Add(is_updated, is_ready);
    }
  }

  void Label(size_t pod, std::string key, std::string value) {
    objects_[pod].labels.emplace_back(std::move(key), std::move(value));
    std::sort(objects_[pod].labels.begin(), objects_[pod].labels.end());
  }

  std::vector<PlanPod> pods;

 private:
  std::deque<registry::Object> objects_;
};

Plan PlanFor(const UpdateStrategy& strategy, const Pods& pods) {
  return MakePlan({.strategy = &strategy,
                   .hash = kNew,
                   .hash_without_image = kSameButImage,
                   .pods = pods.pods});
}

api::LabelSelector Selector(std::string_view text) {
  return *api::LabelSelector::Parse(text);
}

TEST(SidecarSetPlan, PicksTheNumbersOfTheTable) {
  struct Case {
    const char* name;
    int pods;
    int updated;
    int updated_ready;
    api::Json max_unavailable;
    api::Json partition;
    size_t picked;
  };

  const Case cases[] = {
      {"10 at once, 4 away", 100, 30, 26, 10, 0, 6},
      {"10% at once, 40 away", 1000, 300, 260, "10%", 0, 60},
      {"5% at once, 50 away", 1000, 300, 250, "5%", 0, 0},
      {"all at once", 100, 30, 27, 100, 0, 70},
      {"partition 180", 1000, 800, 760, 100, 180, 20},
      {"partition 100", 1000, 800, 760, 100, 100, 60},
      {"partition 18%", 1000, 800, 760, 100, "18%", 20},
      {"partition 10%", 1000, 800, 760, 100, "10%", 60},
      {"5% of 5 is rounded up", 5, 0, 0, "5%", 0, 1},
      {"99% of 5 leaves one to upgrade", 5, 0, 0, 5, "99%", 1},
      {"1% of 5 holds back one", 5, 0, 0, 5, "1%", 4},
      {"100% holds back all", 5, 0, 0, 5, "100%", 0},
      {"partition above the number of pods", 5, 0, 0, 5, 10, 0},
      {"nobody may be away", 5, 0, 0, 0, 0, 0},
      {"half of two (E12)", 2, 0, 0, "50%", 0, 1},
      {"partition half of two (E12)", 2, 0, 0, 2, "50%", 1},
      {"no pods", 0, 0, 0, 1, "50%", 0},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Pods pods;
    pods.AddMany(c.updated_ready, true, true);
    pods.AddMany(c.updated - c.updated_ready, true, false);
    pods.AddMany(c.pods - c.updated, false, true);
    UpdateStrategy strategy;
    strategy.max_unavailable = c.max_unavailable;
    strategy.partition = c.partition;
    const Plan plan = PlanFor(strategy, pods);
    EXPECT_THAT(plan.upgrades, SizeIs(c.picked));
    EXPECT_EQ(plan.counts, (Counts{.matched = c.pods,
                                   .updated = c.updated,
                                   .ready = c.updated_ready + c.pods - c.updated,
                                   .updated_ready = c.updated_ready}));
    EXPECT_THAT(plan.not_upgradable, IsEmpty());
  }
}

TEST(SidecarSetPlan, UpgradesOnlyThePodsThatTheUpdateSelectorMatches) {
  Pods pods;
  pods.AddMany(1000, false, true);
  for (size_t i = 0; i < 30; ++i) {
    pods.Label(i * 7, "canary", "yes");
  }
  UpdateStrategy strategy;
  strategy.max_unavailable = 100;
  strategy.selector = Selector("canary=yes");
  const Plan plan = PlanFor(strategy, pods);
  EXPECT_THAT(plan.upgrades, SizeIs(30));
  for (const size_t pod : plan.upgrades) {
    EXPECT_TRUE(pods.pods[pod].object->HasLabel("canary"));
  }
}

TEST(SidecarSetPlan, ReportsPodsThatDifferInMoreThanImagesAndPicksNone) {
  Pods pods;
  pods.AddMany(100, false, true);
  for (PlanPod& pod : pods.pods) {
    pod.state.hash_without_image = kSameButImage + 1;
  }
  pods.pods[3].state.upgradable = Upgradable::kNo;  // has been told
  UpdateStrategy strategy;
  strategy.max_unavailable = 100;
  const Plan plan = PlanFor(strategy, pods);
  EXPECT_THAT(plan.upgrades, IsEmpty());
  EXPECT_THAT(plan.not_upgradable, SizeIs(100));
  EXPECT_THAT(plan.refused, SizeIs(99));
  EXPECT_EQ(plan.counts.updated, 0);
}

TEST(SidecarSetPlan, TakesTheRefusalBackWhenThePodCanBeUpgradedAgain) {
  Pods pods;
  pods.Add(false, true).upgradable = Upgradable::kNo;
  pods.Add(true, true).upgradable = Upgradable::kNo;
  pods.Add(true, true).upgradable = Upgradable::kYes;
  EXPECT_THAT(PlanFor(UpdateStrategy(), pods).readmitted, ElementsAre(0, 1));
}

TEST(SidecarSetPlan, StopsAfterOnePodWhoseNewImageDoesNotStart) {  // E10
  Pods pods;
  pods.Add(true, false).is_consistent = false;
  pods.Add(false, true);
  const Plan plan = PlanFor(UpdateStrategy(), pods);
  EXPECT_THAT(plan.upgrades, IsEmpty());
  EXPECT_EQ(plan.counts, (Counts{.matched = 2, .updated = 1, .ready = 1, .updated_ready = 0}));
}

TEST(SidecarSetPlan, CountsAPodAsAwayUntilItsNodeRunsTheNewImage) {
  Pods pods;
  pods.Add(true, true).is_consistent = false;  // Ready is still that of the old container.
  pods.Add(false, true);
  EXPECT_THAT(PlanFor(UpdateStrategy(), pods).upgrades, IsEmpty());
}

TEST(SidecarSetPlan, PodsThatAreNotReadyAnywayCostNoBudget) {
  Pods pods;
  pods.AddMany(3, false, false);
  pods.AddMany(5, false, true);
  UpdateStrategy strategy;
  strategy.max_unavailable = 2;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, ElementsAre(0, 1, 2, 3, 4));
  strategy.max_unavailable = 0;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, ElementsAre(0, 1, 2));
}

TEST(SidecarSetPlan, ANewRevisionTakesNoMorePodsThanTheOneThatItInterrupts) {
  Pods pods;
  pods.Add(false, false).is_interrupted = true;  // got an image that does not start
  pods.Add(false, true).is_interrupted = true;   // got an image that its node has not seen yet
  pods.AddMany(3, false, true);
  UpdateStrategy strategy;
  strategy.max_unavailable = 2;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, ElementsAre(0, 1));
  strategy.max_unavailable = 3;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, ElementsAre(0, 1, 2));
}

TEST(SidecarSetPlan, DoesNothingWhilePausedOrNotToUpdate) {
  Pods pods;
  pods.AddMany(5, false, true);
  pods.Add(true, true).is_flippable = true;
  UpdateStrategy strategy;
  strategy.is_paused = true;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, IsEmpty());
  EXPECT_THAT(PlanFor(strategy, pods).flips, IsEmpty());
  EXPECT_EQ(PlanFor(strategy, pods).counts.matched, 6);
  strategy = {};
  strategy.is_rolling = false;
  EXPECT_THAT(PlanFor(strategy, pods).upgrades, IsEmpty());
}

TEST(SidecarSetPlan, FlipsFinishedHotUpgradesInAPassOfTheirOwn) {
  Pods pods;
  pods.AddMany(2, false, true);
  pods.Add(true, true).is_flippable = true;
  const Plan plan = PlanFor(UpdateStrategy(), pods);
  EXPECT_THAT(plan.flips, ElementsAre(2));
  EXPECT_THAT(plan.upgrades, IsEmpty());
}

// ---------------------------------------------------------------------------------- order (E14)

TEST(SidecarSetOrder, GoesFromLeastToMostValuableState) {
  Pods pods;
  pods.Add(false, true).ready_since_nanos = 100;
  pods.Add(false, true).ready_since_nanos = 200;  // ready for a shorter time
  pods.Add(false, false);
  pods.Add(false, false).phase = workload::PodPhase::kUnknown;
  pods.Add(false, false).phase = workload::PodPhase::kPending;
  PodState& unassigned = pods.Add(false, false);
  unassigned.phase = workload::PodPhase::kPending;
  unassigned.is_assigned = false;
  PodState& restarted = pods.Add(false, true);
  restarted.ready_since_nanos = 100;
  restarted.restart_count = 3;
  PodState& newer = pods.Add(false, true);
  newer.ready_since_nanos = 100;
  newer.restart_count = 3;
  newer.created_nanos = 50;
  restarted.created_nanos = 40;
  Order order = {0, 1, 2, 3, 4, 5, 6, 7};
  SortByState(pods.pods, &order);
  EXPECT_THAT(order, ElementsAre(5, 4, 3, 2, 1, 7, 6, 0));
}

TEST(SidecarSetOrder, HeavierPodsComeFirstAndTiesKeepTheirOrder) {
  Pods pods;
  pods.AddMany(4, false, true);
  pods.Label(1, "tier", "canary");
  pods.Label(3, "tier", "canary");
  pods.Label(3, "zone", "a");
  UpdateStrategy strategy;
  strategy.weights = {{.weight = 50, .labels = Selector("tier=canary")},
                      {.weight = 30, .labels = Selector("zone=a")}};
  Order order = {0, 1, 2, 3};
  SortByPriority(strategy, pods.pods, &order);
  EXPECT_THAT(order, ElementsAre(3, 1, 0, 2));
}

TEST(SidecarSetOrder, OrderedKeysGoByLevelThenByTheNumberAtTheEnd) {
  Pods pods;
  pods.AddMany(6, false, true);
  pods.Label(0, "second", "x9");
  pods.Label(1, "first", "shard-2");
  pods.Label(2, "first", "shard-10");
  pods.Label(3, "first", "none");
  pods.Label(4, "first", "99999999999999999999999");  // more than 64 bits
  UpdateStrategy strategy;
  strategy.order_keys = {"first", "second"};
  Order order = {0, 1, 2, 3, 4, 5};
  SortByPriority(strategy, pods.pods, &order);
  // A pod with none of the keys sorts first.
  EXPECT_THAT(order, ElementsAre(5, 4, 2, 1, 3, 0));
}

TEST(SidecarSetOrder, ScattersPodsOfALabelEvenlyAmongTheRest) {
  Pods pods;
  pods.AddMany(6, false, true);
  pods.Label(0, "foo", "bar");
  pods.Label(1, "foo", "bar");
  Order order = {0, 1, 2, 3, 4, 5};
  Scatter({{.key = "foo", .value = "bar"}}, pods.pods, &order);
  EXPECT_THAT(order, ElementsAre(2, 0, 3, 4, 1, 5));
}

TEST(SidecarSetOrder, AStarScattersByEveryValueThatIsSeen) {
  Pods pods;
  pods.AddMany(6, false, true);
  for (size_t i = 0; i < 6; ++i) {
    pods.Label(i, "zone", i < 3 ? "a" : "b");
  }
  Order order = {0, 1, 2, 3, 4, 5};
  Scatter({{.key = "zone", .value = "*"}}, pods.pods, &order);
  EXPECT_THAT(order, ElementsAre(0, 3, 1, 4, 2, 5));
}

TEST(SidecarSetOrder, ScatteringFollowsPriorityWhereThatHasNoSay) {
  Pods pods;
  pods.AddMany(4, false, true);
  for (size_t i = 0; i < 4; ++i) {
    pods.Label(i, "zone", i < 2 ? "a" : "b");
  }
  pods.Label(1, "tier", "canary");
  UpdateStrategy strategy;
  strategy.weights = {{.weight = 1, .labels = Selector("tier=canary")}};
  strategy.scatter = {{.key = "zone", .value = "a"}, {.key = "zone", .value = "b"}};
  EXPECT_THAT(UpgradeOrder(strategy, pods.pods, {0, 1, 2, 3}), ElementsAre(1, 2, 0, 3));
}

// -------------------------------------------------------------------------------------- removal

std::vector<RemovalPod> Removals(const Pods& pods) {
  std::vector<RemovalPod> removals;
  for (const PlanPod& pod : pods.pods) {
    removals.push_back({.pod = pod});
  }
  return removals;
}

TEST(SidecarSetRemoval, TakesContainersWithinTheBudgetThenAnnotations) {
  Pods pods;
  pods.AddMany(4, true, true);
  UpdateStrategy strategy;
  strategy.max_unavailable = 2;
  EXPECT_THAT(MakeRemovalPlan(strategy, Removals(pods)).strip_containers, ElementsAre(0, 1));

  pods.pods[0].state.has_sidecars = false;  // stripped, and the node still shows the container
  pods.pods[1].state.has_sidecars = false;  // stripped and settled
  std::vector<RemovalPod> removals = Removals(pods);
  removals[0].shows_removed = true;
  const RemovalPlan plan = MakeRemovalPlan(strategy, removals);
  EXPECT_THAT(plan.strip_containers, ElementsAre(2));
  EXPECT_THAT(plan.strip_annotations, ElementsAre(1));
  EXPECT_FALSE(plan.is_done);
}

TEST(SidecarSetRemoval, IsNotHeldBackByPartitionOrSelectorButByPause) {
  Pods pods;
  pods.AddMany(2, true, true);
  UpdateStrategy strategy;
  strategy.partition = "100%";
  strategy.max_unavailable = 0;
  EXPECT_THAT(MakeRemovalPlan(strategy, Removals(pods)).strip_containers, SizeIs(1));
  strategy.is_paused = true;
  const RemovalPlan paused = MakeRemovalPlan(strategy, Removals(pods));
  EXPECT_THAT(paused.strip_containers, IsEmpty());
  EXPECT_FALSE(paused.is_done);
  EXPECT_TRUE(MakeRemovalPlan(strategy, {}).is_done);
}

}  // namespace
}  // namespace socle::sidecarset
