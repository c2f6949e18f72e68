// ControllerLoop: workers that take keys from a queue and reconcile them.
//
//   changes of the cache ──► Observe ──► queue ──► worker: WaitUntilFresh, Reconcile ──► again later
//
// Laws     1. A reconcile sees every write that was answered before it began: the cache is as new as the
//             store was. Controllers need no expectations of their own writes (spec 6.2).
//          2. A Reconcile that fails is tried again with growing delay and harms no other key.
//          3. Everything a controller knows comes from stored state: at Start every object of its kinds is
//             enqueued, timers are re-armed by reconciling.
// Threads  Reconcile is called by several workers, for different keys.
#ifndef SOCLE_CONTROLLERS_RUNTIME_CONTROLLER_LOOP_H_
#define SOCLE_CONTROLLERS_RUNTIME_CONTROLLER_LOOP_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/runtime/runtime.h"
#include "controllers/runtime/work_queue.h"

namespace socle::runtime {

struct ReconcileResult {
  std::optional<int64_t> again_after_nanos;  // nullopt: when something changes
};

class Reconciler {
 public:
  virtual ~Reconciler() = default;
  // `key` is `namespace/name`, or `name`. It may not exist any more.
  virtual absl::StatusOr<ReconcileResult> Reconcile(const std::string& key) = 0;
};

struct ControllerOptions {
  std::string name;  // "inplaceset"
  int workers = 2;
  // Two reconciles of one key begin at least this far apart: a storm of pod events is one pass.
  int64_t interval_min_nanos = 0;
};

struct LoopStats {
  uint64_t reconciles = 0;
  uint64_t failures = 0;
  int64_t nanos = 0;  // spent in Reconcile
  size_t waiting = 0;
};

class ControllerLoop {
 public:
  // The reconciler outlives it.
  static std::unique_ptr<ControllerLoop> Start(Runtime* runtime, ControllerOptions options,
                                               Reconciler* reconciler);
  virtual ~ControllerLoop() = default;  // stops: what runs finishes

  virtual WorkQueue* queue() = 0;
  virtual LoopStats stats() const = 0;
  // Holds what feeds the queue, and drops it before the queue goes.
  virtual void Keep(registry::Observation observation) = 0;
};

// One part of the plane that runs: a controller, the scheduler, the hollow nodes.
class Controller {
 public:
  virtual ~Controller() = default;  // stops
  virtual std::string_view name() const = 0;

  virtual LoopStats stats() const { return {}; }
};

// `namespace/name` or `name`; and back.
std::string KeyOf(const registry::Object& object);

struct SplitKey {
  std::string_view ns;
  std::string_view name;
};

SplitKey Split(std::string_view key);

// Whether the reference names an object of this kind, by whichever of the names of its resource.
bool RefersTo(const api::KindRegistry& kinds, const registry::OwnerReference& reference,
              const api::Kind& kind);

// Enqueues in `queue`, until the Observation is dropped (before the queue goes), the objects of the kind
// as they change, and once those that are there.
[[nodiscard]] registry::Observation EnqueueChanges(Runtime* runtime, const api::Kind& kind,
                                                   WorkQueue* queue);
// Enqueues the controller (by owner reference of this kind) of objects of `dependents` as they change.
[[nodiscard]] registry::Observation EnqueueOwners(Runtime* runtime, const api::Kind& dependents,
                                                  const api::Kind& owner, WorkQueue* queue);

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_CONTROLLER_LOOP_H_
