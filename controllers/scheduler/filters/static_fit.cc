#include "controllers/scheduler/filters/static_fit.h"

#include <algorithm>
#include <string>

namespace socle::scheduler {

Verdict JudgeNode(const NodeRecord& node, const PodClass& pod_class, ReasonTable* reasons) {
  const workload::PodRequirements& needs = pod_class.needs;
  const std::string reason = workload::StaticReason(node.facts, needs);
  if (!reason.empty()) {
    return Verdict{.reason = reasons->Intern(reason)};
  }
  const int avoided = workload::CountAvoided(node.facts.taints, needs.tolerations);
  return Verdict{.reason = kFits,
                 .avoided = static_cast<uint16_t>(std::min(avoided, 1000)),
                 .preferred = static_cast<int32_t>(
                     std::min<int64_t>(workload::PreferredWeight(node.facts, needs), INT32_MAX))};
}

}  // namespace socle::scheduler
