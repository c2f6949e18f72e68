#include "controllers/inplaceset/identity.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "controllers/workload/document_edits.h"
#include "controllers/workload/lifecycle_hooks.h"
#include "controllers/workload/pod_control.h"
#include "controllers/workload/pod_readiness.h"

namespace socle::inplaceset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

constexpr size_t kOrdinalDigitsMax = 10;

// Puts the volumes of the claims in, over those of the template with the same names. False when they are
// there already.
bool FillVolumes(const SetSpec& set, int64_t ordinal, Json* pod) {
  bool is_changed = false;
  for (const Json& claim : set.claim_templates) {
    const std::string volume_name = ClaimTemplateName(claim);
    JsonObject volume{{"name", JsonView(volume_name)},
                      {"persistentVolumeClaim",
                       JsonObject{{"claimName", JsonView(ClaimName(claim, set.name(), ordinal))}}}};
    Json& list = api::EnsureObject(pod, {"spec"})["volumes"];
    if (!list.is_array()) {
      list = JsonArray();
    }
    Json* old = workload::ElementNamed(pod, {"spec", "volumes"}, volume_name);
    if (old == nullptr) {
      list.get_array().push_back(std::move(volume));
    } else if (api::StringAt(*old, {"persistentVolumeClaim", "claimName"}) ==
               ClaimName(claim, set.name(), ordinal)) {
      continue;
    } else {
      *old = std::move(volume);
    }
    is_changed = true;
  }
  return is_changed;
}

// A rule per node: a rule about fields may name one value only.
void KeepOffNodes(const std::vector<std::string>& nodes, Json* pod) {
  JsonArray rules;
  std::string text;
  for (const std::string& node : nodes) {
    rules.push_back(JsonObject{
        {"key", "metadata.name"}, {"operator", "NotIn"}, {"values", JsonArray{JsonView(node)}}});
    text += text.empty() ? node : fmt::format(",{}", node);
  }
  workload::SetAnnotation(kFailedNodesKey, text, pod);
  JsonObject& required = api::EnsureObject(
      pod, {"spec", "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"});
  Json& terms = required["nodeSelectorTerms"];
  if (!terms.is_array() || terms.get_array().empty()) {
    terms = JsonArray();
    terms.get_array().push_back(JsonObject());
  }
  for (Json& term : terms.get_array()) {  // any of them may let the pod in
    if (!term.is_object()) {
      continue;
    }
    Json& fields = term.get_object()["matchFields"];
    if (!fields.is_array()) {
      fields = JsonArray();
    }
    fields.get_array().insert(fields.get_array().end(), rules.begin(), rules.end());
  }
}

void AddKruiseReadyGate(Json* pod) {
  if (workload::HasReadinessGate(*pod, workload::kKruiseReadyCondition)) {
    return;
  }
  Json& gates = api::EnsureObject(pod, {"spec"})["readinessGates"];
  if (!gates.is_array()) {
    gates = JsonArray();
  }
  gates.get_array().push_back(
      JsonObject{{"conditionType", JsonView(workload::kKruiseReadyCondition)}});
}

}  // namespace

std::vector<int64_t> SlotOrdinals(const SetSpec& set) {
  std::vector<int64_t> ordinals;
  ordinals.reserve(static_cast<size_t>(set.replicas));
  int64_t next = set.start_ordinal;
  size_t range = 0;
  while (static_cast<int64_t>(ordinals.size()) < set.replicas) {
    while (range < set.reserved.size() && set.reserved[range].second < next) {
      ++range;
    }
    if (range < set.reserved.size() && set.reserved[range].first <= next) {
      if (set.reserved[range].second == INT64_MAX) {
        return ordinals;
      }
      next = set.reserved[range].second + 1;
      continue;
    }
    ordinals.push_back(next++);
  }
  return ordinals;
}

std::string PodName(std::string_view set, int64_t ordinal) {
  return fmt::format("{}-{}", set, ordinal);
}

std::optional<int64_t> OrdinalOf(std::string_view set, std::string_view pod) {
  if (pod.size() < set.size() + 2 || !pod.starts_with(set) || pod[set.size()] != '-') {
    return std::nullopt;
  }
  const std::string_view digits = pod.substr(set.size() + 1);
  int64_t ordinal = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size() &&
                         digits.size() <= kOrdinalDigitsMax && digits.front() != '-' &&
                         (digits.front() != '0' || digits.size() == 1);
  return is_number ? std::optional(ordinal) : std::nullopt;
}

std::string ClaimTemplateName(const Json& claim_template) {
  return std::string(api::StringAt(claim_template, {"metadata", "name"}));
}

std::string ClaimName(const Json& claim_template, std::string_view set, int64_t ordinal) {
  return fmt::format("{}-{}-{}", ClaimTemplateName(claim_template), set, ordinal);
}

Json NewPod(const SetSpec& set, const NewPodRequest& request) {
  const std::string name = PodName(set.name(), request.ordinal);
  Json pod = JsonObject{{"apiVersion", "v1"}, {"kind", "Pod"}};
  JsonObject& metadata = api::EnsureObject(&pod, {"metadata"});
  for (const std::string_view member : {"labels", "annotations", "finalizers"}) {
    if (const Json* value = api::Find(*request.pod_template, {"metadata", member})) {
      metadata[JsonView(member)] = *value;
    }
  }
  metadata["name"] = JsonView(name);
  metadata["namespace"] = JsonView(set.object->ns);
  if (const JsonObject* spec = api::FindObject(*request.pod_template, {"spec"})) {
    pod.get_object()["spec"] = *spec;
  }
  JsonObject& spec = api::EnsureObject(&pod, {"spec"});
  spec["hostname"] = JsonView(name);
  if (!set.service_name.empty()) {
    spec["subdomain"] = JsonView(set.service_name);
  }
  workload::SetLabel(workload::kRevisionLabel, request.revision, &pod);
  RepairPod(set, request.ordinal, &pod);
  if (!request.failed_nodes.empty()) {
    KeepOffNodes(request.failed_nodes, &pod);
  }
  if (set.hooks.pre_delete.marks_not_ready || set.hooks.in_place_update.marks_not_ready) {
    AddKruiseReadyGate(&pod);
  }
  workload::SetLifecycleState(workload::StateOfNewPod(set.hooks, pod), request.now_nanos, &pod);
  workload::AddController(*set.object, &pod);
  // The plane's controllers may bring a status: saves a write per pod.
  workload::OpenReadinessGates(request.now_nanos, &pod);
  return pod;
}

Json NewClaim(const SetSpec& set, const Json& claim_template, int64_t ordinal) {
  Json claim = JsonObject{{"apiVersion", "v1"}, {"kind", "PersistentVolumeClaim"}};
  JsonObject& metadata = api::EnsureObject(&claim, {"metadata"});
  for (const std::string_view member : {"labels", "annotations", "finalizers"}) {
    if (const Json* value = api::Find(claim_template, {"metadata", member})) {
      metadata[JsonView(member)] = *value;
    }
  }
  metadata["name"] = JsonView(ClaimName(claim_template, set.name(), ordinal));
  metadata["namespace"] = JsonView(set.object->ns);
  for (const auto& [key, value] : set.match_labels) {
    workload::SetLabel(key, value, &claim);
  }
  if (const Json* spec = api::Find(claim_template, {"spec"})) {
    claim.get_object()["spec"] = *spec;
  }
  return claim;
}

bool HasDrifted(const SetSpec& set, const workload::PodFacts& pod, int64_t ordinal) {
  if (pod.object->Label(kPodNameLabel) != pod.name() ||
      pod.object->Label(kPodIndexLabel) != fmt::format("{}", ordinal)) {
    return true;
  }
  return std::any_of(
      set.claim_templates.begin(), set.claim_templates.end(), [&](const Json& claim) {
        const std::pair<std::string, std::string> volume(ClaimTemplateName(claim),
                                                         ClaimName(claim, set.name(), ordinal));
        return std::find(pod.claim_volumes.begin(), pod.claim_volumes.end(), volume) ==
               pod.claim_volumes.end();
      });
}

void RepairPod(const SetSpec& set, int64_t ordinal, Json* pod) {
  workload::SetLabel(kPodNameLabel, PodName(set.name(), ordinal), pod);
  workload::SetLabel(kPodIndexLabel, fmt::format("{}", ordinal), pod);
  FillVolumes(set, ordinal, pod);
}

ClaimOwner WantedClaimOwner(const SetSpec& set, bool is_condemned) {
  if (is_condemned && set.deletes_claims_when_scaled) {
    return ClaimOwner::kPod;
  }
  return set.deletes_claims_when_deleted ? ClaimOwner::kSet : ClaimOwner::kNobody;
}

bool HasWrongOwners(const SetSpec& set, const registry::Object& claim,
                    const workload::PodFacts& pod, ClaimOwner wanted) {
  const auto is_owned_by = [&](std::string_view uid) {
    return std::any_of(claim.owners.begin(), claim.owners.end(),
                       [&](const registry::OwnerReference& owner) { return owner.uid == uid; });
  };
  return is_owned_by(set.object->uid) != (wanted == ClaimOwner::kSet) ||
         is_owned_by(pod.uid()) != (wanted == ClaimOwner::kPod);
}

void RepairClaimOwners(const SetSpec& set, const workload::PodFacts& pod, ClaimOwner wanted,
                       Json* claim) {
  workload::RemoveOwner(set.object->uid, claim);
  workload::RemoveOwner(pod.uid(), claim);
  if (wanted == ClaimOwner::kSet) {
    workload::AddOwner(workload::OwnerReferenceTo(*set.object, false), claim);
  } else if (wanted == ClaimOwner::kPod) {
    workload::AddOwner(workload::OwnerReferenceTo(*pod.object, false), claim);
  }
}

bool IsStaleClaim(const registry::Object& claim, std::string_view pod_name,
                  std::string_view living_pod_uid) {
  return std::any_of(
      claim.owners.begin(), claim.owners.end(), [&](const registry::OwnerReference& owner) {
        return owner.kind == "Pod" && owner.name == pod_name && owner.uid != living_pod_uid;
      });
}

}  // namespace socle::inplaceset
