#include "controllers/runtime/controller_loop.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/thread.h"

namespace socle::runtime {
namespace {

class QueueLoop final : public ControllerLoop {
 public:
  QueueLoop(Runtime* runtime, ControllerOptions options, Reconciler* reconciler)
      : runtime_(runtime),
        options_(std::move(options)),
        reconciler_(reconciler),
        queue_(WorkQueue::Make(runtime->timers())),
        busy_id_(runtime->RegisterBusy([queue = queue_.get()] { return !queue->is_idle(); })) {
    for (int i = 0; i < options_.workers; ++i) {
      workers_.emplace_back(options_.name, [this] { Work(); });
    }
  }

  ~QueueLoop() override {
    std::vector<registry::Observation> kept;
    {
      MutexLock lock(&mu_);
      kept.swap(kept_);
    }
    kept.clear();
    runtime_->UnregisterBusy(busy_id_);
    queue_->Close();
    workers_.clear();
  }

  WorkQueue* queue() override { return queue_.get(); }

  LoopStats stats() const override {
    return {.reconciles = reconciles_.load(std::memory_order_relaxed),
            .failures = failures_.load(std::memory_order_relaxed),
            .nanos = nanos_.load(std::memory_order_relaxed),
            .waiting = queue_->waiting()};
  }

  void Keep(registry::Observation observation) override {
    MutexLock lock(&mu_);
    kept_.push_back(std::move(observation));
  }

 private:
  void Work() {
    while (const std::optional<std::string> key = queue_->Take()) {
      if (const int64_t early = TooEarlyBy(*key); early > 0) {
        queue_->AddAfter(*key, early);
      } else {
        Reconcile(*key);
      }
      queue_->Done(*key);
    }
  }

  // How long the key has yet to wait; 0: it begins now.
  int64_t TooEarlyBy(const std::string& key) {
    if (options_.interval_min_nanos <= 0) {
      return 0;
    }
    const int64_t now = runtime_->clock()->MonotonicNanos();
    MutexLock lock(&mu_);
    const auto [at, is_new] = may_begin_.try_emplace(key, 0);
    if (at->second > now) {
      return at->second - now;
    }
    at->second = now + options_.interval_min_nanos;
    if (may_begin_.size() > forget_at_) {
      absl::erase_if(may_begin_, [now](const auto& entry) { return entry.second <= now; });
      forget_at_ = std::max(kForgetMin, 2 * may_begin_.size());
    }
    return 0;
  }

  void Reconcile(const std::string& key) {
    const int64_t begin = Clock::Real()->MonotonicNanos();
    absl::StatusOr<ReconcileResult> result = Fresh(key);
    nanos_.fetch_add(Clock::Real()->MonotonicNanos() - begin, std::memory_order_relaxed);
    reconciles_.fetch_add(1, std::memory_order_relaxed);
    if (!result.ok()) {
      failures_.fetch_add(1, std::memory_order_relaxed);
      // Conflicts are what guards are for; the next try sees the newer object.
      const LogLevel level = registry::ReasonOf(result.status()) == registry::Reason::kConflict
                                 ? LogLevel::kDebug
                                 : LogLevel::kWarning;
      if (LogEnabled(level)) {
        LogLine(level, "a reconcile failed",
                {{"controller", options_.name}, {"object", key}, {"error", result.status()}});
      }
      queue_->AddRateLimited(key);
      return;
    }
    queue_->Forget(key);
    if (result->again_after_nanos.has_value()) {
      queue_->AddAfter(key, *result->again_after_nanos);
    }
  }

  absl::StatusOr<ReconcileResult> Fresh(const std::string& key) {
    if (absl::Status fresh = runtime_->cache()->WaitUntilFresh(); !fresh.ok()) {
      return fresh;
    }
    return reconciler_->Reconcile(key);
  }

  static constexpr size_t kForgetMin = 1'024;

  Runtime* const runtime_;
  const ControllerOptions options_;
  Reconciler* const reconciler_;
  const std::unique_ptr<WorkQueue> queue_;
  const uint64_t busy_id_;
  // Counted by the workers, read by stats.
  std::atomic<uint64_t> reconciles_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<int64_t> nanos_{0};

  Mutex mu_;
  StringMap<int64_t> may_begin_ ABSL_GUARDED_BY(mu_);
  size_t forget_at_ ABSL_GUARDED_BY(mu_) = kForgetMin;
  std::vector<registry::Observation> kept_ ABSL_GUARDED_BY(mu_);

  std::vector<Thread> workers_;  // last: they use the others
};

std::pair<std::string_view, std::string_view> SplitApiVersion(std::string_view api_version) {
  const size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) {
    return {std::string_view(), api_version};
  }
  return {api_version.substr(0, slash), api_version.substr(slash + 1)};
}

std::string KeyOf(std::string_view ns, std::string_view name) {
  return ns.empty() ? std::string(name) : fmt::format("{}/{}", ns, name);
}

}  // namespace

std::unique_ptr<ControllerLoop> ControllerLoop::Start(Runtime* runtime, ControllerOptions options,
                                                      Reconciler* reconciler) {
  return std::make_unique<QueueLoop>(runtime, std::move(options), reconciler);
}

std::string KeyOf(const registry::Object& object) {
  return KeyOf(object.ns, object.name);
}

SplitKey Split(std::string_view key) {
  const size_t slash = key.find('/');
  if (slash == std::string_view::npos) {
    return {.ns = {}, .name = key};
  }
  return {.ns = key.substr(0, slash), .name = key.substr(slash + 1)};
}

bool RefersTo(const api::KindRegistry& kinds, const registry::OwnerReference& reference,
              const api::Kind& kind) {
  const auto [group, version] = SplitApiVersion(reference.api_version);
  if (group != kind.group) {
    return false;
  }
  if (reference.kind == kind.kind) {
    return true;
  }
  const api::ServedKind* named = kinds.ByKind({group, version, reference.kind});
  return named != nullptr && named->kind->storage_resource == kind.storage_resource;
}

registry::Observation EnqueueChanges(Runtime* runtime, const api::Kind& kind, WorkQueue* queue) {
  registry::Observation observation = runtime->cache()->Observe(
      &kind, [queue](const registry::ChangeRef& change) { queue->Add(KeyOf(*change->object)); });
  for (const registry::ObjectRef& object : runtime->cache()->List({.kind = &kind})) {
    queue->Add(KeyOf(*object));
  }
  return observation;
}

registry::Observation EnqueueOwners(Runtime* runtime, const api::Kind& dependents,
                                    const api::Kind& owner, WorkQueue* queue) {
  const api::KindRegistry* const kinds = &runtime->kinds();
  return runtime->cache()->Observe(&dependents, [kinds, owner = &owner,
                                                 queue](const registry::ChangeRef& change) {
    // Both: an object that changes hands matters to who loses it and to who gets it.
    for (const registry::Object* object : {change->object.get(), change->previous.get()}) {
      const registry::OwnerReference* controller =
          object == nullptr ? nullptr : object->Controller();
      if (controller != nullptr && RefersTo(*kinds, *controller, *owner)) {
        queue->Add(KeyOf(owner->is_namespaced ? std::string_view(object->ns) : std::string_view(),
                         controller->name));
      }
    }
  });
}

}  // namespace socle::runtime
