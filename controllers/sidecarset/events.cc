#include "controllers/sidecarset/events.h"

#include <fmt/format.h>

#include "kv/base/bytes.h"

namespace socle::sidecarset {
namespace {

constexpr std::string_view kSource = "sidecarset-controller";

}  // namespace

void SetEvents::Upgrading(std::string_view revision) {
  recorder_->Record(kSource, *set_, runtime::EventType::kNormal, "UpgradingPods",
                    fmt::format("upgrading pods to revision {}", revision));
}

void SetEvents::NotUpgradable(std::string_view revision) {
  recorder_->Record(
      kSource, *set_, runtime::EventType::kWarning, "NotUpgradablePods",
      fmt::format("pods can not be upgraded to revision {}: more than images has changed",
                  revision));
}

void SetEvents::Removing() {
  recorder_->Record(kSource, *set_, runtime::EventType::kNormal, "RemovingSidecars",
                    "taking the sidecars of the deleted set out of its pods");
}

void SetEvents::WriteFailed(const absl::Status& status) {
  recorder_->Record(kSource, *set_, runtime::EventType::kWarning, "FailedUpdatePods",
                    StdView(status.message()));
}

}  // namespace socle::sidecarset
