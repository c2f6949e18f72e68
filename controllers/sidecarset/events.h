// Events of SidecarSets: what people are told with kubectl describe; one text per reason and revision, so that
// they count instead of piling up.
// Threads  thread-safe, as the recorder.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_EVENTS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_EVENTS_H_

#include <string_view>

#include <absl/status/status.h>

#include "controllers/registry/object.h"
#include "controllers/runtime/event_recorder.h"

namespace socle::sidecarset {

class SetEvents {
 public:
  // Both outlive it.
  SetEvents(runtime::EventRecorder* recorder, const registry::Object* set)
      : recorder_(recorder), set_(set) {}

  void Upgrading(std::string_view revision);
  void NotUpgradable(std::string_view revision);
  void Removing();
  void WriteFailed(const absl::Status& status);

 private:
  runtime::EventRecorder* const recorder_;
  const registry::Object* const set_;
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_EVENTS_H_
