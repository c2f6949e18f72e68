// Placement: the node for one pod: filter, then score a bounded number of those that fit.
//
// Laws     1. The choice depends on the cache, the pod, the seed and the choices before: nothing else.
//          2. At most NodesToFind nodes are scored; the search goes on where the last one ended, so that
//             every node gets its turn.
//          3. A class for which no node fitted is refused without a search until generation() grows.
// Threads  confined to the scheduling thread.
// Source   kube-scheduler: percentageOfNodesToScore; the words of its refusals.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_PLACEMENT_H_
#define SOCLE_CONTROLLERS_SCHEDULER_PLACEMENT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "controllers/scheduler/cache.h"
#include "controllers/scheduler/filters/pod_affinity.h"
#include "kv/base/random.h"

namespace socle::scheduler {

struct PlacementOptions {
  uint64_t seed = 1;
  int percentage_of_nodes = 0;  // to score; 0: by the size of the cluster
};

struct Choice {
  int32_t slot = -1;    // -1: none fits
  std::string refusal;  // then
};

// How many fitting nodes of so many are enough.
size_t NodesToFind(size_t nodes, int percentage);

class Placement {
 public:
  Placement(Cache* cache, PlacementOptions options)
      : cache_(cache), options_(options), random_(options.seed) {}

  // Requires that the pod has a class and is not placed.
  Choice Choose(const PodRecord& pod);

  uint64_t nodes_examined() const { return nodes_examined_; }

 private:
  struct Candidate {
    int32_t slot = -1;
    Verdict verdict;
    int32_t group_pods = 0;
  };

  // By numbers as long as it can; the reasons of a refusal are counted afterwards, when none passed.
  bool Passes(int32_t slot, PodClass* pod_class, const PodAffinityFilter& affinity);
  void CountReasons(int32_t slot, PodClass* pod_class, const PodAffinityFilter& affinity);
  void Search(PodClass* pod_class, const PodAffinityFilter& affinity);
  void SearchNamed(PodClass* pod_class, const PodAffinityFilter& affinity);
  int32_t Best(const PodRecord& pod);
  std::string Refusal(PodClass* pod_class, const PodAffinityFilter& affinity);
  void AddReason(ReasonId reason, size_t times);

  Cache* const cache_;
  const PlacementOptions options_;
  Random random_;
  size_t next_start_ = 0;
  uint64_t nodes_examined_ = 0;
  ReasonTable reasons_;
  std::vector<Candidate> candidates_;
  std::vector<size_t> counts_;  // by reason, of one refusal
  std::vector<ReasonId> lacking_;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_PLACEMENT_H_
