// AffinityIndex: where the pods are that terms of pod affinity and anti-affinity speak of, counted per
// domain (nodes with one value of the topology label).
//
// Laws     1. For each term in use: matching[d] is the number of placed pods in domain d that the term
//             selects, holders[d] of those that have it as an anti-affinity term.
//          2. Terms are found from a pod's labels by one label of theirs: a pod that no term may select
//             costs a lookup per label, however many terms there are.
// Threads  confined to the scheduling thread.
// Memory   per term, the domains with pods; per topology key, four bytes a node.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_AFFINITY_INDEX_H_
#define SOCLE_CONTROLLERS_SCHEDULER_AFFINITY_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>

#include "controllers/workload/node_fit.h"
#include "kv/base/bytes.h"

namespace socle::scheduler {

using TermId = int32_t;

class AffinityIndex {
 public:
  // Registers one more use of the term. `is_new` says that placed pods are still to be counted in it.
  TermId Acquire(const workload::PodTerm& term, bool* is_new);
  void Release(TermId id);

  // The labels of the node in this slot. Requires that no placed pod is counted there.
  void SetNode(int32_t slot, const workload::NodeFacts& node);

  // Terms in use that select the pod.
  std::vector<TermId> Selecting(std::string_view ns, const api::SortedLabels& labels) const;
  bool Selects(TermId id, std::string_view ns, const api::SortedLabels& labels) const;

  // Counts a pod in the slot, by +1 or -1; terms that were released meanwhile count no more.
  void CountMatching(const std::vector<TermId>& selecting, int32_t slot, int32_t by);
  void CountHolder(const std::vector<TermId>& held, int32_t slot, int32_t by);

  int32_t MatchingAt(TermId id, int32_t slot) const;
  int32_t HoldersAt(TermId id, int32_t slot) const;
  int32_t MatchingAnywhere(TermId id) const;
  bool HasHolders(TermId id) const;
  // Whether the node has the topology label of the term.
  bool HasDomain(TermId id, int32_t slot) const;

  bool is_empty() const { return terms_in_use_ == 0; }

 private:
  using Counts = absl::flat_hash_map<int32_t, int32_t>;

  struct Topology {
    std::string key;
    StringMap<int32_t> domains;
    std::vector<int32_t> of_slot;  // -1: the node has no such label
  };

  struct Term {
    workload::PodTerm term;
    std::string text;
    std::string bucket;  // empty: in no bucket
    Topology* topology = nullptr;
    int32_t uses = 0;
    int32_t matching_total = 0;
    Counts matching;
    Counts holders;
  };

  Topology* TopologyOf(const std::string& key);
  int32_t DomainAt(const Term& term, int32_t slot) const;
  static void Count(Counts* counts, int32_t domain, int32_t by);
  void AppendSelecting(const std::vector<TermId>& candidates, std::string_view ns,
                       const api::SortedLabels& labels, std::vector<TermId>* found) const;

  // By id; null: released. Ids are not used again, since placed pods remember them.
  std::vector<std::unique_ptr<Term>> terms_;
  size_t terms_in_use_ = 0;
  StringMap<TermId> by_text_;
  StringMap<std::vector<TermId>> buckets_;  // by "key=value" of one label that the term asks for
  std::vector<TermId> unbucketed_;
  std::vector<std::unique_ptr<Topology>> topologies_;
  std::vector<workload::NodeFacts> nodes_;  // by slot: labels only, for topologies that come later
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_AFFINITY_INDEX_H_
