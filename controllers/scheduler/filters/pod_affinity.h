// PodAffinity: required affinity and anti-affinity between pods, of the pod that comes and of those that
// are there.
//
// Laws     1. A pod with anti-affinity keeps away later pods that its term selects, as they do it.
//          2. The first pod of a group that wants to be with its own kind may go anywhere that has the
//             topology label.
// Threads  confined to the scheduling thread.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_FILTERS_POD_AFFINITY_H_
#define SOCLE_CONTROLLERS_SCHEDULER_FILTERS_POD_AFFINITY_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "controllers/scheduler/affinity_index.h"
#include "controllers/scheduler/pod_record.h"

namespace socle::scheduler {

class PodAffinityFilter {
 public:
  PodAffinityFilter(const AffinityIndex& index, const PodRecord& pod);

  // No term has to do with the pod: every node passes.
  bool is_trivial() const { return is_trivial_; }

  // The reason that the node is refused for; empty: it passes.
  std::string_view Refusal(int32_t slot) const;

 private:
  const AffinityIndex& index_;
  const PodClass& pod_class_;
  std::vector<TermId> repelled_by_;  // anti-affinity terms of placed pods that select this one
  bool is_first_of_its_kind_ = false;
  bool is_trivial_ = true;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_FILTERS_POD_AFFINITY_H_
