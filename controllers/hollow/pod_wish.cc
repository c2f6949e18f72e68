#include "controllers/hollow/pod_wish.h"

#include <xxhash.h>

#include <algorithm>

#include <fmt/format.h>

#include "controllers/hollow/image.h"
#include "controllers/workload/container_hash.h"

namespace socle::hollow {
namespace {

constexpr std::string_view kEndsWithJobEnv = "KRUISE_TERMINATE_SIDECAR_WHEN_JOB_EXIT";
constexpr std::string_view kInjectedEnv = "IS_INJECTED";
// Waiting longer than the age of the world is the same as waiting for ever.
constexpr int64_t kSecondsMax = int64_t{1} << 40U;

uint64_t HashText(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

bool HasTrueEnv(const api::Json& container, std::string_view name) {
  const api::JsonArray* env = api::FindArray(container, {"env"});
  for (size_t i = 0; env != nullptr && i < env->size(); ++i) {
    if (api::StringAt((*env)[i], {"name"}) == name) {
      return api::StringAt((*env)[i], {"value"}) == "true";
    }
  }
  return false;
}

// A run-to-completion pod of a Job or BroadcastJob.
bool IsOfJob(const api::Json& pod) {
  const api::JsonArray* owners = api::FindArray(pod, {"metadata", "ownerReferences"});
  for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
    const std::string_view kind = api::StringAt((*owners)[i], {"kind"});
    if (api::BoolAt((*owners)[i], {"controller"}) && (kind == "Job" || kind == "BroadcastJob")) {
      return true;
    }
  }
  return false;
}

// What is the same for all containers of the pod.
struct Reading {
  const api::Json& pod;
  const Controls& controls;
  const Behaviour& defaults;
  RestartPolicy restart;
  uint64_t seed;
};

enum class DelayKind : uint64_t { kPull = 1, kStart, kReady, kInit, kTermination };

// Containers of one pod have the same chance: what starts together is one write.
int64_t Delay(const Reading& reading, DelayKind kind, std::string_view name,
              std::string_view container, int64_t by_default) {
  if (const std::optional<int64_t> exact = reading.controls.Millis(name, container)) {
    return *exact;
  }
  return Jittered(by_default, reading.defaults.jitter,
                  Draw(reading.seed, static_cast<uint64_t>(kind), 0));
}

// How long a run lasts. Containers that a SidecarSet brought serve: what is said for all containers of
// the pod is not meant for them.
int64_t RunMillis(const Reading& reading, const ContainerWish& wish, bool is_injected) {
  if (wish.role == ContainerRole::kInit) {
    const std::optional<int64_t> own = reading.controls.Millis("init-duration", wish.name);
    return own.has_value() ? *own
                           : Delay(reading, DelayKind::kInit, "init-duration", wish.name,
                                   reading.defaults.init_millis);
  }
  const bool is_sidecar = wish.role != ContainerRole::kMain || is_injected;
  const std::string own = "run-duration." + wish.name;
  if (is_sidecar && !reading.controls.Has(own)) {
    return kForeverMillis;
  }
  const std::string_view text = reading.controls.Text("run-duration", wish.name);
  if (text == "forever") {
    return kForeverMillis;
  }
  if (const std::optional<int64_t> exact = ParseMillis(text)) {
    return *exact;
  }
  if (reading.restart == RestartPolicy::kAlways) {
    return kForeverMillis;
  }
  return IsOfJob(reading.pod) ? reading.defaults.job_run_millis : reading.defaults.run_millis;
}

ContainerRole RoleOf(const api::Json& container, bool is_init, RestartPolicy restart) {
  if (is_init) {
    return api::StringAt(container, {"restartPolicy"}) == "Always" ? ContainerRole::kInitSidecar
                                                                   : ContainerRole::kInit;
  }
  return restart != RestartPolicy::kAlways && HasTrueEnv(container, kEndsWithJobEnv)
             ? ContainerRole::kJobSidecar
             : ContainerRole::kMain;
}

// `true` holds every container; else a list of names.
bool IsHeld(std::string_view text, std::string_view name) {
  return text == "true" || (text != "false" && MatchesPattern(text, name));
}

ContainerWish ReadContainer(const Reading& reading, const api::Json& container, bool is_init) {
  static const api::Json kNothing;
  const api::Json* metadata = api::Find(reading.pod, {"metadata"});
  const Controls& controls = reading.controls;
  ContainerWish wish;
  wish.name = api::StringAt(container, {"name"});
  wish.image = api::StringAt(container, {"image"});
  wish.plain_hash = workload::ContainerHash(container);
  wish.env_hash =
      workload::EnvFromMetadataHash(container, metadata == nullptr ? kNothing : *metadata);
  wish.role = RoleOf(container, is_init, reading.restart);
  const Behaviour& defaults = reading.defaults;
  wish.pull_millis =
      Delay(reading, DelayKind::kPull, "pull-delay", wish.name, defaults.pull_millis);
  wish.start_millis =
      Delay(reading, DelayKind::kStart, "start-delay", wish.name, defaults.start_millis);
  wish.ready_millis =
      Delay(reading, DelayKind::kReady, "ready-delay", wish.name, defaults.ready_millis);
  wish.run_millis = RunMillis(reading, wish, HasTrueEnv(container, kInjectedEnv));
  // Sidecars are not what is said to fail, unless they are named.
  const auto is_meant = [&](std::string_view name) {
    return wish.role == ContainerRole::kMain || controls.Has(fmt::format("{}.{}", name, wish.name));
  };
  if (is_meant("exit-code")) {
    const int64_t exit_code = controls.Integer("exit-code", wish.name).value_or(0);
    wish.exit_code = static_cast<int32_t>(std::clamp<int64_t>(exit_code, 0, 255));
  }
  if (is_meant("failure-probability")) {
    wish.failure_share = controls.Share("failure-probability", wish.name).value_or(0);
  }
  wish.can_pull = CanPull(wish.image, controls.Text("refuse-image"));
  wish.is_held = IsHeld(controls.Text("hold-not-ready"), wish.name);
  return wish;
}

RestartPolicy ReadRestartPolicy(const api::Json& pod) {
  const std::string_view text = api::StringAt(pod, {"spec", "restartPolicy"});
  if (text == "Never") {
    return RestartPolicy::kNever;
  }
  return text == "OnFailure" ? RestartPolicy::kOnFailure : RestartPolicy::kAlways;
}

}  // namespace

PodWish ReadWish(const api::Json& pod, const ControlTexts& node, const Behaviour& defaults,
                 uint64_t seed) {
  const ControlTexts texts = ReadControls(pod);
  const Controls controls(&texts, &node);
  PodWish wish;
  wish.restart = ReadRestartPolicy(pod);
  wish.seed = Draw(seed, HashText(api::StringAt(pod, {"metadata", "uid"})), 0);
  const Reading reading = {.pod = pod,
                           .controls = controls,
                           .defaults = defaults,
                           .restart = wish.restart,
                           .seed = wish.seed};
  for (const bool is_init : {true, false}) {
    const api::JsonArray* list =
        api::FindArray(pod, {"spec", is_init ? "initContainers" : "containers"});
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      wish.containers.push_back(ReadContainer(reading, (*list)[i], is_init));
    }
  }
  wish.deadline_seconds = std::clamp<int64_t>(
      api::IntAt(pod, {"spec", "activeDeadlineSeconds"}).value_or(0), 0, kSecondsMax);
  wish.is_deleting = api::Find(pod, {"metadata", "deletionTimestamp"}) != nullptr;
  const int64_t grace = std::clamp<int64_t>(
      api::IntAt(pod, {"metadata", "deletionGracePeriodSeconds"}).value_or(30), 0, kSecondsMax);
  wish.termination_millis =
      std::min(grace * 1000, Delay(reading, DelayKind::kTermination, "termination-delay", {},
                                   defaults.termination_millis));
  wish.backoff_millis = controls.Millis("restart-backoff").value_or(defaults.backoff_millis);
  wish.backoff_max_millis = std::max(defaults.backoff_max_millis, wish.backoff_millis);
  wish.pull_error_millis = defaults.pull_error_millis;
  const std::string_view phase = api::StringAt(pod, {"status", "phase"});
  const std::string_view fails = controls.Text("fail");
  if (phase == "Failed" || phase == "Succeeded") {
    wish.ending = std::make_shared<const Ending>(
        Ending{.has_failed = phase == "Failed",
               .reason = std::string(api::StringAt(pod, {"status", "reason"})),
               .message = std::string(api::StringAt(pod, {"status", "message"}))});
  } else if (!fails.empty()) {
    wish.ending = std::make_shared<const Ending>(Ending{
        .has_failed = true, .reason = std::string(fails), .message = "The pod was told to fail."});
  }
  return wish;
}

}  // namespace socle::hollow
