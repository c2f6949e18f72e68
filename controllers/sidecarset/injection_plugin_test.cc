// Injection at the door of a real plane: freshness, revisions, and what sets are refused for.
#include "controllers/sidecarset/injection_plugin.h"

#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/sidecarset/testing/sidecar_fixture.h"

namespace socle::sidecarset {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class InjectionTest : public SidecarFixture {
 protected:
  std::vector<std::string> ContainersOf(std::string_view pod) {
    std::vector<std::string> names;
    const api::Json document = Get("pods", pod);
    for (const api::Json& container : *api::FindArray(document, {"spec", "containers"})) {
      names.emplace_back(api::StringAt(container, {"name"}));
    }
    return names;
  }

  // The fields that the refusal names; "-" when there was none.
  std::vector<std::string> FieldsRefused(std::string_view object) {
    const absl::StatusOr<api::Json> applied = TryApply(object);
    if (applied.ok()) {
      return {"-"};
    }
    EXPECT_EQ(registry::ReasonOf(applied.status()), registry::Reason::kInvalid) << applied.status();
    std::vector<std::string> fields;
    for (const registry::StatusCause& cause : registry::ErrorOf(applied.status()).causes) {
      fields.push_back(cause.field);
    }
    return fields;
  }
};

TEST_F(InjectionTest, ASetThatWasAnsweredIsInTheNextPod) {  // law 1
  // No rest between the writes: the cache is behind more often than not.
  for (int i = 0; i < 50; ++i) {
    const std::string set = fmt::format("s{}", i);
    const std::string pod = fmt::format("p{}", i);
    Apply(SetText(set, "agent:1"));
    Apply(PodText(pod));
    ASSERT_THAT(ContainersOf(pod), Contains(set + "-agent"));
    SetImage(set, "agent:2");
    Apply(PodText(pod + "b"));
    ASSERT_EQ(ImageOf(pod + "b", set + "-agent"), "agent:2");
    Delete("sidecarsets", set);
    Apply(PodText(pod + "c"));
    ASSERT_THAT(ContainersOf(pod + "c"), ElementsAre("main"));
  }
}

TEST_F(InjectionTest, ASetThatCameThroughTheCacheIsInjectedToo) {
  Apply(SetText("s", "agent:1"));
  Restart();
  Apply(PodText("p"));
  EXPECT_THAT(ContainersOf("p"), ElementsAre("s-agent", "main"));
}

TEST_F(InjectionTest, LabelsOfNamespacesCountFromTheirAnswerOn) {
  Apply(SetText("s", "agent:1", R"(, "namespaceSelector": {"matchLabels": {"inject": "yes"}})"));
  Apply(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})");
  Apply(PodText("before", R"("app": "web")", "n"));
  Patch("namespaces", "n", R"({"metadata": {"labels": {"inject": "yes"}}})");
  Apply(PodText("after", R"("app": "web")", "n"));
  EXPECT_THAT(ContainersOf("n/before"), ElementsAre("main"));
  EXPECT_THAT(ContainersOf("n/after"), ElementsAre("s-agent", "main"));
}

TEST_F(InjectionTest, PodsAreRefusedUntilThePluginKnowsTheSets) {  // law 2
  attaches_ = false;
  Close();
  Open();
  EXPECT_EQ(registry::ReasonOf(TryApply(PodText("p")).status()), registry::Reason::kUnavailable);
  EXPECT_EQ(registry::ReasonOf(TryApply(SetText("s", "agent:1")).status()),
            registry::Reason::kUnavailable);
  plugin_->Attach(cache());
  Apply(SetText("s", "agent:1"));
  Apply(PodText("p"));
  EXPECT_THAT(ContainersOf("p"), ElementsAre("s-agent", "main"));
}

TEST_F(InjectionTest, SystemNamespacesAndUpdatesAreLeftAlone) {
  Apply(PodText("old"));
  Apply(SetText("s", "agent:1"));
  Apply(PodText("p", R"("app": "web")", "kube-system"));
  EXPECT_THAT(ContainersOf("kube-system/p"), ElementsAre("main"));
  Patch("pods", "old", R"({"metadata": {"labels": {"x": "y"}}})");
  EXPECT_THAT(ContainersOf("old"), ElementsAre("main"));
}

TEST_F(InjectionTest, PausedSetsAreNotInjected) {  // E5
  Apply(SetText("s", "agent:1", R"(, "injectionStrategy": {"paused": true})"));
  Apply(PodText("p"));
  EXPECT_THAT(ContainersOf("p"), ElementsAre("main"));
  EXPECT_EQ(Annotation("p", kHashAnnotation), "");
}

TEST_F(InjectionTest, APinnedRevisionIsInjectedInsteadOfTheCurrentOne) {  // E6
  // NotUpdate: otherwise the controller upgrades new pods at once.
  const char* const more = R"(, "updateStrategy": {{"type": "NotUpdate"}}, "customVersion": "{}")";
  Apply(SetText("s", "agent:1", fmt::format(fmt::runtime(more), "one")));
  Settle();
  const std::string first(api::StringAt(Get("sidecarsets", "s"), {"status", "latestRevision"}));
  ASSERT_THAT(first, HasSubstr("s-"));
  Apply(SetText("s", "agent:2", fmt::format(fmt::runtime(more), "two")));
  Settle();
  Patch("sidecarsets", "s",
        fmt::format(
            R"({{"spec": {{"injectionStrategy": {{"revision": {{"revisionName": "{}"}}}}}}}})",
            first));
  Apply(PodText("by-name"));
  EXPECT_EQ(ImageOf("by-name", "s-agent"), "agent:1");
  EXPECT_EQ(ParseMarks(Annotation("by-name", kHashAnnotation)).at("s").revision, first);
  Patch("sidecarsets", "s", R"({"spec": {"injectionStrategy": {"revision": {
      "revisionName": null, "customVersion": "two"}}}})");
  Apply(PodText("by-version"));
  EXPECT_EQ(ImageOf("by-version", "s-agent"), "agent:2");
  Patch("sidecarsets", "s", R"({"spec": {"injectionStrategy": {"revision": {
      "customVersion": "one"}}}})");
  Apply(PodText("by-other-version"));
  EXPECT_EQ(ImageOf("by-other-version", "s-agent"), "agent:1");
}

TEST_F(InjectionTest, ARevisionThatIsNotThereIsRefused) {
  EXPECT_THAT(
      FieldsRefused(SetText("s", "agent:1",
                            R"(, "injectionStrategy": {"revision": {"revisionName": "s-none"}})")),
      ElementsAre("spec.injectionStrategy.revision.revisionName"));
  EXPECT_THAT(
      FieldsRefused(SetText("s", "agent:1",
                            R"(, "injectionStrategy": {"revision": {"customVersion": "none"}})")),
      ElementsAre("spec.injectionStrategy.revision.customVersion"));
}

TEST(GetsPinned, FollowsThePolicy) {  // E6

  struct Case {
    const char* name;
    const char* spec;
    int min;
    int max;
  };

  const Case cases[] = {
      {"nothing pinned", R"({})", 0, 0},
      {"always", R"({"injectionStrategy": {"revision": {"policy": "Always"}}})", 1000, 1000},
      {"an integer partition never", R"({"injectionStrategy": {"revision": {"policy": "Partial"}},
          "updateStrategy": {"partition": 5}})",
       0, 0},
      {"a percentage by chance", R"({"injectionStrategy": {"revision": {"policy": "Partial"}},
          "updateStrategy": {"partition": "30%"}})",
       220, 380},
      {"all while the update is paused",
       R"({"injectionStrategy": {"revision": {"policy": "Partial"}},
          "updateStrategy": {"partition": "30%", "paused": true}})",
       1000, 1000},
      {"pods that the update does not select",
       R"({"injectionStrategy": {"revision": {"policy": "Partial"}},
          "updateStrategy": {"selector": {"matchLabels": {"n": "even"}}}})",
       500, 500},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const SidecarSetRef set =
        SidecarSet::Parse(api::Literal(fmt::format(R"({{"spec": {}}})", c.spec)), 1);
    int pinned = 0;
    for (int i = 0; i < 1000; ++i) {
      const api::Json pod =
          api::Literal(fmt::format(R"({{"metadata": {{"uid": "u-{}", "labels": {{"n": "{}"}}}}}})",
                                   i, i % 2 == 0 ? "even" : "odd"));
      pinned += GetsPinned(*set, pod) ? 1 : 0;
      EXPECT_EQ(GetsPinned(*set, pod), GetsPinned(*set, pod)) << "a retry decides otherwise";
    }
    EXPECT_GE(pinned, c.min);
    EXPECT_LE(pinned, c.max);
  }
}

TEST_F(InjectionTest, ConflictsWithOtherSetsAreRefused) {  // E21
  Apply(SetText("s", "agent:1"));
  const std::string rival = SetText("t", "x:1", R"(, "initContainers": [
      {"name": "s-agent", "image": "x:1"}])");
  EXPECT_THAT(FieldsRefused(rival), ElementsAre("spec.initContainers[0].name"));
  Delete("sidecarsets", "s");
  EXPECT_THAT(FieldsRefused(rival), ElementsAre("-"));
  EXPECT_THAT(FieldsRefused(SetText("s", "agent:1")), ElementsAre("spec.containers[0].name"));
}

TEST_F(InjectionTest, SpecsThatOneSetAloneGetsWrongAreRefused) {  // E21

  struct Case {
    const char* name;
    const char* spec;
    const char* field;
  };

  const char* const good = R"("containers": [{"name": "a", "image": "a:1"}])";
  const char* const selector = R"("selector": {"matchLabels": {"app": "web"}})";
  const Case cases[] = {
      {"missing-selector", R"("selector": null)", "spec.selector"},
      {"empty selector", R"("selector": {})", "spec.selector"},
      {"wrong-selector", R"("selector": {"matchLabels": {"app": "not valid!"}})",
       "spec.selector.matchLabels"},
      {"wrong-namespaceSelector", R"("namespaceSelector": {"matchExpressions": [
          {"key": "a", "operator": "Near"}]})",
       "spec.namespaceSelector.matchExpressions[0].operator"},
      {"wrong-updateStrategy", R"("updateStrategy": {"type": "RollingUpdate", "partition": "x"})",
       "spec.updateStrategy.partition"},
      {"partition with selector", R"("updateStrategy": {"partition": 1,
          "selector": {"matchLabels": {"a": "b"}}})",
       "spec.updateStrategy.partition"},
      {"maxUnavailable", R"("updateStrategy": {"maxUnavailable": -1})",
       "spec.updateStrategy.maxUnavailable"},
      {"missing-container", R"("containers": [])", "spec.containers"},
      {"wrong-containers", R"("containers": [{"name": "A_", "image": "a:1"}])",
       "spec.containers[0].name"},
      {"wrong-initContainer", R"("initContainers": [{"image": "a:1"}])",
       "spec.initContainers[0].name"},
      {"wrong-volumes", R"("volumes": [{"name": "A_", "emptyDir": {}}])", "spec.volumes[0].name"},
      {"hot without empty image", R"("containers": [{"name": "a", "image": "a:1",
          "upgradeStrategy": {"upgradeType": "HotUpgrade"}}])",
       "spec.containers[0].upgradeStrategy.hotUpgradeEmptyImage"},
      {"init in-place", R"("initContainers": [{"name": "i", "image": "a:1",
          "restartPolicy": "Always"}])",
       "spec.initContainers[0].restartPolicy"},
      {"wrong-metadata", R"("patchPodMetadata": [{"annotations": {"kruise.io/x": "y"}}])",
       "spec.patchPodMetadata[0].annotations[kruise.io/x]"},
      {"resources-policy and resources", R"("containers": [{"name": "a", "image": "a:1",
          "resources": {"limits": {"cpu": "1"}},
          "resourcesPolicy": {"targetContainersMode": "sum",
                              "resourcesExpr": {"limits": {"cpu": "cpu"}}}}])",
       "spec.containers[0].resourcesPolicy"},
      {"resources-policy mode", R"("containers": [{"name": "a", "image": "a:1",
          "resourcesPolicy": {"targetContainersMode": "mean",
                              "resourcesExpr": {"limits": {"cpu": "cpu"}}}}])",
       "spec.containers[0].resourcesPolicy.targetContainersMode"},
      {"resources-policy expression", R"("containers": [{"name": "a", "image": "a:1",
          "resourcesPolicy": {"targetContainersMode": "sum",
                              "resourcesExpr": {"limits": {"cpu": "cpu +"}}}}])",
       "spec.containers[0].resourcesPolicy"},
      {"resources-policy of an init container", R"("initContainers": [{"name": "i",
          "image": "a:1", "resourcesPolicy": {"targetContainersMode": "sum",
                                              "resourcesExpr": {"limits": {"cpu": "cpu"}}}}])",
       "spec.initContainers[0].resourcesPolicy"},
      {"canary that updates", R"("updateStrategy": {"type": "RollingUpdate"}, "canary": true)",
       "spec.updateStrategy.type"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    api::Json set = api::Literal(fmt::format(
        R"({{"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
             "metadata": {{"name": "s"}}, "spec": {{{}, {}}}}})",
        good, selector));
    api::Json spec = api::Literal(fmt::format("{{{}}}", c.spec));
    for (const auto& member : spec.get_object()) {
      if (member.key() == "canary") {
        api::EnsureObject(&set, {"metadata", "labels"}) = {
            {"apps.kruise.io/sidecarset-canary", "true"},
            {"apps.kruise.io/sidecarset-base", "none"}};
      } else {
        set.at("spec").get_object()[member.key()] = member.value();
      }
    }
    EXPECT_THAT(FieldsRefused(api::Dump(set)), Contains(HasSubstr(c.field)));
  }
  EXPECT_FALSE(Has("sidecarsets", "s"));
}

TEST_F(InjectionTest, AContainerCanNotBeAddedToASet) {
  Apply(SetText("s", "agent:1"));
  Settle();
  EXPECT_THAT(FieldsRefused(R"({"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
      "metadata": {"name": "s"}, "spec": {"selector": {"matchLabels": {"app": "web"}},
      "containers": [{"name": "s-agent", "image": "agent:1"}, {"name": "b", "image": "b:1"}]}})"),
              ElementsAre("spec.containers[1].name"));
}

TEST_F(InjectionTest, ACanaryNeedsItsBaseAndReplacesIt) {  // E8
  const std::string canary = R"({"apiVersion": "apps.kruise.io/v1beta1", "kind": "SidecarSet",
      "metadata": {"name": "canary", "labels": {"apps.kruise.io/sidecarset-canary": "true",
                                                "apps.kruise.io/sidecarset-base": "s"}},
      "spec": {"selector": {"matchLabels": {"app": "web", "canary": "yes"}},
               "updateStrategy": {"type": "NotUpdate"},
               "containers": [{"name": "s-agent", "image": "agent:canary"}]}})";
  EXPECT_THAT(FieldsRefused(canary),
              ElementsAre("metadata.labels[apps.kruise.io/sidecarset-base]"));
  Apply(SetText("s", "agent:1"));
  Apply(canary);
  Apply(PodText("plain"));
  Apply(PodText("chosen", R"("app": "web", "canary": "yes")"));
  EXPECT_EQ(ImageOf("plain", "s-agent"), "agent:1");
  EXPECT_EQ(ImageOf("chosen", "s-agent"), "agent:canary");
  EXPECT_EQ(Annotation("chosen", kInjectedListAnnotation), "canary");
}

TEST_F(InjectionTest, TheWhitelistSaysWhichAnnotationsMayBePatched) {  // E7
  Apply(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kruise-system"}})");
  Apply(R"({"apiVersion": "v1", "kind": "ConfigMap",
      "metadata": {"name": "kruise-configuration", "namespace": "kruise-system"},
      "data": {"SidecarSet_PatchPodMetadata_WhiteList":
        "{\"rules\":[{\"allowedAnnotationKeyExprs\":[\"^logs/\"]},{\"selector\":{\"matchLabels\":{\"team\":\"a\"}},\"allowedAnnotationKeyExprs\":[\".*\"]}]}"}})");
  Settle();
  EXPECT_THAT(FieldsRefused(SetText(
                  "s", "agent:1",
                  R"(, "patchPodMetadata": [{"annotations": {"logs/a": "1", "other": "1"}}])")),
              ElementsAre("spec.patchPodMetadata[0].annotations[other]"));
  Apply(SetText("s", "agent:1", R"(, "patchPodMetadata": [{"annotations": {"logs/a": "1"}}])"));
}

TEST_F(InjectionTest, TheFinalizerComesWithTheDeletePolicy) {  // law 4
  const auto finalizers = [&] {
    const api::Json set = Get("sidecarsets", "s");
    const api::JsonArray* list = api::FindArray(set, {"metadata", "finalizers"});
    return list == nullptr ? 0 : list->size();
  };
  Apply(SetText("s", "agent:1"));
  EXPECT_EQ(finalizers(), 0U);
  Patch("sidecarsets", "s", R"({"spec": {"deletePolicy": "Remove"}})");
  EXPECT_EQ(finalizers(), 1U);
  Patch("sidecarsets", "s", R"({"metadata": {"finalizers": null}})");
  EXPECT_EQ(finalizers(), 1U);
  Patch("sidecarsets", "s", R"({"spec": {"deletePolicy": "Keep"}})");
  EXPECT_EQ(finalizers(), 0U);
}

TEST_F(InjectionTest, TheOlderVersionOfTheApiInjectsTheSame) {
  Apply(R"({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "SidecarSet",
      "metadata": {"name": "s"}, "spec": {"namespace": "default",
      "selector": {"matchLabels": {"app": "web"}},
      "containers": [{"name": "a", "image": "a:1"}]}})");
  Apply(R"({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})");
  Apply(PodText("p"));
  Apply(PodText("p", R"("app": "web")", "n"));
  EXPECT_THAT(ContainersOf("p"), ElementsAre("a", "main"));
  EXPECT_THAT(ContainersOf("n/p"), ElementsAre("main"));
}

}  // namespace
}  // namespace socle::sidecarset
