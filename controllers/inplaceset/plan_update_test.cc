// Plans of rollouts: rows C, D and L of spec controllers 7, and 1.7.
#include <algorithm>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/inplaceset/testing/plan_builder.h"
#include "kv/base/random.h"
#include "kv/testing/seed.h"

namespace socle::inplaceset {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using workload::InPlaceStage;
using workload::LifecycleState;
using workload::PodPhase;
using Words = std::vector<std::string>;

std::string Parallel(int64_t replicas, std::string_view rolling) {
  return fmt::format(R"("replicas":{},"podManagementPolicy":"Parallel",{})", replicas,
                     Rolling(rolling));
}

std::string Ordered(int64_t replicas, std::string_view rolling = R"("partition":0)") {
  return fmt::format(R"("replicas":{},{})", replicas, Rolling(rolling));
}

std::vector<PodRow> Old(int64_t count) {
  std::vector<PodRow> rows;
  for (int64_t i = 0; i < count; ++i) {
    rows.push_back({.ordinal = i});
  }
  return rows;
}

// `count` old pods, some of them otherwise.
std::vector<PodRow> OldBut(int64_t count, const std::vector<PodRow>& others) {
  std::vector<PodRow> rows = Old(count);
  for (const PodRow& other : others) {
    rows[static_cast<size_t>(other.ordinal)] = other;
  }
  return rows;
}

PodRow Updated(int64_t ordinal, bool is_ready = true) {
  return {.ordinal = ordinal, .revision = "r2", .is_ready = is_ready};
}

PodRow Broken(int64_t ordinal, std::string revision = "r1") {
  return {.ordinal = ordinal,
          .revision = std::move(revision),
          .is_ready = false,
          .phase = PodPhase::kPending,
          .waiting = "ImagePullBackOff"};
}

struct UpdateCase {
  const char* name;
  std::string members;
  std::vector<PodRow> pods;
  Words words;
};

TEST(InplaceSetPlan, ReplacesWithinItsBudgetFromTheHighest) {
  const UpdateCase kCases[] = {
      {"the highest first", Ordered(3), Old(3), {"-2"}},
      {"the next when it is back", Ordered(3), OldBut(3, {Updated(2)}), {"-1"}},
      {"waits while it is not ready", Ordered(3), OldBut(3, {Updated(2, false)}), {}},
      {"waits for minReadySeconds",
       Ordered(3, R"("minReadySeconds":10)"),
       OldBut(3, {{.ordinal = 2, .revision = "r2", .ready_seconds = 5}}),
       {}},
      {"paused", Ordered(3, R"("paused":true)"), Old(3), {}},
      {"OnDelete", R"("replicas":3,"updateStrategy":{"type":"OnDelete"})", Old(3), {}},
      {"the partition stays",
       Ordered(5, R"("partition":2)"),
       OldBut(5, {Updated(4), Updated(3), Updated(2)}),
       {}},
      {"two at once", Parallel(6, R"("partition":3,"maxUnavailable":2)"), Old(6), {"-5", "-4"}},
      {"the third when one is back",
       Parallel(6, R"("partition":3,"maxUnavailable":2)"),
       OldBut(6, {Updated(5), Updated(4, false)}),
       {"-3"}},
      {"and not before",
       Parallel(6, R"("partition":3,"maxUnavailable":2)"),
       OldBut(6, {Updated(5, false), Updated(4, false)}),
       {}},
      {"a percentage rounds down", Parallel(5, R"("maxUnavailable":"50%")"), Old(5), {"-4", "-3"}},
      {"a small one is one", Parallel(5, R"("maxUnavailable":"5%")"), Old(5), {"-4"}},
      {"going pods count",
       Parallel(5, R"("maxUnavailable":2)"),
       OldBut(5, {{.ordinal = 0, .is_deleting = true}, {.ordinal = 1, .is_deleting = true}}),
       {}},
      {"missing pods count",
       Parallel(3, R"("maxUnavailable":1)"),
       {{.ordinal = 1}, {.ordinal = 2}},
       {"+0:r2"}},
      {"unready ones of the way are taken, with the budget gone",
       Parallel(4, R"("maxUnavailable":1)"),
       OldBut(4, {{.ordinal = 3, .is_ready = false}}),
       {"-3"}},
      {"unready ones behind it are not",
       Parallel(4, R"("maxUnavailable":1)"),
       OldBut(4, {{.ordinal = 0, .is_ready = false}}),
       {}},
      {"broken ones behind it are",
       Parallel(4, R"("maxUnavailable":1)"),
       OldBut(4, {Broken(0)}),
       {"-0"}},
      {"broken ones of the partition are not",
       Parallel(4, R"("maxUnavailable":1,"partition":1)"),
       OldBut(4, {Broken(0)}),
       {}},
      {"all broken ones at once",
       Parallel(4, R"("maxUnavailable":1)"),
       OldBut(4, {Broken(3), Broken(2), Broken(1)}),
       {"-3", "-2", "-1"}},
      {"going pods are not deleted again",
       Parallel(2, R"("maxUnavailable":2)"),
       OldBut(2, {{.ordinal = 1, .is_deleting = true}}),
       {"-0"}},
  };
  for (const UpdateCase& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<PodRow> pods = c.pods;
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members), pods)), ElementsAreArray(c.words));
  }
}

TEST(IsUnavailable, WhateverKeepsAPodFromServing) {
  const SetSpec set = MakeSet(Parallel(1, R"("minReadySeconds":10)"));

  const struct Case {
    const char* name;
    PodRow pod;
    bool is_unavailable;
  } kCases[] = {
      {"serves", {}, false},
      {"no state", {.state = LifecycleState::kNone}, false},
      {"not ready", {.is_ready = false}, true},
      {"going", {.is_deleting = true}, true},
      {"not running", {.phase = PodPhase::kPending}, true},
      {"ready too short", {.ready_seconds = 9}, true},
      {"ready long enough", {.ready_seconds = 10}, false},
      {"held by a hook", {.state = LifecycleState::kPreparingUpdate}, true},
      {"updated and held", {.state = LifecycleState::kUpdated}, true},
      {"grace, though ready still", {.stage = InPlaceStage::kGrace}, true},
      {"the node at work, though ready still", {.stage = InPlaceStage::kWaiting}, true},
      {"done, and not said yet", {.stage = InPlaceStage::kDone}, true},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(IsUnavailable(set, *MakePod(c.pod), kNow), c.is_unavailable);
  }
}

TEST(InplaceSetPlan, MarkedPodsUseTheBudget) {
  PlanInput input;
  auto marked = std::make_shared<workload::PodFacts>(*MakePod({.ordinal = 0}));
  marked->is_marked_unavailable = true;
  input.pods.push_back(marked);
  EXPECT_THAT(Short(PlanFor(MakeSet(Parallel(3, R"("maxUnavailable":1)")),
                            {{.ordinal = 1}, {.ordinal = 2}}, {}, input)),
              IsEmpty());
}

TEST(InplaceSetPlan, AnOrderedRolloutThatHangsOnABrokenPodIsMended) {
  const struct Case {
    const char* name;
    std::string members;
    std::vector<PodRow> pods;
    Words words;
  } kCases[] = {
      {"of an earlier template", Ordered(3), OldBut(3, {Broken(2, "r0")}), {"-2"}},
      {"unready", Ordered(3), OldBut(3, {{.ordinal = 1, .is_ready = false}}), {"-1"}},
      {"of this template it stays", Ordered(3), OldBut(3, {Broken(2, "r2")}), {}},
      {"in the partition", Ordered(3, R"("partition":2)"), OldBut(3, {Broken(1)}), {}},
      {"paused", Ordered(3, R"("paused":true)"), OldBut(3, {Broken(2)}), {}},
      {"going", Ordered(3), OldBut(3, {{.ordinal = 2, .is_deleting = true}}), {}},
      {"only waiting to be available",
       Ordered(3, R"("minReadySeconds":10)"),
       OldBut(3, {{.ordinal = 2, .ready_seconds = 2}}),
       {}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members), c.pods)), ElementsAreArray(c.words));
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members), c.pods, {}, {.repairs_broken_rollout = false})),
                IsEmpty());
  }
}

TEST(InplaceSetPlan, SpecifiedPodsGoWithinTheBudgetWhateverThePartition) {
  const auto specified = [](int64_t ordinal, bool is_ready = true) {
    return PodRow{.ordinal = ordinal,
                  .revision = "r2",
                  .is_ready = is_ready,
                  .labels = {{"apps.kruise.io/specified-delete", "true"}}};
  };
  const UpdateCase kCases[] = {
      {"one", Ordered(3, R"("partition":3)"), {Updated(0), specified(1), Updated(2)}, {"-1"}},
      {"the budget holds",
       Parallel(3, R"("maxUnavailable":1,"partition":3)"),
       {specified(0), specified(1), Updated(2)},
       {"-1"}},
      {"unready ones are free",
       Parallel(3, R"("maxUnavailable":1,"partition":3)"),
       {specified(0, false), specified(1, false), Updated(2)},
       {"-1", "-0"}},
      {"others wait for it",
       Parallel(3, R"("maxUnavailable":1)"),
       {{.ordinal = 0}, {.ordinal = 1}, specified(2)},
       {"-2"}},
      {"paused", Ordered(2, R"("paused":true)"), {Updated(0), specified(1)}, {}},
  };
  for (const UpdateCase& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members), c.pods)), ElementsAreArray(c.words));
  }
}

// -------------------------------------------------------------------------------------- priority

std::vector<std::string> SortedNames(const SetSpec& set, std::vector<PodRow> rows) {
  std::reverse(rows.begin(), rows.end());
  std::vector<workload::PodFactsRef> pods;
  for (const PodRow& row : rows) {
    pods.push_back(MakePod(row));
  }
  SortForUpdate(set, "r2", &pods);
  std::vector<std::string> names;
  for (const workload::PodFactsRef& pod : pods) {
    names.push_back(pod->name().substr(4));
  }
  return names;
}

TEST(SortForUpdate, UpdatedOnesFirstThenByDescendingOrdinal) {
  const SetSpec set = MakeSet(Parallel(10, R"("partition":6,"maxUnavailable":10,
      "unorderedUpdate":{"priorityStrategy":{"orderPriority":[{"orderedKey":"k"}]}})"));
  std::vector<std::string> names = SortedNames(set, OldBut(10, {Updated(7), Updated(6)}));
  names.resize(4);
  EXPECT_THAT(names, ElementsAre("7", "6", "9", "8"));
  EXPECT_THAT(Short(PlanFor(set, OldBut(10, {Updated(7), Updated(6)}))), ElementsAre("-9", "-8"));
}

TEST(SortForUpdate, ByTheOrderOfKeysThenByTheNumberLargerFirst) {
  const SetSpec set = MakeSet(Parallel(8, R"("unorderedUpdate":{"priorityStrategy":{"orderPriority":
      [{"orderedKey":"first"},{"orderedKey":"second"}]}})"));
  const auto with = [](int64_t ordinal, std::string key, std::string value) {
    return PodRow{.ordinal = ordinal, .labels = {{std::move(key), std::move(value)}}};
  };
  EXPECT_THAT(SortedNames(set, {with(0, "second", "9"),
                                with(1, "first", "x-2"),
                                with(2, "first", "10"),
                                with(3, "first", "none"),
                                with(4, "second", "99999999999999999999999"),
                                {.ordinal = 5},
                                with(6, "first", "10")}),
              ElementsAre("5", "6", "2", "1", "3", "4", "0"));
}

TEST(SortForUpdate, ByTheSumOfWeightsHigherFirst) {
  const SetSpec set =
      MakeSet(Parallel(8, R"("unorderedUpdate":{"priorityStrategy":{"weightPriority":[
      {"weight":10,"matchSelector":{"matchLabels":{"a":"1"}}},
      {"weight":15,"matchSelector":{"matchLabels":{"b":"1"}}},
      {"weight":7,"matchSelector":{"matchExpressions":[{"key":"a","operator":"Exists"}]}}]}})"));
  EXPECT_THAT(SortedNames(set, {{.ordinal = 0},
                                {.ordinal = 1, .labels = {{"a", "1"}}},
                                {.ordinal = 2, .labels = {{"a", "2"}}},
                                {.ordinal = 3, .labels = {{"b", "1"}}},
                                {.ordinal = 4, .labels = {{"a", "1"}, {"b", "1"}}}}),
              ElementsAre("4", "1", "3", "2", "0"));
}

// -------------------------------------------------------------------------------------- in place

PlanInput Possible() {
  PlanInput input;
  input.updates.insert_or_assign(
      "r1", workload::InPlaceUpdate{.revision = "r2", .images = {{"app", "app:2"}}});
  return input;
}

PlanInput Impossible() {
  PlanInput input;
  input.updates.insert_or_assign("r1", absl::FailedPreconditionError("spec.volumes"));
  return input;
}

constexpr std::string_view kIfPossible =
    R"("maxUnavailable":2,"podUpdatePolicy":"InPlaceIfPossible")";
constexpr std::string_view kOnly = R"("maxUnavailable":2,"podUpdatePolicy":"InPlaceOnly")";

TEST(InplaceSetPlan, UpdatesInPlaceWhereThatCanBeDone) {
  EXPECT_THAT(Short(PlanFor(MakeSet(Parallel(4, kIfPossible)), Old(4), {}, Possible())),
              ElementsAre(">3", ">2"));
  EXPECT_THAT(Short(PlanFor(MakeSet(Parallel(4, kIfPossible)), Old(4), {}, Impossible())),
              ElementsAre("-3", "-2"));
  // Of a revision that nobody knows any more.
  EXPECT_THAT(Short(PlanFor(MakeSet(Parallel(4, kIfPossible)), Old(4))), ElementsAre("-3", "-2"));
}

TEST(InplaceSetPlan, InPlaceOnlyLeavesThePodAndSaysWhy) {
  const Plan plan = PlanFor(MakeSet(Parallel(4, kOnly)), Old(4), {}, Impossible());
  EXPECT_THAT(Short(plan), IsEmpty());
  EXPECT_THAT(plan.update_problems,
              ElementsAre(HasSubstr("InPlaceOnly but pod web-3 can not update in-place")));
}

TEST(InplaceSetPlan, PodsUnderUpdateUseTheBudgetUntilTheyAreReady) {
  const SetSpec set = MakeSet(Parallel(4, kIfPossible));
  PodRow waiting = Updated(3, false);
  waiting.stage = InPlaceStage::kWaiting;
  waiting.state = LifecycleState::kUpdating;
  EXPECT_THAT(Short(PlanFor(set, OldBut(4, {waiting}), {}, Possible())), ElementsAre(">2"));
  PodRow done = waiting;
  done.stage = InPlaceStage::kDone;  // takes its step, and is away still
  EXPECT_THAT(Short(PlanFor(set, OldBut(4, {done}), {}, Possible())),
              ElementsAre("=3", "~3:Normal", ">2"));
}

TEST(InplaceSetPlan, GraceEndsWhenItsTimeComes) {
  PodRow row = Updated(0, false);
  row.stage = InPlaceStage::kGrace;
  row.state = LifecycleState::kUpdating;
  const SetSpec set = MakeSet(Ordered(1, kIfPossible));
  auto pod = std::make_shared<workload::PodFacts>(*MakePod(row));
  pod->in_place.grace_until_nanos = kNow + 5;
  PlanInput input{.pods = {pod}};
  const Plan before = PlanFor(set, {}, {}, input);
  EXPECT_THAT(Short(before), IsEmpty());
  EXPECT_EQ(before.wake_nanos, kNow + 5);
  input.now_nanos = kNow + 5;
  EXPECT_THAT(Short(PlanFor(set, {}, {}, input)), ElementsAre("=0"));
}

TEST(InplaceSetPlan, ANewRevisionReplacesAnUpdateUnderWay) {
  PodRow row = {.ordinal = 0, .is_ready = false};
  row.stage = InPlaceStage::kWaiting;
  row.state = LifecycleState::kUpdating;
  EXPECT_THAT(Short(PlanFor(MakeSet(Parallel(1, kIfPossible)), {row}, {}, Possible())),
              ElementsAre(">0"));
  EXPECT_THAT(Short(PlanFor(MakeSet(Ordered(1, R"("podUpdatePolicy":"InPlaceOnly")")), {row}, {},
                            Possible())),
              ElementsAre(">0"));
}

// Pods under update are away already, so the budget holds none of them back: the order does.
TEST(InplaceSetPlan, AnOrderedSetReplacesOnePodAtATimeAlsoWhenSeveralAreUnderUpdate) {
  const auto waiting = [](int64_t ordinal, const char* revision) {
    PodRow row = {.ordinal = ordinal, .revision = revision};
    row.stage = InPlaceStage::kWaiting;
    row.state = LifecycleState::kUpdating;
    return row;
  };
  EXPECT_THAT(Short(PlanFor(MakeSet(Ordered(2)), {waiting(0, "r1"), waiting(1, "r1")})),
              ElementsAre("-1"));
  PodRow specified = waiting(0, "r2");
  specified.labels = {{"apps.kruise.io/specified-delete", "true"}};
  PodRow also_specified = waiting(1, "r2");
  also_specified.labels = specified.labels;
  EXPECT_THAT(Short(PlanFor(MakeSet(Ordered(2)), {specified, also_specified})), ElementsAre("-1"));
  EXPECT_THAT(Short(PlanFor(MakeSet(Ordered(2)), {waiting(0, "r1"), also_specified})),
              ElementsAre("-1"));
}

// ----------------------------------------------------------------------------------------- hooks

TEST(InplaceSetPlan, HooksHoldUpdatesAndDeletions) {
  const std::string hooks = R"(,"lifecycle":{"preDelete":{"labelsHandler":{"d":"1"}},
      "inPlaceUpdate":{"labelsHandler":{"u":"1"}},"preNormal":{"labelsHandler":{"n":"1"}}})";
  const std::string in_place = Parallel(1, kIfPossible) + hooks;
  const std::string recreate = Parallel(1, R"("maxUnavailable":1)") + hooks;
  const auto pod = [](LifecycleState state,
                      std::vector<std::pair<std::string, std::string>> labels = {},
                      std::string revision = "r1") {
    return PodRow{
        .ordinal = 0, .revision = std::move(revision), .state = state, .labels = std::move(labels)};
  };

  const struct Case {
    const char* name;
    const std::string* members;
    PodRow pod;
    Words words;
  } kCases[] = {
      {"PreparingNormal, not hooked, stays",
       &in_place,
       pod(LifecycleState::kPreparingNormal, {}, "r2"),
       {}},
      {"PreparingNormal, hooked",
       &in_place,
       pod(LifecycleState::kPreparingNormal, {{"n", "1"}}, "r2"),
       {"~0:Normal"}},
      {"recreate while PreparingNormal", &recreate, pod(LifecycleState::kPreparingNormal), {"-0"}},
      {"the same, held",
       &recreate,
       pod(LifecycleState::kPreparingNormal, {{"d", "1"}}),
       {"~0:PreparingDelete"}},
      {"in place while PreparingNormal", &in_place, pod(LifecycleState::kPreparingNormal), {">0"}},
      {"PreparingNormal with both hooked",
       &in_place,
       pod(LifecycleState::kPreparingNormal, {{"n", "1"}, {"u", "1"}}),
       {"~0:Normal"}},
      {"PreparingUpdate, let go", &in_place, pod(LifecycleState::kPreparingUpdate), {">0"}},
      {"PreparingUpdate, held", &in_place, pod(LifecycleState::kPreparingUpdate, {{"u", "1"}}), {}},
      {"Updated, hooked again",
       &in_place,
       pod(LifecycleState::kUpdated, {{"u", "1"}}, "r2"),
       {"~0:Normal"}},
      {"Normal, hooked",
       &in_place,
       pod(LifecycleState::kNormal, {{"u", "1"}}),
       {"~0:PreparingUpdate"}},
      {"Updated, and a new revision",
       &in_place,
       pod(LifecycleState::kUpdated),
       {"~0:PreparingUpdate"}},
      {"PreparingDelete, let go",
       &in_place,
       pod(LifecycleState::kPreparingDelete, {}, "r2"),
       {"-0"}},
      {"PreparingDelete, held",
       &in_place,
       pod(LifecycleState::kPreparingDelete, {{"d", "1"}}, "r2"),
       {}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Short(PlanFor(MakeSet(*c.members), {c.pod}, {}, Possible())),
                ElementsAreArray(c.words));
  }
}

TEST(InplaceSetPlan, ARevisionThatComesWhileUpdatedPutsTheHookBack) {
  const SetSpec set = MakeSet(Parallel(1, kIfPossible) +
                              R"(,"lifecycle":{"inPlaceUpdate":{"labelsHandler":{"u":"1"}}})");
  const Plan plan =
      PlanFor(set, {{.ordinal = 0, .state = LifecycleState::kUpdated}}, {}, Possible());
  ASSERT_EQ(plan.changes.size(), 1U);
  EXPECT_TRUE(plan.changes[0].rearms_hook);
}

// ------------------------------------------------------------------------------------ invariants

PodRow RandomPod(int64_t ordinal, Random* random) {
  PodRow row{.ordinal = ordinal};
  row.revision = random->OneIn(2) ? "r1" : "r2";
  row.is_ready = !random->OneIn(4);
  row.is_deleting = random->OneIn(8);
  row.phase = row.is_ready       ? PodPhase::kRunning
              : random->OneIn(2) ? PodPhase::kPending
              : random->OneIn(3) ? PodPhase::kFailed
                                 : PodPhase::kRunning;
  row.ready_seconds = random->OneIn(3) ? 1 : 100;
  row.stage = random->OneIn(6) ? InPlaceStage::kWaiting : InPlaceStage::kIdle;
  if (random->OneIn(8)) {
    row.labels = {{"apps.kruise.io/specified-delete", "true"}};
  }
  if (!row.is_ready && random->OneIn(2)) {
    row.waiting = "CrashLoopBackOff";
  }
  return row;
}

TEST(InplaceSetPlan, KeepsItsLawsWhateverItSees) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("seed {}", seed));
  Random random(seed);
  for (int round = 0; round < 20'000 && !::testing::Test::HasFailure(); ++round) {
    const int64_t replicas = static_cast<int64_t>(random.Below(7));
    const int64_t most = 1 + static_cast<int64_t>(random.Below(3));
    const int64_t partition = static_cast<int64_t>(random.Below(4));
    const bool is_ordered = random.OneIn(2);
    const std::string rolling = fmt::format(
        R"("partition":{},"maxUnavailable":{},"minReadySeconds":10,"podUpdatePolicy":"{}")",
        partition, is_ordered ? 1 : most, random.OneIn(2) ? "ReCreate" : "InPlaceIfPossible");
    const SetSpec set =
        MakeSet(is_ordered ? Ordered(replicas, rolling) : Parallel(replicas, rolling));
    std::vector<PodRow> rows;
    for (int64_t i = 0; i < replicas + 2; ++i) {
      if (!random.OneIn(4)) {
        rows.push_back(RandomPod(i, &random));
      }
    }
    const Plan plan = PlanFor(set, rows, {}, Possible());
    SCOPED_TRACE(fmt::format("round {} replicas {} partition {} ordered {}", round, replicas,
                             partition, is_ordered));
    int64_t away = replicas;
    StringSet available;
    for (const PodRow& row : rows) {
      const workload::PodFactsRef pod = MakePod(row);
      if (row.ordinal < replicas && !IsUnavailable(set, *pod, kNow)) {
        available.insert(pod->name());
        --away;
      }
    }
    int64_t taken = 0;  // of those that were available
    const auto touch = [&](const workload::PodFactsRef& pod) {
      const int64_t ordinal = *OrdinalOf("web", pod->name());
      taken += available.contains(pod->name()) ? 1 : 0;
      EXPECT_TRUE(ordinal >= partition || pod->is_specified_delete || pod->is_finished() ||
                  ordinal >= replicas)
          << pod->name() << " is of the partition";
      EXPECT_FALSE(pod->is_deleting) << pod->name();
    };
    for (const PodDeletion& deletion : plan.deletions) {
      touch(deletion.pod);
    }
    for (const PodChange& change : plan.changes) {
      if (change.start != nullptr) {
        touch(change.pod);
      }
    }
    EXPECT_LE(taken, std::max<int64_t>(0, set.MaxUnavailable() - away));
    for (const Creation& creation : plan.creations) {
      EXPECT_LT(creation.ordinal, replicas);
      for (int64_t lower = 0; is_ordered && lower < creation.ordinal; ++lower) {
        const auto row = std::find_if(rows.begin(), rows.end(),
                                      [&](const PodRow& one) { return one.ordinal == lower; });
        ASSERT_NE(row, rows.end());
        EXPECT_TRUE(MakePod(*row)->IsAvailable(10, kNow));
      }
    }
    if (is_ordered) {
      EXPECT_LE(plan.creations.size() + plan.deletions.size(), 1U);
    }
    EXPECT_LE(plan.counts.available, plan.counts.ready);
    EXPECT_LE(plan.counts.replicas, static_cast<int64_t>(rows.size()));
  }
}

}  // namespace
}  // namespace socle::inplaceset
