// Events of InplaceSets, besides those of PodControl.
// Threads  thread-safe.
// Source   spec controllers 1.9, 1.10.
#ifndef SOCLE_CONTROLLERS_INPLACESET_EVENTS_H_
#define SOCLE_CONTROLLERS_INPLACESET_EVENTS_H_

#include <cstdint>
#include <string_view>

#include <absl/status/status.h>

#include "controllers/inplaceset/set_spec.h"
#include "controllers/runtime/runtime.h"

namespace socle::inplaceset {

inline constexpr std::string_view kRetriedEvent = "PodRetriedOnOtherNode";

void RecordClaimCreated(runtime::Runtime* runtime, const SetSpec& set, std::string_view claim,
                        int64_t ordinal);
void RecordClaimFailed(runtime::Runtime* runtime, const SetSpec& set, std::string_view claim,
                       int64_t ordinal, const absl::Status& why);
void RecordUpdateRefused(runtime::Runtime* runtime, const SetSpec& set, std::string_view why);

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_EVENTS_H_
