// Plans of scaling, order and claims: rows A and B of spec controllers 7, and 1.5, 1.8, 1.9.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/inplaceset/testing/plan_builder.h"

namespace socle::inplaceset {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;
using workload::PodPhase;
using Words = std::vector<std::string>;

TEST(SlotOrdinals, WalkUpwardPastReservedOnes) {
  const struct Case {
    const char* members;
    std::vector<int64_t> ordinals;
  } kCases[] = {
      {R"("replicas":3)", {0, 1, 2}},
      {R"("replicas":0)", {}},
      {R"("replicas":3,"ordinals":{"start":2})", {2, 3, 4}},
      {R"("replicas":3,"ordinals":{"start":2},"reserveOrdinals":[0,4])", {2, 3, 5}},
      {R"("replicas":3,"ordinals":{"start":2},"reserveOrdinals":[0,2,3,4,5])", {6, 7, 8}},
      {R"("replicas":4,"ordinals":{"start":1},"reserveOrdinals":[1,3,4])", {2, 5, 6, 7}},
      {R"("replicas":3,"reserveOrdinals":[1])", {0, 2, 3}},
      {R"("replicas":2,"reserveOrdinals":["0-3","2-5",7])", {6, 8}},
      {R"("replicas":2,"reserveOrdinals":["5-2","a-b","-1",-1,"1"])", {0, 2}},
      {R"("replicas":1,"reserveOrdinals":["0-9223372036854775807"])", {}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.members);
    EXPECT_EQ(SlotOrdinals(MakeSet(c.members)), c.ordinals);
  }
}

TEST(OrdinalOf, ANameIsAMemberOnlyWithTheSetAndANumber) {
  EXPECT_EQ(OrdinalOf("web", "web-0"), 0);
  EXPECT_EQ(OrdinalOf("web", "web-42"), 42);
  EXPECT_EQ(OrdinalOf("a-b", "a-b-7"), 7);
  for (const std::string_view name : {"web", "web-", "web-x", "web-1x", "web--1", "web-01",
                                      "web-1-0", "webs-1", "db-0", "web-99999999999"}) {
    EXPECT_FALSE(OrdinalOf("web", name).has_value()) << name;
  }
}

struct ScaleCase {
  const char* name;
  const char* members;
  std::vector<PodRow> pods;
  Words words;
};

TEST(InplaceSetPlan, CreatesAndDeletesInTheOrderOfItsPolicy) {
  const PodRow pending1 = {.ordinal = 1, .is_ready = false, .phase = PodPhase::kPending};
  const ScaleCase kCases[] = {
      {"the first alone", R"("replicas":3)", {}, {"+0:r2"}},
      {"the next when the one before is ready", R"("replicas":3)", {{.ordinal = 0}}, {"+1:r2"}},
      {"none while one is pending", R"("replicas":3)", {{.ordinal = 0}, pending1}, {}},
      {"none while one is unready", R"("replicas":2)", {{.ordinal = 0, .is_ready = false}}, {}},
      {"none while one is going", R"("replicas":2)", {{.ordinal = 0, .is_deleting = true}}, {}},
      {"the hole first", R"("replicas":3)", {{.ordinal = 1}, {.ordinal = 2}}, {"+0:r2"}},
      {"all at once",
       R"("replicas":3,"podManagementPolicy":"Parallel")",
       {},
       {"+0:r2", "+1:r2", "+2:r2"}},
      {"the rest beside unready ones",
       R"("replicas":3,"podManagementPolicy":"Parallel")",
       {{.ordinal = 0, .revision = "r2", .is_ready = false}},
       {"+1:r2", "+2:r2"}},
      {"the highest goes alone",
       R"("replicas":1)",
       {{.ordinal = 0}, {.ordinal = 1}, {.ordinal = 2}},
       {"-2"}},
      {"it waits for one that is going",
       R"("replicas":1)",
       {{.ordinal = 0}, {.ordinal = 1}, {.ordinal = 2, .is_deleting = true}},
       {}},
      {"it waits for an unready slot",
       R"("replicas":1)",
       {{.ordinal = 0, .is_ready = false}, {.ordinal = 1}},
       {}},
      {"an unready condemned one waits for a lower one",
       R"("replicas":1)",
       {{.ordinal = 0}, {.ordinal = 1, .is_ready = false}, {.ordinal = 2, .is_ready = false}},
       {}},
      {"the first unhealthy itself goes",
       R"("replicas":1)",
       {{.ordinal = 0}, {.ordinal = 1}, {.ordinal = 2, .is_ready = false}},
       {"-2"}},
      {"all go at once",
       R"("replicas":1,"podManagementPolicy":"Parallel")",
       {{.ordinal = 0, .revision = "r2"}, {.ordinal = 1}, {.ordinal = 2, .is_ready = false}},
       {"-2", "-1"}},
      {"a reserved ordinal is condemned",
       R"("replicas":2,"reserveOrdinals":[1],"podManagementPolicy":"Parallel")",
       {{.ordinal = 0, .revision = "r2"}, {.ordinal = 1, .revision = "r2"}},
       {"+2:r2", "-1"}},
      {"a failed pod goes",
       R"("replicas":2)",
       {{.ordinal = 0, .is_ready = false, .phase = PodPhase::kFailed}},
       {"-0"}},
      {"so does one that succeeded",
       R"("replicas":1)",
       {{.ordinal = 0, .is_ready = false, .phase = PodPhase::kSucceeded}},
       {"-0"}},
      {"not at once after it was made",
       R"("replicas":1)",
       {{.ordinal = 0, .is_ready = false, .phase = PodPhase::kFailed, .age_seconds = 1}},
       {}},
      {"minReadySeconds hold the next",
       R"("replicas":2,"updateStrategy":{"rollingUpdate":{"minReadySeconds":10}})",
       {{.ordinal = 0, .ready_seconds = 9}},
       {}},
      {"and then don't",
       R"("replicas":2,"updateStrategy":{"rollingUpdate":{"minReadySeconds":10}})",
       {{.ordinal = 0, .ready_seconds = 10}},
       {"+1:r2"}},
      {"the scale strategy limits creations",
       R"("replicas":5,"podManagementPolicy":"Parallel","scaleStrategy":{"maxUnavailable":2})",
       {{.ordinal = 0, .revision = "r2"}, {.ordinal = 1, .revision = "r2", .is_ready = false}},
       {"+2:r2"}},
      {"a percentage rounds down, at least one",
       R"("replicas":5,"podManagementPolicy":"Parallel","scaleStrategy":{"maxUnavailable":"30%"})",
       {},
       {"+0:r2"}},
  };
  for (const ScaleCase& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<PodRow> pods = c.pods;
    for (PodRow& pod : pods) {
      pod.revision = "r2";  // nothing to update
    }
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members), pods, {}, {.current_revision = "r2"})),
                ElementsAreArray(c.words));
  }
}

TEST(InplaceSetPlan, WakesWhenAPodBecomesAvailable) {
  const SetSpec set =
      MakeSet(R"("replicas":2,"updateStrategy":{"rollingUpdate":{"minReadySeconds":10}})");
  EXPECT_EQ(PlanFor(set, {{.ordinal = 0, .ready_seconds = 4}}).wake_nanos,
            kNow + 6 * kNanosPerSecond);
  EXPECT_FALSE(PlanFor(set, {{.ordinal = 0, .ready_seconds = 10}}).wake_nanos.has_value());
}

TEST(InplaceSetPlan, ASetThatIsGoingOnlyCounts) {
  SetSpec set = MakeSet(R"("replicas":3)");
  set.is_deleting = true;
  const Plan plan = PlanFor(set, {{.ordinal = 0}, {.ordinal = 7}});
  EXPECT_THAT(Short(plan), IsEmpty());
  EXPECT_EQ(plan.counts.replicas, 2);
}

TEST(InplaceSetPlan, ARecreatedPodHasTheRevisionOfItsPlace) {
  const PodRow old1 = {.ordinal = 1};
  const auto updated = [](int64_t ordinal) { return PodRow{.ordinal = ordinal, .revision = "r2"}; };
  const std::string unordered =
      R"("unorderedUpdate":{"priorityStrategy":{"orderPriority":[{"orderedKey":"k"}]}})";

  const struct Case {
    const char* name;
    std::string members;
    std::vector<PodRow> pods;
    Words creations;
  } kCases[] = {
      {"OnDelete is new", R"("replicas":1,"updateStrategy":{"type":"OnDelete"})", {}, {"+0:r2"}},
      {"no parameters: below currentReplicas is old",
       R"("replicas":3,"podManagementPolicy":"Parallel","updateStrategy":{"type":"RollingUpdate"})",
       {},
       {"+0:r1", "+1:r1", "+2:r2"}},
      {"no parameters, from the start ordinal",
       R"("replicas":3,"ordinals":{"start":4},"podManagementPolicy":"Parallel","updateStrategy":{"type":"RollingUpdate"})",
       {},
       {"+4:r1", "+5:r1", "+6:r2"}},
      {"ordered: the lowest of the partition are old",
       R"("replicas":4,"podManagementPolicy":"Parallel",)" + Rolling(R"("partition":2)"),
       {},
       {"+0:r1", "+1:r1", "+2:r2", "+3:r2"}},
      {"slots count, not ordinals",
       R"("replicas":3,"reserveOrdinals":[0,2],"podManagementPolicy":"Parallel",)" +
           Rolling(R"("partition":2)"),
       {},
       {"+1:r1", "+3:r1", "+4:r2"}},
      {"partition beyond replicas",
       R"("replicas":2,"podManagementPolicy":"Parallel",)" + Rolling(R"("partition":9)"),
       {},
       {"+0:r1", "+1:r1"}},
      {"unordered: old while fewer others are",
       R"("replicas":4,"podManagementPolicy":"Parallel",)" +
           Rolling(R"("partition":2,)" + unordered),
       {updated(3)},
       {"+0:r1", "+1:r1", "+2:r2"}},
      {"unordered: enough are old already",
       R"("replicas":3,"podManagementPolicy":"Parallel",)" +
           Rolling(R"("partition":1,"paused":true,)" + unordered),
       {old1, updated(2)},
       {"+0:r2"}},
      {"unordered: none needs to be old",
       R"("replicas":2,"podManagementPolicy":"Parallel",)" +
           Rolling(R"("partition":0,)" + unordered),
       {updated(1)},
       {"+0:r2"}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_THAT(Short(PlanFor(MakeSet(c.members, R"({"currentReplicas":2})"), c.pods)),
                ElementsAreArray(c.creations));
  }
}

TEST(InplaceSetPlan, CountsWhatItSees) {
  const SetSpec set = MakeSet(R"("replicas":4,)" + Rolling(R"("minReadySeconds":10)"));
  const Plan plan = PlanFor(set, {{.ordinal = 0},
                                  {.ordinal = 1, .revision = "r2"},
                                  {.ordinal = 2, .revision = "r2", .ready_seconds = 3},
                                  {.ordinal = 3, .revision = "r2", .is_deleting = true},
                                  {.ordinal = 8, .is_ready = false}});
  const Counts wanted = {.replicas = 5,
                         .ready = 3,
                         .available = 2,
                         .current = 2,
                         .updated = 2,
                         .updated_ready = 2,
                         .updated_available = 1};
  EXPECT_EQ(plan.counts, wanted);
  EXPECT_FALSE(plan.is_complete);
}

TEST(InplaceSetPlan, IsCompleteWhenAllAreUpdatedAndReadyAndNoOthersThere) {
  const SetSpec set = MakeSet(R"("replicas":2)");
  const PodRow zero = {.ordinal = 0, .revision = "r2"};
  const PodRow one = {.ordinal = 1, .revision = "r2"};
  EXPECT_TRUE(PlanFor(set, {zero, one}).is_complete);
  EXPECT_FALSE(PlanFor(set, {zero}).is_complete);
  EXPECT_FALSE(PlanFor(set, {zero, {.ordinal = 1}}).is_complete);
  EXPECT_FALSE(
      PlanFor(set, {zero, {.ordinal = 1, .revision = "r2", .is_ready = false}}).is_complete);
  EXPECT_FALSE(PlanFor(set, {zero, one, {.ordinal = 2, .revision = "r2"}}).is_complete);
}

TEST(InplaceSetPlan, RepairsLostLabels) {
  const SetSpec set = MakeSet(R"("replicas":1)");
  PlanInput input{.current_revision = "r2"};
  const workload::PodFactsRef pod = MakePod({.ordinal = 0, .revision = "r2"});
  auto broken = std::make_shared<registry::Object>(*pod->object);
  broken->labels.clear();
  auto facts = std::make_shared<workload::PodFacts>(*pod);
  facts->object = broken;
  input.pods.push_back(facts);
  EXPECT_THAT(Short(PlanFor(set, {}, {}, input)), ElementsAre("!0"));
}

// ---------------------------------------------------------------------------------------- claims

constexpr std::string_view kClaims = R"("volumeClaimTemplates":[{"metadata":{"name":"data"}}])";

std::string WithRetention(std::string_view when_deleted, std::string_view when_scaled) {
  return fmt::format(
      R"("replicas":1,"podManagementPolicy":"Parallel","persistentVolumeClaimRetentionPolicy":
         {{"whenDeleted":"{}","whenScaled":"{}"}},{})",
      when_deleted, when_scaled, kClaims);
}

TEST(InplaceSetPlan, ClaimsHaveTheOwnersOfTheTruthTable) {
  const std::string set_uid = "uid-set";

  const struct Case {
    const char* when_deleted;
    const char* when_scaled;
    bool is_condemned;
    ClaimOwner owner;
  } kCases[] = {
      {"Retain", "Retain", false, ClaimOwner::kNobody},
      {"Retain", "Retain", true, ClaimOwner::kNobody},
      {"Delete", "Retain", false, ClaimOwner::kSet},
      {"Delete", "Retain", true, ClaimOwner::kSet},
      {"Retain", "Delete", false, ClaimOwner::kNobody},
      {"Retain", "Delete", true, ClaimOwner::kPod},
      {"Delete", "Delete", false, ClaimOwner::kSet},
      {"Delete", "Delete", true, ClaimOwner::kPod},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(fmt::format("{} {} {}", c.when_deleted, c.when_scaled, c.is_condemned));
    const SetSpec set = MakeSet(WithRetention(c.when_deleted, c.when_scaled));
    const int64_t ordinal = c.is_condemned ? 1 : 0;
    const std::string claim = fmt::format("data-web-{}", ordinal);
    const std::string pod_uid = fmt::format("uid-{}", ordinal);
    for (const std::vector<std::string>& owners :
         {std::vector<std::string>{}, {set_uid}, {pod_uid}, {set_uid, pod_uid}}) {
      const std::vector<std::string> right = c.owner == ClaimOwner::kSet ? std::vector{set_uid}
                                             : c.owner == ClaimOwner::kPod
                                                 ? std::vector{pod_uid}
                                                 : std::vector<std::string>{};
      std::vector<PodRow> pods = {{.ordinal = 0, .revision = "r2"}};
      if (c.is_condemned) {
        pods.push_back({.ordinal = 1});
      }
      const Plan plan = PlanFor(set, pods, {MakeClaim(claim, owners)});
      ASSERT_EQ(plan.claim_changes.size(), owners == right ? 0U : 1U);
      if (owners != right) {
        EXPECT_EQ(plan.claim_changes[0].wanted, c.owner);
        api::Json document = api::Literal(R"({"metadata":{"ownerReferences":[{"uid":"foreign"},
            {"uid":"uid-set"},{"uid":"uid-0"},{"uid":"uid-1"}]}})");
        RepairClaimOwners(set, *plan.claim_changes[0].pod, c.owner, &document);
        const std::string text = api::Dump(document);
        EXPECT_NE(text.find("foreign"), std::string::npos);
        EXPECT_EQ(text.find("uid-set") != std::string::npos, c.owner == ClaimOwner::kSet);
        EXPECT_EQ(text.find(pod_uid) != std::string::npos, c.owner == ClaimOwner::kPod);
      }
    }
  }
}

TEST(InplaceSetPlan, AClaimOfAnEarlierPodOrOneThatIsGoingHoldsTheNewPod) {
  const SetSpec set = MakeSet(WithRetention("Retain", "Delete"));

  const struct Case {
    const char* name;
    registry::ObjectRef claim;
    bool creates;
  } kCases[] = {
      {"free", MakeClaim("data-web-0"), true},
      {"of the set", MakeClaim("data-web-0", {"uid-set"}), true},
      {"stale", MakeClaim("data-web-0", {"uid-gone"}), false},
      {"going", MakeClaim("data-web-0", {}, true), false},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const Plan plan = PlanFor(set, {}, {c.claim});
    EXPECT_EQ(plan.creations.size(), c.creates ? 1U : 0U);
    EXPECT_EQ(plan.creation_problems.empty(), c.creates);
    EXPECT_THAT(plan.claim_creations, IsEmpty());
  }
}

TEST(InplaceSetPlan, MissingClaimsAreMadeForNewAndPendingPods) {
  const SetSpec set = MakeSet(WithRetention("Retain", "Retain"));
  EXPECT_EQ(PlanFor(set, {}).claim_creations.size(), 1U);
  const PodRow pending = {.ordinal = 0, .is_ready = false, .phase = PodPhase::kPending};
  EXPECT_EQ(PlanFor(set, {pending}).claim_creations.size(), 1U);
  EXPECT_EQ(PlanFor(set, {{.ordinal = 0}}).claim_creations.size(), 0U);
}

TEST(InplaceSetPlan, AClaimMarkedWithItsPodGoesToo) {
  const SetSpec set = MakeSet(WithRetention("Retain", "Retain"));
  auto claim = std::make_shared<registry::Object>(*MakeClaim("data-web-0"));
  claim->labels = {{"apps.kruise.io/specified-delete", "true"}};
  EXPECT_EQ(PlanFor(set, {}, {claim}).claim_deletions.size(), 1U);
  EXPECT_THAT(PlanFor(set, {{.ordinal = 0}}, {claim}).claim_deletions, IsEmpty());
}

// --------------------------------------------------------------------------------- other nodes

constexpr std::string_view kRetry =
    R"("replicas":1,"scheduleStrategy":{"retryOnOtherNodes":{"enabled":true,"timeoutSeconds":30,"maxRetries":2}})";

TEST(InplaceSetPlan, APodThatDoesNotRunIsNotedBeforeItGoes) {
  const auto pending = [](int64_t age, std::string node = "n1") {
    return PodRow{.ordinal = 0,
                  .revision = "r2",
                  .is_ready = false,
                  .phase = PodPhase::kPending,
                  .age_seconds = age,
                  .node = std::move(node)};
  };
  const PodRow refused = {.ordinal = 0, .is_ready = false, .phase = PodPhase::kFailed};
  const auto noted = [](std::string_view nodes) {
    return fmt::format(R"({{"nodeRetries":[{{"podName":"web-0","nodes":{}}}]}})", nodes);
  };

  const struct Case {
    const char* name;
    PodRow pod;
    std::string status;
    std::vector<std::string> nodes;  // noted afterwards
    Words words;
  } kCases[] = {
      {"in time, to the second that its times are cut to", pending(30), "{}", {}, {}},
      {"late: noted, and stays for now", pending(31), "{}", {"n1"}, {}},
      {"noted: goes", pending(31), noted(R"(["n1"])"), {"n1"}, {"-0"}},
      {"on the next node, in time", pending(3, "n2"), noted(R"(["n1"])"), {"n1"}, {}},
      {"on the next node, late", pending(31, "n2"), noted(R"(["n1"])"), {"n1", "n2"}, {}},
      {"enough", pending(99, "n3"), noted(R"(["n1","n2"])"), {"n1", "n2"}, {}},
      {"not bound", pending(99, ""), "{}", {}, {}},
      {"it runs: forgotten", {.ordinal = 0, .revision = "r2"}, noted(R"(["n1"])"), {}, {}},
      {"refused by the node: noted at once", refused, "{}", {"n1"}, {}},
      {"refused and noted: goes", refused, noted(R"(["n1"])"), {"n1"}, {"-0"}},
      {"of a pod that is no more",
       {.ordinal = 0, .revision = "r2"},
       R"({"nodeRetries":[{"podName":"web-9","nodes":["n1"]}]})",
       {},
       {}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const SetSpec set = MakeSet(kRetry, c.status);
    const Plan plan = PlanFor(set, {c.pod}, {}, {.current_revision = "r2"});
    EXPECT_THAT(Short(plan), ElementsAreArray(c.words));
    EXPECT_EQ(plan.node_retries.empty() ? std::vector<std::string>() : plan.node_retries[0].nodes,
              c.nodes);
  }
}

TEST(InplaceSetPlan, TheSuccessorKeepsOffTheNotedNodes) {
  const SetSpec set =
      MakeSet(kRetry, R"({"nodeRetries":[{"podName":"web-0","nodes":["n1","n2"]}]})");
  const Plan plan = PlanFor(set, {});
  ASSERT_EQ(plan.creations.size(), 1U);
  EXPECT_THAT(plan.creations[0].failed_nodes, ElementsAre("n1", "n2"));
  const api::Json pod_template = api::Literal(R"({"spec":{"affinity":{"nodeAffinity":{
      "requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
        {"matchExpressions":[{"key":"a","operator":"Exists"}]},{"matchFields":[]}]}}}}})");
  const api::Json pod = NewPod(set, {.ordinal = 0,
                                     .revision = "r2",
                                     .pod_template = &pod_template,
                                     .failed_nodes = plan.creations[0].failed_nodes});
  const api::JsonArray& terms =
      *api::FindArray(pod, {"spec", "affinity", "nodeAffinity",
                            "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"});
  for (const api::Json& term : terms) {
    EXPECT_EQ(api::Dump(term.at("matchFields")),
              R"([{"key":"metadata.name","operator":"NotIn","values":["n1"]},)"
              R"({"key":"metadata.name","operator":"NotIn","values":["n2"]}])");
  }
  EXPECT_EQ(terms.size(), 2U);
}

TEST(InplaceSetPlan, AClaimOnANodeOrALostNodeChangesTheRetry) {
  const SetSpec set = MakeSet(kRetry, R"({"nodeRetries":[{"podName":"web-0","nodes":["n1"]}]})");
  const PodRow late = {.ordinal = 0,
                       .revision = "r2",
                       .is_ready = false,
                       .phase = PodPhase::kPending,
                       .age_seconds = 60};
  PlanInput lost{.current_revision = "r2", .lost_nodes = {"n1"}};
  const Plan forced = PlanFor(set, {late}, {}, lost);
  ASSERT_EQ(forced.deletions.size(), 1U);
  EXPECT_TRUE(forced.deletions[0].is_forced);
  EXPECT_EQ(forced.deletions[0].cause, DeletionCause::kRetried);

  auto pod = std::make_shared<workload::PodFacts>(*MakePod(late));
  pod->claim_volumes = {{"data", "data-web-0"}};
  PlanInput held{.current_revision = "r2", .pods = {pod}, .claims_on_nodes = {"data-web-0"}};
  EXPECT_THAT(Short(PlanFor(set, {}, {}, held)), IsEmpty());
}

}  // namespace
}  // namespace socle::inplaceset
