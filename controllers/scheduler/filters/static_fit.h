// StaticFit: cordon, taints, selector and affinity of the node, asked once per class and node.
//
// Threads  confined to the scheduling thread.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_FILTERS_STATIC_FIT_H_
#define SOCLE_CONTROLLERS_SCHEDULER_FILTERS_STATIC_FIT_H_

#include "controllers/scheduler/cache.h"
#include "controllers/scheduler/pod_class.h"

namespace socle::scheduler {

// The verdict on the node, with the scores that are as fixed as it.
Verdict JudgeNode(const NodeRecord& node, const PodClass& pod_class, ReasonTable* reasons);

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_FILTERS_STATIC_FIT_H_
