// What a planned change does to a document, and to one that has changed since.
#include "controllers/inplaceset/apply.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/inplaceset/testing/plan_builder.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_readiness.h"

namespace socle::inplaceset {
namespace {

using api::Json;
using workload::LifecycleState;

Json Document(std::string_view revision, std::string_view state, bool is_deleting = false) {
  return api::Literal(fmt::format(
      R"({{"metadata":{{"name":"web-0","labels":{{"controller-revision-hash":"{}",
          "lifecycle.apps.kruise.io/state":"{}"}}{}}},
          "spec":{{"containers":[{{"name":"app","image":"app:1"}}],
                   "readinessGates":[{{"conditionType":"KruisePodReady"}}]}}}})",
      revision, state, is_deleting ? R"(,"deletionTimestamp":"2026-11-23T10:00:00Z")" : ""));
}

TEST(EditOf, LeavesAPodAloneThatHasChangedSinceThePlan) {
  const SetSpec set = MakeSet(R"("replicas":1)");
  const workload::InPlaceUpdate update{.revision = "r2", .images = {{"app", "app:2"}}};

  const struct Case {
    const char* name;
    Json pod;
    bool is_done;
  } kCases[] = {
      {"as planned", Document("r1", "Normal"), true},
      {"another revision", Document("r3", "Normal"), false},
      {"held meanwhile", Document("r1", "PreparingDelete"), false},
      {"going", Document("r1", "Normal", true), false},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const PodChange change{
        .pod = MakePod({.ordinal = 0}), .start = &update, .state = LifecycleState::kUpdating};
    Json pod = c.pod;
    const absl::Status done = EditOf(set, change, kNow)(&pod);
    EXPECT_EQ(done.ok(), c.is_done) << done;
    EXPECT_EQ(absl::IsCancelled(done), !c.is_done);
    if (c.is_done) {
      EXPECT_EQ(workload::LabelOf(pod, workload::kRevisionLabel), "r2");
      EXPECT_EQ(workload::LabelOf(pod, workload::kLifecycleStateLabel), "Updating");
    }
  }
}

TEST(EditOf, AStepThatIsNotDueAnyMoreIsLeft) {
  const SetSpec set = MakeSet(R"("replicas":1)");
  const PodChange change{
      .pod = MakePod({.ordinal = 0}), .advances = true, .state = LifecycleState::kNormal};
  Json pod = Document("r1", "Normal");
  EXPECT_TRUE(absl::IsCancelled(EditOf(set, change, kNow)(&pod)));
}

TEST(EditOf, HooksThatMarkPodsUnreadyHoldTheGateUntilNormal) {
  const SetSpec set = MakeSet(R"("replicas":1,"lifecycle":{
      "preDelete":{"labelsHandler":{"d":"1"},"markPodNotReady":true},
      "inPlaceUpdate":{"labelsHandler":{"u":"1"},"markPodNotReady":true}})");
  const auto is_open_after = [&](LifecycleState from, LifecycleState to, Json* pod) {
    const PodChange change{.pod = MakePod({.ordinal = 0, .state = from}), .state = to};
    EXPECT_TRUE(EditOf(set, change, kNow)(pod).ok());
    return api::StringAt(*workload::FindPodCondition(*pod, workload::kKruiseReadyCondition),
                         {"status"}) == "True";
  };
  Json pod = Document("r1", "Normal");
  EXPECT_FALSE(is_open_after(LifecycleState::kNormal, LifecycleState::kPreparingUpdate, &pod));
  EXPECT_FALSE(is_open_after(LifecycleState::kPreparingUpdate, LifecycleState::kUpdated, &pod));
  EXPECT_TRUE(is_open_after(LifecycleState::kUpdated, LifecycleState::kNormal, &pod));
  EXPECT_FALSE(is_open_after(LifecycleState::kNormal, LifecycleState::kPreparingDelete, &pod));
}

TEST(NewPod, HasTheTemplateAndItsIdentity) {
  const SetSpec set = MakeSet(R"("replicas":1,"serviceName":"svc",
      "volumeClaimTemplates":[{"metadata":{"name":"data"}}],
      "lifecycle":{"preDelete":{"labelsHandler":{"d":"1"},"markPodNotReady":true}})");
  const Json pod_template =
      api::Literal(R"({"metadata":{"labels":{"app":"web"},"annotations":{"a":"b"},
      "name":"ignored"},"spec":{"containers":[{"name":"app","image":"app:1"}],
      "volumes":[{"name":"data","emptyDir":{}},{"name":"other","emptyDir":{}}]}})");
  const Json pod = NewPod(
      set, {.ordinal = 3, .revision = "r1", .pod_template = &pod_template, .now_nanos = kNow});
  EXPECT_EQ(api::StringAt(pod, {"metadata", "name"}), "web-3");
  EXPECT_EQ(api::StringAt(pod, {"spec", "hostname"}), "web-3");
  EXPECT_EQ(api::StringAt(pod, {"spec", "subdomain"}), "svc");
  EXPECT_EQ(workload::AnnotationOf(pod, "a"), "b");
  EXPECT_EQ(api::Dump(*workload::ElementNamed(pod, {"spec", "volumes"}, "data")),
            R"({"name":"data","persistentVolumeClaim":{"claimName":"data-web-3"}})");
  EXPECT_NE(workload::ElementNamed(pod, {"spec", "volumes"}, "other"), nullptr);
  EXPECT_TRUE(workload::HasReadinessGate(pod, workload::kKruiseReadyCondition));
  EXPECT_EQ(api::StringAt(*workload::FindPodCondition(pod, "KruisePodReady"), {"status"}), "True");
  const Json& owner = api::FindArray(pod, {"metadata", "ownerReferences"})->front();
  EXPECT_TRUE(api::BoolAt(owner, {"controller"}));
  EXPECT_TRUE(api::BoolAt(owner, {"blockOwnerDeletion"}));
  EXPECT_EQ(api::StringAt(owner, {"apiVersion"}), "apps.kruise.io/v1beta1");
}

}  // namespace
}  // namespace socle::inplaceset
