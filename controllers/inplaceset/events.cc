#include "controllers/inplaceset/events.h"

#include <fmt/format.h>

#include "controllers/inplaceset/apply.h"
#include "controllers/inplaceset/identity.h"
#include "controllers/registry/errors.h"

namespace socle::inplaceset {
namespace {

std::string CreationOf(const SetSpec& set, std::string_view claim, int64_t ordinal) {
  return fmt::format("create Claim {} Pod {} in {} {}", claim, PodName(set.name(), ordinal),
                     set.object->kind->kind, set.name());
}

}  // namespace

void RecordClaimCreated(runtime::Runtime* runtime, const SetSpec& set, std::string_view claim,
                        int64_t ordinal) {
  runtime->events()->Record(kComponent, *set.object, runtime::EventType::kNormal,
                            "SuccessfulCreate",
                            fmt::format("{} success", CreationOf(set, claim, ordinal)));
}

void RecordClaimFailed(runtime::Runtime* runtime, const SetSpec& set, std::string_view claim,
                       int64_t ordinal, const absl::Status& why) {
  runtime->events()->Record(kComponent, *set.object, runtime::EventType::kWarning, "FailedCreate",
                            fmt::format("{} failed error: {}", CreationOf(set, claim, ordinal),
                                        registry::ErrorOf(why).message));
}

void RecordUpdateRefused(runtime::Runtime* runtime, const SetSpec& set, std::string_view why) {
  runtime->events()->Record(kComponent, *set.object, runtime::EventType::kWarning,
                            "FailedUpdatePodInPlace", why);
}

}  // namespace socle::inplaceset
