// UpgradeOrder: the parts of the order in which pods are upgraded; see UpgradeOrder in plan.h.
//
// Laws     1. Each part is stable: what it has no opinion on stays in the order of the part before.
//          2. Scattering takes the groups of a label turn by turn, each as often as it is big: pod k of a group
//             of n stands at (k + 1) / n.
// Threads  pure functions.
// Source   spec controllers 1.2.1 (priority), 4.6 (order by state), 7.6 E14.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_UPGRADE_ORDER_H_
#define SOCLE_CONTROLLERS_SIDECARSET_UPGRADE_ORDER_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "controllers/api/label_selector.h"
#include "controllers/sidecarset/plan.h"

namespace socle::sidecarset {

using Order = std::vector<size_t>;  // indexes into the pods

// Unassigned, pending, unknown, running; not ready first, then ready for the shortest time; more restarts;
// newer.
void SortByState(const std::vector<PlanPod>& pods, Order* order);
void SortByPriority(const UpdateStrategy& strategy, const std::vector<PlanPod>& pods, Order* order);
void Scatter(const std::vector<ScatterTerm>& terms, const std::vector<PlanPod>& pods, Order* order);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_UPGRADE_ORDER_H_
