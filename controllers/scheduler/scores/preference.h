// Preference: preferred node affinity, and PreferNoSchedule taints.
//
// Threads  pure functions.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_SCORES_PREFERENCE_H_
#define SOCLE_CONTROLLERS_SCHEDULER_SCORES_PREFERENCE_H_

#include <cstdint>

#include "controllers/scheduler/pod_class.h"
#include "controllers/scheduler/scores/least_allocated.h"

namespace socle::scheduler {

// 0 … kScoreMax each; `most_…`: the largest value among the candidates.
inline int64_t AffinityScore(const Verdict& verdict, int32_t most_preferred) {
  return most_preferred == 0 ? 0 : kScoreMax * int64_t{verdict.preferred} / most_preferred;
}

inline int64_t TaintScore(const Verdict& verdict, uint16_t most_avoided) {
  return most_avoided == 0 ? kScoreMax
                           : kScoreMax - kScoreMax * int64_t{verdict.avoided} / most_avoided;
}

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_SCORES_PREFERENCE_H_
