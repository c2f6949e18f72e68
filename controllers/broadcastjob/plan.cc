#include "controllers/broadcastjob/plan.h"

#include <algorithm>
#include <string_view>
#include <tuple>

#include <absl/container/flat_hash_map.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "controllers/api/int_or_string.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"

namespace socle::broadcastjob {
namespace {

// Room on a node comes back without a change of the job, its pods or the nodes.
constexpr int64_t kRoomAgainNanos = 30 * kNanosPerSecond;

bool IsDone(PodState state) {
  return state == PodState::kSucceeded || state == PodState::kFailed;
}

// The nodes and pods side by side.
struct Layout {
  std::vector<const JobNode*> to_run;  // desired, without a pod
  std::vector<size_t> misplaced;       // active pods on nodes that do not fit any more
  std::vector<size_t> duplicates;      // active pods beside another of the same node
  int64_t desired = 0;
  int64_t desired_done = 0;
  int64_t without_room = 0;
};

// Of two pods of one node: done before going before active, then the older.
bool IsKeptBefore(const JobPod& a, const JobPod& b) {
  const auto rank = [](const JobPod& pod) {
    const int order = IsDone(pod.state) ? 0 : pod.state == PodState::kActive ? 1 : 2;
    return std::tuple(order, pod.create_revision, std::string_view(pod.name));
  };
  return rank(a) < rank(b);
}

Layout LayOut(const std::vector<JobPod>& pods, const std::vector<JobNode>& nodes) {
  Layout layout;
  StringMap<size_t> kept;  // pod by node
  for (size_t i = 0; i < pods.size(); ++i) {
    const auto [entry, is_first] = kept.try_emplace(pods[i].node, i);
    if (is_first) {
      continue;
    }
    size_t extra = i;
    if (IsKeptBefore(pods[i], pods[entry->second])) {
      std::swap(extra, entry->second);
    }
    if (pods[extra].state == PodState::kActive) {
      layout.duplicates.push_back(extra);
    }
  }
  StringSet desired;
  for (const JobNode& node : nodes) {
    const auto pod = kept.find(node.name);
    const bool has_pod = pod != kept.end();
    if (!node.fits || node.is_deleting) {
      continue;
    }
    if (!has_pod && !node.has_room) {
      ++layout.without_room;
      continue;
    }
    ++layout.desired;
    desired.insert(node.name);
    if (!has_pod) {
      layout.to_run.push_back(&node);
    } else if (IsDone(pods[pod->second].state)) {
      ++layout.desired_done;
    }
  }
  for (const auto& [node, pod] : kept) {
    if (pods[pod].state == PodState::kActive && !desired.contains(node)) {
      layout.misplaced.push_back(pod);
    }
  }
  std::sort(layout.misplaced.begin(), layout.misplaced.end());
  std::sort(layout.duplicates.begin(), layout.duplicates.end());
  return layout;
}

Counts CountPods(const std::vector<JobPod>& pods) {
  Counts counts;
  for (const JobPod& pod : pods) {
    counts.active += pod.state == PodState::kActive ? 1 : 0;
    counts.succeeded += pod.state == PodState::kSucceeded ? 1 : 0;
    counts.failed += pod.state == PodState::kFailed ? 1 : 0;
  }
  return counts;
}

std::vector<size_t> ActivePods(const std::vector<JobPod>& pods) {
  std::vector<size_t> active;
  for (size_t i = 0; i < pods.size(); ++i) {
    if (pods[i].state == PodState::kActive) {
      active.push_back(i);
    }
  }
  return active;
}

void Again(int64_t at_nanos, Plan* plan) {
  plan->again_at_nanos = std::min(plan->again_at_nanos.value_or(INT64_MAX), at_nanos);
}

Plan PlanAfterTheEnd(const Job& job, const std::vector<JobPod>& pods, int64_t now_nanos) {
  Plan plan{.phase = job.phase, .counts = job.counts, .leave_status = true};
  if (job.is_failed) {
    plan.remove = ActivePods(pods);  // what was created while it failed
  }
  if (job.ttl_seconds.has_value()) {
    const int64_t due = job.completion_nanos + *job.ttl_seconds * kNanosPerSecond;
    plan.delete_job = due <= now_nanos;
    if (!plan.delete_job) {
      Again(due, &plan);
    }
  }
  return plan;
}

void Fail(const std::vector<JobPod>& pods, int64_t now_nanos, Ending ending, Plan* plan) {
  plan->phase = Phase::kFailed;
  plan->completion_nanos = now_nanos;
  plan->remove = ActivePods(pods);
  plan->counts.failed += plan->counts.active;
  plan->counts.active = 0;
  plan->notices.push_back(
      {.is_warning = true,
       .reason = ending.reason,
       .message = fmt::format("{}: {} pods succeeded, {} pods failed", ending.message,
                              plan->counts.succeeded, plan->counts.failed)});
  plan->ending = std::move(ending);
}

// Deletions and creations of a job that runs.
void Run(const Job& job, const std::vector<JobPod>& pods, const Layout& layout, int64_t now_nanos,
         Plan* plan) {
  plan->remove = layout.misplaced;
  plan->remove.insert(plan->remove.end(), layout.duplicates.begin(), layout.duplicates.end());
  for (const size_t pod : layout.duplicates) {
    plan->notices.push_back({.is_warning = true,
                             .reason = "DuplicatePodCreatedOnSameNode",
                             .message = fmt::format("Pod {} is not the only one of the job on "
                                                    "node {}",
                                                    pods[pod].name, pods[pod].node)});
  }
  const absl::StatusOr<int64_t> parallelism =
      api::ScaledValue(job.parallelism, layout.desired, api::Rounding::kUp);
  const int64_t active_max = parallelism.ok() ? *parallelism : 0;
  if (plan->counts.active > active_max) {
    plan->notices.push_back({.is_warning = true,
                             .reason = "TooManyActivePods",
                             .message = fmt::format("{} pods are active, parallelism is {}",
                                                    plan->counts.active, active_max)});
  }
  const int64_t room = std::max<int64_t>(active_max - plan->counts.active, 0);
  for (const JobNode* node : layout.to_run) {
    if (static_cast<int64_t>(plan->create.size()) == room) {
      break;
    }
    plan->create.push_back(node->name);
  }
  plan->counts.active += static_cast<int64_t>(plan->create.size());
  plan->counts.active -= static_cast<int64_t>(plan->remove.size());
  if (layout.without_room > 0) {
    Again(now_nanos + kRoomAgainNanos, plan);
  }
  if (job.is_always && layout.desired > 0 && layout.desired_done == layout.desired) {
    plan->phase = Phase::kCompleted;
    plan->completion_nanos = now_nanos;
    plan->again_at_nanos.reset();
    const std::string message =
        fmt::format("Job {}/{} is completed, {} pods succeeded, {} pods failed", job.ns, job.name,
                    plan->counts.succeeded, plan->counts.failed);
    plan->notices.push_back({.is_warning = false, .reason = "JobComplete", .message = message});
    plan->ending = Ending{.condition = "Complete", .reason = "Complete", .message = message};
  }
}

// What a failed pod means; true when the pass is over.
bool HeedFailedPods(const Job& job, const std::vector<JobPod>& pods, int64_t now_nanos,
                    Plan* plan) {
  if (plan->counts.failed == 0) {
    return false;
  }
  switch (job.on_failed_pod) {
    case OnFailedPod::kContinue:
      return false;
    case OnFailedPod::kPause:
      if (plan->counts.failed <= job.counts.failed) {
        return false;  // it paused for these before, and somebody let it go on
      }
      plan->pause = true;
      plan->phase = Phase::kPaused;
      plan->notices.push_back({.is_warning = true,
                               .reason = "Paused",
                               .message = "The job is paused, because a pod failed"});
      return true;
    case OnFailedPod::kFailFast:
      Fail(pods, now_nanos,
           {.condition = "Failed",
            .reason = "FailedPodFound",
            .message = "A pod failed, and the failure policy is FailFast"},
           plan);
      return true;
  }
  return false;
}

}  // namespace

Plan MakePlan(const Job& job, const std::vector<JobPod>& pods, const std::vector<JobNode>& nodes,
              int64_t now_nanos) {
  if (job.is_finished()) {
    return PlanAfterTheEnd(job, pods, now_nanos);
  }
  Plan plan{.counts = CountPods(pods),
            .start_nanos = job.start_nanos == 0 ? now_nanos : job.start_nanos};
  const Layout layout = LayOut(pods, nodes);
  plan.counts.desired = layout.desired;
  if (job.phase == Phase::kFailed) {
    plan.phase = Phase::kFailed;
    return plan;
  }
  if (job.is_paused) {
    plan.phase = Phase::kPaused;
    return plan;
  }
  if (job.phase == Phase::kPaused) {
    plan.notices.push_back(
        {.is_warning = false, .reason = "Continue", .message = "The job continues"});
  }
  if (HeedFailedPods(job, pods, now_nanos, &plan)) {
    return plan;
  }
  if (job.deadline_seconds.has_value()) {
    const int64_t due = plan.start_nanos + *job.deadline_seconds * kNanosPerSecond;
    if (due <= now_nanos) {
      Fail(pods, now_nanos,
           {.condition = "Failed",
            .reason = "DeadlineExceeded",
            .message =
                fmt::format("Job {}/{} was active longer than its deadline", job.ns, job.name)},
           &plan);
      return plan;
    }
    Again(due, &plan);
  }
  Run(job, pods, layout, now_nanos, &plan);
  return plan;
}

}  // namespace socle::broadcastjob
