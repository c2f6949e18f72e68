// Going on from the status that is stored: what ran runs, what waited waits again.
#include <algorithm>
#include <optional>
#include <utility>

#include "controllers/api/timestamp.h"
#include "controllers/hollow/pod_life.h"
#include "controllers/workload/container_hash.h"
#include "kv/base/clock.h"

namespace socle::hollow {
namespace {

int64_t TimeAt(const api::Json& root, api::JsonPath path) {
  return api::ParseTime(api::StringAt(root, path)).value_or(0);
}

// Of a terminated state.
Run ReadRun(const api::Json& terminated) {
  return {.started_wall = TimeAt(terminated, {"startedAt"}),
          .ended_wall = TimeAt(terminated, {"finishedAt"}),
          .exit_code = static_cast<int32_t>(std::clamp<int64_t>(
              api::IntAt(terminated, {"exitCode"}).value_or(0), INT32_MIN, INT32_MAX))};
}

const api::Json* FindStatus(const api::Json& pod, const ContainerWish& wish) {
  const api::JsonArray* statuses = api::FindArray(
      pod, {"status", wish.is_init() ? "initContainerStatuses" : "containerStatuses"});
  for (size_t i = 0; statuses != nullptr && i < statuses->size(); ++i) {
    if (api::StringAt((*statuses)[i], {"name"}) == wish.name) {
      return &(*statuses)[i];
    }
  }
  return nullptr;
}

}  // namespace

PodLife PodLife::Resume(const api::Json& pod, PodWish wish, Moment now) {
  PodLife life;
  life.wish_ = std::move(wish);
  life.lives_.resize(life.wish_.containers.size());
  const std::string_view phase = api::StringAt(pod, {"status", "phase"});
  const std::optional<int64_t> started =
      api::ParseTime(api::StringAt(pod, {"status", "startTime"}));
  const bool is_finished = phase == "Succeeded" || phase == "Failed";
  life.is_admitted_ = started.has_value() || is_finished;
  life.started_wall_ = started.value_or(0);
  life.ending_ = is_finished ? life.wish_.ending : nullptr;
  if (life.wish_.is_deleting) {
    life.stop_due_ = now.steady + life.wish_.termination_millis * kNanosPerMilli;
  }
  if (!life.is_admitted_) {
    return life;
  }
  if (life.wish_.deadline_seconds > 0 && started.has_value()) {
    life.deadline_due_ =
        now.steady + (*started - now.wall) + life.wish_.deadline_seconds * kNanosPerSecond;
  }
  const std::vector<workload::RuntimeContainer> hashes = workload::ParseRuntimeContainers(
      api::StringAt(pod, {"metadata", "annotations", workload::kRuntimeContainersKey}));
  for (size_t i = 0; i < life.lives_.size(); ++i) {
    const ContainerWish& container = life.wish_.containers[i];
    const api::Json* status = FindStatus(pod, container);
    if (status == nullptr) {
      continue;
    }
    ContainerLife& one = life.lives_[i];
    one.plain_hash = container.plain_hash;
    one.env_hash = container.env_hash;
    const std::string_view id = api::StringAt(*status, {"containerID"});
    for (const workload::RuntimeContainer& known : hashes) {
      if (known.name == container.name && known.container_id == id && !id.empty()) {
        one.plain_hash = known.plain_hash;
        one.env_hash = known.env_hash;
      }
    }
    life.ResumeContainer(*status, i, now);
  }
  life.UpdatePhase();
  if (is_finished) {
    life.phase_ = phase == "Failed" ? Phase::kFailed : Phase::kSucceeded;
  }
  return life;
}

void PodLife::ResumeContainer(const api::Json& status, size_t index, Moment now) {
  ContainerLife& life = lives_[index];
  const ContainerWish& wish = wish_.containers[index];
  const bool was_started = !api::StringAt(status, {"containerID"}).empty();
  life.image = api::StringAt(status, {"image"});
  life.is_held = wish.is_held;
  life.attempt = was_started
                     ? static_cast<int32_t>(std::clamp<int64_t>(
                           api::IntAt(status, {"restartCount"}).value_or(0), 0, INT32_MAX - 1))
                     : -1;
  if (const api::Json* last = api::Find(status, {"lastState", "terminated"})) {
    life.last = ReadRun(*last);
    life.has_last = true;
    life.crashes = life.last.exit_code == 0
                       ? uint16_t{0}
                       : static_cast<uint16_t>(std::clamp(life.attempt, 0, 30));
  }
  if (const api::Json* terminated = api::Find(status, {"state", "terminated"})) {
    life.current = ReadRun(*terminated);
    life.stage = Stage::kEnded;
    if (was_started && IsRestarted(index, life.current.exit_code)) {
      PlanRestart(index, now.steady + (life.current.ended_wall - now.wall));
    }
    return;
  }
  if (api::Find(status, {"state", "running"}) != nullptr && was_started) {
    life.current.started_wall = TimeAt(status, {"state", "running", "startedAt"});
    // The status has whole seconds: a run ends a little late rather than early.
    life.started_steady = now.steady + std::min<int64_t>(0, life.current.started_wall +
                                                                kNanosPerSecond - 1 - now.wall);
    life.stage = Stage::kRunning;
    life.is_warm = api::BoolAt(status, {"ready"});
    life.ready_due = life.is_warm || wish.role == ContainerRole::kInit
                         ? kNever
                         : now.steady + wish.ready_millis * kNanosPerMilli;
    PlanEnd(index);
    return;
  }
  const std::string_view waiting = api::StringAt(status, {"state", "waiting", "reason"});
  if (waiting == "ErrImagePull" || waiting == "ImagePullBackOff") {
    life.current = life.last;
    life.stage = Stage::kPullBackOff;
  } else if (waiting == "CrashLoopBackOff" && was_started && life.has_last) {
    const int64_t ended_wall = life.last.ended_wall;
    life.current = life.last;
    PlanRestart(index, now.steady + (ended_wall - now.wall));
  }
}

}  // namespace socle::hollow
