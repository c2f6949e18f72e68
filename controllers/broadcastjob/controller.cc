#include "controllers/broadcastjob/controller.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/broadcastjob/apply.h"
#include "controllers/broadcastjob/fitness.h"
#include "controllers/broadcastjob/job.h"
#include "controllers/broadcastjob/node_signal.h"
#include "controllers/broadcastjob/plan.h"
#include "controllers/broadcastjob/status.h"
#include "controllers/workload/node_fit.h"
#include "controllers/workload/raw_member.h"
#include "kv/base/status_macros.h"

namespace socle::broadcastjob {
namespace {

// Without a parse: asked of every job when nodes change.
bool IsOver(const registry::Object& job) {
  const std::string_view phase = workload::RawMember(job.document, {"status", "phase"});
  return phase == R"("completed")" || phase == R"("failed")";
}

class JobReconciler final : public runtime::Reconciler {
 public:
  JobReconciler(runtime::Runtime* runtime, BroadcastJobOptions options)
      : runtime_(runtime),
        options_(options),
        jobs_(runtime->Served("apps.kruise.io", "broadcastjobs")->kind),
        pods_(runtime->Served("", "pods")->kind),
        fitness_(runtime->cache(), runtime->Served("", "nodes")->kind, pods_) {}

  absl::StatusOr<runtime::ReconcileResult> Reconcile(const std::string& key) override;

  Fitness* fitness() { return &fitness_; }

  const api::Kind& jobs() const { return *jobs_; }

  const api::Kind& pods() const { return *pods_; }

 private:
  std::vector<registry::ObjectRef> PodsOf(const registry::Object& job) const;
  Plan PlanFor(const registry::Object& object, const api::Json& document,
               const std::vector<registry::ObjectRef>& pods, int64_t now_nanos);
  void RecordNotices(const registry::Object& job, const Plan& plan);

  runtime::Runtime* const runtime_;
  const BroadcastJobOptions options_;
  const api::Kind* const jobs_;
  const api::Kind* const pods_;
  Fitness fitness_;
};

std::vector<registry::ObjectRef> JobReconciler::PodsOf(const registry::Object& job) const {
  std::vector<registry::ObjectRef> pods = runtime_->cache()->OwnedBy(pods_, job.uid);
  std::erase_if(pods, [&job](const registry::ObjectRef& pod) {
    const registry::OwnerReference* controller = pod->Controller();
    return controller == nullptr || controller->uid != job.uid || pod->ns != job.ns;
  });
  return pods;
}

Plan JobReconciler::PlanFor(const registry::Object& object, const api::Json& document,
                            const std::vector<registry::ObjectRef>& pods, int64_t now_nanos) {
  const Job job = ReadJob(document);
  std::vector<JobNode> nodes;
  std::vector<JobPod> job_pods;
  StringMap<std::string> meant_for;  // nodes by names of pods that wait for the scheduler
  const bool any_waits = std::any_of(pods.begin(), pods.end(), [](const auto& pod) {
    return pod->FieldText("spec.nodeName").empty();
  });
  if (any_waits) {
    for (const registry::ObjectRef& node :
         runtime_->cache()->List({.kind = runtime_->Served("", "nodes")->kind})) {
      meant_for.emplace(PodName(object.name, object.uid, node->name), node->name);
    }
  }
  StringSet with_pod;
  for (const registry::ObjectRef& pod : pods) {
    std::string_view node = pod->FieldText("spec.nodeName");
    if (const auto meant = meant_for.find(pod->name); node.empty() && meant != meant_for.end()) {
      node = meant->second;
    }
    job_pods.push_back(ReadPod(*pod, node, job));
    with_pod.emplace(node);
  }
  if (!job.is_finished()) {
    const api::Json* spec = api::Find(document, {"spec", "template", "spec"});
    nodes = fitness_.Judge(
        workload::RequirementsOf(spec == nullptr ? api::Json(nullptr) : *spec, object.ns),
        with_pod);
  }
  return MakePlan(job, job_pods, nodes, now_nanos);
}

void JobReconciler::RecordNotices(const registry::Object& job, const Plan& plan) {
  for (const Notice& notice : plan.notices) {
    runtime_->events()->Record(
        kController, job,
        notice.is_warning ? runtime::EventType::kWarning : runtime::EventType::kNormal,
        notice.reason, notice.message);
  }
}

absl::StatusOr<runtime::ReconcileResult> JobReconciler::Reconcile(const std::string& key) {
  const runtime::SplitKey split = runtime::Split(key);
  const registry::ObjectRef object = runtime_->cache()->Get(*jobs_, split.ns, split.name);
  if (object == nullptr || object->is_deleting) {
    return runtime::ReconcileResult();
  }
  const int64_t now_nanos = runtime_->clock()->WallNanos();
  const api::Json document = object->Parse();
  const std::vector<registry::ObjectRef> pods = PodsOf(*object);
  Plan plan = PlanFor(*object, document, pods, now_nanos);
  if (plan.delete_job) {
    RETURN_IF_ERROR(DeleteJob(runtime_, *object));
    return runtime::ReconcileResult();
  }
  if (plan.pause) {
    RETURN_IF_ERROR(PauseJob(runtime_, *object));
  }
  // Deletions before the status that says they happened: a crash in between repeats them.
  const Applied applied = ApplyPods(runtime_, object, document, plan, pods, options_.by_scheduler);
  if (!applied.status.ok() && plan.ending.has_value()) {
    return applied.status;  // it ends when its pods are gone
  }
  plan.counts.active += applied.not_removed - applied.not_created;
  RETURN_IF_ERROR(WriteStatus(runtime_, *object, document, plan, now_nanos));
  RecordNotices(*object, plan);
  RETURN_IF_ERROR(applied.status);
  runtime::ReconcileResult result;
  if (plan.again_at_nanos.has_value()) {
    result.again_after_nanos = std::max<int64_t>(*plan.again_at_nanos - now_nanos, 0);
  }
  return result;
}

class BroadcastJobController final : public runtime::Controller {
 public:
  BroadcastJobController(runtime::Runtime* runtime, BroadcastJobOptions options)
      : reconciler_(runtime, options),
        loop_(runtime::ControllerLoop::Start(runtime,
                                             {.name = "broadcastjob",
                                              .workers = options.workers,
                                              .interval_min_nanos = options.interval_min_nanos},
                                             &reconciler_)),
        node_signal_(runtime, options.interval_min_nanos,
                     [this, runtime] { NodesChanged(runtime); }) {
    loop_->Keep(runtime->cache()->Observe(
        &reconciler_.pods(), [fitness = reconciler_.fitness()](const registry::ChangeRef& change) {
          if (change->type == registry::ChangeType::kDeleted) {
            fitness->ForgetPod(change->object->uid);
          }
        }));
    loop_->Keep(
        runtime::EnqueueOwners(runtime, reconciler_.pods(), reconciler_.jobs(), loop_->queue()));
    loop_->Keep(runtime::EnqueueChanges(runtime, reconciler_.jobs(), loop_->queue()));
  }

  std::string_view name() const override { return "broadcastjob"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

 private:
  void NodesChanged(runtime::Runtime* runtime) {
    for (const registry::ObjectRef& job : runtime->cache()->List({.kind = &reconciler_.jobs()})) {
      if (!IsOver(*job)) {
        loop_->queue()->Add(runtime::KeyOf(*job));
      }
    }
  }

  JobReconciler reconciler_;
  const std::unique_ptr<runtime::ControllerLoop> loop_;
  NodeSignal node_signal_;  // last: it feeds the queue
};

}  // namespace

std::unique_ptr<runtime::Controller> StartBroadcastJob(runtime::Runtime* runtime,
                                                       BroadcastJobOptions options) {
  return std::make_unique<BroadcastJobController>(runtime, options);
}

}  // namespace socle::broadcastjob
