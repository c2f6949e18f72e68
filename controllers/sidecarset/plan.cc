#include "controllers/sidecarset/plan.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "controllers/api/int_or_string.h"
#include "controllers/sidecarset/upgrade_order.h"

namespace socle::sidecarset {
namespace {

bool IsSelected(const UpdateStrategy& strategy, const PlanPod& pod) {
  return !strategy.selector.has_value() || strategy.selector->MatchesSorted(pod.object->labels);
}

// The first of `order` that may be touched at once. Ready ones cost budget, unless they count as away.
std::vector<size_t> WithinBudget(const std::vector<PlanPod>& pods, std::vector<size_t> order,
                                 int64_t budget) {
  size_t count = 0;
  while (count < order.size()) {
    const PodState& state = pods[order[count]].state;
    const bool costs = state.is_ready && !state.is_interrupted;
    if (costs && budget <= 0) {
      break;
    }
    budget -= costs ? 1 : 0;
    ++count;
  }
  order.resize(count);
  return order;
}

void Count(const PlanInput& input, Counts* counts) {
  counts->matched = static_cast<int64_t>(input.pods.size());
  for (const PlanPod& pod : input.pods) {
    const bool is_updated = pod.state.hash == input.hash;
    const bool is_settled = pod.state.is_settled();
    counts->updated += is_updated ? 1 : 0;
    counts->ready += is_settled ? 1 : 0;
    counts->updated_ready += is_updated && is_settled ? 1 : 0;
  }
}

// Sorts out the pods that are not at the latest hash; the ones that may be upgraded.
std::vector<size_t> Waiting(const PlanInput& input, Plan* plan) {
  std::vector<size_t> waiting;
  for (size_t i = 0; i < input.pods.size(); ++i) {
    const PodState& state = input.pods[i].state;
    const bool is_updated = state.hash == input.hash;
    const bool is_image_only = state.hash_without_image == input.hash_without_image;
    if ((is_updated || is_image_only) && state.upgradable == Upgradable::kNo) {
      plan->readmitted.push_back(i);
    }
    if (is_updated || !IsSelected(*input.strategy, input.pods[i])) {
      continue;
    }
    if (is_image_only) {
      waiting.push_back(i);
      continue;
    }
    plan->not_upgradable.push_back(i);
    if (state.upgradable != Upgradable::kNo) {
      plan->refused.push_back(i);
    }
  }
  return waiting;
}

// Pods that upgrades have taken away: to the latest revision, or to one before that `order` replaces. Without
// the latter each change of the set would take as many pods again.
int64_t Unsettled(const PlanInput& input, const std::vector<size_t>& order) {
  const auto updated = std::count_if(input.pods.begin(), input.pods.end(), [&](const PlanPod& pod) {
    return pod.state.hash == input.hash && !pod.state.is_settled();
  });
  return updated + std::count_if(order.begin(), order.end(),
                                 [&](size_t pod) { return input.pods[pod].state.is_interrupted; });
}

}  // namespace

int64_t PartitionOf(const UpdateStrategy& strategy, int64_t total) {
  const int64_t partition =
      api::ScaledValue(strategy.partition, total, api::Rounding::kUp).value_or(0);
  const bool is_all = strategy.partition.is_string() &&
                      api::PercentOf(api::View(strategy.partition.get_string())) == 100;
  const int64_t most = strategy.partition.is_string() && !is_all ? total - 1 : total;
  return std::clamp<int64_t>(partition, 0, std::max<int64_t>(most, 0));
}

int64_t MaxUnavailableOf(const UpdateStrategy& strategy, int64_t total) {
  return std::max<int64_t>(
      api::ScaledValue(strategy.max_unavailable, total, api::Rounding::kUp).value_or(1), 0);
}

Plan MakePlan(const PlanInput& input) {
  Plan plan;
  Count(input, &plan.counts);
  const UpdateStrategy& strategy = *input.strategy;
  if (!strategy.is_rolling || strategy.is_paused) {
    return plan;
  }
  for (size_t i = 0; i < input.pods.size(); ++i) {
    if (input.pods[i].state.is_flippable) {
      plan.flips.push_back(i);
    }
  }
  if (!plan.flips.empty()) {
    return plan;
  }
  std::vector<size_t> order = UpgradeOrder(strategy, input.pods, Waiting(input, &plan));
  const auto total = static_cast<int64_t>(input.pods.size());
  const int64_t need = static_cast<int64_t>(order.size()) - PartitionOf(strategy, total);
  order.resize(static_cast<size_t>(std::max<int64_t>(need, 0)));
  const int64_t budget = MaxUnavailableOf(strategy, total) - Unsettled(input, order);
  plan.upgrades = WithinBudget(input.pods, std::move(order), budget);
  return plan;
}

RemovalPlan MakeRemovalPlan(const UpdateStrategy& strategy, const std::vector<RemovalPod>& pods) {
  RemovalPlan plan;
  plan.is_done = pods.empty();
  if (strategy.is_paused) {
    return plan;
  }
  std::vector<PlanPod> all;
  std::vector<size_t> waiting;
  int64_t unsettled = 0;
  for (size_t i = 0; i < pods.size(); ++i) {
    all.push_back(pods[i].pod);
    const PodState& state = pods[i].pod.state;
    if (state.has_sidecars) {
      waiting.push_back(i);
    } else if (pods[i].shows_removed || !state.is_ready) {
      ++unsettled;
    } else {
      plan.strip_annotations.push_back(i);
    }
  }
  const auto total = static_cast<int64_t>(pods.size());
  // With no pod allowed away the set could never go.
  const int64_t budget = std::max<int64_t>(MaxUnavailableOf(strategy, total), 1) - unsettled;
  plan.strip_containers =
      WithinBudget(all, UpgradeOrder(strategy, all, std::move(waiting)), budget);
  return plan;
}

}  // namespace socle::sidecarset
