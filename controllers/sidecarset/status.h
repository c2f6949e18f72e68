// Status: what a SidecarSet tells of its pods.
// Laws     1. Written only when something differs, and for the generation that was looked at.
// Threads  pure function.
// Source   spec controllers 4.3.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_STATUS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_STATUS_H_

#include <cstdint>
#include <string>

#include "controllers/api/json.h"
#include "controllers/sidecarset/plan.h"

namespace socle::sidecarset {

struct SetStatus {
  Counts counts;
  int64_t generation = 0;
  std::string latest_revision;
  int64_t collision_count = 0;
};

// Puts it into the document; false when it said so already, or speaks of a later generation.
bool PutStatus(const SetStatus& status, api::Json* set);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_STATUS_H_
