#include "controllers/hollow/pod_life.h"

#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/hollow/pod_status.h"
#include "kv/base/clock.h"

namespace socle::hollow {
namespace {

using api::Json;
using api::Literal;
using testing::ElementsAre;

constexpr int64_t kStartWall = 1'700'000'000 * kNanosPerSecond;

// Pull 300 ms, start 100 ms, ready 200 ms, init containers 100 ms, stopping 100 ms, exactly.
Behaviour Exact() {
  return {.jitter = 0};
}

// A pod on a node, whose time the test moves by milliseconds.
class Pod {
 public:
  explicit Pod(std::string_view document, Behaviour behaviour = Exact())
      : document_(Literal(document)), behaviour_(behaviour) {
    api::Set(&api::EnsureObject(&document_, {"metadata"}), "uid", "u-1");
    life_ = PodLife::Resume(document_, Wish(), now());
    if (!life_.is_admitted() && !life_.wish().is_deleting) {
      life_.Admit(now());
    }
    life_.Advance(now());
    Write();
  }

  // Moves time, stopping wherever something is due; counts status writes.
  void Run(int64_t millis) {
    const int64_t end = steady_ + millis * kNanosPerMilli;
    while (life_.NextDue() <= end) {
      steady_ = std::max(steady_, life_.NextDue());
      life_.Advance(now());
      Write();
    }
    steady_ = end;
    life_.Advance(now());
    Write();
  }

  // Somebody changes the document.
  void Edit(const std::function<void(Json*)>& edit) {
    edit(&document_);
    life_.Adopt(Wish(), now());
    life_.Advance(now());
    Write();
  }

  void SetImage(size_t index, std::string_view image) {
    Edit([&](Json* pod) {
      pod->at("spec").at("containers").at(index).as_object()["image"] = api::JsonView(image);
    });
  }

  void Annotate(std::string_view name, std::string_view value) {
    Edit([&](Json* pod) {
      api::EnsureObject(pod,
                        {"metadata", "annotations"})[fmt::format("hollow.socle.dev/{}", name)] =
          api::JsonView(value);
    });
  }

  // The process ends and comes back.
  void Restart() {
    life_ = PodLife::Resume(document_, Wish(), now());
    life_.Advance(now());
    Write();
  }

  void Reboot() {
    life_.Reboot(now());
    life_.Advance(now());
    Write();
  }

  Moment now() const { return {.steady = steady_, .wall = kStartWall + steady_}; }

  Json& document() { return document_; }

  PodLife& life() { return life_; }

  int writes() const { return writes_; }

  std::string Phase() const { return std::string(api::StringAt(document_, {"status", "phase"})); }

  std::string Reason() const { return std::string(api::StringAt(document_, {"status", "reason"})); }

  const Json& Container(size_t index) const {
    return document_.at("status").at("containerStatuses").at(index);
  }

  // "waiting ContainerCreating", "running", "terminated 1", with "!" when ready and restarts: "running! r1".
  static std::string Say(const Json& status) {
    std::string text;
    if (api::Find(status, {"state", "running"}) != nullptr) {
      text = "running";
    } else if (api::Find(status, {"state", "terminated"}) != nullptr) {
      text = fmt::format("terminated {}",
                         api::IntAt(status, {"state", "terminated", "exitCode"}).value_or(-1));
    } else {
      text = fmt::format("waiting {}", api::StringAt(status, {"state", "waiting", "reason"}));
    }
    if (api::BoolAt(status, {"ready"})) {
      text += "!";
    }
    const int64_t restarts = api::IntAt(status, {"restartCount"}).value_or(-1);
    return restarts == 0 ? text : fmt::format("{} r{}", text, restarts);
  }

  std::vector<std::string> Containers() const { return SayAll("containerStatuses"); }

  std::vector<std::string> InitContainers() const { return SayAll("initContainerStatuses"); }

  std::string Condition(std::string_view type) const {
    for (const Json& condition : document_.at("status").at("conditions").as_array()) {
      if (api::StringAt(condition, {"type"}) == type) {
        return std::string(api::StringAt(condition, {"status"}));
      }
    }
    return "";
  }

 private:
  PodWish Wish() const { return ReadWish(document_, node_, behaviour_, 1); }

  void Write() {
    if (Report(life_, {.host_ip = "172.16.0.1", .pod_ip = "10.0.0.2"}, now().wall,
               /*with_runtime=*/true, &document_)) {
      ++writes_;
    }
    EXPECT_FALSE(Report(life_, {.host_ip = "172.16.0.1", .pod_ip = "10.0.0.2"}, now().wall,
                        /*with_runtime=*/true, &document_));
  }

  std::vector<std::string> SayAll(std::string_view member) const {
    std::vector<std::string> all;
    const api::JsonArray* statuses = api::FindArray(document_, {"status", member});
    for (size_t i = 0; statuses != nullptr && i < statuses->size(); ++i) {
      all.push_back(Say((*statuses)[i]));
    }
    return all;
  }

  Json document_;
  Behaviour behaviour_;
  ControlTexts node_;
  PodLife life_;
  int64_t steady_ = 1000 * kNanosPerSecond;
  int writes_ = 0;
};

constexpr std::string_view kOne = R"({"metadata": {"name": "p"}, "spec": {
    "containers": [{"name": "a", "image": "app:1"}]}})";

TEST(PodLife, GoesFromCreatingToReadyInThreeWrites) {
  Pod pod(kOne);
  EXPECT_EQ(pod.Phase(), "Pending");
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ContainerCreating"));
  EXPECT_EQ(pod.Condition("Ready"), "False");
  EXPECT_EQ(pod.Condition("Initialized"), "True");
  pod.Run(399);
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ContainerCreating"));
  pod.Run(1);
  EXPECT_EQ(pod.Phase(), "Running");
  EXPECT_THAT(pod.Containers(), ElementsAre("running"));
  EXPECT_EQ(pod.Condition("Ready"), "False");
  pod.Run(200);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  EXPECT_EQ(pod.Condition("Ready"), "True");
  EXPECT_EQ(pod.Condition("ContainersReady"), "True");
  EXPECT_EQ(pod.writes(), 3);
  pod.Run(3'600'000);
  EXPECT_EQ(pod.writes(), 3);
}

TEST(PodLife, ContainersThatStartTogetherAreOneWriteHoweverDelaysAreJittered) {
  Pod pod(R"({"spec": {"containers": [{"name": "a", "image": "app:1"},
              {"name": "b", "image": "other:1"}, {"name": "c", "image": "third:1"}]}})",
          Behaviour{});
  pod.Run(10'000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running!", "running!"));
  EXPECT_EQ(pod.writes(), 3);
}

TEST(PodLife, ReportsWhatAKubeletReports) {
  Pod pod(kOne);
  pod.Run(1000);
  const Json& status = pod.document().at("status");
  EXPECT_EQ(status.at("hostIP"), "172.16.0.1");
  EXPECT_EQ(status.at("podIP"), "10.0.0.2");
  EXPECT_EQ(status.at("podIPs").at(0).at("ip"), "10.0.0.2");
  EXPECT_EQ(status.at("qosClass"), "BestEffort");
  EXPECT_EQ(status.at("startTime"), "2023-11-14T22:30:00Z");
  EXPECT_EQ(pod.Condition("PodScheduled"), "True");
  const Json& container = pod.Container(0);
  EXPECT_TRUE(api::StringAt(container, {"containerID"}).starts_with("hollow://"));
  EXPECT_TRUE(api::StringAt(container, {"imageID"}).starts_with("hollow://sha256:"));
  EXPECT_EQ(container.at("image"), "app:1");
  EXPECT_EQ(container.at("started"), true);
}

TEST(PodLife, ANewImageReplacesTheContainerInPlace) {
  Pod pod(kOne);
  pod.Run(1000);
  const Json before = pod.Container(0);
  const int writes = pod.writes();
  pod.SetImage(0, "app:2");
  pod.Run(399);
  EXPECT_EQ(pod.Container(0), before) << "nothing before the delay is over";
  pod.Run(1);
  const Json restarted = pod.Container(0);
  EXPECT_EQ(Pod::Say(restarted), "running r1");
  EXPECT_EQ(restarted.at("image"), "app:2");
  EXPECT_NE(restarted.at("imageID"), before.at("imageID"));
  EXPECT_NE(restarted.at("containerID"), before.at("containerID"));
  EXPECT_EQ(api::StringAt(restarted, {"lastState", "terminated", "containerID"}),
            api::StringAt(before, {"containerID"}));
  EXPECT_NE(api::Find(restarted, {"lastState", "terminated", "finishedAt"}), nullptr);
  EXPECT_EQ(pod.Condition("Ready"), "False");
  EXPECT_EQ(pod.Phase(), "Running");
  pod.Run(200);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1"));
  EXPECT_EQ(pod.Condition("Ready"), "True");
  EXPECT_EQ(pod.writes(), writes + 2);
}

TEST(PodLife, AnImageThatGoesBackBeforeTheDelayChangesNothing) {
  Pod pod(kOne);
  pod.Run(1000);
  const int writes = pod.writes();
  pod.SetImage(0, "app:2");
  pod.Run(200);
  pod.SetImage(0, "app:1");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  EXPECT_EQ(pod.writes(), writes);
}

TEST(PodLife, ASecondImageBeforeTheDelayIsPulledAnewAndRestartsOnce) {
  Pod pod(kOne);
  pod.Run(1000);
  pod.SetImage(0, "app:2");
  pod.Run(300);
  pod.SetImage(0, "app:3");
  pod.Run(300);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  pod.Run(400);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1"));
  EXPECT_EQ(pod.Container(0).at("image"), "app:3");
}

TEST(PodLife, OnlyTheContainerWithANewImageIsReplaced) {
  Pod pod(R"({"spec": {"containers": [{"name": "a", "image": "app:1"},
                                      {"name": "b", "image": "side:1"}]}})");
  pod.Run(1000);
  pod.SetImage(1, "side:2");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running! r1"));
}

TEST(PodLife, AnImageThatCantBePulledStaysInBackOffUntilItChanges) {
  Pod pod(kOne);
  pod.Run(1000);
  const Json before = pod.Container(0);
  pod.SetImage(0, "app:does-not-exist");
  pod.Run(400);
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ErrImagePull"));
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ImagePullBackOff"));
  EXPECT_EQ(pod.Condition("Ready"), "False");
  EXPECT_EQ(pod.Phase(), "Running");
  // Neither test of a finished update may be met by it.
  EXPECT_EQ(pod.Container(0).at("image"), before.at("image"));
  EXPECT_EQ(pod.Container(0).at("imageID"), before.at("imageID"));
  const int writes = pod.writes();
  pod.Run(3'600'000);
  EXPECT_EQ(pod.writes(), writes);
  pod.SetImage(0, "app:3");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1"));
  EXPECT_EQ(pod.Container(0).at("image"), "app:3");
}

TEST(PodLife, ANewPodWithABadImageIsPending) {
  Pod pod(R"({"spec": {"containers": [{"name": "a", "image": "app:does-not-exist"}]}})");
  pod.Run(5000);
  EXPECT_EQ(pod.Phase(), "Pending");
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ImagePullBackOff"));
  EXPECT_EQ(pod.Container(0).at("imageID"), "");
  pod.SetImage(0, "app:1");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
}

TEST(PodLife, APatternRefusesImagesWhileItIsThere) {
  Pod pod(R"({"metadata": {"annotations": {"hollow.socle.dev/refuse-image": "app:*"}},
              "spec": {"containers": [{"name": "a", "image": "app:1"}]}})");
  pod.Run(5000);
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ImagePullBackOff"));
  pod.Annotate("refuse-image", "other:*");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
}

TEST(PodLife, ALabelThatTheEnvironmentReadsRestartsTheContainer) {
  Pod pod(R"({"metadata": {"labels": {"l": "1"}}, "spec": {"containers": [
      {"name": "a", "image": "app:1", "env": [{"name": "L", "valueFrom":
        {"fieldRef": {"fieldPath": "metadata.labels['l']"}}}]},
      {"name": "b", "image": "app:1"}]}})");
  pod.Run(1000);
  pod.Edit([](Json* document) { document->at("metadata").at("labels").as_object()["l"] = "2"; });
  pod.Run(100);
  EXPECT_THAT(pod.Containers(), ElementsAre("running r1", "running!"));
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1", "running!"));
  pod.Edit([](Json* document) { document->at("metadata").at("labels").as_object()["m"] = "2"; });
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1", "running!"));
}

TEST(PodLife, NewResourcesTakeEffectWithoutARestart) {
  Pod pod(R"({"spec": {"containers": [{"name": "a", "image": "app:1",
              "resources": {"requests": {"cpu": "1"}}}]}})");
  pod.Run(1000);
  const std::string before(api::StringAt(
      pod.document(), {"metadata", "annotations", "apps.kruise.io/runtime-containers-meta"}));
  pod.Edit([](Json* document) {
    document->at("spec").at("containers").at(0).at("resources").at("requests").as_object()["cpu"] =
        "2";
  });
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  EXPECT_EQ(api::StringAt(pod.Container(0), {"resources", "requests", "cpu"}), "2");
  EXPECT_NE(before, api::StringAt(pod.document(), {"metadata", "annotations",
                                                   "apps.kruise.io/runtime-containers-meta"}));
}

TEST(PodLife, ContainersComeAndGoWithTheSpec) {
  Pod pod(kOne);
  pod.Run(1000);
  pod.Edit([](Json* document) {
    document->at("spec")
        .at("containers")
        .as_array()
        .insert(document->at("spec").at("containers").as_array().begin(),
                Literal(R"({"name": "side", "image": "side:1"})"));
  });
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting ContainerCreating", "running!"));
  EXPECT_EQ(pod.Condition("Ready"), "False");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running!"));
  pod.Edit([](Json* document) {
    api::JsonArray& containers = document->at("spec").at("containers").as_array();
    containers.erase(containers.begin());
  });
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  EXPECT_EQ(pod.Container(0).at("name"), "a");
  EXPECT_EQ(pod.Condition("Ready"), "True");
}

TEST(PodLife, ReadinessGatesHoldReadyAndAreReevaluated) {
  Pod pod(R"({"spec": {"readinessGates": [{"conditionType": "InPlaceUpdateReady"}],
              "containers": [{"name": "a", "image": "app:1"}]}})");
  pod.Run(1000);
  EXPECT_EQ(pod.Condition("ContainersReady"), "True");
  EXPECT_EQ(pod.Condition("Ready"), "False");
  const auto set_gate = [&](std::string_view status) {
    pod.Edit([&](Json* document) {
      api::JsonArray& conditions = document->at("status").at("conditions").as_array();
      for (Json& condition : conditions) {
        if (api::StringAt(condition, {"type"}) == "InPlaceUpdateReady") {
          condition.as_object()["status"] = api::JsonView(status);
          return;
        }
      }
      conditions.push_back(api::JsonObject{
          {"type", "InPlaceUpdateReady"}, {"status", api::JsonView(status)}, {"reason", "Mine"}});
    });
  };
  set_gate("True");
  EXPECT_EQ(pod.Condition("Ready"), "True");
  set_gate("False");
  EXPECT_EQ(pod.Condition("Ready"), "False");
  EXPECT_EQ(pod.Condition("ContainersReady"), "True");
  EXPECT_EQ(pod.Condition("InPlaceUpdateReady"), "False");
}

TEST(PodLife, APodThatIsHeldIsNotReadyUntilItIsLetGo) {
  Pod pod(R"({"metadata": {"annotations": {"hollow.socle.dev/hold-not-ready": "b"}},
      "spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "i:1"}]}})");
  pod.Run(5000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running"));
  pod.Annotate("hold-not-ready", "true");
  EXPECT_THAT(pod.Containers(), ElementsAre("running", "running"));
  pod.Annotate("hold-not-ready", "false");
  EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running!"));
  EXPECT_EQ(pod.Condition("Ready"), "True");
}

TEST(PodLife, InitContainersRunInOrderBeforeTheOthers) {
  Pod pod(R"({"spec": {"initContainers": [{"name": "i", "image": "i:1"},
      {"name": "s", "image": "i:1", "restartPolicy": "Always"}, {"name": "j", "image": "i:1"}],
      "containers": [{"name": "a", "image": "app:1"}]}})");
  EXPECT_EQ(pod.Condition("Initialized"), "False");
  pod.Run(400);
  EXPECT_THAT(pod.InitContainers(),
              ElementsAre("running", "waiting PodInitializing", "waiting PodInitializing"));
  EXPECT_THAT(pod.Containers(), ElementsAre("waiting PodInitializing"));
  pod.Run(100 + 400);
  EXPECT_THAT(pod.InitContainers(),
              ElementsAre("terminated 0!", "running", "waiting PodInitializing"));
  pod.Run(400 + 100);
  EXPECT_THAT(pod.InitContainers(), ElementsAre("terminated 0!", "running!", "terminated 0!"));
  EXPECT_EQ(pod.Condition("Initialized"), "True");
  EXPECT_EQ(pod.Phase(), "Pending");
  pod.Run(600);
  EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
  EXPECT_EQ(pod.Condition("Ready"), "True");
}

TEST(PodLife, AFailingInitContainerHoldsThePodOrFailsIt) {
  for (const char* policy : {"Always", "Never"}) {
    SCOPED_TRACE(policy);
    Pod pod(fmt::format(R"({{"metadata": {{"annotations": {{"hollow.socle.dev/exit-code.i": "3"}}}},
        "spec": {{"restartPolicy": "{}", "initContainers": [{{"name": "i", "image": "i:1"}}],
        "containers": [{{"name": "a", "image": "app:1"}}]}}}})",
                        policy));
    pod.Run(2000);
    if (std::string_view(policy) == "Never") {
      EXPECT_EQ(pod.Phase(), "Failed");
      EXPECT_THAT(pod.InitContainers(), ElementsAre("terminated 3"));
    } else {
      EXPECT_EQ(pod.Phase(), "Pending");
      EXPECT_THAT(pod.InitContainers(), ElementsAre("waiting CrashLoopBackOff r1"));
    }
    EXPECT_THAT(pod.Containers(), ElementsAre("waiting PodInitializing"));
  }
}

struct Ending {
  const char* name;
  const char* policy;
  const char* exit_code;
  const char* phase;
  const char* container;
};

TEST(PodLife, RunsEndByPolicyAndExitCode) {
  const Ending endings[] = {
      {"never, well", "Never", "0", "Succeeded", "terminated 0"},
      {"never, badly", "Never", "4", "Failed", "terminated 4"},
      {"on failure, well", "OnFailure", "0", "Succeeded", "terminated 0"},
      {"on failure, badly", "OnFailure", "4", "Running", "waiting CrashLoopBackOff r1"},
      {"always, well", "Always", "0", "Running", "waiting CrashLoopBackOff r1"},
  };
  for (const Ending& c : endings) {
    SCOPED_TRACE(c.name);
    Pod pod(fmt::format(R"({{"metadata": {{"annotations": {{
        "hollow.socle.dev/run-duration": "2s", "hollow.socle.dev/exit-code": "{}"}}}},
        "spec": {{"restartPolicy": "{}", "containers": [{{"name": "a", "image": "app:1"}}]}}}})",
                        c.exit_code, c.policy));
    pod.Run(400 + 1999);
    EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
    pod.Run(1 + 100 + 2000);  // the first restart comes at once
    EXPECT_EQ(pod.Phase(), c.phase);
    EXPECT_THAT(pod.Containers(), ElementsAre(c.container));
  }
}

TEST(PodLife, CrashesAreRestartedEverLater) {
  Pod pod(R"({"metadata": {"annotations": {"hollow.socle.dev/run-duration": "0s",
      "hollow.socle.dev/exit-code": "1", "hollow.socle.dev/start-delay": "0s"}},
      "spec": {"restartPolicy": "OnFailure", "containers": [{"name": "a", "image": "app:1"}]}})");
  const auto restarts = [&] { return api::IntAt(pod.Container(0), {"restartCount"}).value_or(-1); };
  pod.Run(300);
  EXPECT_EQ(restarts(), 1);
  int64_t wait = 10'000;
  for (int64_t n = 2; n < 10; ++n) {
    pod.Run(wait - 1);
    EXPECT_EQ(restarts(), n - 1) << n;
    pod.Run(1);
    EXPECT_EQ(restarts(), n);
    wait = std::min<int64_t>(wait * 2, 300'000);
  }
}

TEST(PodLife, FailuresAreDrawnByShareAndAreTheSameEveryTime) {
  int failed = 0;
  for (int i = 0; i < 400; ++i) {
    const std::string document = fmt::format(
        R"({{"metadata": {{"uid": "u", "annotations": {{"hollow.socle.dev/run-duration": "1s",
        "hollow.socle.dev/failure-probability": "0.25"}}}}, "spec": {{"restartPolicy": "Never",
        "containers": [{{"name": "c{}", "image": "app:1"}}]}}}})",
        i);
    std::string phases;
    for (int again = 0; again < 2; ++again) {
      Pod pod(document);
      pod.Run(5000);
      phases += pod.Phase();
    }
    EXPECT_TRUE(phases == "FailedFailed" || phases == "SucceededSucceeded") << phases;
    failed += phases == "FailedFailed" ? 1 : 0;
  }
  EXPECT_GT(failed, 70);
  EXPECT_LT(failed, 130);
}

TEST(PodLife, SidecarsOfAJobEndWithItsMainContainers) {
  constexpr std::string_view kJob = R"({{"metadata": {{"annotations": {{
      "hollow.socle.dev/run-duration": "1s", "hollow.socle.dev/exit-code": "{}"}}}},
      "spec": {{"restartPolicy": "Never", "containers": [
        {{"name": "main", "image": "app:1"}},
        {{"name": "side", "image": "side:1", "env": [{{"name": "IS_INJECTED", "value": "true"}},
           {{"name": "{}", "value": "true"}}]}}]}}}})";
  {
    Pod pod(fmt::format(fmt::runtime(kJob), 0, "KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT"));
    pod.Run(1300);
    EXPECT_THAT(pod.Containers(), ElementsAre("running!", "running!"));
    pod.Run(200);
    EXPECT_THAT(pod.Containers(), ElementsAre("terminated 0", "terminated 0"));
    EXPECT_EQ(pod.Phase(), "Succeeded");
  }
  {
    Pod pod(fmt::format(fmt::runtime(kJob), 5, "KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT"));
    pod.Run(1500);
    EXPECT_EQ(pod.Phase(), "Failed");
    EXPECT_THAT(pod.Containers(), ElementsAre("terminated 5", "terminated 0"));
  }
  {
    Pod pod(fmt::format(fmt::runtime(kJob), 0, "ANOTHER"));
    pod.Run(3'600'000);
    EXPECT_EQ(pod.Phase(), "Running") << "nobody ends the sidecar";
    EXPECT_THAT(pod.Containers(), ElementsAre("terminated 0", "running!"));
  }
}

TEST(PodLife, PodsOfJobsEndByDefaultWhenTheNodeSaysSo) {
  constexpr std::string_view kDocument = R"({"metadata": {"ownerReferences": [
      {"kind": "BroadcastJob", "controller": true}]}, "spec": {"restartPolicy": "Never",
      "containers": [{"name": "a", "image": "app:1"}]}})";
  Behaviour behaviour = Exact();
  Pod forever(kDocument, behaviour);
  forever.Run(3'600'000);
  EXPECT_EQ(forever.Phase(), "Running");
  behaviour.job_run_millis = 1000;
  Pod job(kDocument, behaviour);
  job.Run(1400);
  EXPECT_EQ(job.Phase(), "Succeeded");
}

TEST(PodLife, ADeadlineFailsThePod) {
  Pod pod(R"({"spec": {"activeDeadlineSeconds": 5,
              "containers": [{"name": "a", "image": "app:1"}]}})");
  pod.Run(4999);
  EXPECT_EQ(pod.Phase(), "Running");
  pod.Run(1);
  EXPECT_EQ(pod.Phase(), "Failed");
  EXPECT_EQ(pod.Reason(), "DeadlineExceeded");
  EXPECT_THAT(pod.Containers(), ElementsAre("terminated 137"));
}

TEST(PodLife, ControlsAndOthersFailThePodForGood) {
  {
    Pod pod(kOne);
    pod.Run(1000);
    pod.Annotate("fail", "Evicted");
    EXPECT_EQ(pod.Phase(), "Failed");
    EXPECT_EQ(pod.Reason(), "Evicted");
  }
  Pod pod(kOne);
  pod.Run(1000);
  pod.Edit([](Json* document) {
    document->at("status").as_object()["phase"] = "Failed";
    document->at("status").as_object()["reason"] = "Preempted";
  });
  EXPECT_EQ(pod.Phase(), "Failed");
  EXPECT_EQ(pod.Reason(), "Preempted");
  EXPECT_THAT(pod.Containers(), ElementsAre("terminated 137"));
  EXPECT_EQ(pod.Condition("Ready"), "False");
  pod.SetImage(0, "app:2");
  pod.Run(10'000);
  EXPECT_THAT(pod.Containers(), ElementsAre("terminated 137"));
}

TEST(PodLife, StopsWithinGraceAndTerminationDelay) {
  struct Case {
    const char* name;
    const char* delay;
    int grace;
    int64_t stops_after;
  };

  const Case cases[] = {{"default", "", 30, 100},
                        {"delay", "5s", 30, 5000},
                        {"grace is shorter", "60s", 2, 2000},
                        {"no grace", "60s", 0, 0}};
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Pod pod(kOne);
    pod.Run(1000);
    if (*c.delay != '\0') {
      pod.Annotate("termination-delay", c.delay);
    }
    pod.Edit([&](Json* document) {
      api::JsonObject& metadata = document->at("metadata").as_object();
      metadata["deletionTimestamp"] = "2023-11-14T22:40:00Z";
      metadata["deletionGracePeriodSeconds"] = c.grace;
    });
    if (c.stops_after > 0) {
      pod.Run(c.stops_after - 1);
      EXPECT_FALSE(pod.life().is_stopped());
      EXPECT_THAT(pod.Containers(), ElementsAre("running!"));
      pod.Run(1);
    }
    EXPECT_TRUE(pod.life().is_stopped());
    EXPECT_THAT(pod.Containers(), ElementsAre("terminated 0"));
  }
}

TEST(PodLife, APodThatIsDeletedBeforeItRanStopsAtOnce) {
  Pod pod(R"({"metadata": {"deletionTimestamp": "2023-11-14T22:40:00Z"}, "spec": {
      "containers": [{"name": "a", "image": "app:1"}]}})");
  EXPECT_TRUE(pod.life().is_stopped());
}

TEST(PodLife, ARefusedPodIsFailedAndStaysSo) {
  const Json document = Literal(kOne);
  PodLife life = PodLife::Resume(document, ReadWish(document, {}, Exact(), 1), {});
  life.Refuse("OutOfcpu", "Node didn't have enough resource: cpu");
  life.Advance({.steady = kNanosPerSecond});
  EXPECT_TRUE(life.is_finished());
  Json written = document;
  EXPECT_TRUE(Report(life, {}, 0, true, &written));
  EXPECT_EQ(written.at("status").at("phase"), "Failed");
  EXPECT_EQ(written.at("status").at("reason"), "OutOfcpu");
  EXPECT_EQ(written.at("status").as_object().if_contains("containerStatuses"), nullptr);
  PodLife again = PodLife::Resume(written, ReadWish(written, {}, Exact(), 1), {});
  EXPECT_TRUE(again.is_finished());
  EXPECT_FALSE(Report(again, {}, 0, true, &written));
}

TEST(PodLife, ANodeThatCrashedRestartsWhatRanOrFailsIt) {
  Pod pod(kOne);
  pod.Run(1000);
  pod.Reboot();
  EXPECT_EQ(pod.Condition("Ready"), "False");
  pod.Run(1000);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1"));
  EXPECT_EQ(api::IntAt(pod.Container(0), {"lastState", "terminated", "exitCode"}), 255);
  Pod once(R"({"spec": {"restartPolicy": "Never",
               "containers": [{"name": "a", "image": "app:1"}]}})");
  once.Run(1000);
  once.Reboot();
  EXPECT_EQ(once.Phase(), "Failed");
}

// Law 3 of pod_status.h: at every moment of every life here, a process that ends and comes back goes on.
TEST(PodLife, RestartsOfTheProcessChangeNoCourse) {
  const char* documents[] = {
      R"({"spec": {"containers": [{"name": "a", "image": "app:1"}]}})",
      R"({"metadata": {"annotations": {"hollow.socle.dev/run-duration": "3s"}},
          "spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "app:1"}]}})",
      R"({"metadata": {"annotations": {"hollow.socle.dev/run-duration": "1s",
          "hollow.socle.dev/exit-code": "1"}},
          "spec": {"restartPolicy": "OnFailure", "containers": [{"name": "a", "image": "i:1"}]}})",
      R"({"spec": {"initContainers": [{"name": "i", "image": "i:1"},
            {"name": "s", "image": "i:1", "restartPolicy": "Always"}],
          "containers": [{"name": "a", "image": "app:does-not-exist"},
                         {"name": "b", "image": "app:1"}]}})",
      R"({"spec": {"activeDeadlineSeconds": 4,
          "containers": [{"name": "a", "image": "app:1"}]}})",
  };
  for (const char* document : documents) {
    SCOPED_TRACE(document);
    Pod straight(document);
    straight.Run(60'000);
    for (int64_t at = 0; at < 6000; at += 50) {
      SCOPED_TRACE(at);
      Pod pod(document);
      pod.Run(at);
      const int writes = pod.writes();
      const Json before = pod.document();
      pod.Restart();
      // What is due at this very moment may happen; nothing that was written is taken back.
      EXPECT_LE(pod.writes(), writes + 1);
      EXPECT_EQ(pod.Phase(), std::string(api::StringAt(before, {"status", "phase"})));
      pod.Run(60'000);
      EXPECT_EQ(pod.Phase(), straight.Phase());
      EXPECT_EQ(pod.Reason(), straight.Reason());
      EXPECT_EQ(pod.InitContainers(), straight.InitContainers());
      for (size_t i = 0; i < pod.Containers().size(); ++i) {
        EXPECT_EQ(pod.Container(i).at("imageID"), straight.Container(i).at("imageID"));
      }
    }
  }
}

TEST(PodLife, AnUpdateInPlaceGoesOnAfterARestartOfTheProcess) {
  Pod pod(kOne);
  pod.Run(1000);
  pod.SetImage(0, "app:2");
  pod.Run(200);
  pod.Restart();
  pod.Run(400);
  EXPECT_THAT(pod.Containers(), ElementsAre("running r1"));
  pod.Restart();
  pod.Run(200);
  EXPECT_THAT(pod.Containers(), ElementsAre("running! r1"));
  EXPECT_EQ(pod.Container(0).at("image"), "app:2");
}

TEST(PodLife, FitsItsRecord) {
  EXPECT_LE(sizeof(PodLife), 280U);
  EXPECT_LE(sizeof(ContainerWish) + sizeof(ContainerLife), 300U);
}

}  // namespace
}  // namespace socle::hollow
