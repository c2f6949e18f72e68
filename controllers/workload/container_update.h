// ContainerUpdate: what an update in place asks of one container of a pod: which metadata it reads, how
// urgent it is, and whether the node runs it as the spec says.
//
// Threads  pure functions.
// Source   spec controllers 2.3, 2.4.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_UPDATE_H_
#define SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_UPDATE_H_

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "controllers/api/json.h"

namespace socle::workload {

// The labels and annotations that variables of the container read: ("labels", key).
std::set<std::pair<std::string, std::string>> KeysReadBy(const api::Json& container);

// Of KRUISE_CONTAINER_PRIORITY; 0 without.
int64_t PriorityOf(const api::Json& container);

// Its element of status.containerStatuses, or nullptr.
const api::Json* StatusOfContainer(const api::Json& pod, std::string_view name);

// The parsed annotation under the new key or else the old one; null when there is none.
api::Json ReadAnnotationJson(const api::Json& pod, std::string_view key, std::string_view old_key);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_CONTAINER_UPDATE_H_
