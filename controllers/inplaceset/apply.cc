#include "controllers/inplaceset/apply.h"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/inplaceset/events.h"
#include "controllers/registry/errors.h"
#include "controllers/runtime/write_batch.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_readiness.h"

namespace socle::inplaceset {
namespace {

using api::Json;
using workload::LifecycleState;

constexpr workload::NotReadyKey kUpdateHold = {.user_agent = "Lifecycle", .key = "inPlaceUpdate"};
constexpr workload::NotReadyKey kDeleteHold = {.user_agent = "Lifecycle", .key = "preDelete"};

void EnterState(const SetSpec& set, LifecycleState state, int64_t now_nanos, Json* pod) {
  workload::SetLifecycleState(state, now_nanos, pod);
  if (state == LifecycleState::kPreparingUpdate && set.hooks.in_place_update.marks_not_ready) {
    workload::AddNotReadyKey(kUpdateHold, now_nanos, pod);
  } else if (state == LifecycleState::kPreparingDelete && set.hooks.pre_delete.marks_not_ready) {
    workload::AddNotReadyKey(kDeleteHold, now_nanos, pod);
  } else if (state == LifecycleState::kNormal) {
    workload::RemoveNotReadyKey(kUpdateHold, now_nanos, pod);
  }
}

// Whether the pod is as it was when the change was planned.
bool IsAsPlanned(const PodChange& change, const Json& pod) {
  return api::Find(pod, {"metadata", "deletionTimestamp"}) == nullptr &&
         workload::LabelOf(pod, workload::kRevisionLabel) == change.pod->revision &&
         workload::ParseLifecycleState(workload::LabelOf(pod, workload::kLifecycleStateLabel)) ==
             change.pod->lifecycle;
}

// ---------------------------------------------------------------------------------------- claims

struct ClaimOutcome {
  absl::flat_hash_set<int64_t> failed_ordinals;  // of creations
  absl::Status creation = absl::OkStatus();
  absl::Status change = absl::OkStatus();
};

registry::Target ClaimTarget(const runtime::Runtime& runtime, std::string_view ns,
                             std::string_view name) {
  return {.served = runtime.Served("", "persistentvolumeclaims"),
          .ns = std::string(ns),
          .name = std::string(name)};
}

void CreateClaims(runtime::Runtime* runtime, const ApplyInput& input, ClaimOutcome* outcome) {
  const SetSpec& set = *input.set;
  runtime::WriteBatch batch;
  for (const ClaimCreation& creation : input.plan->claim_creations) {
    Json claim = NewClaim(set, *creation.claim_template, creation.ordinal);
    if (WantedClaimOwner(set, false) == ClaimOwner::kSet) {
      workload::AddOwner(workload::OwnerReferenceTo(*set.object, false), &claim);
    }
    const std::string name = ClaimName(*creation.claim_template, set.name(), creation.ordinal);
    runtime->registry()->Create(
        registry::PlaneContext(kComponent),
        {.target = ClaimTarget(*runtime, set.object->ns, name), .object = std::move(claim)},
        batch.Add());
  }
  const std::vector<absl::StatusOr<registry::Written>> results = batch.Wait();
  for (size_t i = 0; i < results.size(); ++i) {
    const ClaimCreation& creation = input.plan->claim_creations[i];
    const std::string name = ClaimName(*creation.claim_template, set.name(), creation.ordinal);
    if (results[i].ok()) {
      RecordClaimCreated(runtime, set, name, creation.ordinal);
      continue;
    }
    RecordClaimFailed(runtime, set, name, creation.ordinal, results[i].status());
    outcome->failed_ordinals.insert(creation.ordinal);
    outcome->creation.Update(results[i].status());
  }
}

void ChangeClaims(runtime::Runtime* runtime, const ApplyInput& input, ClaimOutcome* outcome) {
  runtime::WriteBatch batch;
  for (const ClaimChange& change : input.plan->claim_changes) {
    registry::ChangeRequest request;
    request.target = ClaimTarget(*runtime, change.claim->ns, change.claim->name);
    request.uid = change.claim->uid;
    request.change = [set = input.set, &change](Json* claim) {
      RepairClaimOwners(*set, *change.pod, change.wanted, claim);
      return absl::OkStatus();
    };
    runtime->registry()->Change(registry::PlaneContext(kComponent), std::move(request),
                                batch.Add());
  }
  for (const registry::ObjectRef& claim : input.plan->claim_deletions) {
    runtime->registry()->Delete(
        registry::PlaneContext(kComponent),
        {.target = ClaimTarget(*runtime, claim->ns, claim->name), .uid = claim->uid}, batch.Add());
  }
  for (const absl::StatusOr<registry::Written>& result : batch.Wait()) {
    if (registry::ReasonOf(result.status()) != registry::Reason::kNotFound) {
      outcome->change.Update(result.status());
    }
  }
}

// ------------------------------------------------------------------------------------------ pods

void CreatePods(const ApplyInput& input, const ClaimOutcome& claims,
                workload::PodControl* control) {
  for (const Creation& creation : input.plan->creations) {
    const auto form = input.templates.find(creation.revision);
    if (claims.failed_ordinals.contains(creation.ordinal) || form == input.templates.end()) {
      continue;
    }
    control->Create(NewPod(*input.set, {.ordinal = creation.ordinal,
                                        .revision = creation.revision,
                                        .pod_template = &form->second,
                                        .failed_nodes = creation.failed_nodes,
                                        .now_nanos = input.now_nanos}));
  }
}

void ChangePods(const ApplyInput& input, workload::PodControl* control) {
  for (const PodChange& change : input.plan->changes) {
    workload::ChangeEvents events;
    if (change.start != nullptr) {
      events = {.success = "SuccessfulUpdatePodInPlace", .failure = "FailedUpdatePodInPlace"};
    } else if (!change.repairs) {
      events.success.clear();  // a step of what is known already
    }
    control->Change(*change.pod->object, EditOf(*input.set, change, input.now_nanos),
                    std::move(events));
  }
}

void DeletePods(const ApplyInput& input, const ClaimOutcome& claims,
                workload::PodControl* control) {
  for (const PodDeletion& deletion : input.plan->deletions) {
    if (deletion.cause == DeletionCause::kScaledDown && !claims.change.ok()) {
      continue;
    }
    workload::DeleteOptions options;
    if (deletion.is_forced) {
      options.grace_period_seconds = 0;
    }
    if (deletion.cause == DeletionCause::kRetried && !deletion.pod->is_deleting) {
      options.extra_event = kRetriedEvent;
    }
    control->Delete(*deletion.pod->object, std::move(options));
  }
}

std::string TextOf(const absl::Status& status) {
  return status.ok() ? std::string() : registry::ErrorOf(status).message;
}

}  // namespace

workload::PodEdit EditOf(const SetSpec& set, const PodChange& change, int64_t now_nanos) {
  return [&set, &change, now_nanos](Json* pod) {
    if (!IsAsPlanned(change, *pod)) {
      return absl::CancelledError("the pod has changed");
    }
    if (change.opens_gates) {
      workload::OpenReadinessGates(now_nanos, pod);
    }
    if (change.repairs) {
      RepairPod(set, change.ordinal, pod);
    }
    if (change.start != nullptr) {
      workload::StartInPlace(*change.start, set.rolling.grace_seconds, now_nanos, pod);
    } else if (change.advances && !workload::AdvanceInPlace(now_nanos, pod)) {
      return absl::CancelledError("the update has gone on");
    }
    if (change.rearms_hook) {
      workload::AddHook(set.hooks.in_place_update, pod);
    }
    if (change.state.has_value()) {
      EnterState(set, *change.state, now_nanos, pod);
    }
    return absl::OkStatus();
  };
}

ApplyOutcome ApplyPlan(runtime::Runtime* runtime, const ApplyInput& input) {
  ClaimOutcome claims;
  CreateClaims(runtime, input, &claims);
  ChangeClaims(runtime, input, &claims);
  workload::PodControl control(runtime, std::string(kComponent), input.set->object);
  CreatePods(input, claims, &control);
  ChangePods(input, &control);
  DeletePods(input, claims, &control);
  const workload::PodControl::Outcome pods = control.Wait();

  ApplyOutcome outcome;
  outcome.creation_problem = TextOf(claims.creation.ok() ? pods.creation : claims.creation);
  if (outcome.creation_problem.empty() && !input.plan->creation_problems.empty()) {
    outcome.creation_problem = input.plan->creation_problems.front();
  }
  outcome.update_problem = TextOf(pods.change.ok() ? pods.deletion : pods.change);
  if (!input.plan->update_problems.empty()) {
    outcome.update_problem = input.plan->update_problems.front();
    RecordUpdateRefused(runtime, *input.set, outcome.update_problem);
  }
  outcome.first_error = claims.creation;
  outcome.first_error.Update(claims.change);
  outcome.first_error.Update(pods.FirstError());
  return outcome;
}

}  // namespace socle::inplaceset
