#include "controllers/workload/pod_facts.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "controllers/workload/pod_control.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

using ::testing::ElementsAre;

const api::Kind& PodKind() {
  return *api::KindRegistry::Builtin().ByResource({"", "v1", "pods"})->kind;
}

registry::ObjectRef Pod(std::string_view document, int64_t revision = 1) {
  const absl::StatusOr<registry::ObjectRef> object =
      registry::DecodeObject(PodKind(), "/registry/pods/default/web-0", document, 1, revision);
  EXPECT_TRUE(object.ok()) << object.status();
  return *object;
}

constexpr std::string_view kPod = R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0",
  "namespace":"default","uid":"u0","creationTimestamp":"2026-11-23T10:00:00Z",
  "labels":{"controller-revision-hash":"r1","lifecycle.apps.kruise.io/state":"Updated",
            "apps.kruise.io/specified-delete":"true","unavailable-pod.kruise.io/x":"1"},
  "annotations":{"apps.kruise.io/note":"n","other":"o"}},
  "spec":{"nodeName":"n1","hostname":"web-0","subdomain":"svc","restartPolicy":"Always",
    "readinessGates":[{"conditionType":"InPlaceUpdateReady"}],
    "volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data-web-0"}},{"name":"x","emptyDir":{}}],
    "containers":[{"name":"a","image":"a:1"},{"name":"b","image":"b:1"}]},
  "status":{"phase":"Running","conditions":[{"type":"Ready","status":"True",
      "lastTransitionTime":"2026-11-23T10:00:10Z"}],
    "containerStatuses":[{"name":"a","image":"a:1","imageID":"ia","containerID":"ca","ready":true,
      "restartCount":2,"state":{"running":{}}},
      {"name":"b","ready":false,"state":{"waiting":{"reason":"ImagePullBackOff"}}}]}})";

TEST(PodFacts, ReadsWhatControllersAskFor) {
  const PodFacts facts = ReadPod(Pod(kPod));
  EXPECT_EQ(facts.phase, PodPhase::kRunning);
  EXPECT_EQ(facts.node, "n1");
  EXPECT_EQ(facts.revision, "r1");
  EXPECT_EQ(facts.lifecycle, LifecycleState::kUpdated);
  EXPECT_TRUE(facts.is_specified_delete);
  EXPECT_TRUE(facts.is_marked_unavailable);
  EXPECT_TRUE(facts.is_healthy());
  EXPECT_TRUE(facts.HasReadinessGate("InPlaceUpdateReady"));
  EXPECT_EQ(facts.Annotation("apps.kruise.io/note"), "n");
  EXPECT_EQ(facts.Annotation("other"), "");
  EXPECT_THAT(facts.claim_volumes,
              ElementsAre(std::pair<std::string, std::string>("data", "data-web-0")));
  ASSERT_EQ(facts.containers.size(), 2U);
  EXPECT_EQ(facts.Container("a")->restart_count, 2);
  EXPECT_TRUE(facts.Container("a")->is_running);
  EXPECT_EQ(facts.Container("b")->waiting_reason, "ImagePullBackOff");
  EXPECT_EQ(facts.Container("c"), nullptr);
}

TEST(PodFacts, IsAvailableOnlyAfterBeingReadyForSoLong) {
  const PodFacts facts = ReadPod(Pod(kPod));
  const int64_t ready = facts.ready_since_nanos;
  EXPECT_TRUE(facts.IsAvailable(0, ready));
  EXPECT_FALSE(facts.IsAvailable(10, ready + 9 * kNanosPerSecond));
  EXPECT_TRUE(facts.IsAvailable(10, ready + 10 * kNanosPerSecond));
  EXPECT_EQ(facts.AvailableAt(10), ready + 10 * kNanosPerSecond);
}

TEST(PodFacts, HostileDocumentsHaveFactsToo) {
  const PodFacts facts = ReadPod(Pod(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-0",
    "namespace":"default","uid":"u","labels":{}},"spec":{"containers":[1,"x",{"name":3}],"volumes":7,
    "readinessGates":{}},"status":{"conditions":[{}],"containerStatuses":"no","phase":4}})"));
  EXPECT_EQ(facts.phase, PodPhase::kPending);
  EXPECT_FALSE(facts.is_ready);
  EXPECT_EQ(facts.containers.size(), 3U);
}

TEST(PodFactsCache, ParsesOnlyWhatHasChanged) {
  PodFactsCache cache;
  const registry::ObjectRef pod = Pod(kPod, 1);
  const std::vector<PodFactsRef> first = cache.Read("owner", {pod});
  EXPECT_EQ(cache.parses(), 1U);
  EXPECT_EQ(cache.Read("owner", {pod})[0], first[0]);
  EXPECT_EQ(cache.parses(), 1U);
  EXPECT_NE(cache.Read("owner", {Pod(kPod, 2)})[0], first[0]);
  EXPECT_EQ(cache.parses(), 2U);
  EXPECT_EQ(cache.size(), 1U);
  cache.Read("owner", {});
  EXPECT_EQ(cache.size(), 0U);
  cache.Read("owner", {pod});
  cache.Forget("owner");
  EXPECT_EQ(cache.size(), 0U);
}

TEST(ClaimPods, AdoptsReleasesAndLeavesAloneByOwnerSelectorAndName) {
  registry::Object owner;
  owner.uid = "set";
  const auto pod = [](std::string_view name, std::string_view app, std::string_view controller,
                      bool is_deleting) {
    auto one = std::make_shared<registry::Object>();
    one->name = name;
    one->labels = {{"app", std::string(app)}};
    one->is_deleting = is_deleting;
    if (!controller.empty()) {
      one->owners.push_back({.uid = std::string(controller), .is_controller = true});
    }
    return one;
  };
  const std::vector<registry::ObjectRef> candidates = {
      pod("web-0", "web", "set", false),  pod("web-1", "other", "set", false),
      pod("web-2", "other", "set", true), pod("web-3", "web", "", false),
      pod("web-4", "web", "", true),      pod("web-5", "other", "", false),
      pod("web-6", "web", "else", false), pod("db-0", "web", "", false),
      pod("db-1", "web", "set", false),
  };
  const api::LabelSelector selector = *api::LabelSelector::Parse("app=web");
  const auto is_member = [](const registry::Object& one) { return one.name.starts_with("web-"); };
  const auto names = [](const std::vector<registry::ObjectRef>& pods) {
    std::vector<std::string> list;
    for (const registry::ObjectRef& one : pods) {
      list.push_back(one->name);
    }
    return list;
  };
  Claimed claimed = ClaimPods(owner, selector, candidates, is_member);
  EXPECT_THAT(names(claimed.members), ElementsAre("web-0", "web-2"));
  EXPECT_THAT(names(claimed.adopt), ElementsAre("web-3"));
  EXPECT_THAT(names(claimed.release), ElementsAre("web-1"));
  owner.is_deleting = true;
  claimed = ClaimPods(owner, selector, candidates, is_member);
  EXPECT_THAT(names(claimed.members), ElementsAre("web-0", "web-1", "web-2"));
  EXPECT_TRUE(claimed.adopt.empty());
  EXPECT_TRUE(claimed.release.empty());
}

}  // namespace
}  // namespace socle::workload
