#include "controllers/hollow/kubelets.h"

#include <algorithm>
#include <utility>

#include "kv/base/log.h"

namespace socle::hollow {
namespace {

constexpr uint64_t kRegisterTag = uint64_t{1} << 33U;

}  // namespace

std::unique_ptr<runtime::Controller> StartHollow(runtime::Runtime* runtime, HollowOptions options) {
  return std::make_unique<Kubelets>(runtime, std::move(options));
}

Kubelets::Kubelets(runtime::Runtime* runtime, HollowOptions options)
    : runtime_(runtime),
      options_(std::move(options)),
      pods_kind_(runtime->Served("", "pods")),
      nodes_kind_(runtime->Served("", "nodes")),
      leases_kind_(runtime->Served("coordination.k8s.io", "leases")),
      context_(registry::PlaneContext("hollow-kubelet")),
      mailbox_(std::make_shared<Mailbox>()),
      wheel_(runtime->clock()->MonotonicNanos()) {
  busy_id_ = runtime_->RegisterBusy([mailbox = mailbox_] { return mailbox->is_busy(); });
  registry::ObjectCache* cache = runtime_->cache();
  // Pods without a node are of no interest, and most of a backlog.
  observations_.push_back(
      cache->Observe(pods_kind_->kind, [mailbox = mailbox_](const registry::ChangeRef& change) {
        if (!change->object->FieldText("spec.nodeName").empty()) {
          mailbox->PostChange(change);
        }
      }));
  observations_.push_back(cache->Observe(
      nodes_kind_->kind,
      [mailbox = mailbox_](const registry::ChangeRef& change) { mailbox->PostChange(change); }));
  thread_ = Thread("hollow", [this] { Run(); });
}

Kubelets::~Kubelets() {
  observations_.clear();
  runtime_->UnregisterBusy(busy_id_);
  mailbox_->Close();
  thread_.Join();
}

runtime::LoopStats Kubelets::stats() const {
  return {.reconciles = looks_.load(std::memory_order_relaxed),
          .failures = failures_.load(std::memory_order_relaxed),
          .nanos = nanos_.load(std::memory_order_relaxed),
          .waiting = waiting_.load(std::memory_order_relaxed)};
}

void Kubelets::Run() {
  role_.AssertHeld();
  ReadClock();
  register_timer_ = wheel_.Add(kRegisterTag);
  LoadAll();
  Flush();
  Rearm();
  Mailbox::Batch batch;
  while (mailbox_->Take(&batch)) {
    const int64_t begin = Clock::Real()->MonotonicNanos();
    ReadClock();
    Handle(batch);
    Flush();
    Rearm();
    waiting_.store(node_queue_.size() + pod_queue_.size(), std::memory_order_relaxed);
    nanos_.fetch_add(Clock::Real()->MonotonicNanos() - begin, std::memory_order_relaxed);
  }
  runtime_->timers()->Cancel(timer_);
}

void Kubelets::ReadClock() {
  Clock* clock = runtime_->clock();
  now_ = {.steady = clock->MonotonicNanos(), .wall = clock->WallNanos()};
}

// What there is when the plane starts. Changes that are in the mailbox already are older, or come after.
void Kubelets::LoadAll() {
  registry::ObjectCache* cache = runtime_->cache();
  for (const registry::ObjectRef& node : cache->List({.kind = nodes_kind_->kind})) {
    OnNodeChange({.type = registry::ChangeType::kAdded, .object = node});
  }
  for (const registry::ObjectRef& pod : cache->List({.kind = pods_kind_->kind})) {
    OnPodChange({.type = registry::ChangeType::kAdded, .object = pod});
  }
}

void Kubelets::Handle(const Mailbox::Batch& batch) {
  if (batch.tick != 0 && batch.tick == tick_) {
    timer_ = runtime::TimerId::kNone;
    timer_due_ = kNever;
  }
  for (const Answer& answer : batch.answers) {
    OnAnswer(answer);
  }
  for (const registry::ChangeRef& change : batch.changes) {
    if (change != nullptr) {
      OnChange(*change);
    }
  }
  OnTick();
}

void Kubelets::OnChange(const registry::Change& change) {
  if (change.object->kind == nodes_kind_->kind->storing_kind) {
    OnNodeChange(change);
  } else {
    OnPodChange(change);
  }
}

void Kubelets::OnTick() {
  due_.clear();
  wheel_.Advance(now_.steady, &due_);
  for (const uint64_t tag : due_) {
    const auto index = static_cast<uint32_t>(tag);
    if ((tag & kPodTag) != 0) {
      OnPodTimer(index);
    } else if (tag != kRegisterTag) {
      OnNodeTimer(index);
    }
  }
}

void Kubelets::OnAnswer(const Answer& answer) {
  if (answer.kind == WriteKind::kPodStatus || answer.kind == WriteKind::kPodDelete) {
    --pod_writes_;
    OnPodAnswer(answer);
  } else {
    --node_writes_;
    OnNodeAnswer(answer);
  }
}

registry::Done Kubelets::AnswerTo(WriteKind kind, uint32_t index, uint32_t serial,
                                  std::shared_ptr<std::atomic<int64_t>> base) {
  return [mailbox = mailbox_, kind, index, serial,
          base = std::move(base)](absl::StatusOr<registry::Written> written) {
    Answer answer{.kind = kind, .index = index, .serial = serial};
    if (written.ok()) {
      answer.mod_revision = written->mod_revision;
      answer.is_unchanged = written->is_unchanged;
    } else {
      answer.refusal = registry::ReasonOf(written.status());
      if (*answer.refusal == registry::Reason::kInvalid ||
          *answer.refusal == registry::Reason::kInternal) {
        LogWarning("a write of a hollow node was refused", {{"error", written.status()}});
      }
    }
    answer.base_revision = base == nullptr ? 0 : base->load(std::memory_order_relaxed);
    mailbox->PostAnswer(answer);
  };
}

// Law 2: nodes first, each kind up to its bound.
void Kubelets::Flush() {
  while (node_writes_ < options_.node_writes_max && !node_queue_.empty()) {
    const NodeTask task = node_queue_.front();
    node_queue_.pop_front();
    const NodeRecord& node = *nodes_[task.index];
    if (node.object == nullptr || node.serial != task.serial) {
      continue;
    }
    ++node_writes_;
    if (task.kind == WriteKind::kLease) {
      WriteLease(task.index);
    } else {
      WriteNodeStatus(task.index);
    }
  }
  while (node_writes_ < options_.node_writes_max && RegisterNext()) {
  }
  while (pod_writes_ < options_.pod_writes_max && !pod_queue_.empty()) {
    const NodeTask task = pod_queue_.front();
    pod_queue_.pop_front();
    PodRecord& pod = *pods_[task.index];
    if (pod.object == nullptr || pod.serial != task.serial) {
      continue;
    }
    pod.is_queued = false;
    if (!pod.is_writing && MayWrite(pod)) {
      WritePod(task.index);
    }
  }
}

// Law 4.
void Kubelets::Rearm() {
  const int64_t wake = wheel_.NextWake();
  if (wake == timer_due_) {
    return;
  }
  runtime_->timers()->Cancel(timer_);
  timer_ = runtime::TimerId::kNone;
  timer_due_ = wake;
  if (wake != kNever) {
    timer_ = runtime_->timers()->At(
        wake, [mailbox = mailbox_, tick = ++tick_] { mailbox->PostTick(tick); });
  }
}

}  // namespace socle::hollow
