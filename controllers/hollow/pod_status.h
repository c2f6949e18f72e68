// PodStatus: writes what a hollow kubelet knows of a pod into its document.
//
// Laws     1. Only what a kubelet owns is touched: phase, reason, message, startTime, addresses, qosClass,
//             container statuses, and the conditions Initialized, ContainersReady and Ready (PodScheduled
//             when nobody set it). Other conditions stay.
//          2. Ready is ContainersReady and every readiness gate, as the document that is written has them.
//          3. Reporting twice is reporting once; PodLife::Resume of the result goes on with the same life.
// Threads  pure functions.
// Source   spec controllers 2.2, 2.5, 8.1.
#ifndef SOCLE_CONTROLLERS_HOLLOW_POD_STATUS_H_
#define SOCLE_CONTROLLERS_HOLLOW_POD_STATUS_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "controllers/api/json.h"
#include "controllers/hollow/pod_life.h"

namespace socle::hollow {

struct PodAddresses {
  std::string host_ip;
  std::string pod_ip;  // empty: it has none yet
};

// False when the document says so already. `with_runtime`: also the annotation runtime-containers-meta.
bool Report(const PodLife& life, const PodAddresses& addresses, int64_t now_wall, bool with_runtime,
            api::Json* pod);

}  // namespace socle::hollow

#endif  // SOCLE_CONTROLLERS_HOLLOW_POD_STATUS_H_
