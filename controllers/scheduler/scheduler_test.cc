// The scheduler on a plane in the process: bindings, conditions and events as clients see them.
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/scheduler/controller.h"
#include "controllers/testing/plane_fixture.h"

namespace socle::scheduler {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SchedulerTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Controllers StartControllers(runtime::Runtime* runtime) override {
    plane_testing::Controllers controllers;
    controllers.push_back(StartScheduler(runtime, options_));
    return controllers;
  }

  void AddNode(const std::string& name, std::string_view cpu = "4", std::string_view spec = "{}") {
    Apply(fmt::format(R"({{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{}"}},"spec":{}}})",
                      name, spec));
    PatchStatus(
        "nodes", name,
        fmt::format(R"({{"allocatable":{{"cpu":"{}","memory":"8Gi","pods":"110"}}}})", cpu));
  }

  void AddPod(const std::string& name, std::string_view cpu = "1", std::string_view more = "") {
    Apply(fmt::format(
        R"({{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{}"}},"spec":{{"containers":)"
        R"([{{"name":"a","image":"x","resources":{{"requests":{{"cpu":"{}"}}}}}}]{}{}}}}})",
        name, cpu, more.empty() ? "" : ",", more));
  }

  std::string NodeOf(std::string_view pod) {
    return std::string(api::StringAt(Get("pods", pod), {"spec", "nodeName"}));
  }

  // Condition PodScheduled as "status reason: message".
  std::string Scheduled(std::string_view pod) {
    const api::Json object = Get("pods", pod);
    const api::JsonArray* conditions = api::FindArray(object, {"status", "conditions"});
    for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
      const api::Json& one = (*conditions)[i];
      if (api::StringAt(one, {"type"}) == "PodScheduled") {
        return fmt::format("{} {}: {}", api::StringAt(one, {"status"}),
                           api::StringAt(one, {"reason"}), api::StringAt(one, {"message"}));
      }
    }
    return "none";
  }

  SchedulerOptions options_;
};

TEST_F(SchedulerTest, BindsAPodAndSaysSo) {
  AddNode("n1");
  AddPod("a");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("a") == "n1"; }, 5));
  EXPECT_EQ(Scheduled("a"), "True : ");
  EXPECT_THAT(EventsAbout("a"), ElementsAre("Scheduled: Successfully assigned default/a to n1"));
}

TEST_F(SchedulerTest, SaysWhyAPodWaitsAndBindsItWhenANodeComes) {
  AddNode("small", "500m");
  AddNode("taken", "4", R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})");
  AddPod("a");
  Settle();
  constexpr std::string_view kWhy =
      "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had taint {k: v}, that the pod "
      "didn't tolerate.";
  EXPECT_EQ(Scheduled("a"), fmt::format("False Unschedulable: {}", kWhy));
  EXPECT_THAT(EventsAbout("a"), ElementsAre(fmt::format("FailedScheduling: {}", kWhy)));
  const int64_t revision = Find("pods", "a")->mod_revision;
  Patch("nodes", "small", R"({"metadata":{"labels":{"x":"y"}}})");
  Advance(20);
  EXPECT_EQ(Find("pods", "a")->mod_revision, revision) << "the same reason is not written again";
  AddNode("big", "64");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("a") == "big"; }, 20));
  EXPECT_EQ(Scheduled("a"), "True : ");
}

TEST_F(SchedulerTest, FillsWhatADeletedPodLeaves) {
  AddNode("n1", "1");
  AddPod("first");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("first") == "n1"; }, 5));
  AddPod("second");
  Settle();
  EXPECT_EQ(NodeOf("second"), "");
  Delete("pods", "first", registry::Propagation::kDefault, 0);
  ASSERT_TRUE(RunUntil([&] { return NodeOf("second") == "n1"; }, 20));
}

TEST_F(SchedulerTest, CountsWhatWasBoundBeforeARestart) {
  AddNode("n1", "2");
  AddPod("a");
  AddPod("b");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("a") == "n1" && NodeOf("b") == "n1"; }, 5));
  AddPod("c");
  Settle();
  const int64_t revision = Find("pods", "c")->mod_revision;
  Restart();
  Advance(30);
  EXPECT_EQ(NodeOf("c"), "");
  EXPECT_EQ(Find("pods", "c")->mod_revision, revision) << "the condition says it already";
  AddNode("n2", "2");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("c") == "n2"; }, 20));
}

TEST_F(SchedulerTest, LeavesPodsOfOtherSchedulersAndGatedOnes) {
  AddNode("n1");
  AddPod("other", "1", R"("schedulerName":"mine")");
  AddPod("gated", "1", R"("schedulingGates":[{"name":"example.com/wait"}])");
  Advance(20);
  EXPECT_EQ(NodeOf("other"), "");
  EXPECT_EQ(NodeOf("gated"), "");
  Patch("pods", "gated", R"({"spec":{"schedulingGates":null}})");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("gated") == "n1"; }, 5));
}

TEST_F(SchedulerTest, WaitsForAClaimAndBindsIt) {
  AddNode("n1");
  AddPod("a", "1", R"("volumes":[{"name":"v","persistentVolumeClaim":{"claimName":"disk"}}])");
  Settle();
  EXPECT_EQ(NodeOf("a"), "");
  EXPECT_THAT(Scheduled("a"), ::testing::HasSubstr("persistentvolumeclaim \"disk\" not found"));
  Apply(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"name":"disk"},
            "spec":{"accessModes":["ReadWriteOnce"],
                    "resources":{"requests":{"storage":"1Gi"}}}})");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("a") == "n1"; }, 20));
  ASSERT_TRUE(RunUntil(
      [&] {
        return api::StringAt(Get("persistentvolumeclaims", "disk"), {"status", "phase"}) == "Bound";
      },
      5));
  EXPECT_EQ(api::StringAt(Get("persistentvolumeclaims", "disk"), {"status", "capacity", "storage"}),
            "1Gi");
}

TEST_F(SchedulerTest, BindsManyWithoutOvercommitAcrossRestarts) {
  constexpr int kNodes = 20;
  constexpr int kPods = 200;  // ten to a node: all of it
  for (int i = 0; i < kNodes; ++i) {
    AddNode(fmt::format("n{}", i), "1");
  }
  for (int i = 0; i < kPods; ++i) {
    AddPod(fmt::format("p{}", i), "100m");
    if (i % 70 == 0) {
      Restart();
    }
  }
  AddPod("late", "100m");
  Settle();
  std::map<std::string, int> pods;
  for (const api::Json& pod : List("pods")) {
    ++pods[std::string(api::StringAt(pod, {"spec", "nodeName"}))];
  }
  EXPECT_EQ(pods[""], 1);
  pods.erase("");
  EXPECT_EQ(pods.size(), size_t{kNodes});
  for (const auto& [node, count] : pods) {
    EXPECT_EQ(count, 10) << node;
  }
}

// Refuses so many bindings.
class StubbornAdmission final : public registry::AdmissionPlugin {
 public:
  explicit StubbornAdmission(std::atomic<int>* refusals) : refusals_(refusals) {}

  std::string_view name() const override { return "stubborn"; }

  absl::Status Check(const registry::AdmissionRequest& request, const api::Json&) override {
    if (request.subresource == "binding" && refusals_->fetch_sub(1) > 0) {
      return registry::Forbidden("", "pods", request.name, "not now");
    }
    return absl::OkStatus();
  }

 private:
  std::atomic<int>* const refusals_;
};

class RefusedSchedulerTest : public SchedulerTest {
 protected:
  plane_testing::Admission MakeAdmission(registry::ObjectCache*) override {
    plane_testing::Admission admission;
    admission.push_back(std::make_unique<StubbornAdmission>(&refusals_));
    return admission;
  }

  std::atomic<int> refusals_{0};
};

TEST_F(RefusedSchedulerTest, ARefusedBindingFreesTheNodeAndIsTriedAgain) {
  refusals_ = 2;
  AddNode("n1", "1");
  AddPod("a");
  Settle();
  EXPECT_EQ(NodeOf("a"), "");
  const runtime::LoopStats stats = (*controllers())[0]->stats();
  EXPECT_EQ(stats.reconciles, 1U);
  EXPECT_EQ(stats.failures, 1U);
  ASSERT_TRUE(RunUntil([&] { return NodeOf("a") == "n1"; }, 5)) << "after a second and two";
  EXPECT_EQ((*controllers())[0]->stats().failures, 2U);
}

TEST_F(SchedulerTest, CountsWhatAnotherHandBound) {
  AddNode("n1", "1");
  AddNode("n2", "1");
  controllers()->clear();
  AddPod("a");
  const api::Json binding = api::Literal(R"({"target":{"kind":"Node","name":"n2"}})");
  ASSERT_OK(registry()->Bind(registry::PlaneContext("test"), TargetOf("pods", "a"), binding));
  controllers()->push_back(StartScheduler(runtime(), options_));
  AddPod("b");
  ASSERT_TRUE(RunUntil([&] { return NodeOf("b") == "n1"; }, 20));
  EXPECT_EQ(NodeOf("a"), "n2");
}

TEST_F(SchedulerTest, StopsWithBindingsUnderWay) {
  for (int i = 0; i < 5; ++i) {
    AddNode(fmt::format("n{}", i), "64");
  }
  for (int i = 0; i < 100; ++i) {
    AddPod(fmt::format("p{}", i), "100m");
  }
  Restart();
  ASSERT_TRUE(RunUntil(
      [&] {
        for (const api::Json& pod : List("pods")) {
          if (api::StringAt(pod, {"spec", "nodeName"}).empty()) {
            return false;
          }
        }
        return true;
      },
      20));
  EXPECT_EQ(Count("pods"), 100U);
}

}  // namespace
}  // namespace socle::scheduler
