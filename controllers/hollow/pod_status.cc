#include "controllers/hollow/pod_status.h"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/timestamp.h"
#include "controllers/hollow/image.h"
#include "controllers/registry/pod_defaults.h"
#include "controllers/workload/container_hash.h"

namespace socle::hollow {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

Json Text(std::string_view text) {
  return Json(JsonView(text));
}

// Sets the member unless it has the value; true when it changed.
bool Put(JsonObject* object, std::string_view name, Json value) {
  const Json* old = api::Find(*object, name);
  if (old != nullptr && *old == value) {
    return false;
  }
  api::Set(object, name, std::move(value));
  return true;
}

bool PutText(JsonObject* object, std::string_view name, std::string_view text) {
  if (text.empty()) {
    return object->erase(JsonView(name)) > 0;
  }
  return Put(object, name, Text(text));
}

std::string_view PhaseText(Phase phase) {
  switch (phase) {
    case Phase::kPending:
      return "Pending";
    case Phase::kRunning:
      return "Running";
    case Phase::kSucceeded:
      return "Succeeded";
    case Phase::kFailed:
      return "Failed";
  }
  return "Unknown";
}

Json Ended(const Run& run, const std::string& container_id) {
  JsonObject terminated;
  api::Set(&terminated, "exitCode", run.exit_code);
  api::Set(&terminated, "reason", run.exit_code == 0 ? "Completed" : "Error");
  api::Set(&terminated, "startedAt", Text(api::FormatTime(run.started_wall)));
  api::Set(&terminated, "finishedAt", Text(api::FormatTime(run.ended_wall)));
  api::Set(&terminated, "containerID", Text(container_id));
  JsonObject state;
  api::Set(&state, "terminated", std::move(terminated));
  return Json(std::move(state));
}

Json Waiting(std::string_view reason, std::string_view message) {
  JsonObject waiting;
  api::Set(&waiting, "reason", Text(reason));
  if (!message.empty()) {
    api::Set(&waiting, "message", Text(message));
  }
  JsonObject state;
  api::Set(&state, "waiting", std::move(waiting));
  return Json(std::move(state));
}

Json Running(const Run& run) {
  JsonObject running;
  api::Set(&running, "startedAt", Text(api::FormatTime(run.started_wall)));
  JsonObject state;
  api::Set(&state, "running", std::move(running));
  return Json(std::move(state));
}

// What is the same for all containers of the pod.
struct Reporting {
  const PodLife& life;
  const Json& pod;
  std::string_view uid;
  bool has_init = false;
};

Json StateOf(const Reporting& reporting, size_t index, const std::string& id) {
  const ContainerLife& life = reporting.life.containers()[index];
  const ContainerWish& wish = reporting.life.wish().containers[index];
  switch (life.stage) {
    case Stage::kRunning:
      return Running(life.current);
    case Stage::kEnded:
      return Ended(life.current, id);
    case Stage::kPullError:
      return Waiting("ErrImagePull",
                     fmt::format("rpc error: code = NotFound desc = {}: not found", wish.image));
    case Stage::kPullBackOff:
      return Waiting("ImagePullBackOff", fmt::format("Back-off pulling image \"{}\"", wish.image));
    case Stage::kBackOff:
      return Waiting("CrashLoopBackOff",
                     fmt::format("back-off restarting failed container={}", wish.name));
    case Stage::kIdle:
    case Stage::kCreating:
      break;
  }
  return Waiting(reporting.has_init ? "PodInitializing" : "ContainerCreating", {});
}

// Resources that changed while the container ran are in its status from then on.
void AddResources(const Reporting& reporting, const ContainerWish& wish, JsonObject* status) {
  const JsonArray* specs =
      api::FindArray(reporting.pod, {"spec", wish.is_init() ? "initContainers" : "containers"});
  for (size_t i = 0; specs != nullptr && i < specs->size(); ++i) {
    const Json* resources = api::Find((*specs)[i], {"resources"});
    if (api::StringAt((*specs)[i], {"name"}) == wish.name && resources != nullptr) {
      api::Set(status, "resources", *resources);
      if (const Json* requests = api::Find(*resources, {"requests"})) {
        api::Set(status, "allocatedResources", *requests);
      }
    }
  }
}

Json StatusOf(const Reporting& reporting, size_t index) {
  const ContainerLife& life = reporting.life.containers()[index];
  const ContainerWish& wish = reporting.life.wish().containers[index];
  const bool was_started = life.attempt >= 0;
  const bool is_waiting = life.stage != Stage::kRunning && life.stage != Stage::kEnded;
  const std::string id =
      was_started ? ContainerId(reporting.uid, wish.name, life.attempt) : std::string();
  JsonObject status;
  api::Set(&status, "name", Text(wish.name));
  api::Set(&status, "image", Text(was_started ? life.image : wish.image));
  api::Set(&status, "imageID", Text(was_started ? ImageId(life.image) : std::string()));
  if (was_started) {
    api::Set(&status, "containerID", Text(id));
  }
  // An init container that is through counts as ready.
  const bool is_through = wish.role == ContainerRole::kInit && life.stage == Stage::kEnded &&
                          life.current.exit_code == 0;
  api::Set(&status, "ready", life.is_ready() || is_through);
  api::Set(&status, "started", life.stage == Stage::kRunning);
  api::Set(&status, "restartCount", was_started ? life.attempt : 0);
  api::Set(&status, "state", StateOf(reporting, index, id));
  JsonObject none;
  Json last = Json(std::move(none));
  if (life.has_last && life.attempt >= (is_waiting ? 0 : 1)) {
    last =
        Ended(life.last, is_waiting ? id : ContainerId(reporting.uid, wish.name, life.attempt - 1));
  }
  api::Set(&status, "lastState", std::move(last));
  if (life.is_resized) {
    AddResources(reporting, wish, &status);
  }
  return Json(std::move(status));
}

bool ReportContainers(const Reporting& reporting, JsonObject* status) {
  JsonArray init;
  JsonArray main;
  const std::vector<ContainerWish>& containers = reporting.life.wish().containers;
  for (size_t i = 0; i < containers.size(); ++i) {
    (containers[i].is_init() ? init : main).push_back(StatusOf(reporting, i));
  }
  bool is_changed = false;
  for (const bool is_init : {true, false}) {
    JsonArray& list = is_init ? init : main;
    const std::string_view name = is_init ? "initContainerStatuses" : "containerStatuses";
    is_changed |=
        list.empty() ? status->erase(JsonView(name)) > 0 : Put(status, name, Json(std::move(list)));
  }
  return is_changed;
}

struct ConditionReport {
  std::string_view type;
  bool is_true = false;
  std::string reason = {};
  std::string message = {};
};

bool ReportCondition(const ConditionReport& report, int64_t now_wall, JsonArray* conditions) {
  Json* found = nullptr;
  for (Json& condition : *conditions) {
    if (api::StringAt(condition, {"type"}) == report.type && condition.is_object()) {
      found = &condition;
    }
  }
  const std::string_view status = report.is_true ? "True" : "False";
  if (found == nullptr) {
    JsonObject fresh;
    api::Set(&fresh, "type", Text(report.type));
    conditions->emplace_back(std::move(fresh));
    found = &conditions->back();
  }
  JsonObject& condition = found->get_object();
  bool is_changed = false;
  if (api::StringAt(*found, {"status"}) != status) {
    api::Set(&condition, "status", Text(status));
    api::Set(&condition, "lastTransitionTime", Text(api::FormatTime(now_wall)));
    is_changed = true;
  }
  is_changed |= PutText(&condition, "reason", report.reason);
  is_changed |= PutText(&condition, "message", report.message);
  return is_changed;
}

// Names of the containers that are not ready, or of the init containers that are not through.
std::vector<std::string_view> Lagging(const PodLife& life, bool is_init) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i < life.containers().size(); ++i) {
    const ContainerWish& wish = life.wish().containers[i];
    const ContainerLife& one = life.containers()[i];
    const bool is_through = wish.role == ContainerRole::kInit
                                ? one.stage == Stage::kEnded && one.current.exit_code == 0
                                : one.attempt >= 0;
    // Init containers that stay are asked for both.
    const bool counts = is_init ? wish.is_init() : wish.role != ContainerRole::kInit;
    if (counts && !(is_init ? is_through : one.is_ready())) {
      names.push_back(wish.name);
    }
  }
  return names;
}

ConditionReport InitializedReport(const PodLife& life) {
  if (life.phase() == Phase::kSucceeded) {
    return {.type = "Initialized", .is_true = true, .reason = "PodCompleted"};
  }
  const std::vector<std::string_view> lagging = Lagging(life, /*is_init=*/true);
  if (lagging.empty()) {
    return {.type = "Initialized", .is_true = true};
  }
  return {
      .type = "Initialized",
      .reason = "ContainersNotInitialized",
      .message = fmt::format("containers with incomplete status: [{}]", fmt::join(lagging, " "))};
}

ConditionReport ContainersReadyReport(const PodLife& life) {
  if (life.is_finished()) {
    return {.type = "ContainersReady",
            .reason = life.phase() == Phase::kSucceeded ? "PodCompleted" : "PodFailed"};
  }
  const std::vector<std::string_view> lagging = Lagging(life, /*is_init=*/false);
  if (lagging.empty() && life.phase() == Phase::kRunning) {
    return {.type = "ContainersReady", .is_true = true};
  }
  return {.type = "ContainersReady",
          .reason = "ContainersNotReady",
          .message = fmt::format("containers with unready status: [{}]", fmt::join(lagging, " "))};
}

// What the gates of the document say against Ready; empty when they are open.
std::string ClosedGates(const Json& pod, const JsonArray& conditions) {
  const JsonArray* gates = api::FindArray(pod, {"spec", "readinessGates"});
  std::string closed;
  for (size_t i = 0; gates != nullptr && i < gates->size(); ++i) {
    const std::string_view type = api::StringAt((*gates)[i], {"conditionType"});
    std::string_view status;
    for (const Json& condition : conditions) {
      if (api::StringAt(condition, {"type"}) == type) {
        status = api::StringAt(condition, {"status"});
      }
    }
    if (status == "True") {
      continue;
    }
    closed += closed.empty() ? "" : ", ";
    closed +=
        status.empty()
            ? fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                          type)
            : fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}", type,
                          status);
  }
  return closed;
}

bool ReportConditions(const Reporting& reporting, int64_t now_wall, JsonObject* status) {
  const PodLife& life = reporting.life;
  Json* present = status->if_contains("conditions");
  JsonArray conditions =
      present != nullptr && present->is_array() ? present->get_array() : JsonArray();
  const ConditionReport containers = ContainersReadyReport(life);
  ConditionReport ready = containers;
  ready.type = "Ready";
  if (containers.is_true) {
    ready.message = ClosedGates(reporting.pod, conditions);
    ready.is_true = ready.message.empty();
    ready.reason = ready.is_true ? "" : "ReadinessGatesNotReady";
  }
  bool is_changed = ReportCondition(InitializedReport(life), now_wall, &conditions);
  is_changed |= ReportCondition(ready, now_wall, &conditions);
  is_changed |= ReportCondition(containers, now_wall, &conditions);
  bool is_scheduled = false;
  for (const Json& condition : conditions) {
    is_scheduled = is_scheduled || api::StringAt(condition, {"type"}) == "PodScheduled";
  }
  if (!is_scheduled) {
    is_changed |= ReportCondition({.type = "PodScheduled", .is_true = true}, now_wall, &conditions);
  }
  if (is_changed) {
    api::Set(status, "conditions", std::move(conditions));
  }
  return is_changed;
}

bool ReportAddresses(const PodAddresses& addresses, JsonObject* status) {
  const auto list = [](std::string_view ip) {
    JsonObject one;
    api::Set(&one, "ip", Text(ip));
    return Json(JsonArray{Json(std::move(one))});
  };
  bool is_changed = PutText(status, "hostIP", addresses.host_ip);
  if (!addresses.pod_ip.empty()) {
    is_changed |= PutText(status, "podIP", addresses.pod_ip);
    is_changed |= Put(status, "podIPs", list(addresses.pod_ip));
  }
  return is_changed;
}

bool ReportRuntime(const Reporting& reporting, Json* pod) {
  std::vector<workload::RuntimeContainer> containers;
  const PodLife& life = reporting.life;
  for (size_t i = 0; i < life.containers().size(); ++i) {
    const ContainerLife& one = life.containers()[i];
    const ContainerWish& wish = life.wish().containers[i];
    if (one.attempt >= 0 && wish.role != ContainerRole::kInit) {
      containers.push_back({.name = wish.name,
                            .container_id = ContainerId(reporting.uid, wish.name, one.attempt),
                            .restart_count = one.attempt,
                            .plain_hash = one.plain_hash,
                            .env_hash = one.env_hash});
    }
  }
  if (containers.empty()) {
    return false;
  }
  return PutText(&api::EnsureObject(pod, {"metadata", "annotations"}),
                 workload::kRuntimeContainersKey, workload::EncodeRuntimeContainers(containers));
}

}  // namespace

bool Report(const PodLife& life, const PodAddresses& addresses, int64_t now_wall, bool with_runtime,
            Json* pod) {
  Reporting reporting = {
      .life = life, .pod = *pod, .uid = api::StringAt(*pod, {"metadata", "uid"})};
  for (const ContainerWish& wish : life.wish().containers) {
    reporting.has_init = reporting.has_init || wish.is_init();
  }
  const std::string_view qos = registry::QosClassOf(*pod);
  JsonObject& status = api::EnsureObject(pod, {"status"});
  bool is_changed = PutText(&status, "phase", PhaseText(life.phase()));
  is_changed |= PutText(&status, "reason", life.reason());
  is_changed |= PutText(&status, "message", life.message());
  if (api::Find(status, "qosClass") == nullptr) {
    is_changed |= PutText(&status, "qosClass", qos);
  }
  if (life.started_wall() == 0) {
    return is_changed;  // it was refused: no container, no address
  }
  is_changed |= PutText(&status, "startTime", api::FormatTime(life.started_wall()));
  is_changed |= ReportAddresses(addresses, &status);
  is_changed |= ReportContainers(reporting, &status);
  is_changed |= ReportConditions(reporting, now_wall, &status);
  if (with_runtime) {
    is_changed |= ReportRuntime(reporting, pod);
  }
  return is_changed;
}

}  // namespace socle::hollow
