#include "controllers/inplaceset/controller.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "controllers/inplaceset/apply.h"
#include "controllers/inplaceset/identity.h"
#include "controllers/inplaceset/orphans.h"
#include "controllers/inplaceset/plan.h"
#include "controllers/inplaceset/set_spec.h"
#include "controllers/inplaceset/sources.h"
#include "controllers/inplaceset/status.h"
#include "controllers/workload/pod_control.h"
#include "controllers/workload/pod_facts.h"
#include "controllers/workload/revisions.h"
#include "kv/base/status_macros.h"

namespace socle::inplaceset {
namespace {

using registry::ObjectRef;
using runtime::ReconcileResult;
using workload::Revision;

class InplaceSetController final : public runtime::Controller, public runtime::Reconciler {
 public:
  InplaceSetController(runtime::Runtime* runtime, InplaceSetOptions options)
      : runtime_(runtime),
        options_(options),
        sets_(*runtime->Served("apps.kruise.io", "inplacesets")->kind),
        pods_(*runtime->Served("", "pods")->kind),
        claims_(*runtime->Served("", "persistentvolumeclaims")->kind) {
    loop_ = runtime::ControllerLoop::Start(runtime,
                                           {.name = "inplaceset",
                                            .workers = options.workers,
                                            .interval_min_nanos = options.interval_min_nanos},
                                           this);
    runtime::WorkQueue* queue = loop_->queue();
    loop_->Keep(runtime::EnqueueOwners(runtime, pods_, sets_, queue));
    loop_->Keep(runtime->cache()->Observe(&pods_, [this, queue](const registry::ChangeRef& change) {
      NotePod(*change->object, change->type == registry::ChangeType::kDeleted, queue);
    }));
    loop_->Keep(runtime->cache()->Observe(
        &claims_,
        [this, queue](const registry::ChangeRef& change) { NoteClaim(*change->object, queue); }));
    for (const ObjectRef& pod : runtime->cache()->List({.kind = &pods_})) {
      NotePod(*pod, false, queue);
    }
    loop_->Keep(runtime::EnqueueChanges(runtime, sets_, queue));
  }

  std::string_view name() const override { return "inplaceset"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

  absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) override {
    const runtime::SplitKey split = runtime::Split(key);
    const ObjectRef object = runtime_->cache()->Get(sets_, split.ns, split.name);
    if (object == nullptr) {
      facts_.Forget(key);
      return ReconcileResult{};
    }
    const SetSpec set = ReadSet(object);
    const workload::Claimed claimed = Claim(set, key);
    if (!claimed.adopt.empty() || !claimed.release.empty()) {
      RETURN_IF_ERROR(AdoptAndRelease(set, claimed));
      return ReconcileResult{.again_after_nanos = 0};
    }
    return Pass(set, key, claimed.members);
  }

 private:
  // What one pass goes through.
  struct PassState {
    PlanInput input;
    std::vector<Revision> history;
    int64_t collision_count = 0;
  };

  void NotePod(const registry::Object& pod, bool is_gone, runtime::WorkQueue* queue) {
    if (const std::optional<std::string> key = orphans_.Note(pod, is_gone)) {
      queue->Add(*key);
    }
  }

  // The claim's name, <claim>-<set>-<ordinal>, may be cut in several ways: each set that exists looks.
  void NoteClaim(const registry::Object& claim, runtime::WorkQueue* queue) {
    const std::optional<std::string_view> base = SetOfPodName(claim.name);
    for (size_t dash = 0; base.has_value() && dash != std::string_view::npos;) {
      dash = base->find('-', dash);
      if (dash == std::string_view::npos) {
        return;
      }
      const ObjectRef set = runtime_->cache()->Get(sets_, claim.ns, base->substr(++dash));
      if (set != nullptr) {
        queue->Add(runtime::KeyOf(*set));
      }
    }
  }

  workload::Claimed Claim(const SetSpec& set, std::string_view key) {
    std::vector<ObjectRef> candidates = runtime_->cache()->OwnedBy(&pods_, set.object->uid);
    for (const std::string& orphan : orphans_.Of(key)) {
      ObjectRef pod = runtime_->cache()->Get(pods_, set.object->ns, orphan);
      if (pod != nullptr && pod->Controller() == nullptr) {
        candidates.push_back(std::move(pod));
      }
    }
    return workload::ClaimPods(
        *set.object, set.selector, candidates, [&](const registry::Object& pod) {
          return pod.ns == set.object->ns && OrdinalOf(set.name(), pod.name).has_value();
        });
  }

  absl::Status AdoptAndRelease(const SetSpec& set, const workload::Claimed& claimed) {
    workload::PodControl control(runtime_, std::string(kComponent), set.object);
    for (const ObjectRef& pod : claimed.adopt) {
      control.Change(*pod, workload::AdoptEdit(set.object), {.success = {}});
    }
    for (const ObjectRef& pod : claimed.release) {
      control.Change(*pod, workload::ReleaseEdit(set.object), {.success = {}});
    }
    return control.Wait().FirstError();
  }

  absl::Status SyncRevisions(const SetSpec& set, PassState* state) {
    state->history = workload::RevisionsOf(*runtime_, *set.object);
    state->collision_count = set.collision_count;
    state->input.current_revision = set.current_revision;
    state->input.update_revision = api::StringAt(set.status, {"updateRevision"});
    if (set.is_deleting) {
      return absl::OkStatus();
    }
    const workload::RevisionForm form{.owner = set.object.get(),
                                      .ns = set.object->ns,
                                      .labels = set.match_labels,
                                      .annotations = {},
                                      .data = workload::TemplateForm(set.pod_template)};
    ASSIGN_OR_RETURN(const Revision update, workload::SyncRevision(runtime_, form, &state->history,
                                                                   &state->collision_count));
    state->input.update_revision = update.name;
    const bool has_current =
        std::any_of(state->history.begin(), state->history.end(),
                    [&](const Revision& one) { return one.name == set.current_revision; });
    if (!has_current) {
      state->input.current_revision = update.name;
    }
    return absl::OkStatus();
  }

  absl::StatusOr<ReconcileResult> Pass(const SetSpec& set, const std::string& key,
                                       const std::vector<ObjectRef>& members) {
    PassState state;
    PlanInput& input = state.input;
    RETURN_IF_ERROR(SyncRevisions(set, &state));
    input.set = &set;
    input.pods = facts_.Read(key, members);
    input.repairs_broken_rollout = options_.repairs_broken_rollout;
    input.now_nanos = runtime_->clock()->WallNanos();
    GatherClaimsAndNodes(*runtime_, &input);
    GatherUpdates(state.history, &input);
    const Plan plan = MakePlan(input);

    ApplyInput apply{.set = &set, .plan = &plan, .templates = {}, .now_nanos = input.now_nanos};
    for (const Revision& one : state.history) {
      if (one.name == input.current_revision || one.name == input.update_revision) {
        apply.templates.insert_or_assign(one.name, workload::TemplateOf(one.data));
      }
    }
    const ApplyOutcome outcome = ApplyPlan(runtime_, apply);
    const api::Json status = NewStatus({.set = &set,
                                        .plan = &plan,
                                        .current_revision = input.current_revision,
                                        .update_revision = input.update_revision,
                                        .collision_count = state.collision_count,
                                        .claims = CountClaims(input),
                                        .creation_problem = outcome.creation_problem,
                                        .update_problem = outcome.update_problem,
                                        .now_nanos = input.now_nanos});
    RETURN_IF_ERROR(WriteStatus(runtime_, set, status));
    RETURN_IF_ERROR(TruncateHistory(set, state));
    RETURN_IF_ERROR(outcome.first_error);
    if (!plan.wake_nanos.has_value()) {
      return ReconcileResult{};
    }
    return ReconcileResult{.again_after_nanos = *plan.wake_nanos - input.now_nanos};
  }

  absl::Status TruncateHistory(const SetSpec& set, const PassState& state) {
    if (set.is_deleting) {
      return absl::OkStatus();
    }
    StringSet in_use = {state.input.current_revision, state.input.update_revision};
    for (const workload::PodFactsRef& pod : state.input.pods) {
      in_use.insert(pod->revision);
    }
    return workload::DropRevisions(
        runtime_, state.history,
        workload::RevisionsToDrop(state.history, in_use, set.history_limit));
  }

  runtime::Runtime* const runtime_;
  const InplaceSetOptions options_;
  const api::Kind& sets_;
  const api::Kind& pods_;
  const api::Kind& claims_;
  workload::PodFactsCache facts_;
  OrphanIndex orphans_;
  std::unique_ptr<runtime::ControllerLoop> loop_;  // last: its workers use the rest
};

}  // namespace

std::unique_ptr<runtime::Controller> StartInplaceSet(runtime::Runtime* runtime,
                                                     InplaceSetOptions options) {
  return std::make_unique<InplaceSetController>(runtime, options);
}

}  // namespace socle::inplaceset
