// Resources: whether the node has left what the pod asks for.
//
// Threads  confined to the scheduling thread.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_FILTERS_RESOURCES_H_
#define SOCLE_CONTROLLERS_SCHEDULER_FILTERS_RESOURCES_H_

#include <vector>

#include "controllers/scheduler/cache.h"
#include "controllers/scheduler/pod_class.h"

namespace socle::scheduler {

// By numbers of the slot alone: what every node of every search pays.
inline bool HasRoom(const NodeSlot& slot, const workload::Resources& wanted) {
  return slot.free_pods >= 1 &&
         (wanted.milli_cpu == 0 || slot.free_milli_cpu >= wanted.milli_cpu) &&
         (wanted.memory_bytes == 0 || slot.free_memory_bytes >= wanted.memory_bytes);
}

// Extended resources, and ephemeral storage.
bool HasOthers(const NodeRecord& node, const workload::Resources& wanted);

// All that lack, when one of the above said no.
void AppendLacking(const NodeSlot& slot, const NodeRecord& node, const workload::Resources& wanted,
                   ReasonTable* reasons, std::vector<ReasonId>* lacking);

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_FILTERS_RESOURCES_H_
