#include "controllers/inplaceset/sources.h"

#include <algorithm>
#include <utility>

#include "controllers/workload/pod_readiness.h"
#include "controllers/workload/raw_member.h"

namespace socle::inplaceset {
namespace {

using workload::PodFactsRef;

void GatherClaims(const runtime::Runtime& runtime, PlanInput* input) {
  const SetSpec& set = *input->set;
  const api::Kind& kind = *runtime.Served("", "persistentvolumeclaims")->kind;
  const auto gather = [&](int64_t ordinal) {
    for (const api::Json& claim_template : set.claim_templates) {
      const std::string name = ClaimName(claim_template, set.name(), ordinal);
      const registry::ObjectRef claim = runtime.cache()->Get(kind, set.object->ns, name);
      if (claim == nullptr) {
        continue;
      }
      if (!workload::RawMember(claim->document,
                               {"metadata", "annotations", "volume.kubernetes.io/selected-node"})
               .empty()) {
        input->claims_on_nodes.insert(name);
      }
      input->claims.insert_or_assign(name, claim);
    }
  };
  if (set.claim_templates.empty()) {
    return;
  }
  for (const int64_t ordinal : SlotOrdinals(set)) {
    gather(ordinal);
  }
  for (const PodFactsRef& pod : input->pods) {
    if (const auto ordinal = OrdinalOf(set.name(), pod->name())) {
      gather(*ordinal);
    }
  }
}

bool IsLost(const runtime::Runtime& runtime, std::string_view name) {
  const registry::ObjectRef node =
      runtime.cache()->Get(*runtime.Served("", "nodes")->kind, {}, name);
  if (node == nullptr) {
    return true;
  }
  const api::Json document = node->Parse();
  const api::Json* ready = workload::FindPodCondition(document, workload::kReadyCondition);
  return ready == nullptr || api::StringAt(*ready, {"status"}) != "True";
}

}  // namespace

void GatherClaimsAndNodes(const runtime::Runtime& runtime, PlanInput* input) {
  GatherClaims(runtime, input);
  if (!input->set->retry.is_enabled) {
    return;
  }
  StringSet seen;
  for (const PodFactsRef& pod : input->pods) {
    const bool is_waiting = pod->phase == workload::PodPhase::kPending && !pod->node.empty();
    if (is_waiting && seen.insert(pod->node).second && IsLost(runtime, pod->node)) {
      input->lost_nodes.insert(pod->node);
    }
  }
}

void GatherUpdates(const std::vector<workload::Revision>& history, PlanInput* input) {
  if (input->set->rolling.policy == PodUpdatePolicy::kReCreate) {
    return;
  }
  const auto find = [&](std::string_view name) {
    return std::find_if(history.begin(), history.end(),
                        [&](const workload::Revision& one) { return one.name == name; });
  };
  const auto wanted = find(input->update_revision);
  if (wanted == history.end()) {
    return;
  }
  const api::Json new_template = workload::TemplateOf(wanted->data);
  for (const PodFactsRef& pod : input->pods) {
    const auto old = find(pod->revision);
    if (pod->revision == input->update_revision || old == history.end() ||
        input->updates.contains(pod->revision)) {
      continue;
    }
    input->updates.insert_or_assign(
        pod->revision, workload::DiffTemplates(workload::TemplateOf(old->data), new_template,
                                               input->update_revision, {.ignores_claims = true}));
  }
}

}  // namespace socle::inplaceset
