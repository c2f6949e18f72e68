#include "controllers/scheduler/filters/resources.h"

#include <algorithm>
#include <string>

namespace socle::scheduler {

bool HasOthers(const NodeRecord& node, const workload::Resources& wanted) {
  return std::all_of(wanted.others.begin(), wanted.others.end(), [&node](const auto& one) {
    return node.use.used.Other(one.first) + one.second <= node.facts.allocatable.Other(one.first);
  });
}

void AppendLacking(const NodeSlot& slot, const NodeRecord& node, const workload::Resources& wanted,
                   ReasonTable* reasons, std::vector<ReasonId>* lacking) {
  if (slot.free_pods < 1) {
    lacking->push_back(kTooManyPods);
  }
  if (wanted.milli_cpu > 0 && slot.free_milli_cpu < wanted.milli_cpu) {
    lacking->push_back(kLacksCpu);
  }
  if (wanted.memory_bytes > 0 && slot.free_memory_bytes < wanted.memory_bytes) {
    lacking->push_back(kLacksMemory);
  }
  for (const auto& [name, amount] : wanted.others) {
    if (node.use.used.Other(name) + amount > node.facts.allocatable.Other(name)) {
      lacking->push_back(reasons->Intern("Insufficient " + name));
    }
  }
}

}  // namespace socle::scheduler
