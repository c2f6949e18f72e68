// LeastAllocated: nodes with more left over score higher, so that load spreads.
//
// Threads  pure functions.
// Source   NodeResourcesLeastAllocated of kube-scheduler: the mean of the free shares of CPU and memory.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_SCORES_LEAST_ALLOCATED_H_
#define SOCLE_CONTROLLERS_SCHEDULER_SCORES_LEAST_ALLOCATED_H_

#include <algorithm>
#include <cstdint>

#include "controllers/scheduler/cache.h"

namespace socle::scheduler {

inline constexpr int64_t kScoreMax = 100;

// 0 … kScoreMax, with the pod on it.
inline int64_t LeastAllocatedScore(const NodeSlot& slot, const workload::PodRequests& pod) {
  const auto free_share = [](int64_t used, double per_unit) {
    const double share = 1.0 - static_cast<double>(used) * per_unit;
    return per_unit > 0 ? static_cast<int64_t>(std::max(share, 0.0) * kScoreMax) : 0;
  };
  return (free_share(slot.scored_milli_cpu + pod.scored_milli_cpu, slot.per_milli_cpu) +
          free_share(slot.scored_memory_bytes + pod.scored_memory_bytes, slot.per_memory_byte)) /
         2;
}

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_SCORES_LEAST_ALLOCATED_H_
