// The state machine of updates in place: rows D1, D3, D6 - D9, D12, D13 of spec controllers 7.4.
#include "controllers/workload/in_place_update.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/workload/container_hash.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_facts.h"
#include "controllers/workload/pod_readiness.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

using api::Json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kNow = 1'700'000'000 * kNanosPerSecond;

// A running pod with these containers (name, priority), images <name>:1.
Json Pod(const std::vector<std::pair<std::string, int>>& containers) {
  Json pod =
      api::Literal(R"({"metadata":{"name":"web-0","labels":{"controller-revision-hash":"r1"}},
    "spec":{"containers":[],"readinessGates":[{"conditionType":"InPlaceUpdateReady"}]},
    "status":{"phase":"Running","containerStatuses":[],"conditions":[
      {"type":"InPlaceUpdateReady","status":"True"},{"type":"Ready","status":"True"}]}})");
  for (const auto& [name, priority] : containers) {
    pod.at("spec")
        .at("containers")
        .get_array()
        .push_back(api::Literal(fmt::format(
            R"({{"name":"{0}","image":"{0}:1","env":[{{"name":"KRUISE_CONTAINER_PRIORITY","value":"{1}"}}]}})",
            name, priority)));
    pod.at("status")
        .at("containerStatuses")
        .get_array()
        .push_back(api::Literal(fmt::format(
            R"({{"name":"{0}","image":"{0}:1","imageID":"id-{0}:1","containerID":"c-{0}-1","ready":true}})",
            name)));
  }
  return pod;
}

std::string ImageOf(const Json& pod, std::string_view container) {
  return std::string(
      api::StringAt(*ElementNamed(pod, {"spec", "containers"}, container), {"image"}));
}

// What a node does with a new image.
void Restart(std::string_view container, Json* pod, bool is_ready = true) {
  const std::string image = ImageOf(*pod, container);
  Json* status = ElementNamed(pod, {"status", "containerStatuses"}, container);
  status->at("image") = api::JsonView(image);
  status->at("imageID") = api::JsonView("id-" + image);
  status->at("containerID") = api::JsonView("c-" + image);
  status->at("ready") = is_ready;
}

bool IsOpen(const Json& pod) {
  return api::StringAt(*FindPodCondition(pod, kInPlaceReadyCondition), {"status"}) == "True";
}

InPlaceUpdate Images(std::string_view revision,
                     std::vector<std::pair<std::string, std::string>> images) {
  return {.revision = std::string(revision), .images = std::move(images)};
}

TEST(InPlaceUpdate, ClosesTheGateWithTheImageAndOpensItWhenTheNodeIsDone) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 0, kNow, &pod);
  EXPECT_EQ(ImageOf(pod, "a"), "a:2");
  EXPECT_EQ(LabelOf(pod, kRevisionLabel), "r2");
  EXPECT_FALSE(IsOpen(pod));
  EXPECT_EQ(api::StringAt(*FindPodCondition(pod, "InPlaceUpdateReady"), {"reason"}),
            "StartInPlaceUpdate");
  EXPECT_EQ(api::StringAt(*FindPodCondition(pod, "Ready"), {"status"}), "False");
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kWaiting);
  EXPECT_THAT(ReadInPlace(pod).unfinished, ElementsAre("a"));
  EXPECT_FALSE(AdvanceInPlace(kNow, &pod));
  Restart("a", &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
  EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
  EXPECT_TRUE(IsOpen(pod));
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kIdle);
  EXPECT_FALSE(AdvanceInPlace(kNow, &pod));
  const Json state = *api::ParseJson(AnnotationOf(pod, kInPlaceStateKey));
  EXPECT_EQ(api::StringAt(state, {"revision"}), "r2");
  EXPECT_EQ(api::StringAt(state, {"lastContainerStatuses", "a", "imageID"}), "id-a:1");
}

TEST(InPlaceUpdate, TheGracePeriodPassesBeforeTheImageChanges) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 10, kNow, &pod);
  EXPECT_EQ(ImageOf(pod, "a"), "a:1");
  EXPECT_FALSE(IsOpen(pod));
  EXPECT_EQ(LabelOf(pod, kRevisionLabel), "r2");
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kGrace);
  EXPECT_EQ(ReadInPlace(pod).grace_until_nanos, kNow + 10 * kNanosPerSecond);
  EXPECT_FALSE(AdvanceInPlace(kNow + 10 * kNanosPerSecond - 1, &pod));
  EXPECT_TRUE(AdvanceInPlace(kNow + 10 * kNanosPerSecond, &pod));
  EXPECT_EQ(ImageOf(pod, "a"), "a:2");
  EXPECT_THAT(AnnotationOf(pod, kInPlaceGraceKey), IsEmpty());
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kWaiting);
}

TEST(InPlaceUpdate, ANewRevisionDuringGraceBeginsAnewAndLosesNothing) {
  Json pod = Pod({{"a", 0}, {"b", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 10, kNow, &pod);
  StartInPlace(Images("r3", {{"b", "b:3"}}), 10, kNow + 5 * kNanosPerSecond, &pod);
  EXPECT_EQ(ReadInPlace(pod).grace_until_nanos, kNow + 15 * kNanosPerSecond);
  EXPECT_TRUE(AdvanceInPlace(kNow + 15 * kNanosPerSecond, &pod));
  EXPECT_EQ(ImageOf(pod, "a"), "a:2");
  EXPECT_EQ(ImageOf(pod, "b"), "b:3");
}

TEST(InPlaceUpdate, RolledBackDuringGraceItEndsAtOnce) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 10, kNow, &pod);
  StartInPlace(Images("r1", {{"a", "a:1"}}), 0, kNow, &pod);
  EXPECT_EQ(ImageOf(pod, "a"), "a:1");
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);  // the status has the image
}

TEST(InPlaceUpdate, GraceOfAnotherRevisionIsDropped) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 10, kNow, &pod);
  SetLabel(kRevisionLabel, "r9", &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kGraceOutdated);
  EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
  EXPECT_EQ(ImageOf(pod, "a"), "a:1");
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
}

TEST(InPlaceUpdate, ASecondUpdateKeepsWhatTheFirstIsWaitingFor) {
  Json pod = Pod({{"a", 0}, {"b", 0}});
  StartInPlace(Images("r2", {{"a", "a:2"}}), 0, kNow, &pod);
  StartInPlace(Images("r3", {{"b", "b:3"}}), 0, kNow, &pod);
  EXPECT_THAT(ReadInPlace(pod).unfinished, ElementsAre("a", "b"));
  Restart("b", &pod);
  EXPECT_THAT(ReadInPlace(pod).unfinished, ElementsAre("a"));
  Restart("a", &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
}

TEST(InPlaceUpdate, ContainersChangeInBatchesOfPriorityEachWaitingForTheOneBefore) {
  const struct Case {
    const char* name;
    std::vector<std::pair<std::string, int>> containers;
    std::vector<std::vector<std::string>> batches;
  } kCases[] = {
      {"two", {{"a", 1}, {"b", 2}}, {{"b"}, {"a"}}},
      {"equal", {{"a", 1}, {"b", 1}}, {{"a", "b"}}},
      {"three", {{"a", 5}, {"b", 10}, {"c", -1}}, {{"b"}, {"a"}, {"c"}}},
      {"four", {{"a", 2}, {"b", 1}, {"c", 2}, {"d", 1}}, {{"a", "c"}, {"b", "d"}}},
      {"without", {{"a", 0}, {"b", 0}, {"c", 3}}, {{"c"}, {"a", "b"}}},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Json pod = Pod(c.containers);
    InPlaceUpdate update{.revision = "r2"};
    for (const auto& [name, priority] : c.containers) {
      update.images.emplace_back(name, name + ":2");
    }
    StartInPlace(update, 0, kNow, &pod);
    for (size_t i = 0; i < c.batches.size(); ++i) {
      std::vector<std::string> changed;
      for (const auto& [name, priority] : c.containers) {
        const Json& status = *ElementNamed(pod, {"status", "containerStatuses"}, name);
        if (ImageOf(pod, name) != api::StringAt(status, {"image"})) {
          changed.push_back(name);
        }
      }
      EXPECT_EQ(changed, c.batches[i]);
      for (const std::string& name : changed) {
        Restart(name, &pod, false);
      }
      const bool is_last = i + 1 == c.batches.size();
      EXPECT_EQ(ReadInPlace(pod).stage, is_last ? InPlaceStage::kDone : InPlaceStage::kWaiting);
      for (const std::string& name : changed) {
        Restart(name, &pod, true);
      }
      EXPECT_EQ(ReadInPlace(pod).stage, is_last ? InPlaceStage::kDone : InPlaceStage::kNextBatch);
      EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
    }
    EXPECT_TRUE(IsOpen(pod));
    const Json state = *api::ParseJson(AnnotationOf(pod, kInPlaceStateKey));
    EXPECT_EQ(api::FindArray(state, {"containerBatchesRecord"})->size(), c.batches.size());
  }
}

TEST(InPlaceUpdate, AFailingFirstBatchHoldsTheRestAndANewImageFreesIt) {
  Json pod = Pod({{"a", 2}, {"b", 1}});
  StartInPlace(Images("r2", {{"a", "a:bad"}, {"b", "b:2"}}), 0, kNow, &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kWaiting);
  EXPECT_EQ(ImageOf(pod, "b"), "b:1");
  StartInPlace(Images("r3", {{"a", "a:3"}}), 0, kNow, &pod);
  Restart("a", &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kNextBatch);
  EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
  EXPECT_EQ(ImageOf(pod, "b"), "b:2");
}

TEST(InPlaceUpdate, IsCompleteByHashElseByImage) {
  enum class Meta { kNone, kMatching, kDifferent, kOfAnotherContainer };

  const struct Case {
    const char* name;
    bool has_new_id;
    bool has_new_image;  // in the status
    Meta meta;
    bool is_old_form;
    bool is_complete;
  } kCases[] = {
      {"nothing yet", false, false, Meta::kNone, false, false},
      {"another digest", true, false, Meta::kNone, false, true},
      {"the same digest, the image as in the spec", false, true, Meta::kNone, false, true},
      {"the hash of the spec", false, false, Meta::kMatching, false, true},
      {"another hash, though the digest differs", true, true, Meta::kDifferent, false, false},
      {"a hash of a container that is gone", true, true, Meta::kOfAnotherContainer, false, true},
      {"v0.1.0 looks at the digest alone", false, true, Meta::kNone, true, false},
      {"v0.1.0, another digest", true, true, Meta::kNone, true, true},
  };

  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Json pod = Pod({{"a", 0}});
    StartInPlace(Images("r2", {{"a", "a:2"}}), 0, kNow, &pod);
    Json* status = ElementNamed(&pod, {"status", "containerStatuses"}, "a");
    if (c.has_new_id) {
      status->at("imageID") = "id-2";
    }
    if (c.has_new_image) {
      status->at("image") = "a:2";
    }
    const Json& spec = *ElementNamed(pod, {"spec", "containers"}, "a");
    if (c.meta != Meta::kNone) {
      const RuntimeContainer runtime{
          .name = "a",
          .container_id = c.meta == Meta::kOfAnotherContainer ? "c-gone" : "c-a-1",
          .plain_hash = ContainerHash(spec) + (c.meta == Meta::kMatching ? 0 : 1)};
      SetAnnotation(kRuntimeContainersKey, EncodeRuntimeContainers({runtime}), &pod);
    }
    if (c.is_old_form) {
      SetAnnotation(kOldInPlaceStateKey, std::string(AnnotationOf(pod, kInPlaceStateKey)), &pod);
      EraseAnnotation(kInPlaceStateKey, &pod);
    }
    EXPECT_EQ(ReadInPlace(pod).stage, c.is_complete ? InPlaceStage::kDone : InPlaceStage::kWaiting);
  }
}

TEST(InPlaceUpdate, ATagThatIsLeftOutIsLatest) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(Images("r2", {{"a", "host:5000/a"}}), 0, kNow, &pod);
  ElementNamed(&pod, {"status", "containerStatuses"}, "a")->at("image") = "host:5000/a:latest";
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
}

TEST(InPlaceUpdate, MetadataAloneNeitherRestartsNorClosesTheGate) {
  Json pod = Pod({{"a", 0}});
  StartInPlace({.revision = "r2", .labels = {{"x", "1"}}, .annotations = {{"y", nullptr}}}, 10,
               kNow, &pod);
  EXPECT_EQ(LabelOf(pod, "x"), "1");
  EXPECT_EQ(LabelOf(pod, kRevisionLabel), "r2");
  EXPECT_TRUE(IsOpen(pod));
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kIdle);
}

TEST(InPlaceUpdate, ResourcesAloneLeaveTheConditionUntouched) {
  Json pod = Pod({{"a", 0}});
  StartInPlace(
      {.revision = "r2", .resources = {{"a", api::Literal(R"({"requests":{"cpu":"2"}})")}}}, 10,
      kNow, &pod);
  EXPECT_TRUE(IsOpen(pod));
  EXPECT_EQ(api::StringAt(*ElementNamed(pod, {"spec", "containers"}, "a"),
                          {"resources", "requests", "cpu"}),
            "2");
}

TEST(InPlaceUpdate, AVariableThatReadsALabelNeedsTheNodesHash) {
  Json pod = Pod({{"a", 0}, {"b", 0}});
  ElementNamed(&pod, {"spec", "containers"}, "a")->at("env") = api::Literal(
      R"([{"name":"C","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['config']"}}}])");
  StartInPlace({.revision = "r2", .labels = {{"config", "2"}}}, 0, kNow, &pod);
  EXPECT_FALSE(IsOpen(pod));
  EXPECT_EQ(LabelOf(pod, "config"), "2");
  EXPECT_THAT(ReadInPlace(pod).unfinished, ElementsAre("a"));
  const Json& spec = *ElementNamed(pod, {"spec", "containers"}, "a");
  RuntimeContainer runtime{
      .name = "a", .container_id = "c-a-1", .plain_hash = ContainerHash(spec), .env_hash = 1};
  SetAnnotation(kRuntimeContainersKey, EncodeRuntimeContainers({runtime}), &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kWaiting);
  runtime.env_hash = EnvFromMetadataHash(spec, pod.at("metadata"));
  SetAnnotation(kRuntimeContainersKey, EncodeRuntimeContainers({runtime}), &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
}

TEST(InPlaceUpdate, ALabelThatOnlyALaterBatchReadsWaitsForIt) {
  Json pod = Pod({{"a", 9}, {"b", 1}});
  ElementNamed(&pod, {"spec", "containers"}, "b")->at("env") = api::Literal(
      R"([{"name":"C","valueFrom":{"fieldRef":{"fieldPath":"metadata.labels['config']"}}}])");
  StartInPlace(
      {.revision = "r2", .images = {{"a", "a:2"}}, .labels = {{"config", "2"}, {"x", "y"}}}, 0,
      kNow, &pod);
  EXPECT_EQ(LabelOf(pod, "config"), "");
  EXPECT_EQ(LabelOf(pod, "x"), "y");
  Restart("a", &pod);
  EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kNextBatch);
  EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
  EXPECT_EQ(LabelOf(pod, "config"), "2");
}

TEST(InPlaceUpdate, AnnotationsThatAreNoStateAreAsNone) {
  for (const std::string_view text : {"", "nonsense", "[]", "{\"lastContainerStatuses\":3}",
                                      "{\"lastContainerStatuses\":{\"x\":1}}"}) {
    SCOPED_TRACE(text);
    Json pod = Pod({{"a", 0}});
    SetAnnotation(kInPlaceStateKey, text, &pod);
    EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kIdle);
    SetPodCondition({.type = kInPlaceReadyCondition, .is_true = false}, kNow, &pod);
    EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kDone);
    EXPECT_TRUE(AdvanceInPlace(kNow, &pod));
    SetAnnotation(kInPlaceStateKey, text, &pod);
    StartInPlace(Images("r2", {{"a", "a:2"}}), 0, kNow, &pod);
    EXPECT_EQ(ReadInPlace(pod).stage, InPlaceStage::kWaiting);
  }
}

TEST(PodReadiness, TwoHoldersMustBothLetGo) {
  Json pod = api::Literal(R"({"spec":{"readinessGates":[{"conditionType":"KruisePodReady"}]}})");
  EXPECT_TRUE(OpenReadinessGates(kNow, &pod));
  EXPECT_FALSE(OpenReadinessGates(kNow, &pod));
  const NotReadyKey one{.user_agent = "a", .key = "k"};
  const NotReadyKey other{.user_agent = "b", .key = "k"};
  EXPECT_TRUE(AddNotReadyKey(one, kNow, &pod));
  EXPECT_FALSE(AddNotReadyKey(one, kNow, &pod));
  EXPECT_TRUE(AddNotReadyKey(other, kNow, &pod));
  EXPECT_TRUE(RemoveNotReadyKey(one, kNow, &pod));
  const auto is_open = [&] {
    return api::StringAt(*FindPodCondition(pod, kKruiseReadyCondition), {"status"}) == "True";
  };
  EXPECT_FALSE(is_open());
  EXPECT_EQ(api::StringAt(*FindPodCondition(pod, "Ready"), {"status"}), "False");
  EXPECT_TRUE(RemoveNotReadyKey(other, kNow, &pod));
  EXPECT_TRUE(is_open());
  Json without = api::Literal(R"({"spec":{}})");
  EXPECT_FALSE(AddNotReadyKey(one, kNow, &without));
}

TEST(PodReadiness, AConditionKeepsItsTimeWhileItsStatusStays) {
  Json pod = api::Literal("{}");
  EXPECT_TRUE(SetPodCondition({.type = "X", .is_true = true}, kNow, &pod));
  EXPECT_FALSE(SetPodCondition({.type = "X", .is_true = true}, kNow + kNanosPerSecond, &pod));
  const std::string since(api::StringAt(*FindPodCondition(pod, "X"), {"lastTransitionTime"}));
  EXPECT_TRUE(
      SetPodCondition({.type = "X", .is_true = true, .reason = "R"}, kNow + kNanosPerSecond, &pod));
  EXPECT_EQ(api::StringAt(*FindPodCondition(pod, "X"), {"lastTransitionTime"}), since);
  EXPECT_TRUE(SetPodCondition({.type = "X", .is_true = false}, kNow + kNanosPerSecond, &pod));
  EXPECT_NE(api::StringAt(*FindPodCondition(pod, "X"), {"lastTransitionTime"}), since);
}

}  // namespace
}  // namespace socle::workload
