// SetSpec: what an InplaceSet wants, read once per pass from its stored form.
//
// Laws     1. Total: members that are missing or of a wrong type have the default of the kind.
// Threads  immutable after reading.
// Source   spec controllers 1.2, 1.3, 1.9.
#ifndef SOCLE_CONTROLLERS_INPLACESET_SET_SPEC_H_
#define SOCLE_CONTROLLERS_INPLACESET_SET_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/api/label_selector.h"
#include "controllers/registry/object.h"
#include "controllers/workload/lifecycle_hooks.h"

namespace socle::inplaceset {

// Beyond it a set is treated as if it wanted this many: a typo must not exhaust the memory of the plane.
inline constexpr int64_t kReplicasMax = 1'000'000;

enum class PodUpdatePolicy : uint8_t { kReCreate, kInPlaceIfPossible, kInPlaceOnly };

// A term of unorderedUpdate.priorityStrategy.
struct WeightTerm {
  int64_t weight = 0;
  api::LabelSelector selector;
};

struct RollingUpdate {
  int64_t partition = 0;
  api::Json max_unavailable = 1;
  PodUpdatePolicy policy = PodUpdatePolicy::kReCreate;
  bool is_paused = false;
  bool is_unordered = false;
  std::vector<std::string> order_keys;
  std::vector<WeightTerm> weights;
  int64_t grace_seconds = 0;
  int64_t min_ready_seconds = 0;
};

struct RetryOnOtherNodes {
  bool is_enabled = false;
  int64_t timeout_seconds = 60;
  int64_t retries_max = 3;
};

// Nodes on which the pod of this name did not come to run (status.nodeRetries).
struct NodeRetry {
  std::string pod;
  std::vector<std::string> nodes;  // the last ones

  bool operator==(const NodeRetry&) const = default;
};

struct SetSpec {
  registry::ObjectRef object;
  int64_t generation = 0;
  bool is_deleting = false;

  int64_t replicas = 1;
  int64_t start_ordinal = 0;
  std::vector<std::pair<int64_t, int64_t>> reserved;  // first, last: sorted, apart
  api::LabelSelector selector = api::LabelSelector::Nothing();
  std::vector<std::pair<std::string, std::string>> match_labels;
  api::Json pod_template;
  std::vector<api::Json> claim_templates;
  std::string service_name;
  bool is_ordered = true;  // podManagementPolicy OrderedReady
  bool is_on_delete = false;
  bool has_rolling_params = true;
  RollingUpdate rolling;
  std::optional<api::Json> scale_max_unavailable;
  int64_t history_limit = 10;
  workload::LifecycleHooks hooks;
  bool deletes_claims_when_deleted = false;
  bool deletes_claims_when_scaled = false;
  RetryOnOtherNodes retry;

  // Of the status.
  api::Json status;
  std::string current_revision;
  int64_t current_replicas = 0;
  int64_t collision_count = 0;
  std::vector<NodeRetry> node_retries;
  int64_t retried_pods = 0;

  const std::string& name() const { return object->name; }

  bool IsReserved(int64_t ordinal) const;
  // Most pods away during a rolling update; at least 1.
  int64_t MaxUnavailable() const;
  // The same while creating; nullopt: no limit.
  std::optional<int64_t> ScaleMaxUnavailable() const;
};

SetSpec ReadSet(const registry::ObjectRef& object);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_SET_SPEC_H_
