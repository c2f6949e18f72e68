// BroadcastJobs on a plane in the process; the test plays the kubelet.
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/broadcastjob/apply.h"
#include "controllers/broadcastjob/controller.h"
#include "controllers/broadcastjob/job.h"
#include "controllers/broadcastjob/node_signal.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::broadcastjob {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BroadcastJobTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(runtime::Runtime* runtime) override {
    plane_testing::Controllers controllers;
    controllers.push_back(StartBroadcastJob(runtime, options_));
    return controllers;
  }

  void AddNode(int i, std::string_view spec = "{}") {
    Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"Node","metadata":{{"name":"n{0}"}},"spec":{1}}})", i, spec));
    PatchStatus("nodes", fmt::format("n{}", i),
                R"({"allocatable":{"cpu":"4","memory":"8Gi","pods":"3"}})");
  }

  void AddNodes(int count) {
    for (int i = 0; i < count; ++i) {
      AddNode(i);
    }
  }

  // `spec`: members of the job's spec beside the template.
  void AddJob(std::string_view spec = "", std::string_view restart_policy = "Never",
              std::string_view version = "v1beta1") {
    Apply(fmt::format(
        R"({{"apiVersion":"apps.kruise.io/{}","kind":"BroadcastJob","metadata":{{"name":"j"}},)"
        R"("spec":{{"template":{{"spec":{{"restartPolicy":"{}","containers":[)"
        R"({{"name":"a","image":"x"}}]}}}}{}{}}}}})",
        version, restart_policy, spec.empty() ? "" : ",", spec));
  }

  std::string Phase() {
    return std::string(api::StringAt(Get("broadcastjobs", "j"), {"status", "phase"}));
  }

  int64_t Status(std::string_view member) {
    return api::IntAt(Get("broadcastjobs", "j"), {"status", member}).value_or(-1);
  }

  // The nodes of the job's pods in the phase, Pending being those the kubelet has not touched.
  std::vector<std::string> NodesOfPods(std::string_view phase) {
    std::vector<std::string> nodes;
    for (const api::Json& pod : List("pods")) {
      if (api::StringAt(pod, {"status", "phase"}) == phase) {
        nodes.emplace_back(api::StringAt(pod, {"spec", "nodeName"}));
      }
    }
    return nodes;
  }

  std::string PodOn(std::string_view node) {
    for (const api::Json& pod : List("pods")) {
      if (api::StringAt(pod, {"spec", "nodeName"}) == node) {
        return std::string(api::StringAt(pod, {"metadata", "name"}));
      }
    }
    return "no pod there";
  }

  void Finish(std::string_view node, std::string_view phase = "Succeeded") {
    PatchStatus("pods", PodOn(node), fmt::format(R"({{"phase":"{}"}})", phase));
  }

  // What a kubelet does with a pod that is being deleted.
  void ReapPods() {
    for (const api::Json& pod : List("pods")) {
      if (api::Find(pod, {"metadata", "deletionTimestamp"}) != nullptr) {
        Delete("pods", api::StringAt(pod, {"metadata", "name"}), registry::Propagation::kDefault,
               0);
      }
    }
  }

  size_t LivePods() {
    size_t live = 0;
    for (const api::Json& pod : List("pods")) {
      live += api::Find(pod, {"metadata", "deletionTimestamp"}) == nullptr ? 1 : 0;
    }
    return live;
  }

  BroadcastJobOptions options_;
};

TEST_F(BroadcastJobTest, F1RunsTwoAndThenTheThird) {
  AddNodes(3);
  AddJob(R"("parallelism":2)");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  Advance(5);
  EXPECT_EQ(Count("pods"), 2U);
  EXPECT_EQ(Status("desired"), 3);
  EXPECT_EQ(Status("active"), 2);
  EXPECT_EQ(Phase(), "running");
  Finish("n0");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 3; }, 5));
  Finish("n1");
  Finish("n2");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
  EXPECT_EQ(Status("succeeded"), 3);
  EXPECT_EQ(Status("active"), 0);
  EXPECT_THAT(EventsAbout("j"),
              Contains("JobComplete: Job default/j is completed, 3 pods succeeded, 0 pods failed"));
  EXPECT_THAT(EventsAbout("j"), Contains(HasSubstr("SuccessfulCreate")));
}

TEST_F(BroadcastJobTest, F3LeavesACordonedNodeAndComesBack) {
  AddNodes(2);
  AddNode(2, R"({"taints":[{"key":"k","effect":"NoSchedule"}]})");
  AddJob();
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  EXPECT_EQ(Status("desired"), 2);
  Patch("nodes", "n1", R"({"spec":{"unschedulable":true}})");
  ASSERT_TRUE(RunUntil([&] { return LivePods() == 1; }, 5));
  ASSERT_TRUE(RunUntil([&] { return Status("desired") == 1; }, 5));
  Patch("nodes", "n1", R"({"spec":{"unschedulable":null}})");
  Advance(5);
  EXPECT_EQ(LivePods(), 1U) << "its pod is still going";
  ReapPods();
  ASSERT_TRUE(RunUntil([&] { return LivePods() == 2; }, 5));
  EXPECT_EQ(Status("desired"), 2);
}

TEST_F(BroadcastJobTest, F4RunsOnManyNodesOnceEachAcrossRestarts) {
  constexpr int kNodes = 60;
  AddNodes(kNodes);
  AddJob(R"("parallelism":"25%")");
  std::set<std::string> uids;
  std::multiset<std::string> nodes;
  for (int round = 0; Phase() != "completed" && round < 40; ++round) {
    if (round % 3 == 1) {
      Restart();
    }
    RunUntil([&] { return !NodesOfPods("Pending").empty(); }, 2);
    size_t active = 0;
    for (const api::Json& pod : List("pods")) {
      if (uids.emplace(api::StringAt(pod, {"metadata", "uid"})).second) {
        nodes.emplace(api::StringAt(pod, {"spec", "nodeName"}));
      }
      active += api::StringAt(pod, {"status", "phase"}) == "Pending" ? 1 : 0;
    }
    EXPECT_LE(active, 15U);
    for (const std::string& node : NodesOfPods("Pending")) {
      Finish(node);
    }
    Settle();
  }
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
  EXPECT_EQ(nodes.size(), size_t{kNodes});
  EXPECT_EQ(std::set<std::string>(nodes.begin(), nodes.end()).size(), size_t{kNodes});
  EXPECT_EQ(Status("succeeded"), kNodes);
}

TEST_F(BroadcastJobTest, F5FailsFastAndDeletesWhatRuns) {
  AddNodes(3);
  AddJob();
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 3; }, 5));
  Finish("n0");
  Finish("n1", "Failed");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "failed"; }, 5));
  EXPECT_EQ(LivePods(), 2U);
  EXPECT_EQ(Status("active"), 0);
  EXPECT_EQ(Status("failed"), 2);
  EXPECT_EQ(Status("succeeded"), 1);
  ReapPods();
  Advance(60);
  EXPECT_EQ(Count("pods"), 2U) << "nothing comes back";
}

TEST_F(BroadcastJobTest, F5ContinuesWhenToldTo) {
  AddNodes(2);
  AddJob(R"("failurePolicy":{"type":"Continue"},"parallelism":1)");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Finish("n0", "Failed");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  Finish("n1");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
  EXPECT_EQ(Status("failed"), 1);
  EXPECT_EQ(Status("succeeded"), 1);
}

TEST_F(BroadcastJobTest, F5PausesAndF6GoesOnWhenAsked) {
  AddNodes(3);
  AddJob(R"("failurePolicy":{"type":"Pause"},"parallelism":1)");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Finish("n0", "Failed");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "paused"; }, 5));
  EXPECT_TRUE(api::BoolAt(Get("broadcastjobs", "j"), {"spec", "paused"}));
  EXPECT_EQ(Count("pods"), 1U);
  Restart();
  Advance(60);
  EXPECT_EQ(Count("pods"), 1U);
  Patch("broadcastjobs", "j", R"({"spec":{"paused":false}})");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  EXPECT_EQ(Phase(), "running");
  EXPECT_THAT(EventsAbout("j"), Contains("Continue: The job continues"));
  EXPECT_THAT(EventsAbout("j"), Contains(HasSubstr("Paused: ")));
}

TEST_F(BroadcastJobTest, F7ExceedsItsDeadlineAlsoAfterARestart) {
  AddNodes(2);
  AddJob(R"("completionPolicy":{"type":"Always","activeDeadlineSeconds":100})");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  Advance(50);
  Restart();
  Advance(40);
  EXPECT_EQ(Phase(), "running");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "failed"; }, 12));
  const api::Json job = Get("broadcastjobs", "j");
  const api::JsonArray* conditions = api::FindArray(job, {"status", "conditions"});
  ASSERT_NE(conditions, nullptr);
  EXPECT_EQ(api::StringAt((*conditions)[0], {"reason"}), "DeadlineExceeded");
  EXPECT_EQ(LivePods(), 0U);
}

TEST_F(BroadcastJobTest, F8GoesAfterItsTtlAlsoAfterARestart) {
  AddNodes(1);
  AddJob(R"("completionPolicy":{"type":"Always","ttlSecondsAfterFinished":100})");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Finish("n0");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
  Advance(50);
  Restart();
  Advance(40);
  EXPECT_TRUE(Has("broadcastjobs", "j"));
  ASSERT_TRUE(RunUntil([&] { return !Has("broadcastjobs", "j"); }, 15));
}

TEST_F(BroadcastJobTest, F9RunsOnANewNodeUnderNever) {
  AddNodes(1);
  AddJob(R"("completionPolicy":{"type":"Never"})");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Finish("n0");
  Advance(10);
  EXPECT_EQ(Phase(), "running");
  AddNode(1);
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  EXPECT_EQ(Status("desired"), 2);
}

TEST_F(BroadcastJobTest, F10FailsAtTheThirdRestart) {
  AddNodes(1);
  AddJob(R"("failurePolicy":{"type":"FailFast","restartLimit":2})", "OnFailure");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  const auto restart = [this](int count) {
    PatchStatus("pods", PodOn("n0"),
                fmt::format(R"({{"phase":"Running","containerStatuses":[{{"name":"a","image":"x",)"
                            R"("restartCount":{}}}]}})",
                            count));
  };
  restart(2);
  Advance(5);
  EXPECT_EQ(Phase(), "running");
  restart(3);
  ASSERT_TRUE(RunUntil([&] { return Phase() == "failed"; }, 5));
}

TEST_F(BroadcastJobTest, F11BothVersionsAreTaken) {
  AddNodes(1);
  AddJob("", "Never", "v1alpha1");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Finish("n0");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
}

TEST_F(BroadcastJobTest, F13StaysRunningWithoutNodes) {
  AddJob();
  Advance(30);
  EXPECT_EQ(Phase(), "running");
  EXPECT_EQ(Status("desired"), 0);
  AddNode(0);
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
}

TEST_F(BroadcastJobTest, WaitsForRoomOnAFullNode) {
  AddNodes(1);
  for (int i = 0; i < 3; ++i) {
    Apply(fmt::format(R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"other{}"}},"spec":)"
                      R"({{"nodeName":"n0","containers":[{{"name":"a","image":"x"}}]}}}})",
                      i));
  }
  AddJob();
  Advance(10);
  EXPECT_EQ(Count("pods"), 3U);
  EXPECT_EQ(Status("desired"), 0);
  Delete("pods", "other0", registry::Propagation::kDefault, 0);
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 3; }, 40));
  EXPECT_EQ(Status("desired"), 1);
}

TEST_F(BroadcastJobTest, AFinishedPodIsNotRepeatedWhenTheTemplateChanges) {
  AddNodes(2);
  AddJob(R"("parallelism":1)");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  const std::string first = PodOn("n0");
  Finish("n0");
  Patch("broadcastjobs", "j",
        R"({"spec":{"template":{"spec":{"containers":[{"name":"a","image":"y"}]}}}})");
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 2; }, 5));
  Finish("n1");
  ASSERT_TRUE(RunUntil([&] { return Phase() == "completed"; }, 5));
  EXPECT_EQ(PodOn("n0"), first);
  EXPECT_EQ(Count("pods"), 2U);
}

TEST_F(BroadcastJobTest, ADuplicateOfANodeGoes) {
  AddNodes(1);
  AddJob();
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  const registry::ObjectRef job = Find("broadcastjobs", "j");
  api::Json twin = MakePod(*job, job->Parse(), "n0", false);
  api::Set(&api::EnsureObject(&twin, {"metadata"}), "name", "twin");
  Apply(api::Dump(twin));
  ASSERT_TRUE(RunUntil([&] { return LivePods() == 1; }, 5));
  EXPECT_NE(api::Find(Get("pods", "twin"), {"metadata", "deletionTimestamp"}), nullptr);
  EXPECT_THAT(EventsAbout("j"), Contains(HasSubstr("DuplicatePodCreatedOnSameNode")));
}

TEST_F(BroadcastJobTest, NodesThatChangeTogetherAreOnePass) {
  AddNodes(1);
  AddJob();
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 1; }, 5));
  Advance(1);
  const uint64_t before = (*controllers())[0]->stats().reconciles;
  for (int i = 1; i < 50; ++i) {
    AddNode(i);
  }
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 50; }, 5));
  Advance(1);
  // One for the nodes, some for the pods' own changes.
  EXPECT_LE((*controllers())[0]->stats().reconciles - before, 10U);
}

TEST_F(BroadcastJobTest, ASignalIsGivenOnceForManyNodesAndNeverForHeartbeats) {
  std::atomic<int> signals{0};
  const NodeSignal signal(runtime(), kNanosPerSecond, [&signals] { ++signals; });
  AddNodes(20);
  Advance(3);
  EXPECT_EQ(signals, 1);
  PatchStatus("nodes", "n3", R"({"conditions":[{"type":"Ready","status":"True"}]})");
  Advance(3);
  EXPECT_EQ(signals, 1);
  Patch("nodes", "n3", R"({"spec":{"unschedulable":true}})");
  Delete("nodes", "n4");
  Advance(3);
  EXPECT_EQ(signals, 2);
}

class PinnedBroadcastJobTest : public BroadcastJobTest {
 protected:
  void SetUp() override {
    options_.by_scheduler = true;
    BroadcastJobTest::SetUp();
  }
};

TEST_F(PinnedBroadcastJobTest, LeavesTheBindingToTheScheduler) {
  AddNodes(3);
  AddJob();
  ASSERT_TRUE(RunUntil([&] { return Count("pods") == 3; }, 5));
  Restart();
  Advance(30);
  EXPECT_EQ(Count("pods"), 3U);
  EXPECT_EQ(NodesOfPods("Pending"), std::vector<std::string>(3));
  EXPECT_EQ(Status("active"), 3);
}

}  // namespace
}  // namespace socle::broadcastjob
