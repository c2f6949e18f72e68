#include "controllers/scheduler/controller.h"

#include <atomic>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/registry/object_cache.h"
#include "controllers/scheduler/bind.h"
#include "controllers/scheduler/engine.h"
#include "controllers/scheduler/inbox.h"
#include "kv/base/log.h"
#include "kv/base/thread.h"

namespace socle::scheduler {
namespace {

class Scheduler final : public runtime::Controller {
 public:
  Scheduler(runtime::Runtime* runtime, SchedulerOptions options)
      : runtime_(runtime),
        inbox_(std::make_shared<Inbox>()),
        pods_(runtime->Served("", "pods")->kind),
        nodes_(runtime->Served("", "nodes")->kind),
        claims_(runtime->Served("", "persistentvolumeclaims")->kind),
        engine_(EngineOptions{.scheduler_name = options.scheduler_name,
                              .placement = {.seed = options.seed,
                                            .percentage_of_nodes = options.percentage_of_nodes}}),
        binder_(runtime, inbox_,
                BinderOptions{.scheduler_name = options.scheduler_name,
                              .binds_in_flight_max = options.binds_in_flight_max,
                              .conditions_in_flight_max = options.conditions_in_flight_max}) {
    busy_id_ = runtime->RegisterBusy([inbox = inbox_] { return inbox->is_busy(); });
    for (const api::Kind* kind : {pods_, nodes_, claims_}) {
      observations_.push_back(runtime->cache()->Observe(
          kind, [inbox = inbox_](const registry::ChangeRef& change) { inbox->Put(change); }));
    }
    thread_ = Thread("scheduler", [this] { Run(); });
  }

  ~Scheduler() override {
    observations_.clear();
    inbox_->Close();
    thread_.Join();
    if (timer_ != runtime::TimerId::kNone) {
      runtime_->timers()->Cancel(timer_);
    }
    runtime_->UnregisterBusy(busy_id_);
  }

  std::string_view name() const override { return "scheduler"; }

  runtime::LoopStats stats() const override {
    return {.reconciles = decisions_.load(std::memory_order_relaxed),
            .failures = bind_failures_.load(std::memory_order_relaxed),
            .nanos = nanos_.load(std::memory_order_relaxed),
            .waiting = waiting_.load(std::memory_order_relaxed)};
  }

 private:
  int64_t Now() const { return runtime_->clock()->MonotonicNanos(); }

  // Law 3. What comes through the inbox with a revision up to `shown` is in the lists already.
  void Load() {
    const auto list = [this](const api::Kind* kind) {
      int64_t shown = 0;
      std::vector<registry::ObjectRef> objects =
          runtime_->cache()->ListAt(registry::Selection{.kind = kind}, &shown);
      shown_.emplace_back(kind, shown);
      return objects;
    };
    for (const registry::ObjectRef& node : list(nodes_)) {
      engine_.NodeChanged(*node);
    }
    for (const registry::ObjectRef& claim : list(claims_)) {
      engine_.ClaimChanged(*claim, Now());
    }
    for (const registry::ObjectRef& pod : list(pods_)) {
      engine_.PodChanged(pod);
    }
  }

  void Run() {
    Load();
    std::vector<InboxItem> items;
    while (inbox_->Take(engine_.HasActive() && binder_.HasRoom(), &items)) {
      for (const InboxItem& item : items) {
        Apply(item);
      }
      items.clear();
      // What the clock of the machine says is spent; the clock of a test stands still meanwhile.
      const int64_t start = Clock::Real()->MonotonicNanos();
      while (engine_.HasActive() && binder_.HasRoom() && inbox_->is_empty()) {
        DecideOne();
      }
      nanos_.fetch_add(Clock::Real()->MonotonicNanos() - start, std::memory_order_relaxed);
      waiting_.store(engine_.queue().waiting(), std::memory_order_relaxed);
      ArmTimer();
    }
  }

  void DecideOne() {
    std::optional<Decision> decision = engine_.Next(Now());
    if (!decision.has_value()) {
      return;
    }
    decisions_.fetch_add(1, std::memory_order_relaxed);
    if (decision->node.empty()) {
      binder_.Explain(*decision);
    } else {
      binder_.Bind(*std::move(decision));
    }
  }

  void Apply(const InboxItem& item) {
    if (const auto* change = std::get_if<registry::ChangeRef>(&item)) {
      ApplyChange(**change);
    } else if (const auto* result = std::get_if<BindResult>(&item)) {
      binder_.BindDone(*result);
      if (!result->status.ok()) {
        bind_failures_.fetch_add(1, std::memory_order_relaxed);
        engine_.BindFailed(result->decision.pod->uid, Now());
      }
    } else if (std::holds_alternative<WriteResult>(item)) {
      binder_.WriteDone();
    } else {
      timer_ = runtime::TimerId::kNone;
      engine_.EndBackoffs(Now());
    }
  }

  void ApplyChange(const registry::Change& change) {
    const registry::Object& object = *change.object;
    for (const auto& [kind, shown] : shown_) {
      if (kind == object.kind && change.revision <= shown) {
        return;
      }
    }
    const bool is_gone = change.type == registry::ChangeType::kDeleted;
    if (object.kind == pods_) {
      is_gone ? engine_.PodDeleted(object) : engine_.PodChanged(change.object);
    } else if (object.kind == nodes_) {
      is_gone ? engine_.NodeDeleted(object) : engine_.NodeChanged(object);
    } else if (is_gone) {
      engine_.ClaimDeleted(object);
      binder_.ClaimDeleted(object.ns, object.name);
    } else {
      engine_.ClaimChanged(object, Now());
    }
  }

  // One timer, for the backoff that ends first.
  void ArmTimer() {
    const int64_t due = engine_.NextDue();
    if (due == INT64_MAX || (timer_ != runtime::TimerId::kNone && timer_due_ <= due)) {
      return;
    }
    if (timer_ != runtime::TimerId::kNone) {
      runtime_->timers()->Cancel(timer_);
    }
    timer_due_ = due;
    timer_ = runtime_->timers()->At(due, [inbox = inbox_] { inbox->Put(Tick{}); });
  }

  runtime::Runtime* const runtime_;
  const std::shared_ptr<Inbox> inbox_;
  const api::Kind* const pods_;
  const api::Kind* const nodes_;
  const api::Kind* const claims_;
  uint64_t busy_id_ = 0;
  std::vector<registry::Observation> observations_;

  // Of the scheduling thread.
  Engine engine_;
  Binder binder_;
  std::vector<std::pair<const api::Kind*, int64_t>> shown_;
  runtime::TimerId timer_ = runtime::TimerId::kNone;
  int64_t timer_due_ = 0;

  // Written by the scheduling thread, read by stats(): counters, in no order.
  std::atomic<uint64_t> decisions_{0};
  std::atomic<uint64_t> bind_failures_{0};
  std::atomic<int64_t> nanos_{0};
  std::atomic<size_t> waiting_{0};

  Thread thread_;
};

}  // namespace

std::unique_ptr<runtime::Controller> StartScheduler(runtime::Runtime* runtime,
                                                    SchedulerOptions options) {
  return std::make_unique<Scheduler>(runtime, std::move(options));
}

}  // namespace socle::scheduler
