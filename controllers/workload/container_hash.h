// ContainerHash: what the node says it runs, in a number: the two hashes of runtime-containers-meta, that
// an update in place compares with the spec.
//
// Laws     1. Equal containers have equal hashes: order of members and members that are null count nothing.
//          2. The hashes are the same on every machine and after every restart.
// Threads  pure functions.
// Errors   none: what is missing or of a wrong type hashes as what it is.
// Source   spec controllers 2.2 (runtime-containers-meta), 2.4.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_HASH_H_
#define SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_HASH_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/json.h"

namespace socle::workload {

inline constexpr std::string_view kRuntimeContainersKey = "apps.kruise.io/runtime-containers-meta";

// plainHash: of the container as the spec has it.
uint64_t ContainerHash(const api::Json& container);

// extractedEnvFromMetadataHash: of the variables that read a label or an annotation
// (metadata.labels['x']), with what they read, but for the versions of hot upgrades. 0 when the container
// has none. `metadata`: of the pod.
uint64_t EnvFromMetadataHash(const api::Json& container, const api::Json& metadata);

// One container of the annotation.
struct RuntimeContainer {
  std::string name;
  std::string container_id;
  int64_t restart_count = 0;
  uint64_t plain_hash = 0;
  uint64_t env_hash = 0;

  bool operator==(const RuntimeContainer&) const = default;
};

// The text of the annotation; and back, empty for text that is none.
std::string EncodeRuntimeContainers(const std::vector<RuntimeContainer>& containers);
std::vector<RuntimeContainer> ParseRuntimeContainers(std::string_view text);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_HASH_H_
