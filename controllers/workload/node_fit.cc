#include "controllers/workload/node_fit.h"

#include <algorithm>

#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/workload/raw_member.h"

namespace socle::workload {
namespace {

constexpr std::string_view kRequired = "requiredDuringSchedulingIgnoredDuringExecution";
constexpr std::string_view kPreferred = "preferredDuringSchedulingIgnoredDuringExecution";

bool Contains(const std::vector<std::string>& list, std::string_view wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

const std::string* LabelIn(const api::SortedLabels& labels, std::string_view key) {
  const auto at =
      std::lower_bound(labels.begin(), labels.end(), key,
                       [](const auto& one, std::string_view wanted) { return one.first < wanted; });
  return at != labels.end() && at->first == key ? &at->second : nullptr;
}

NodeTerm ParseNodeTerm(const api::Json& term) {
  NodeTerm result;
  const api::JsonArray* expressions = api::FindArray(term, {"matchExpressions"});
  const api::JsonArray* fields = api::FindArray(term, {"matchFields"});
  if ((expressions == nullptr || expressions->empty()) && (fields == nullptr || fields->empty())) {
    result.is_void = true;
    return result;
  }
  if (expressions != nullptr) {
    absl::StatusOr<api::LabelSelector> labels = api::LabelSelector::FromExpressions(*expressions);
    result.is_void = !labels.ok();
    if (labels.ok()) {
      result.labels = *std::move(labels);
    }
  }
  for (size_t i = 0; fields != nullptr && i < fields->size(); ++i) {
    const api::Json& field = (*fields)[i];
    const std::string_view word = api::StringAt(field, {"operator"});
    const api::JsonArray* values = api::FindArray(field, {"values"});
    if (api::StringAt(field, {"key"}) != "metadata.name" || (word != "In" && word != "NotIn") ||
        values == nullptr) {
      result.is_void = true;
      continue;
    }
    for (const api::Json& value : *values) {
      if (value.is_string()) {
        (word == "In" ? result.names : result.names_not_in)
            .emplace_back(api::View(value.get_string()));
      }
    }
    if (word == "In" && result.names.empty()) {
      result.is_void = true;
    }
  }
  return result;
}

// nullopt-like: a term that can't be read matches no pod.
PodTerm ParsePodTerm(const api::Json& term, std::string_view ns) {
  PodTerm result{.topology_key = std::string(api::StringAt(term, {"topologyKey"}))};
  absl::StatusOr<api::LabelSelector> labels =
      api::LabelSelector::FromJson(api::Find(term, {"labelSelector"}));
  if (labels.ok()) {
    result.labels = *std::move(labels);
  }
  if (const api::JsonArray* namespaces = api::FindArray(term, {"namespaces"})) {
    for (const api::Json& one : *namespaces) {
      if (one.is_string()) {
        result.namespaces.emplace_back(api::View(one.get_string()));
      }
    }
  }
  // Of namespace selectors, {} is every namespace; others are taken for that too.
  if (result.namespaces.empty() && api::Find(term, {"namespaceSelector"}) == nullptr) {
    result.namespaces.emplace_back(ns);
  }
  std::sort(result.namespaces.begin(), result.namespaces.end());
  return result;
}

std::vector<PodTerm> ParsePodTerms(const api::JsonArray* terms, std::string_view ns) {
  std::vector<PodTerm> result;
  for (size_t i = 0; terms != nullptr && i < terms->size(); ++i) {
    result.push_back(ParsePodTerm((*terms)[i], ns));
  }
  return result;
}

void AddHostPorts(const api::Json& container, std::vector<HostPort>* ports) {
  const api::JsonArray* list = api::FindArray(container, {"ports"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const int64_t port = api::IntAt((*list)[i], {"hostPort"}).value_or(0);
    if (port <= 0) {
      continue;
    }
    std::string_view ip = api::StringAt((*list)[i], {"hostIP"});
    const std::string_view protocol = api::StringAt((*list)[i], {"protocol"});
    if (ip == "0.0.0.0" || ip == "::") {
      ip = {};
    }
    ports->push_back(HostPort{.ip = std::string(ip),
                              .protocol = std::string(protocol.empty() ? "TCP" : protocol),
                              .port = port});
  }
}

void ParseNodeAffinity(const api::Json& pod_spec, PodRequirements* pod) {
  const api::Json* affinity = api::Find(pod_spec, {"affinity", "nodeAffinity"});
  if (affinity == nullptr) {
    return;
  }
  if (api::Find(*affinity, {kRequired}) != nullptr) {
    pod->has_required_terms = true;
    const api::JsonArray* terms = api::FindArray(*affinity, {kRequired, "nodeSelectorTerms"});
    for (size_t i = 0; terms != nullptr && i < terms->size(); ++i) {
      pod->required.push_back(ParseNodeTerm((*terms)[i]));
    }
  }
  const api::JsonArray* terms = api::FindArray(*affinity, {kPreferred});
  for (size_t i = 0; terms != nullptr && i < terms->size(); ++i) {
    const api::Json* preference = api::Find((*terms)[i], {"preference"});
    const int64_t weight = api::IntAt((*terms)[i], {"weight"}).value_or(0);
    if (preference != nullptr && weight > 0) {
      pod->preferred.push_back({.weight = weight, .term = ParseNodeTerm(*preference)});
    }
  }
}

}  // namespace

const std::string* NodeFacts::Label(std::string_view key) const {
  return LabelIn(labels, key);
}

NodeFacts FactsOf(const registry::Object& node) {
  NodeFacts facts{.name = node.name, .labels = node.labels, .is_deleting = node.is_deleting};
  const api::Json spec = ParseMember(node.document, {"spec"});
  facts.taints = ParseTaints(api::Find(spec, {"taints"}));
  facts.is_unschedulable = api::BoolAt(spec, {"unschedulable"});
  api::Json amounts = ParseMember(node.document, {"status", "allocatable"});
  if (amounts.is_null()) {
    amounts = ParseMember(node.document, {"status", "capacity"});
  }
  facts.allocatable = ParseResources(&amounts);
  return facts;
}

bool NodeTerm::Matches(const NodeFacts& node) const {
  return !is_void && (names.empty() || Contains(names, node.name)) &&
         !Contains(names_not_in, node.name) && labels.MatchesSorted(node.labels);
}

bool PodTerm::Matches(std::string_view ns, const api::SortedLabels& pod_labels) const {
  return (namespaces.empty() || std::binary_search(namespaces.begin(), namespaces.end(), ns)) &&
         labels.MatchesSorted(pod_labels);
}

std::string PodTerm::Text() const {
  return fmt::format("{}|{}|{}|{}", topology_key, fmt::join(namespaces, ","),
                     labels.is_nothing() ? "-" : "+", labels.ToString());
}

bool HostPort::Conflicts(const HostPort& other) const {
  return port == other.port && protocol == other.protocol &&
         (ip.empty() || other.ip.empty() || ip == other.ip);
}

std::optional<std::vector<std::string>> PodRequirements::OnlyNodes() const {
  if (!has_required_terms) {
    return std::nullopt;
  }
  std::vector<std::string> result;
  for (const NodeTerm& term : required) {
    if (term.is_void) {
      continue;
    }
    if (term.names.empty()) {
      return std::nullopt;
    }
    result.insert(result.end(), term.names.begin(), term.names.end());
  }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

PodRequirements RequirementsOf(const api::Json& pod_spec, std::string_view ns) {
  PodRequirements pod;
  pod.amounts = RequestsOf(pod_spec);
  pod.tolerations = ParseTolerations(api::Find(pod_spec, {"tolerations"}));
  if (const api::JsonObject* selector = api::FindObject(pod_spec, {"nodeSelector"})) {
    for (const auto& label : *selector) {
      pod.node_selector.emplace_back(
          api::View(label.key()),
          label.value().is_string() ? api::View(label.value().get_string()) : std::string_view());
    }
    std::sort(pod.node_selector.begin(), pod.node_selector.end());
  }
  ParseNodeAffinity(pod_spec, &pod);
  pod.affinity =
      ParsePodTerms(api::FindArray(pod_spec, {"affinity", "podAffinity", kRequired}), ns);
  pod.anti_affinity =
      ParsePodTerms(api::FindArray(pod_spec, {"affinity", "podAntiAffinity", kRequired}), ns);
  const api::JsonArray* containers = api::FindArray(pod_spec, {"containers"});
  for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
    AddHostPorts((*containers)[i], &pod.host_ports);
  }
  return pod;
}

bool IsUnschedulable(const NodeFacts& node, const PodRequirements& pod) {
  static const Taint& cordon = *new Taint{.key = std::string(kUnschedulableTaint)};
  return node.is_unschedulable && !Tolerates(pod.tolerations, cordon);
}

bool MatchesNodeTerms(const NodeFacts& node, const PodRequirements& pod) {
  for (const auto& [key, value] : pod.node_selector) {
    const std::string* label = node.Label(key);
    if (label == nullptr || *label != value) {
      return false;
    }
  }
  return !pod.has_required_terms ||
         std::any_of(pod.required.begin(), pod.required.end(),
                     [&node](const NodeTerm& term) { return term.Matches(node); });
}

int64_t PreferredWeight(const NodeFacts& node, const PodRequirements& pod) {
  int64_t sum = 0;
  for (const WeightedNodeTerm& one : pod.preferred) {
    sum += one.term.Matches(node) ? one.weight : 0;
  }
  return sum;
}

bool HasPortConflict(const NodeUse& use, const PodRequirements& pod) {
  return std::any_of(pod.host_ports.begin(), pod.host_ports.end(), [&use](const HostPort& wanted) {
    return std::any_of(use.ports.begin(), use.ports.end(),
                       [&wanted](const HostPort& taken) { return wanted.Conflicts(taken); });
  });
}

std::vector<std::string> LackingResources(const NodeFacts& node, const NodeUse& use,
                                          const PodRequirements& pod) {
  std::vector<std::string> lacking;
  const Resources& have = node.allocatable;
  const Resources& want = pod.amounts.requests;
  if (use.used.pods + want.pods > have.pods) {
    lacking.emplace_back("Too many pods");
  }
  if (want.milli_cpu > 0 && use.used.milli_cpu + want.milli_cpu > have.milli_cpu) {
    lacking.emplace_back("Insufficient cpu");
  }
  if (want.memory_bytes > 0 && use.used.memory_bytes + want.memory_bytes > have.memory_bytes) {
    lacking.emplace_back("Insufficient memory");
  }
  for (const auto& [name, amount] : want.others) {
    if (use.used.Other(name) + amount > have.Other(name)) {
      lacking.push_back(fmt::format("Insufficient {}", name));
    }
  }
  return lacking;
}

std::string TaintReason(const Taint& taint) {
  return fmt::format("node(s) had taint {{{}: {}}}, that the pod didn't tolerate", taint.key,
                     taint.value);
}

std::string StaticReason(const NodeFacts& node, const PodRequirements& pod) {
  if (IsUnschedulable(node, pod)) {
    return std::string(kReasonUnschedulable);
  }
  if (const Taint* taint = FindUntolerated(node.taints, pod.tolerations)) {
    return TaintReason(*taint);
  }
  return MatchesNodeTerms(node, pod) ? std::string() : std::string(kReasonAffinity);
}

std::vector<std::string> Fits(const NodeFacts& node, const NodeUse& use,
                              const PodRequirements& pod) {
  if (std::string reason = StaticReason(node, pod); !reason.empty()) {
    return {std::move(reason)};
  }
  if (HasPortConflict(use, pod)) {
    return {std::string(kReasonPorts)};
  }
  return LackingResources(node, use, pod);
}

}  // namespace socle::workload
