// Resources: amounts of what nodes have and pods ask for, as whole numbers.
//
// Laws     1. Amounts are rounded up: a pod never gets more than it was counted with.
//          2. A pod asks for the larger of what its containers take together and what any one step of its
//             init containers takes; init containers that stay (restartPolicy Always) count with both.
// Threads  values; pure functions.
// Source   the resource model of Kubernetes: requests, overhead, sidecar containers.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_RESOURCES_H_
#define SOCLE_CONTROLLERS_WORKLOAD_RESOURCES_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "controllers/api/json.h"

namespace socle::workload {

struct Resources {
  int64_t milli_cpu = 0;
  int64_t memory_bytes = 0;
  int64_t pods = 0;
  std::vector<std::pair<std::string, int64_t>> others;  // sorted by name; in units

  int64_t Other(std::string_view name) const;
  void Add(const Resources& more);
  void Subtract(const Resources& less);
  // The larger of both, one by one.
  void RaiseTo(const Resources& least);

  bool operator==(const Resources&) const = default;
};

// Of a ResourceList: {"cpu": "500m", …}. What is no quantity is skipped.
Resources ParseResources(const api::Json* list);

struct PodRequests {
  Resources requests;  // pods is 1
  // With 100m and 200 MB for each container that names none: what scores count with.
  int64_t scored_milli_cpu = 0;
  int64_t scored_memory_bytes = 0;

  bool operator==(const PodRequests&) const = default;
};

// Of a pod's spec.
PodRequests RequestsOf(const api::Json& pod_spec);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_RESOURCES_H_
