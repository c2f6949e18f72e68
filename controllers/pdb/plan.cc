#include "controllers/pdb/plan.h"

#include <algorithm>

#include "controllers/api/int_or_string.h"
#include "kv/base/status_macros.h"

namespace socle::pdb {
namespace {

// What the controllers of the pods want, each counted once.
int64_t WantedPods(const std::vector<CoveredPod>& pods) {
  std::map<std::string, int64_t> controllers;
  int64_t alone = 0;
  for (const CoveredPod& pod : pods) {
    if (pod.controller_replicas.has_value()) {
      controllers[pod.controller_uid] = *pod.controller_replicas;
    } else {
      ++alone;
    }
  }
  for (const auto& [uid, replicas] : controllers) {
    alone += replicas;
  }
  return alone;
}

void PlanDisrupted(const Budget& budget, const std::vector<CoveredPod>& pods, int64_t wall_nanos,
                   Plan* plan) {
  for (const CoveredPod& pod : pods) {
    const auto at = budget.disrupted.find(pod.name);
    if (at == budget.disrupted.end() || pod.is_deleting) {
      continue;
    }
    const int64_t end = at->second + kDisruptionNanos;
    if (end <= wall_nanos) {
      plan->given_up.push_back(pod.name);
      continue;
    }
    plan->disrupted.insert(*at);
    plan->look_again_nanos = std::min(plan->look_again_nanos.value_or(end), end);
  }
}

}  // namespace

absl::StatusOr<Plan> PlanBudget(const Budget& budget, const std::vector<CoveredPod>& pods,
                                int64_t wall_nanos) {
  Plan plan;
  PlanDisrupted(budget, pods, wall_nanos, &plan);
  for (const CoveredPod& pod : pods) {
    plan.current_healthy +=
        pod.is_ready && !pod.is_deleting && !plan.disrupted.contains(pod.name) ? 1 : 0;
  }
  if (budget.max_unavailable != nullptr) {
    plan.expected_pods = WantedPods(pods);
    ASSIGN_OR_RETURN(
        const int64_t may_be_away,
        api::ScaledValue(*budget.max_unavailable, plan.expected_pods, api::Rounding::kUp));
    plan.desired_healthy = std::max<int64_t>(0, plan.expected_pods - may_be_away);
  } else if (budget.min_available != nullptr && budget.min_available->is_string()) {
    plan.expected_pods = WantedPods(pods);
    ASSIGN_OR_RETURN(
        plan.desired_healthy,
        api::ScaledValue(*budget.min_available, plan.expected_pods, api::Rounding::kUp));
  } else {
    plan.expected_pods = static_cast<int64_t>(pods.size());
    if (budget.min_available != nullptr) {
      ASSIGN_OR_RETURN(plan.desired_healthy,
                       api::ScaledValue(*budget.min_available, 0, api::Rounding::kUp));
    }
  }
  if (plan.expected_pods > 0) {
    plan.disruptions_allowed = std::max<int64_t>(0, plan.current_healthy - plan.desired_healthy);
  }
  return plan;
}

}  // namespace socle::pdb
