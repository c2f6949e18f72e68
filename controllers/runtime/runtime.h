// Runtime: what a controller of the process stands on, in one place: clock, timers, registry, cache,
// events. Made once by the plane (or a test) and handed to every controller.
//
// Laws     1. is_idle says that nothing will happen before the next timer: no key is ready or running, no
//             write is under way. With the cache fresh between two such answers and the store's revision
//             the same, nothing is on its way either: tests advance time only then.
// Threads  thread-safe.
// Memory   outlives the controllers.
#ifndef SOCLE_CONTROLLERS_RUNTIME_RUNTIME_H_
#define SOCLE_CONTROLLERS_RUNTIME_RUNTIME_H_

#include <functional>
#include <memory>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/registry/registry.h"
#include "controllers/runtime/event_recorder.h"
#include "controllers/runtime/timers.h"
#include "kv/base/mutex.h"

namespace socle::runtime {

class Runtime {
 public:
  // All outlive it.
  Runtime(registry::Registry* registry, Timers* timers, EventRecorder* events)
      : registry_(registry), timers_(timers), events_(events) {}

  registry::Registry* registry() const { return registry_; }

  registry::ObjectCache* cache() const { return registry_->cache(); }

  const api::KindRegistry& kinds() const { return registry_->kinds(); }

  Timers* timers() const { return timers_; }

  EventRecorder* events() const { return events_; }

  Clock* clock() const { return timers_->clock(); }

  // The storage form of a kind: the ServedKind that controllers write with. Requires that it exists.
  const api::ServedKind* Served(std::string_view group, std::string_view resource) const;

  // A part of the process that may be busy by itself; asked by is_idle, quickly. Unregister before it
  // goes: no check runs any more when that has returned.
  using BusyCheck = std::function<bool()>;
  uint64_t RegisterBusy(BusyCheck is_busy);
  void UnregisterBusy(uint64_t id);

  bool is_idle() const;

 private:
  struct Part {
    uint64_t id;
    BusyCheck is_busy;
  };

  registry::Registry* const registry_;
  Timers* const timers_;
  EventRecorder* const events_;
  mutable Mutex mu_;
  std::vector<Part> parts_ ABSL_GUARDED_BY(mu_);
  uint64_t next_id_ ABSL_GUARDED_BY(mu_) = 1;
};

}  // namespace socle::runtime

#endif  // SOCLE_CONTROLLERS_RUNTIME_RUNTIME_H_
