#include "controllers/nodelifecycle/controller.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/nodelifecycle/plan.h"
#include "controllers/runtime/write_batch.h"
#include "controllers/workload/tolerations.h"
#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"

namespace socle::nodelifecycle {
namespace {

constexpr std::string_view kSource = "node-controller";
constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr std::string_view kNodeName = "spec.nodeName";

// What the observers must know without parsing.
struct NodeRecord {
  NodeSeen seen;
  bool is_silent = false;   // its next word is news
  bool drives_out = false;  // has a NoExecute taint
};

class NodeLifecycle final : public runtime::Controller, public runtime::Reconciler {
 public:
  NodeLifecycle(runtime::Runtime* runtime, NodeLifecycleOptions options)
      : runtime_(runtime),
        options_(options),
        nodes_kind_(runtime->Served("", "nodes")),
        pods_kind_(runtime->Served("", "pods")),
        leases_kind_(runtime->Served("coordination.k8s.io", "leases")) {
    loop_ = runtime::ControllerLoop::Start(runtime, {.name = "nodelifecycle"}, this);
    observations_.push_back(runtime_->cache()->Observe(
        leases_kind_->kind,
        [this](const registry::ChangeRef& change) { OnLease(*change->object); }));
    observations_.push_back(runtime_->cache()->Observe(
        pods_kind_->kind, [this](const registry::ChangeRef& change) { OnPod(*change); }));
    observations_.push_back(runtime::EnqueueChanges(runtime_, *nodes_kind_->kind, loop_->queue()));
    for (const registry::ObjectRef& pod : runtime_->cache()->List({.kind = pods_kind_->kind})) {
      EnqueueIfLost(*pod);
    }
  }

  ~NodeLifecycle() override {
    observations_.clear();
    loop_.reset();
  }

  std::string_view name() const override { return "nodelifecycle"; }

  runtime::LoopStats stats() const override { return loop_->stats(); }

  absl::StatusOr<runtime::ReconcileResult> Reconcile(const std::string& key) override;

 private:
  // Observers.
  void OnLease(const registry::Object& lease);
  void OnPod(const registry::Change& change);
  void EnqueueIfLost(const registry::Object& pod);

  NodeRecord RecordOf(const std::string& node);
  bool IsCutOff();
  absl::Status Write(const registry::Object& node, const NodePlan& plan);
  void MarkPods(const std::string& node);
  // How long until the next pod must leave; nullopt: none will.
  absl::StatusOr<std::optional<int64_t>> Evict(const registry::Object& node,
                                               const std::vector<workload::Taint>& taints);
  absl::Status RemovePods(const std::string& node);

  registry::WriteContext Context() const { return registry::PlaneContext(kSource); }

  runtime::Runtime* const runtime_;
  const NodeLifecycleOptions options_;
  const api::ServedKind* const nodes_kind_;
  const api::ServedKind* const pods_kind_;
  const api::ServedKind* const leases_kind_;
  Mutex mu_;
  StringMap<NodeRecord> records_ ABSL_GUARDED_BY(mu_);
  size_t silent_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<runtime::ControllerLoop> loop_;
  std::vector<registry::Observation> observations_;
};

void NodeLifecycle::OnLease(const registry::Object& lease) {
  if (lease.ns != kLeaseNamespace) {
    return;
  }
  bool is_news = false;
  {
    MutexLock lock(&mu_);
    const auto at = records_.find(lease.name);
    is_news = at != records_.end() && at->second.is_silent;
  }
  if (is_news) {
    loop_->queue()->Add(lease.name);
  }
}

// Only pods that come to a node can be new to it; the rest follows from changes of the node.
void NodeLifecycle::OnPod(const registry::Change& change) {
  const std::string_view before =
      change.previous == nullptr ? std::string_view() : change.previous->FieldText(kNodeName);
  if (change.type != registry::ChangeType::kDeleted &&
      change.object->FieldText(kNodeName) != before) {
    EnqueueIfLost(*change.object);
  }
}

void NodeLifecycle::EnqueueIfLost(const registry::Object& pod) {
  const std::string_view node = pod.FieldText(kNodeName);
  if (node.empty()) {
    return;
  }
  bool drives_out = false;
  {
    MutexLock lock(&mu_);
    const auto at = records_.find(node);
    drives_out = at != records_.end() && at->second.drives_out;
  }
  if (drives_out || runtime_->cache()->Get(*nodes_kind_->kind, "", node) == nullptr) {
    loop_->queue()->Add(node);
  }
}

NodeRecord NodeLifecycle::RecordOf(const std::string& node) {
  MutexLock lock(&mu_);
  return records_[node];
}

bool NodeLifecycle::IsCutOff() {
  MutexLock lock(&mu_);
  return silent_ * 2 > records_.size() && silent_ > 1;
}

absl::Status NodeLifecycle::Write(const registry::Object& node, const NodePlan& plan) {
  const registry::Target target{nodes_kind_, "", node.name};
  const int64_t now = runtime_->clock()->WallNanos();
  if (plan.becomes_unknown) {
    RETURN_IF_ERROR(runtime_->registry()
                        ->Change(Context(), {.target = target,
                                             .part = registry::ChangeRequest::Part::kStatus,
                                             .uid = node.uid,
                                             .change =
                                                 [now](api::Json* object) {
                                                   MarkUnknown(object, now);
                                                   return absl::OkStatus();
                                                 }})
                        .status());
    runtime_->events()->Record(kSource, node, runtime::EventType::kNormal, "NodeNotReady",
                               "Node " + node.name + " status is now: NodeNotReady");
  }
  if (plan.taints) {
    // Guarded: a taint that somebody sets meanwhile must not be lost with the list it is not in.
    const bool has_moved = plan.becomes_unknown;
    RETURN_IF_ERROR(runtime_->registry()
                        ->Change(Context(), {.target = target,
                                             .uid = node.uid,
                                             .expected_revision = has_moved ? 0 : node.mod_revision,
                                             .change =
                                                 [&plan](api::Json* object) {
                                                   api::Set(&api::EnsureObject(object, {"spec"}),
                                                            "taints", *plan.taints);
                                                   return absl::OkStatus();
                                                 }})
                        .status());
  }
  return absl::OkStatus();
}

void NodeLifecycle::MarkPods(const std::string& node) {
  const int64_t now = runtime_->clock()->WallNanos();
  runtime::WriteBatch batch;
  for (const registry::ObjectRef& pod :
       runtime_->cache()->ByField(*pods_kind_->kind, kNodeName, node)) {
    runtime_->registry()->Change(
        Context(),
        {.target = {pods_kind_, pod->ns, pod->name},
         .part = registry::ChangeRequest::Part::kStatus,
         .uid = pod->uid,
         .change =
             [now](api::Json* object) {
               return MarkPodNotReady(object, now) ? absl::OkStatus() : absl::CancelledError();
             }},
        batch.Add());
  }
  // A pod that is gone meanwhile, or could not be marked, is no reason to mark the others again.
  batch.Wait();
}

absl::StatusOr<std::optional<int64_t>> NodeLifecycle::Evict(
    const registry::Object& node, const std::vector<workload::Taint>& taints) {
  const int64_t now = runtime_->clock()->WallNanos();
  std::optional<int64_t> next;
  const auto come_back = [&](int64_t nanos) { next = std::min(next.value_or(nanos), nanos); };
  const bool is_cut_off = IsCutOff();
  size_t evicted = 0;
  runtime::WriteBatch batch;
  for (const registry::ObjectRef& pod :
       runtime_->cache()->ByField(*pods_kind_->kind, kNodeName, node.name)) {
    if (pod->is_deleting) {
      continue;
    }
    const api::Json document = pod->Parse();
    const std::optional<int64_t> at = workload::EvictionTime(
        taints, workload::ParseTolerations(api::Find(document, {"spec", "tolerations"})), now);
    if (!at) {
      continue;
    }
    if (*at > now) {
      come_back(*at - now);
    } else if (is_cut_off || evicted == options_.evictions_per_pass) {
      come_back(is_cut_off ? options_.grace_nanos : options_.pass_interval_nanos);
    } else {
      ++evicted;
      runtime_->events()->Record(kSource, *pod, runtime::EventType::kNormal, "TaintManagerEviction",
                                 "Marking for deletion Pod " + runtime::KeyOf(*pod));
      runtime_->registry()->Delete(
          Context(), {.target = {pods_kind_, pod->ns, pod->name}, .uid = pod->uid}, batch.Add());
    }
  }
  for (const absl::StatusOr<registry::Written>& result : batch.Wait()) {
    if (!result.ok() && registry::ReasonOf(result.status()) != registry::Reason::kNotFound &&
        registry::ReasonOf(result.status()) != registry::Reason::kConflict) {
      return result.status();
    }
  }
  return next;
}

absl::Status NodeLifecycle::RemovePods(const std::string& node) {
  runtime::WriteBatch batch;
  for (const registry::ObjectRef& pod :
       runtime_->cache()->ByField(*pods_kind_->kind, kNodeName, node)) {
    runtime_->registry()->Delete(
        Context(),
        {.target = {pods_kind_, pod->ns, pod->name}, .grace_period_seconds = 0, .uid = pod->uid},
        batch.Add());
  }
  for (const absl::StatusOr<registry::Written>& result : batch.Wait()) {
    if (!result.ok() && registry::ReasonOf(result.status()) != registry::Reason::kNotFound) {
      return result.status();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<runtime::ReconcileResult> NodeLifecycle::Reconcile(const std::string& key) {
  const registry::ObjectRef node = runtime_->cache()->Get(*nodes_kind_->kind, "", key);
  if (node == nullptr) {
    {
      MutexLock lock(&mu_);
      const auto at = records_.find(key);
      if (at != records_.end()) {
        silent_ -= at->second.is_silent ? 1 : 0;
        records_.erase(at);
      }
    }
    RETURN_IF_ERROR(RemovePods(key));
    return runtime::ReconcileResult{};
  }
  const registry::ObjectRef lease =
      runtime_->cache()->Get(*leases_kind_->kind, kLeaseNamespace, key);
  const api::Json document = node->Parse();
  const api::Json lease_document = lease == nullptr ? api::Json() : lease->Parse();
  const api::Json* spoken = lease == nullptr ? nullptr : &lease_document;
  const int64_t now = runtime_->clock()->MonotonicNanos();
  const int64_t wall = runtime_->clock()->WallNanos();

  NodeRecord record = RecordOf(key);
  Look(TokenOf(document, spoken), spoken, now, wall, &record.seen);
  const NodePlan plan = PlanNode(document, record.seen, options_.grace_nanos, now, wall);
  const std::vector<workload::Taint> taints =
      workload::ParseTaints(plan.taints ? &*plan.taints : api::Find(document, {"spec", "taints"}));
  const bool was_silent = record.is_silent;
  record.is_silent = !plan.again_nanos.has_value();
  record.drives_out = std::any_of(taints.begin(), taints.end(), [](const workload::Taint& taint) {
    return taint.effect == workload::TaintEffect::kNoExecute;
  });
  {
    MutexLock lock(&mu_);
    silent_ = silent_ + (record.is_silent ? 1 : 0) - (was_silent ? 1 : 0);
    records_[key] = record;
  }
  if (plan.becomes_unknown) {
    LogWarning("node fell silent", {{"node", key}});
    // Before the node: a process that ends in between finds a node that is still to be written.
    MarkPods(key);
  }
  RETURN_IF_ERROR(Write(*node, plan));
  const bool is_out_of_service =
      std::any_of(taints.begin(), taints.end(), [](const workload::Taint& taint) {
        return taint.key == kOutOfServiceTaint && taint.effect == workload::TaintEffect::kNoExecute;
      });
  if (is_out_of_service) {
    RETURN_IF_ERROR(RemovePods(key));
  }
  runtime::ReconcileResult result;
  if (plan.again_nanos) {
    result.again_after_nanos = *plan.again_nanos - now;
  }
  if (record.drives_out) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> next, Evict(*node, taints));
    if (next) {
      result.again_after_nanos = std::min(result.again_after_nanos.value_or(*next), *next);
    }
  }
  return result;
}

}  // namespace

std::unique_ptr<runtime::Controller> StartNodeLifecycle(runtime::Runtime* runtime,
                                                        NodeLifecycleOptions options) {
  return std::make_unique<NodeLifecycle>(runtime, options);
}

}  // namespace socle::nodelifecycle
