// Evict: a deletion that asks the pod's disruption budget first.
//
//   pod ─┬─ finished, pending or going ──────────────────────────────────────────► delete
//        └─ cache is fresh ─► its budget ─► one disruption less, guarded ─► delete
//                                        └─ none left: 429 with cause DisruptionBudget
#include <utility>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/registry/registry_impl.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::registry {

using api::Find;
using api::IntAt;
using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;
using api::StringAt;

namespace {

constexpr int kRetrySeconds = 10;
// More evictions that the budget's controller has not seen are a sign that it is not at work.
constexpr size_t kDisruptedMax = 2000;

absl::StatusOr<DeleteRequest> DeletionIn(const Target& pod, const Json& eviction) {
  if (!eviction.is_object()) {
    return BadRequest("the eviction is not a JSON object");
  }
  const std::string_view given = StringAt(eviction, {"metadata", "name"});
  if (!given.empty() && given != pod.name) {
    return BadRequest("name in URL does not match name in Eviction object");
  }
  DeleteRequest request{.target = pod};
  const Json* options = Find(eviction, {"deleteOptions"});
  if (options == nullptr) {
    return request;
  }
  request.grace_period_seconds = IntAt(*options, {"gracePeriodSeconds"});
  request.uid = StringAt(*options, {"preconditions", "uid"});
  const std::string_view policy = StringAt(*options, {"propagationPolicy"});
  request.propagation = policy == "Orphan"       ? Propagation::kOrphan
                        : policy == "Foreground" ? Propagation::kForeground
                        : policy == "Background" ? Propagation::kBackground
                                                 : Propagation::kDefault;
  const Json* revision = Find(*options, {"preconditions", "resourceVersion"});
  if (revision != nullptr) {
    Json carrier = JsonObject();
    api::Set(&api::EnsureObject(&carrier, {"metadata"}), "resourceVersion", *revision);
    ASSIGN_OR_RETURN(request.expected_revision, RevisionIn(carrier));
  }
  return request;
}

bool AsksForDryRun(const Json& eviction) {
  const JsonArray* wanted = api::FindArray(eviction, {"deleteOptions", "dryRun"});
  return wanted != nullptr && !wanted->empty();
}

bool NeedsNoBudget(const Object& pod) {
  const std::string_view phase = pod.FieldText("status.phase");
  return pod.is_deleting || phase == "Pending" || phase == "Succeeded" || phase == "Failed";
}

bool IsReady(const Json& pod) {
  const JsonArray* conditions = api::FindArray(pod, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (StringAt((*conditions)[i], {"type"}) == "Ready") {
      return StringAt((*conditions)[i], {"status"}) == "True";
    }
  }
  return false;
}

JsonObject LabelsOf(const Object& object) {
  JsonObject labels;
  for (const auto& [key, value] : object.labels) {
    api::Set(&labels, key, Json(JsonView(value)));
  }
  return labels;
}

std::vector<ObjectRef> BudgetsOf(const ObjectCache& cache, const api::Kind& kind,
                                 const Object& pod) {
  std::vector<ObjectRef> matching;
  const JsonObject labels = LabelsOf(pod);
  for (ObjectRef& budget : cache.List({.kind = &kind, .ns = pod.ns})) {
    const absl::StatusOr<api::LabelSelector> selector =
        api::LabelSelector::FromJson(Find(budget->Parse(), {"spec", "selector"}));
    if (selector.ok() && selector->Matches(&labels)) {
      matching.push_back(std::move(budget));
    }
  }
  return matching;
}

absl::Status TooManyRequests(std::string message) {
  return MakeStatus({.reason = Reason::kTooManyRequests,
                     .message = "Cannot evict pod as it would violate the pod's disruption budget.",
                     .causes = {{.reason = "DisruptionBudget", .message = std::move(message)}},
                     .retry_after_seconds = kRetrySeconds});
}

// A pod that is not ready is no loss to a budget that is met, or that does not care.
bool IsNoLoss(const Json& budget, const Json& pod) {
  if (IsReady(pod)) {
    return false;
  }
  if (StringAt(budget, {"spec", "unhealthyPodEvictionPolicy"}) == "AlwaysAllow") {
    return true;
  }
  const int64_t desired = IntAt(budget, {"status", "desiredHealthy"}).value_or(0);
  return desired > 0 && IntAt(budget, {"status", "currentHealthy"}).value_or(0) >= desired;
}

// Takes one disruption from the budget's status.
absl::Status Charge(const Object& pod, int64_t wall_nanos, Json* budget) {
  const std::string name(StringAt(*budget, {"metadata", "name"}));
  if (IntAt(*budget, {"status", "observedGeneration"}).value_or(0) <
      IntAt(*budget, {"metadata", "generation"}).value_or(0)) {
    return TooManyRequests(
        fmt::format("The disruption budget {} is still being processed by the server.", name));
  }
  const int64_t allowed = IntAt(*budget, {"status", "disruptionsAllowed"}).value_or(0);
  if (allowed < 0) {
    return Forbidden("policy", "poddisruptionbudgets", name, "pdb disruptions allowed is negative");
  }
  const JsonObject* disrupted = api::FindObject(*budget, {"status", "disruptedPods"});
  if (disrupted != nullptr && disrupted->size() > kDisruptedMax) {
    return Forbidden(
        "policy", "poddisruptionbudgets", name,
        "DisruptedPods map too big - too many evictions not confirmed by PDB controller");
  }
  if (allowed == 0) {
    return TooManyRequests(
        fmt::format("The disruption budget {} needs {} healthy pods and has {} currently", name,
                    IntAt(*budget, {"status", "desiredHealthy"}).value_or(0),
                    IntAt(*budget, {"status", "currentHealthy"}).value_or(0)));
  }
  api::Set(&api::EnsureObject(budget, {"status"}), "disruptionsAllowed", allowed - 1);
  api::Set(&api::EnsureObject(budget, {"status", "disruptedPods"}), pod.name,
           Json(JsonView(api::FormatTime(wall_nanos))));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Decision> RegistryImpl::DecideCharge(const WriteContext& context,
                                                    const Target& budget, const Object& pod,
                                                    const storage::ObjectView& current) {
  Present present(current);
  RETURN_IF_ERROR(present.Parse(*budget.served));
  if (IsNoLoss(present.old(), pod.Parse())) {
    return Decision{};
  }
  Json object = present.Copy(present.old());
  RETURN_IF_ERROR(Charge(pod, options_.clock->WallNanos(), &object));
  return Conclude(context, budget, {.part = ChangeRequest::Part::kStatus, .subresource = "status"},
                  present, &object);
}

void RegistryImpl::EvictFresh(const WriteContext& context, DeleteRequest request,
                              const ObjectRef& pod, Done done) {
  const api::ServedKind* served = options_.kinds->Preferred("policy", "poddisruptionbudgets");
  std::vector<ObjectRef> budgets = served == nullptr
                                       ? std::vector<ObjectRef>()
                                       : BudgetsOf(*options_.cache, *served->kind, *pod);
  if (budgets.empty()) {
    StartDelete(context, std::move(request), pod, std::move(done));
    return;
  }
  if (budgets.size() > 1) {
    done(MakeStatus({.reason = Reason::kInternal,
                     .message = "This pod has more than one PodDisruptionBudget, which the "
                                "eviction subresource does not support."}));
    return;
  }
  const ObjectRef budget = budgets.front();
  auto write = std::make_unique<GuardedWrite>();
  write->context = context;
  write->target = {.served = served, .ns = budget->ns, .name = budget->name};
  write->decide = [this, context, target = write->target, pod](const storage::ObjectView& current) {
    return DecideCharge(context, target, *pod, current);
  };
  write->done = [this, context, pod, request = std::move(request),
                 done = std::move(done)](absl::StatusOr<Written> charged) mutable {
    // A budget that is gone by now forbids nothing.
    if (charged.ok() || ReasonOf(charged.status()) == Reason::kNotFound) {
      StartDelete(std::move(context), std::move(request), pod, std::move(done));
    } else {
      done(charged.status());
    }
  };
  write->known = budget;
  Start(std::move(write));
}

void RegistryImpl::Evict(WriteContext context, const Target& pod, const Json& eviction, Done done) {
  done = Counted(std::move(done));
  absl::StatusOr<DeleteRequest> request = DeletionIn(pod, eviction);
  if (!request.ok()) {
    done(request.status());
    return;
  }
  context.is_dry_run = context.is_dry_run || AsksForDryRun(eviction);
  absl::StatusOr<ObjectRef> found = Get(pod);
  if (!found.ok()) {
    done(found.status());
    return;
  }
  if (request->uid.empty()) {
    request->uid = (*found)->uid;  // The pod that was asked about, and not one after it.
  }
  if (NeedsNoBudget(**found)) {
    StartDelete(std::move(context), *std::move(request), *found, std::move(done));
    return;
  }
  options_.cache->WhenFresh([this, context = std::move(context), request = *std::move(request),
                             found = *std::move(found),
                             done = std::move(done)](const absl::Status& fresh) mutable {
    if (fresh.ok()) {
      EvictFresh(context, std::move(request), found, std::move(done));
    } else {
      done(fresh);
    }
  });
}

}  // namespace socle::registry
