#include "controllers/sidecarset/status.h"

#include "controllers/sidecarset/annotations.h"

namespace socle::sidecarset {

bool PutStatus(const SetStatus& status, api::Json* set) {
  if (api::IntAt(*set, {"status", "observedGeneration"}).value_or(0) > status.generation) {
    return false;
  }
  api::JsonObject& out = api::EnsureObject(set, {"status"});
  const api::Json before = out;
  api::Set(&out, "observedGeneration", status.generation);
  api::Set(&out, "matchedPods", status.counts.matched);
  api::Set(&out, "updatedPods", status.counts.updated);
  api::Set(&out, "readyPods", status.counts.ready);
  api::Set(&out, "updatedReadyPods", status.counts.updated_ready);
  api::Set(&out, "latestRevision", Text(status.latest_revision));
  if (status.collision_count != 0) {
    api::Set(&out, "collisionCount", status.collision_count);
  }
  return out != before.get_object();
}

}  // namespace socle::sidecarset
