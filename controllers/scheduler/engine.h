// Engine: the scheduler without threads and writes: changes of objects go in, decisions come out.
//
// Laws     1. A pod is decided on with every change applied that was handed in before.
//          2. A decision places the pod at once (assumed); BindFailed takes it back.
//          3. A pod that found no node is tried again when a node comes or changes, a pod goes, or the claim
//             that it lacks appears; nothing is tried on a timer but the end of a backoff.
//          4. Equal inputs in equal order give equal decisions for one seed.
// Threads  confined to the scheduling thread.
#ifndef SOCLE_CONTROLLERS_SCHEDULER_ENGINE_H_
#define SOCLE_CONTROLLERS_SCHEDULER_ENGINE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/registry/object.h"
#include "controllers/scheduler/cache.h"
#include "controllers/scheduler/placement.h"
#include "controllers/scheduler/queue.h"
#include "kv/base/bytes.h"

namespace socle::scheduler {

struct EngineOptions {
  std::string scheduler_name = "default-scheduler";
  PlacementOptions placement;
  QueueOptions queue;
};

struct Decision {
  registry::ObjectRef pod;
  std::string node;                 // empty: none fits
  std::vector<std::string> claims;  // of a pod with a node
  std::string message;              // of one without
  bool is_message_new = false;      // since the pod's last refusal
};

class Engine {
 public:
  explicit Engine(EngineOptions options);

  void PodChanged(const registry::ObjectRef& pod);
  void PodDeleted(const registry::Object& pod);
  void NodeChanged(const registry::Object& node);
  void NodeDeleted(const registry::Object& node);
  void ClaimChanged(const registry::Object& claim, int64_t now);
  void ClaimDeleted(const registry::Object& claim);

  // The next pod whose turn it is; nullopt: none is active.
  std::optional<Decision> Next(int64_t now);
  // The binding was refused: the pod is free again, and comes again after a backoff.
  void BindFailed(std::string_view uid, int64_t now);

  void EndBackoffs(int64_t now) { queue_.FlushBackoff(now); }

  // When the next backoff ends; INT64_MAX: none runs.
  int64_t NextDue() const { return queue_.NextDue(); }

  bool HasActive() const { return wake_wanted_ || queue_.active() > 0; }

  const Queue& queue() const { return queue_; }

  const Cache& cache() const { return cache_; }

  const Placement& placement() const { return placement_; }

 private:
  bool IsMine(const registry::Object& pod) const;
  void BoundPodChanged(PodRecord* known, const registry::ObjectRef& pod, std::string_view node);
  void PendingPodChanged(PodRecord* known, const registry::ObjectRef& pod);
  void Forget(PodRecord* pod);
  void Free(PodRecord* pod);
  // The first claim that does not exist, as namespace/name; empty: all do.
  std::string LackingClaim(const PodRecord& pod) const;
  Decision Refuse(PodRecord* pod, std::string message);

  const EngineOptions options_;
  Cache cache_;
  Queue queue_;
  Placement placement_;
  StringSet claims_;  // namespace/name
  bool wake_wanted_ = false;
};

}  // namespace socle::scheduler

#endif  // SOCLE_CONTROLLERS_SCHEDULER_ENGINE_H_
