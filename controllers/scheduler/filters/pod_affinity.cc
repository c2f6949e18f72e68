#include "controllers/scheduler/filters/pod_affinity.h"

#include <algorithm>

namespace socle::scheduler {

PodAffinityFilter::PodAffinityFilter(const AffinityIndex& index, const PodRecord& pod)
    : index_(index), pod_class_(*pod.pod_class) {
  if (index.is_empty()) {
    return;
  }
  for (const TermId id : index.Selecting(pod.object->ns, pod.object->labels)) {
    if (index.HasHolders(id)) {
      repelled_by_.push_back(id);
    }
  }
  const std::vector<TermId>& wanted = pod_class_.affinity_terms;
  is_first_of_its_kind_ =
      std::all_of(wanted.begin(), wanted.end(), [&index, &pod](const TermId id) {
        return index.MatchingAnywhere(id) == 0 &&
               index.Selects(id, pod.object->ns, pod.object->labels);
      });
  is_trivial_ = repelled_by_.empty() && wanted.empty() && pod_class_.anti_terms.empty();
}

std::string_view PodAffinityFilter::Refusal(int32_t slot) const {
  for (const TermId id : pod_class_.affinity_terms) {
    if (!index_.HasDomain(id, slot) ||
        (!is_first_of_its_kind_ && index_.MatchingAt(id, slot) == 0)) {
      return "node(s) didn't match pod affinity rules";
    }
  }
  for (const TermId id : pod_class_.anti_terms) {
    if (index_.MatchingAt(id, slot) > 0) {
      return "node(s) didn't match pod anti-affinity rules";
    }
  }
  for (const TermId id : repelled_by_) {
    if (index_.HoldersAt(id, slot) > 0) {
      return "node(s) didn't satisfy existing pods anti-affinity rules";
    }
  }
  return {};
}

}  // namespace socle::scheduler
