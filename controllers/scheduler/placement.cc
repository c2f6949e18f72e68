#include "controllers/scheduler/placement.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/scheduler/filters/resources.h"
#include "controllers/scheduler/filters/static_fit.h"
#include "controllers/scheduler/scores/least_allocated.h"
#include "controllers/scheduler/scores/preference.h"
#include "controllers/scheduler/scores/spread.h"

namespace socle::scheduler {
namespace {

constexpr size_t kNodesToFindMin = 100;
constexpr int64_t kPercentageMin = 5;

}  // namespace

size_t NodesToFind(size_t nodes, int percentage) {
  if (nodes <= kNodesToFindMin) {
    return nodes;
  }
  int64_t share = percentage;
  if (share <= 0) {
    share = std::max(kPercentageMin, 50 - static_cast<int64_t>(nodes) / 125);
  }
  const size_t wanted = nodes * static_cast<size_t>(std::min<int64_t>(share, 100)) / 100;
  return std::max(wanted, kNodesToFindMin);
}

bool Placement::Passes(int32_t slot, PodClass* pod_class, const PodAffinityFilter& affinity) {
  const NodeSlot& fast = cache_->slot(slot);
  if (!fast.is_present) {
    return false;
  }
  ++nodes_examined_;
  Verdict& verdict = pod_class->verdicts[static_cast<size_t>(slot)];
  if (verdict.reason == kUnknown) {
    verdict = JudgeNode(cache_->node(slot), *pod_class, &reasons_);
  }
  const workload::PodRequirements& needs = pod_class->needs;
  const workload::Resources& wanted = needs.amounts.requests;
  return verdict.reason == kFits && HasRoom(fast, wanted) &&
         (needs.host_ports.empty() || !workload::HasPortConflict(cache_->node(slot).use, needs)) &&
         (wanted.others.empty() || HasOthers(cache_->node(slot), wanted)) &&
         (affinity.is_trivial() || affinity.Refusal(slot).empty());
}

void Placement::Search(PodClass* pod_class, const PodAffinityFilter& affinity) {
  const size_t slots = cache_->slots();
  const size_t enough = NodesToFind(cache_->nodes_present(), options_.percentage_of_nodes);
  size_t at = slots == 0 ? 0 : next_start_ % slots;
  for (size_t i = 0; i < slots && candidates_.size() < enough; ++i) {
    const auto slot = static_cast<int32_t>(at);
    at = at + 1 == slots ? 0 : at + 1;
    if (Passes(slot, pod_class, affinity)) {
      candidates_.push_back(
          Candidate{.slot = slot, .verdict = pod_class->verdicts[static_cast<size_t>(slot)]});
    }
  }
  next_start_ = at;
}

void Placement::SearchNamed(PodClass* pod_class, const PodAffinityFilter& affinity) {
  for (const std::string& name : *pod_class->only_nodes) {
    const int32_t slot = cache_->SlotOf(name);
    if (slot < 0) {
      continue;
    }
    // A class of one node keeps no verdicts: there are as many such classes as nodes.
    const Verdict verdict = JudgeNode(cache_->node(slot), *pod_class, &reasons_);
    ++nodes_examined_;
    const workload::PodRequirements& needs = pod_class->needs;
    if (verdict.reason == kFits && HasRoom(cache_->slot(slot), needs.amounts.requests) &&
        !workload::HasPortConflict(cache_->node(slot).use, needs) &&
        HasOthers(cache_->node(slot), needs.amounts.requests) && affinity.Refusal(slot).empty()) {
      candidates_.push_back(Candidate{.slot = slot, .verdict = verdict});
    }
  }
}

int32_t Placement::Best(const PodRecord& pod) {
  const SpreadGroup* group = cache_->GroupOf(pod);
  int32_t most_pods = 0;
  int32_t most_preferred = 0;
  uint16_t most_avoided = 0;
  for (Candidate& one : candidates_) {
    one.group_pods = PodsOfGroupAt(group, one.slot);
    most_pods = std::max(most_pods, one.group_pods);
    most_preferred = std::max(most_preferred, one.verdict.preferred);
    most_avoided = std::max(most_avoided, one.verdict.avoided);
  }
  int64_t best_score = -1;
  int32_t best = -1;
  uint64_t ties = 0;
  for (const Candidate& one : candidates_) {
    const int64_t score =
        LeastAllocatedScore(cache_->slot(one.slot), pod.pod_class->needs.amounts) +
        SpreadScore(one.group_pods, most_pods) + AffinityScore(one.verdict, most_preferred) +
        TaintScore(one.verdict, most_avoided);
    if (score > best_score) {
      best_score = score;
      best = one.slot;
      ties = 1;
    } else if (score == best_score && random_.OneIn(++ties)) {
      best = one.slot;
    }
  }
  return best;
}

void Placement::AddReason(ReasonId reason, size_t times) {
  if (counts_.size() <= reason) {
    counts_.resize(size_t{reason} + 1);
  }
  counts_[reason] += times;
}

// In the order of the filters; the first that refuses gives its reasons.
void Placement::CountReasons(int32_t slot, PodClass* pod_class, const PodAffinityFilter& affinity) {
  const NodeRecord& node = cache_->node(slot);
  const bool is_known = !pod_class->verdicts.empty();
  const Verdict verdict = is_known ? pod_class->verdicts[static_cast<size_t>(slot)]
                                   : JudgeNode(node, *pod_class, &reasons_);
  if (verdict.reason != kFits) {
    AddReason(verdict.reason, 1);
    return;
  }
  if (workload::HasPortConflict(node.use, pod_class->needs)) {
    AddReason(kPortsTaken, 1);
    return;
  }
  const workload::Resources& wanted = pod_class->needs.amounts.requests;
  if (!HasRoom(cache_->slot(slot), wanted) || !HasOthers(node, wanted)) {
    lacking_.clear();
    AppendLacking(cache_->slot(slot), node, wanted, &reasons_, &lacking_);
    for (const ReasonId reason : lacking_) {
      AddReason(reason, 1);
    }
    return;
  }
  AddReason(reasons_.Intern(affinity.Refusal(slot)), 1);
}

std::string Placement::Refusal(PodClass* pod_class, const PodAffinityFilter& affinity) {
  if (cache_->nodes_present() == 0) {
    return "no nodes available to schedule pods";
  }
  counts_.clear();
  size_t counted = 0;
  if (pod_class->only_nodes.has_value()) {
    for (const std::string& name : *pod_class->only_nodes) {
      if (const int32_t slot = cache_->SlotOf(name); slot >= 0) {
        CountReasons(slot, pod_class, affinity);
        ++counted;
      }
    }
    if (counted < cache_->nodes_present()) {
      AddReason(kOtherNode, cache_->nodes_present() - counted);
    }
  } else {
    for (size_t slot = 0; slot < cache_->slots(); ++slot) {
      if (cache_->slot(static_cast<int32_t>(slot)).is_present) {
        CountReasons(static_cast<int32_t>(slot), pod_class, affinity);
      }
    }
  }
  std::vector<std::string> parts;
  for (size_t reason = 0; reason < counts_.size(); ++reason) {
    if (counts_[reason] > 0) {
      parts.push_back(
          fmt::format("{} {}", counts_[reason], reasons_.Text(static_cast<ReasonId>(reason))));
    }
  }
  std::sort(parts.begin(), parts.end());
  return fmt::format("0/{} nodes are available: {}.", cache_->nodes_present(),
                     fmt::join(parts, ", "));
}

Choice Placement::Choose(const PodRecord& pod) {
  PodClass* const pod_class = pod.pod_class.get();
  const PodAffinityFilter affinity(*cache_->affinity(), pod);
  if (affinity.is_trivial() && pod_class->failed_generation == cache_->generation()) {
    return Choice{.refusal = pod_class->failure};  // law 3
  }
  candidates_.clear();
  if (pod_class->only_nodes.has_value()) {
    SearchNamed(pod_class, affinity);
  } else {
    cache_->classes()->PrepareVerdicts(pod_class, cache_->slots());
    Search(pod_class, affinity);
  }
  if (!candidates_.empty()) {
    return Choice{.slot = Best(pod)};
  }
  std::string refusal = Refusal(pod_class, affinity);
  if (affinity.is_trivial()) {
    pod_class->failed_generation = cache_->generation();
    pod_class->failure = refusal;
  }
  return Choice{.refusal = std::move(refusal)};
}

}  // namespace socle::scheduler
