// Spread: nodes with fewer pods of the same controller score higher.
//
// Threads  pure functions.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_SCORES_SPREAD_H_
#define SOCLE_CONTROLLERS_SCHEDULER_SCORES_SPREAD_H_

#include <cstdint>

#include "controllers/scheduler/cache.h"
#include "controllers/scheduler/scores/least_allocated.h"

namespace socle::scheduler {

inline constexpr int64_t kSpreadWeight = 2;

// Pods of the group on the node; `group` may be nullptr.
inline int32_t PodsOfGroupAt(const SpreadGroup* group, int32_t slot) {
  if (group == nullptr) {
    return 0;
  }
  const auto found = group->pods_at.find(slot);
  return found == group->pods_at.end() ? 0 : found->second;
}

// 0 … kScoreMax · kSpreadWeight; `most`: the largest count among the candidates.
inline int64_t SpreadScore(int32_t pods_here, int32_t most) {
  return most == 0 ? kScoreMax * kSpreadWeight
                   : kSpreadWeight * kScoreMax * (most - pods_here) / most;
}

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_SCORES_SPREAD_H_
