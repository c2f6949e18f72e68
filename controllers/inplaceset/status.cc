#include "controllers/inplaceset/status.h"

#include <algorithm>
#include <utility>

#include "controllers/api/quantity.h"
#include "controllers/api/timestamp.h"
#include "controllers/inplaceset/apply.h"
#include "controllers/registry/errors.h"
#include "controllers/workload/raw_member.h"

namespace socle::inplaceset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

// Puts the condition in the place of the one of its type; its time is that of the last change.
void SetCondition(JsonObject condition, int64_t now_nanos, JsonObject* status) {
  Json& list = (*status)["conditions"];
  if (!list.is_array()) {
    list = JsonArray();
  }
  Json* old = nullptr;
  for (Json& one : list.get_array()) {
    old = api::StringAt(one, {"type"}) == api::StringAt(condition, "type") ? &one : old;
  }
  const bool is_same =
      old != nullptr && api::StringAt(*old, {"status"}) == api::StringAt(condition, "status");
  const std::string since = is_same ? std::string(api::StringAt(*old, {"lastTransitionTime"}))
                                    : api::FormatTime(now_nanos);
  condition["lastTransitionTime"] = JsonView(since);
  if (old != nullptr) {
    *old = std::move(condition);
  } else {
    list.get_array().push_back(std::move(condition));
  }
}

bool HasCondition(std::string_view type, const JsonObject& status) {
  const Json* list = api::Find(status, "conditions");
  if (list == nullptr || !list->is_array()) {
    return false;
  }
  const JsonArray& conditions = list->get_array();
  return std::any_of(conditions.begin(), conditions.end(),
                     [&](const Json& one) { return api::StringAt(one, {"type"}) == type; });
}

// True while there is a problem, False once there was one.
void SetProblem(std::string_view type, std::string_view problem, int64_t now_nanos,
                JsonObject* status) {
  if (problem.empty() && !HasCondition(type, *status)) {
    return;
  }
  JsonObject condition{{"type", JsonView(type)}, {"status", problem.empty() ? "False" : "True"}};
  if (!problem.empty()) {
    condition["message"] = JsonView(problem);
  }
  SetCondition(std::move(condition), now_nanos, status);
}

// What `kubectl wait` waits for.
void SetState(std::string_view type, bool is_true, int64_t now_nanos, JsonObject* status) {
  SetCondition({{"type", JsonView(type)}, {"status", is_true ? "True" : "False"}}, now_nanos,
               status);
}

void SetClaims(const std::vector<ClaimCounts>& claims, JsonObject* status) {
  JsonArray list;
  for (const ClaimCounts& one : claims) {
    list.push_back(JsonObject{{"volumeClaimName", JsonView(one.name)},
                              {"compatibleReplicas", one.compatible},
                              {"compatibleReadyReplicas", one.compatible_ready}});
  }
  if (list.empty()) {
    status->erase("volumeClaims");
  } else {
    (*status)["volumeClaims"] = std::move(list);
  }
}

void SetRetries(const StatusInput& input, JsonObject* status) {
  JsonArray list;
  for (const NodeRetry& retry : input.plan->node_retries) {
    JsonArray nodes;
    for (const std::string& node : retry.nodes) {
      nodes.emplace_back(JsonView(node));
    }
    list.push_back(JsonObject{{"podName", JsonView(retry.pod)}, {"nodes", std::move(nodes)}});
  }
  if (list.empty()) {
    status->erase("nodeRetries");
  } else {
    (*status)["nodeRetries"] = std::move(list);
  }
  const int64_t total = input.set->retried_pods + input.plan->new_retries;
  if (total > 0) {
    (*status)["retriedPods"] = total;
  }
}

// The claim has what the template asks for.
bool IsCompatible(const registry::Object& claim, const Json& claim_template) {
  const Json* wanted = api::Find(claim_template, {"spec", "resources", "requests", "storage"});
  if (wanted == nullptr) {
    return true;
  }
  const Json has =
      workload::ParseMember(claim.document, {"spec", "resources", "requests", "storage"});
  const absl::StatusOr<api::Quantity> wanted_amount = api::Quantity::FromJson(*wanted);
  const absl::StatusOr<api::Quantity> has_amount = api::Quantity::FromJson(has);
  return wanted_amount.ok() && has_amount.ok() && *has_amount >= *wanted_amount;
}

}  // namespace

std::vector<ClaimCounts> CountClaims(const PlanInput& input) {
  std::vector<ClaimCounts> counts;
  for (const Json& claim_template : input.set->claim_templates) {
    ClaimCounts& count = counts.emplace_back();
    count.name = ClaimTemplateName(claim_template);
    for (const workload::PodFactsRef& pod : input.pods) {
      const auto ordinal = OrdinalOf(input.set->name(), pod->name());
      const auto claim =
          ordinal.has_value()
              ? input.claims.find(ClaimName(claim_template, input.set->name(), *ordinal))
              : input.claims.end();
      if (claim != input.claims.end() && IsCompatible(*claim->second, claim_template)) {
        ++count.compatible;
        count.compatible_ready += pod->is_healthy() ? 1 : 0;
      }
    }
  }
  return counts;
}

Json NewStatus(const StatusInput& input) {
  const SetSpec& set = *input.set;
  const Counts& counts = input.plan->counts;
  JsonObject status = set.status.is_object() ? set.status.get_object() : JsonObject();
  const bool is_complete = input.plan->is_complete && !set.is_deleting;
  status["observedGeneration"] = set.generation;
  status["replicas"] = counts.replicas;
  status["readyReplicas"] = counts.ready;
  status["availableReplicas"] = counts.available;
  status["currentReplicas"] = is_complete ? counts.updated : counts.current;
  status["updatedReplicas"] = counts.updated;
  status["updatedReadyReplicas"] = counts.updated_ready;
  status["updatedAvailableReplicas"] = counts.updated_available;
  status["currentRevision"] =
      JsonView(is_complete ? input.update_revision : input.current_revision);
  status["updateRevision"] = JsonView(input.update_revision);
  if (input.collision_count > 0) {
    status["collisionCount"] = input.collision_count;
  }
  status["labelSelector"] = JsonView(set.selector.ToString());
  SetClaims(input.claims, &status);
  SetRetries(input, &status);
  const bool is_ready = counts.replicas == set.replicas && counts.ready == set.replicas;
  SetState("Ready", is_ready, input.now_nanos, &status);
  SetState("Updated", is_ready && counts.updated_ready == set.replicas, input.now_nanos, &status);
  SetProblem("FailedCreatePod", input.creation_problem, input.now_nanos, &status);
  SetProblem("FailedUpdatePod", input.update_problem, input.now_nanos, &status);
  return status;
}

absl::Status WriteStatus(runtime::Runtime* runtime, const SetSpec& set, const Json& status) {
  if (status == set.status) {
    return absl::OkStatus();
  }
  registry::ChangeRequest request;
  request.target = {.served = runtime->Served("apps.kruise.io", "inplacesets"),
                    .ns = set.object->ns,
                    .name = set.object->name};
  request.part = registry::ChangeRequest::Part::kStatus;
  request.uid = set.object->uid;
  request.change = [&status](Json* object) {
    if (object->is_object()) {
      object->get_object()["status"] = status;
    }
    return absl::OkStatus();
  };
  const absl::StatusOr<registry::Written> written =
      runtime->registry()->Change(registry::PlaneContext(kComponent), std::move(request));
  const std::optional<registry::Reason> reason = registry::ReasonOf(written.status());
  const bool is_gone =
      reason == registry::Reason::kNotFound || reason == registry::Reason::kConflict;
  return written.ok() || is_gone ? absl::OkStatus() : written.status();
}

}  // namespace socle::inplaceset
