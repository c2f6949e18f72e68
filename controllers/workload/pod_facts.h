// PodFacts: what workload controllers ask of a pod, read from its document once per revision.
//
// Laws     1. Facts are a pure function of one Object: two reads of one (uid, mod_revision) are equal.
//          2. FactsCache keeps facts of what its last call was shown, and nothing else.
// Threads  PodFacts is immutable; FactsCache is thread-safe.
// Memory   about 1 KB per pod; the document is shared with the ObjectCache.
// Source   spec controllers 1.6, 1.7, 2.2, 3.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_POD_FACTS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_POD_FACTS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/api/json.h"
#include "controllers/registry/object.h"
#include "controllers/workload/in_place_update.h"
#include "controllers/workload/lifecycle_hooks.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::workload {

inline constexpr std::string_view kRevisionLabel = "controller-revision-hash";
inline constexpr std::string_view kSpecifiedDeleteLabel = "apps.kruise.io/specified-delete";
inline constexpr std::string_view kUnavailableLabelPrefix = "unavailable-pod.kruise.io/";

enum class PodPhase : uint8_t { kPending, kRunning, kSucceeded, kFailed, kUnknown };

struct ContainerFacts {
  std::string name;
  std::string image;  // of the spec
  // Of the status; empty and zero while there is none.
  std::string status_image;
  std::string image_id;
  std::string container_id;
  std::string waiting_reason;  // ImagePullBackOff …
  int64_t restart_count = 0;
  bool is_ready = false;
  bool is_running = false;
  bool has_status = false;
  // state.terminated: it ended, with this code.
  std::optional<int64_t> exit_code = {};
};

struct ConditionFacts {
  std::string type;
  std::string reason;
  std::string message;
  bool is_true = false;
  int64_t since_nanos = 0;  // lastTransitionTime
};

struct PodFacts {
  registry::ObjectRef object;
  PodPhase phase = PodPhase::kPending;
  std::string reason;  // status.reason: Evicted …
  std::string node;    // spec.nodeName
  std::string revision;
  std::string hostname;
  std::string subdomain;
  std::string restart_policy;
  int64_t created_nanos = 0;
  int64_t started_nanos = 0;  // status.startTime; 0: not yet
  bool is_deleting = false;
  bool is_ready = false;  // the condition Ready
  int64_t ready_since_nanos = 0;
  bool is_specified_delete = false;
  bool is_marked_unavailable = false;  // unavailable-pod.kruise.io/…
  LifecycleState lifecycle = LifecycleState::kNone;
  InPlaceFacts in_place;
  std::vector<ContainerFacts> containers;       // of the spec, in its order
  std::vector<ContainerFacts> init_containers;  // likewise
  std::vector<ConditionFacts> conditions;
  std::vector<std::string> readiness_gates;
  // Volumes that are claims: name of the volume, name of the claim.
  std::vector<std::pair<std::string, std::string>> claim_volumes;
  // Those whose key contains "kruise.io/".
  std::vector<std::pair<std::string, std::string>> annotations;

  const std::string& name() const { return object->name; }

  const std::string& uid() const { return object->uid; }

  // Phase Running and ready and staying.
  bool is_healthy() const { return phase == PodPhase::kRunning && is_ready && !is_deleting; }

  bool is_finished() const { return phase == PodPhase::kSucceeded || phase == PodPhase::kFailed; }

  // Neither finished nor going.
  bool is_active() const { return !is_finished() && !is_deleting; }

  // Healthy for so long. See AvailableAt for when it will be.
  bool IsAvailable(int64_t min_ready_seconds, int64_t now_nanos) const;
  // When a healthy pod becomes available, if it stays healthy.
  int64_t AvailableAt(int64_t min_ready_seconds) const;

  // Empty when there is none.
  std::string_view Annotation(std::string_view key) const;
  // nullptr when there is none.
  const ConditionFacts* Condition(std::string_view type) const;
  const ContainerFacts* Container(std::string_view container_name) const;
  bool HasReadinessGate(std::string_view type) const;
};

using PodFactsRef = std::shared_ptr<const PodFacts>;

// Never fails: what a document lacks or has in a wrong type is as if it weren't there.
PodFacts ReadPod(const registry::ObjectRef& object);

class PodFactsCache {
 public:
  // Facts of the pods, in their order. `owner` (a uid) has its own memory: what it does not show any more
  // is dropped.
  std::vector<PodFactsRef> Read(std::string_view owner,
                                const std::vector<registry::ObjectRef>& pods);
  // Drops the memory of the owner.
  void Forget(std::string_view owner);

  size_t size() const;
  uint64_t parses() const;  // since the start

 private:
  using FactsByUid = StringMap<PodFactsRef>;

  mutable Mutex mu_;
  StringMap<std::shared_ptr<const FactsByUid>> owners_ ABSL_GUARDED_BY(mu_);
  uint64_t parses_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_POD_FACTS_H_
