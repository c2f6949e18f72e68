// The rows F1 to F13 of spec controllers 7.7, as far as they are decisions.
#include "controllers/broadcastjob/plan.h"

#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/api/kind_registry.h"
#include "controllers/api/names.h"
#include "controllers/broadcastjob/apply.h"
#include "controllers/broadcastjob/status.h"
#include "controllers/workload/node_fit.h"
#include "kv/base/clock.h"

namespace socle::broadcastjob {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kStart = 1'700'000'000 * kNanosPerSecond;

Job RunningJob() {
  return Job{.ns = "default",
             .name = "j",
             .parallelism = int64_t{INT32_MAX},
             .phase = Phase::kRunning,
             .start_nanos = kStart};
}

// Nodes n0 … that all fit.
std::vector<JobNode> Nodes(int count) {
  std::vector<JobNode> nodes;
  for (int i = 0; i < count; ++i) {
    nodes.push_back({.name = fmt::format("n{}", i), .fits = true});
  }
  return nodes;
}

// One character per node: a(ctive), s(ucceeded), f(ailed), l(eaving), or . for none.
std::vector<JobPod> Pods(std::string_view states) {
  std::vector<JobPod> pods;
  for (size_t i = 0; i < states.size(); ++i) {
    const PodState state = states[i] == 's'   ? PodState::kSucceeded
                           : states[i] == 'f' ? PodState::kFailed
                           : states[i] == 'l' ? PodState::kLeaving
                                              : PodState::kActive;
    if (states[i] != '.') {
      pods.push_back({.name = fmt::format("p{}", i),
                      .node = fmt::format("n{}", i),
                      .state = state,
                      .create_revision = static_cast<int64_t>(i)});
    }
  }
  return pods;
}

std::vector<std::string> ReasonsOf(const Plan& plan) {
  std::vector<std::string> reasons;
  for (const Notice& notice : plan.notices) {
    reasons.push_back(notice.reason);
  }
  return reasons;
}

std::vector<std::string> RemovedOf(const Plan& plan, const std::vector<JobPod>& pods) {
  std::vector<std::string> names;
  for (const size_t pod : plan.remove) {
    names.push_back(pods[pod].name);
  }
  return names;
}

TEST(BroadcastJobPlan, CreatesAndCounts) {
  struct Case {
    const char* name;
    const char* pods;
    api::Json parallelism;
    int nodes;
    std::vector<std::string> create;
    Counts counts;
  };

  const Case kCases[] = {
      {"F1 two of three", "", 2, 3, {"n0", "n1"}, {.active = 2, .desired = 3}},
      {"F1 then the third", "sa", 2, 3, {"n2"}, {.active = 2, .succeeded = 1, .desired = 3}},
      {"F1 nothing while two are active", "aa", 2, 3, {}, {.active = 2, .desired = 3}},
      {"F2 40% of five", "", "40%", 5, {"n0", "n1"}, {.active = 2, .desired = 5}},
      {"F2 a share is rounded up", "", "10%", 5, {"n0"}, {.active = 1, .desired = 5}},
      {"none at all", "", 0, 3, {}, {.desired = 3}},
      {"no limit", "", INT32_MAX, 4, {"n0", "n1", "n2", "n3"}, {.active = 4, .desired = 4}},
      {"a leaving pod holds its node", "l", 9, 2, {"n1"}, {.active = 1, .desired = 2}},
      {"F13 no node", "", 2, 0, {}, {}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Job job = RunningJob();
    job.parallelism = c.parallelism;
    const Plan plan = MakePlan(job, Pods(c.pods), Nodes(c.nodes), kStart);
    EXPECT_EQ(plan.create, c.create);
    EXPECT_EQ(plan.counts, c.counts);
    EXPECT_EQ(plan.phase, Phase::kRunning);
    EXPECT_FALSE(plan.ending.has_value());
    EXPECT_THAT(plan.remove, IsEmpty());
  }
}

TEST(BroadcastJobPlan, CompletesWhenEveryDesiredNodeIsDone) {
  struct Case {
    const char* name;
    const char* pods;
    int nodes;
    bool is_always;
    OnFailedPod policy;
    bool completes;
  };

  const Case kCases[] = {
      {"all succeeded", "sss", 3, true, OnFailedPod::kFailFast, true},
      {"one active", "ssa", 3, true, OnFailedPod::kFailFast, false},
      {"one without", "ss", 3, true, OnFailedPod::kFailFast, false},
      {"one leaving", "ssl", 3, true, OnFailedPod::kFailFast, false},
      {"F5 failed pods count under Continue", "sfs", 3, true, OnFailedPod::kContinue, true},
      {"F9 Never does not end", "sss", 3, false, OnFailedPod::kFailFast, false},
      {"F13 no node", "", 0, true, OnFailedPod::kFailFast, false},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Job job = RunningJob();
    job.is_always = c.is_always;
    job.on_failed_pod = c.policy;
    const Plan plan = MakePlan(job, Pods(c.pods), Nodes(c.nodes), kStart + 5);
    EXPECT_EQ(plan.phase, c.completes ? Phase::kCompleted : Phase::kRunning);
    EXPECT_EQ(plan.ending.has_value(), c.completes);
    if (c.completes) {
      EXPECT_EQ(plan.ending->condition, "Complete");
      EXPECT_EQ(plan.completion_nanos, kStart + 5);
      EXPECT_THAT(ReasonsOf(plan), ElementsAre("JobComplete"));
    }
  }
}

TEST(BroadcastJobPlan, F3LeavesNodesThatDoNotFit) {
  struct Case {
    const char* name;
    std::function<void(JobNode*)> change;  // of n1
    const char* pods;
    std::vector<std::string> removed;
    std::vector<std::string> create;
    int64_t desired;
  };

  const Case kCases[] = {
      {"cordoned, no pod", [](JobNode* n) { n->fits = false; }, "a", {}, {"n2"}, 2},
      {"cordoned, active pod", [](JobNode* n) { n->fits = false; }, "aaa", {"p1"}, {}, 2},
      {"cordoned, finished pod", [](JobNode* n) { n->fits = false; }, "asa", {}, {}, 2},
      {"going away", [](JobNode* n) { n->is_deleting = true; }, "aaa", {"p1"}, {}, 2},
      {"full", [](JobNode* n) { n->has_room = false; }, "a.a", {}, {}, 2},
      {"gone", [](JobNode* n) { n->name = "x1"; }, "aaa", {"p1"}, {"x1"}, 3},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    std::vector<JobNode> nodes = Nodes(3);
    c.change(&nodes[1]);
    const std::vector<JobPod> pods = Pods(c.pods);
    const Plan plan = MakePlan(RunningJob(), pods, nodes, kStart);
    EXPECT_EQ(RemovedOf(plan, pods), c.removed);
    EXPECT_EQ(plan.create, c.create);
    EXPECT_EQ(plan.counts.desired, c.desired);
  }
}

TEST(BroadcastJobPlan, LooksAgainForRoom) {
  std::vector<JobNode> nodes = Nodes(2);
  nodes[1].has_room = false;
  const Plan plan = MakePlan(RunningJob(), Pods("a"), nodes, kStart);
  EXPECT_EQ(plan.again_at_nanos, kStart + 30 * kNanosPerSecond);
}

TEST(BroadcastJobPlan, KeepsOnePodPerNode) {
  struct Case {
    const char* name;
    PodState first;
    PodState second;
    std::vector<std::string> removed;
  };

  const Case kCases[] = {
      {"the older stays", PodState::kActive, PodState::kActive, {"second"}},
      {"the finished stays", PodState::kActive, PodState::kSucceeded, {"first"}},
      {"the leaving goes by itself", PodState::kActive, PodState::kLeaving, {}},
      {"nothing to do with two finished", PodState::kFailed, PodState::kSucceeded, {}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const std::vector<JobPod> pods = {
        {.name = "second", .node = "n0", .state = c.second, .create_revision = 2},
        {.name = "first", .node = "n0", .state = c.first, .create_revision = 1}};
    Job job = RunningJob();
    job.on_failed_pod = OnFailedPod::kContinue;
    const Plan plan = MakePlan(job, pods, Nodes(1), kStart);
    EXPECT_EQ(RemovedOf(plan, pods), c.removed);
    EXPECT_THAT(plan.create, IsEmpty());
    EXPECT_EQ(ReasonsOf(plan).empty() || ReasonsOf(plan)[0] != "DuplicatePodCreatedOnSameNode",
              c.removed.empty());
  }
}

TEST(BroadcastJobPlan, F5HeedsTheFailurePolicy) {
  struct Case {
    const char* name;
    OnFailedPod policy;
    int64_t failed_before;
    Phase phase;
    bool pause;
    std::vector<std::string> removed;
    std::vector<std::string> create;
    std::vector<std::string> reasons;
  };

  const Case kCases[] = {
      {"FailFast",
       OnFailedPod::kFailFast,
       0,
       Phase::kFailed,
       false,
       {"p0", "p2"},
       {},
       {"FailedPodFound"}},
      {"Continue", OnFailedPod::kContinue, 0, Phase::kRunning, false, {}, {"n3"}, {}},
      {"Pause", OnFailedPod::kPause, 0, Phase::kPaused, true, {}, {}, {"Paused"}},
      {"Pause, let go on", OnFailedPod::kPause, 1, Phase::kRunning, false, {}, {"n3"}, {}},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    Job job = RunningJob();
    job.on_failed_pod = c.policy;
    job.counts.failed = c.failed_before;
    const std::vector<JobPod> pods = Pods("afa");
    const Plan plan = MakePlan(job, pods, Nodes(4), kStart);
    EXPECT_EQ(plan.phase, c.phase);
    EXPECT_EQ(plan.pause, c.pause);
    EXPECT_EQ(RemovedOf(plan, pods), c.removed);
    EXPECT_EQ(plan.create, c.create);
    EXPECT_EQ(ReasonsOf(plan), c.reasons);
    if (c.phase == Phase::kFailed) {
      EXPECT_EQ(plan.counts, (Counts{.active = 0, .failed = 3, .desired = 4}));
      EXPECT_EQ(plan.ending->condition, "Failed");
    }
  }
}

TEST(BroadcastJobPlan, F6PausesAndContinues) {
  Job job = RunningJob();
  job.is_paused = true;
  job.deadline_seconds = 1;
  const Plan paused = MakePlan(job, Pods("a"), Nodes(3), kStart + 10 * kNanosPerSecond);
  EXPECT_EQ(paused.phase, Phase::kPaused);
  EXPECT_THAT(paused.create, IsEmpty());
  EXPECT_THAT(paused.remove, IsEmpty());
  EXPECT_EQ(paused.counts.active, 1);
  job.is_paused = false;
  job.deadline_seconds.reset();
  job.phase = Phase::kPaused;
  const Plan resumed = MakePlan(job, Pods("a"), Nodes(3), kStart);
  EXPECT_EQ(resumed.phase, Phase::kRunning);
  EXPECT_THAT(resumed.create, ElementsAre("n1", "n2"));
  EXPECT_THAT(ReasonsOf(resumed), ElementsAre("Continue"));
}

TEST(BroadcastJobPlan, F7ObservesTheDeadlineFromTheStoredStart) {
  Job job = RunningJob();
  job.deadline_seconds = 30;
  const std::vector<JobPod> pods = Pods("as");
  const Plan before = MakePlan(job, pods, Nodes(3), kStart + 29 * kNanosPerSecond);
  EXPECT_EQ(before.phase, Phase::kRunning);
  EXPECT_EQ(before.again_at_nanos, kStart + 30 * kNanosPerSecond);
  const Plan after = MakePlan(job, pods, Nodes(3), kStart + 30 * kNanosPerSecond);
  EXPECT_EQ(after.phase, Phase::kFailed);
  EXPECT_EQ(after.ending->reason, "DeadlineExceeded");
  EXPECT_THAT(RemovedOf(after, pods), ElementsAre("p0"));
  EXPECT_THAT(after.create, IsEmpty());
}

TEST(BroadcastJobPlan, F8DeletesAFinishedJobAfterItsTtl) {
  struct Case {
    const char* name;
    std::optional<int64_t> ttl;
    int64_t seconds_after;
    bool deletes;
    std::optional<int64_t> again_seconds;
  };

  const Case kCases[] = {{"none", std::nullopt, 1000, false, std::nullopt},
                         {"not yet", 20, 5, false, 20},
                         {"now", 20, 20, true, std::nullopt},
                         {"zero", 0, 0, true, std::nullopt}};
  for (const Case& c : kCases) {
    for (const bool is_failed : {false, true}) {
      SCOPED_TRACE(c.name);
      Job job = RunningJob();
      job.ttl_seconds = c.ttl;
      (is_failed ? job.is_failed : job.is_complete) = true;
      job.completion_nanos = kStart;
      const Plan plan =
          MakePlan(job, Pods("a"), Nodes(3), kStart + c.seconds_after * kNanosPerSecond);
      EXPECT_EQ(plan.delete_job, c.deletes);
      EXPECT_TRUE(plan.leave_status);
      EXPECT_THAT(plan.create, IsEmpty());
      EXPECT_EQ(plan.remove.size(), is_failed ? 1U : 0U);
      EXPECT_EQ(plan.again_at_nanos.has_value(), c.again_seconds.has_value());
      EXPECT_EQ(plan.again_at_nanos.value_or(kStart) - kStart,
                c.again_seconds.value_or(0) * kNanosPerSecond);
    }
  }
}

TEST(BroadcastJobPlan, StartsTheClockWhenItSeesTheJob) {
  Job job = RunningJob();
  job.phase = Phase::kNone;
  job.start_nanos = 0;
  job.deadline_seconds = 10;
  const Plan plan = MakePlan(job, {}, Nodes(1), kStart + 7);
  EXPECT_EQ(plan.start_nanos, kStart + 7);
  EXPECT_EQ(plan.again_at_nanos, kStart + 7 + 10 * kNanosPerSecond);
  EXPECT_THAT(ReasonsOf(plan), IsEmpty());
}

TEST(BroadcastJobPlan, SaysWhenMoreAreActiveThanAllowed) {
  Job job = RunningJob();
  job.parallelism = 1;
  const Plan plan = MakePlan(job, Pods("aa"), Nodes(3), kStart);
  EXPECT_THAT(ReasonsOf(plan), ElementsAre("TooManyActivePods"));
  EXPECT_THAT(plan.create, IsEmpty());
  EXPECT_THAT(plan.remove, IsEmpty());
}

registry::ObjectRef StoredPod(std::string_view status) {
  const api::Kind& kind = *api::KindRegistry::Builtin().Preferred("", "pods")->kind;
  absl::StatusOr<registry::ObjectRef> pod = registry::DecodeObject(
      kind, registry::ObjectKey(kind, "default", "p"),
      fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"p","namespace":)"
                  R"("default","uid":"u"}},"spec":{{}},"status":{}}})",
                  status),
      1, 2);
  EXPECT_TRUE(pod.ok());
  return *std::move(pod);
}

TEST(BroadcastJobPod, F10FailsAtMoreRestartsThanAllowed) {
  struct Case {
    const char* name;
    const char* status;
    PodState never;
    PodState on_failure;
  };

  const Case kCases[] = {
      {"two restarts", R"({"phase":"Running","containerStatuses":[{"restartCount":2}]})",
       PodState::kActive, PodState::kActive},
      {"three", R"({"phase":"Running","containerStatuses":[{"restartCount":3}]})",
       PodState::kActive, PodState::kFailed},
      {"three together",
       R"({"phase":"Running","initContainerStatuses":[{"restartCount":1}],
           "containerStatuses":[{"restartCount":1},{"restartCount":1}]})",
       PodState::kActive, PodState::kFailed},
      {"three and an end", R"({"phase":"Succeeded","containerStatuses":[{"restartCount":3}]})",
       PodState::kSucceeded, PodState::kSucceeded},
      {"failed", R"({"phase":"Failed"})", PodState::kFailed, PodState::kFailed},
  };
  Job never;
  const Job on_failure{.restarts_max = 2, .restarts_are_failures = true};
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(ReadPod(*StoredPod(c.status), "n", never).state, c.never);
    EXPECT_EQ(ReadPod(*StoredPod(c.status), "n", on_failure).state, c.on_failure);
  }
}

TEST(BroadcastJobPod, HasOneNamePerJobAndNode) {
  const std::string name = PodName("-My-Job", "uid-1", "node-1");
  EXPECT_TRUE(name.starts_with("my-job-")) << name;
  EXPECT_EQ(name, PodName("-My-Job", "uid-1", "node-1"));
  EXPECT_NE(name, PodName("-My-Job", "uid-1", "node-2"));
  EXPECT_NE(name, PodName("-My-Job", "uid-2", "node-1"));
  EXPECT_LE(PodName(std::string(63, 'x'), "u", std::string(253, 'n')).size(), 63U);
  EXPECT_THAT(api::FormatProblems(api::Format::kDnsLabel, PodName("--", "u", "n")), IsEmpty());
  EXPECT_THAT(api::FormatProblems(api::Format::kDnsLabel, name), IsEmpty());
}

TEST(BroadcastJobPod, IsMadeOfTheTemplate) {
  registry::Object owner;
  owner.kind = api::KindRegistry::Builtin().Preferred("apps.kruise.io", "broadcastjobs")->kind;
  owner.ns = "default";
  owner.name = "j";
  owner.uid = "uid-j";
  const api::Json document = api::Literal(
      R"({"spec":{"template":{"metadata":{"labels":{"app":"x"},"name":"ignored"},
          "spec":{"containers":[{"name":"a"}],"restartPolicy":"Never"}}}})");
  const api::Json direct = MakePod(owner, document, "n1", false);
  EXPECT_EQ(api::StringAt(direct, {"spec", "nodeName"}), "n1");
  EXPECT_EQ(api::StringAt(direct, {"metadata", "name"}), PodName("j", "uid-j", "n1"));
  EXPECT_EQ(api::StringAt(direct, {"metadata", "labels", "app"}), "x");
  EXPECT_EQ(api::StringAt(direct, {"metadata", "labels", "broadcastjob-name"}), "j");
  EXPECT_EQ(api::StringAt(direct, {"metadata", "labels", "broadcastjob-controller-uid"}), "uid-j");
  const api::Json scheduled = MakePod(owner, document, "n1", true);
  EXPECT_EQ(api::StringAt(scheduled, {"spec", "nodeName"}), "");
  EXPECT_THAT(workload::RequirementsOf(*api::Find(scheduled, {"spec"}), "default").OnlyNodes(),
              ::testing::Optional(ElementsAre("n1")));
}

TEST(BroadcastJobStatus, ThatSaysTheSameIsNotWritten) {
  Plan plan{.counts = {.active = 1, .desired = 2}, .start_nanos = kStart};
  api::Json job = api::Literal(R"({"status":{"active":0}})");
  EXPECT_TRUE(SetStatus(plan, 3, kStart, &job).ok());
  EXPECT_EQ(api::StringAt(job, {"status", "startTime"}), "2023-11-14T22:13:20Z");
  EXPECT_EQ(api::IntAt(job, {"status", "observedGeneration"}), 3);
  EXPECT_EQ(SetStatus(plan, 3, kStart + kNanosPerSecond, &job).code(),
            absl::StatusCode::kCancelled);
  plan.ending = Ending{.condition = "Complete", .reason = "Complete", .message = "m"};
  plan.completion_nanos = kStart;
  plan.phase = Phase::kCompleted;
  EXPECT_TRUE(SetStatus(plan, 3, kStart, &job).ok());
  const Job read = ReadJob(job);
  EXPECT_TRUE(read.is_complete);
  EXPECT_EQ(read.completion_nanos, kStart);
  EXPECT_EQ(read.counts, plan.counts);
}

TEST(BroadcastJob, ReadsBothVersionsOfItsFields) {
  const Job first = ReadJob(api::Literal(
      R"({"spec":{"completionPolicy":{"type":"Always","backoffLimit":4,
          "activeDeadlineSeconds":5,"ttlSecondsAfterFinished":6},
          "template":{"spec":{"restartPolicy":"OnFailure"}}}})"));
  EXPECT_EQ(first.restarts_max, 4);
  EXPECT_EQ(first.deadline_seconds, 5);
  EXPECT_EQ(first.ttl_seconds, 6);
  EXPECT_TRUE(first.restarts_are_failures);
  EXPECT_EQ(first.phase, Phase::kNone);
  const Job now = ReadJob(api::Literal(
      R"({"spec":{"parallelism":"10%","paused":true,"completionPolicy":{"type":"Never",
          "activeDeadlineSeconds":5},"failurePolicy":{"type":"Pause","restartLimit":2}},
          "status":{"phase":"paused","conditions":[{"type":"Failed","status":"False"}]}})"));
  EXPECT_EQ(now.parallelism, api::Json("10%"));
  EXPECT_TRUE(now.is_paused);
  EXPECT_FALSE(now.is_always);
  EXPECT_FALSE(now.deadline_seconds.has_value()) << "of Always only";
  EXPECT_EQ(now.on_failed_pod, OnFailedPod::kPause);
  EXPECT_EQ(now.restarts_max, 2);
  EXPECT_EQ(now.phase, Phase::kPaused);
  EXPECT_FALSE(now.is_finished());
}

}  // namespace
}  // namespace socle::broadcastjob
