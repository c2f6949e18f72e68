// NodeFit: whether a pod may run on a node, from parsed facts of both; the scheduler, BroadcastJob and
// the node lifecycle ask the same question and must hear the same answer.
//
// Laws     1. The order of the questions is: unschedulable, node name, taints, labels, host ports,
//             resources. The answer has the reasons of the first that fails; resources name all that lack.
//          2. Reasons are in the words of kube-scheduler.
// Threads  values; pure functions.
// Source   spec controllers 5.3 (desired nodes); kube-scheduler's filter plugins for the words.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_NODE_FIT_H_
#define SOCLE_CONTROLLERS_WORKLOAD_NODE_FIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/api/label_selector.h"
#include "controllers/registry/object.h"
#include "controllers/workload/resources.h"
#include "controllers/workload/tolerations.h"

namespace socle::workload {

inline constexpr std::string_view kHostnameLabel = "kubernetes.io/hostname";

// What decides which pods may come to a node.
struct NodeFacts {
  std::string name;
  api::SortedLabels labels;
  std::vector<Taint> taints;
  bool is_unschedulable = false;
  bool is_deleting = false;
  Resources allocatable;

  // nullptr when there is no such label.
  const std::string* Label(std::string_view key) const;

  bool operator==(const NodeFacts&) const = default;
};

// Reads labels, spec and status.allocatable only.
NodeFacts FactsOf(const registry::Object& node);

// One nodeSelectorTerm: all of it must hold.
struct NodeTerm {
  api::LabelSelector labels = api::LabelSelector::Everything();
  std::vector<std::string> names;         // matchFields metadata.name In
  std::vector<std::string> names_not_in;  // … NotIn
  bool is_void = false;                   // empty or unreadable: matches nothing

  bool Matches(const NodeFacts& node) const;
};

struct WeightedNodeTerm {
  int64_t weight = 0;
  NodeTerm term;
};

// A term of pod affinity or anti-affinity.
struct PodTerm {
  std::string topology_key;
  api::LabelSelector labels = api::LabelSelector::Nothing();
  std::vector<std::string> namespaces;  // sorted; empty: every namespace

  bool Matches(std::string_view ns, const api::SortedLabels& pod_labels) const;
  // Equal terms have equal text.
  std::string Text() const;
};

struct HostPort {
  std::string ip;  // empty: all addresses
  std::string protocol;
  int64_t port = 0;

  bool Conflicts(const HostPort& other) const;
  bool operator==(const HostPort&) const = default;
};

// What a pod asks of its node.
struct PodRequirements {
  PodRequests amounts;
  std::vector<Toleration> tolerations;
  api::SortedLabels node_selector;
  bool has_required_terms = false;
  std::vector<NodeTerm> required;  // any of them
  std::vector<WeightedNodeTerm> preferred;
  std::vector<HostPort> host_ports;
  std::vector<PodTerm> affinity;       // required
  std::vector<PodTerm> anti_affinity;  // required

  // The names of the only nodes that can match, when every required term names some; else nullopt.
  std::optional<std::vector<std::string>> OnlyNodes() const;
};

// Of a pod's spec; `ns`: what terms without namespaces mean.
PodRequirements RequirementsOf(const api::Json& pod_spec, std::string_view ns);

// The single questions.
bool IsUnschedulable(const NodeFacts& node, const PodRequirements& pod);
bool MatchesNodeTerms(const NodeFacts& node, const PodRequirements& pod);
// Of the preferred terms that match.
int64_t PreferredWeight(const NodeFacts& node, const PodRequirements& pod);

// What a node's pods take of it.
struct NodeUse {
  Resources used;
  std::vector<HostPort> ports;
};

bool HasPortConflict(const NodeUse& use, const PodRequirements& pod);
// "Insufficient cpu", "Too many pods" …: all that lack.
std::vector<std::string> LackingResources(const NodeFacts& node, const NodeUse& use,
                                          const PodRequirements& pod);

inline constexpr std::string_view kReasonUnschedulable = "node(s) were unschedulable";
inline constexpr std::string_view kReasonAffinity =
    "node(s) didn't match Pod's node affinity/selector";
inline constexpr std::string_view kReasonPorts =
    "node(s) didn't have free ports for the requested pod ports";
// `node(s) had taint {key: value}, that the pod didn't tolerate`
std::string TaintReason(const Taint& taint);

// Laws 1, 2 without pod affinity, which needs more than one node. Empty: it fits.
std::vector<std::string> Fits(const NodeFacts& node, const NodeUse& use,
                              const PodRequirements& pod);
// The part of it that no pod on the node changes: empty when it fits.
std::string StaticReason(const NodeFacts& node, const PodRequirements& pod);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_NODE_FIT_H_
