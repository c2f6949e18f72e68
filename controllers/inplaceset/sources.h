// Sources: gathers what a plan is made from out of the cache.
//
// Threads  thread-safe: reads of the cache.
#ifndef SOCLE_CONTROLLERS_INPLACESET_SOURCES_H_
#define SOCLE_CONTROLLERS_INPLACESET_SOURCES_H_

#include <vector>

#include "controllers/inplaceset/plan.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/runtime/runtime.h"
#include "controllers/workload/revisions.h"

namespace socle::inplaceset {

// Sets claims, claims_on_nodes and lost_nodes for set and pods of the input.
void GatherClaimsAndNodes(const runtime::Runtime& runtime, PlanInput* input);

// Sets updates: from each revision of a pod to the update revision.
void GatherUpdates(const std::vector<workload::Revision>& history, PlanInput* input);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_SOURCES_H_
