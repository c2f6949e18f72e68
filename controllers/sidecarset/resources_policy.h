// ResourcesPolicy: resources of a sidecar, computed from those of the containers beside it.
//
//   limits.cpu = "max(cpu*50%, 50m)"     cpu, memory: the sum or the greatest of the target containers
//
// Laws     1. Targets are the app containers and the native sidecars of the pod whose names match; never
//             injected ones.
//          2. A target without a limit has no bound, so that a sidecar's limit made from it is left out; a
//             target without a request counts as 0.
//          3. Results are rounded up to a thousandth (cpu) and a whole (memory); below zero is zero.
// Threads  immutable.
// Errors   InvalidArgument: an expression that can't be read, or divides by zero.
// Source   spec controllers 4.2 (resourcesPolicy), 7.6 E19.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_RESOURCES_POLICY_H_
#define SOCLE_CONTROLLERS_SIDECARSET_RESOURCES_POLICY_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/sidecarset/name_pattern.h"

namespace socle::sidecarset {

// The value of an expression over `variable` (of this name); numbers may be quantities and percentages.
// Evaluate("max(cpu*50%, 50m)", "cpu", 2) is 1.
absl::StatusOr<double> Evaluate(std::string_view expression, std::string_view variable,
                                double value);

struct ResourcesPolicy {
  bool is_sum = true;  // false: the greatest
  std::optional<NamePattern> targets;
  // Empty: not set.
  std::string cpu_limit;
  std::string memory_limit;
  std::string cpu_request;
  std::string memory_request;
};

// Of a container of a set; nullptr: it has none, or its pattern can't be read.
std::shared_ptr<const ResourcesPolicy> ParseResourcesPolicy(const api::Json& sidecar);

// What is wrong with the policy of the container; OK without one.
absl::Status CheckResourcesPolicy(const api::Json& sidecar);

// Sets resources of `container` from `targets`: containers of the pod that may be targets.
absl::Status ApplyResourcesPolicy(const ResourcesPolicy& policy,
                                  const std::vector<const api::Json*>& targets,
                                  api::Json* container);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_RESOURCES_POLICY_H_
