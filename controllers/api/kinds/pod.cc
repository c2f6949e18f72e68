// Pod: containers that live and die together on one node.
#include "controllers/api/fragments/pod.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

constexpr std::string_view kUpdateText =
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)";

void FillPod(JsonObject* object) {
  Json* spec = object->if_contains("spec");
  if (JsonObject* members = spec == nullptr ? nullptr : spec->if_object()) {
    if (Find(*members, "enableServiceLinks") == nullptr) {
      Set(members, "enableServiceLinks", true);
    }
  }
}

// The spec without what an update may change.
JsonObject FixedPart(const Json& spec) {
  JsonObject fixed = spec.is_object() ? spec.get_object() : JsonObject();
  for (const std::string_view group : {"containers", "initContainers"}) {
    Json* containers = fixed.if_contains(JsonView(group));
    JsonArray* list = containers == nullptr ? nullptr : containers->if_array();
    for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
      if (JsonObject* container = (*list)[i].if_object()) {
        container->erase("image");
      }
    }
  }
  for (const std::string_view member :
       {"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName",
        "schedulingGates"}) {
    fixed.erase(JsonView(member));
  }
  return fixed;
}

void CheckTolerationsGrow(const Json& pod, const Json& old, Causes* causes) {
  const JsonArray* before = FindArray(old, {"spec", "tolerations"});
  const JsonArray* after = FindArray(pod, {"spec", "tolerations"});
  StringSet kept;
  for (size_t i = 0; after != nullptr && i < after->size(); ++i) {
    kept.insert(CanonicalDump((*after)[i]));
  }
  for (size_t i = 0; before != nullptr && i < before->size(); ++i) {
    if (!kept.contains(CanonicalDump((*before)[i]))) {
      causes->Forbidden("spec.tolerations",
                        "existing toleration can not be modified except its tolerationSeconds");
      return;
    }
  }
}

void CheckDeadline(const Json& pod, const Json& old, Causes* causes) {
  const std::optional<int64_t> before = IntAt(old, {"spec", "activeDeadlineSeconds"});
  const std::optional<int64_t> after = IntAt(pod, {"spec", "activeDeadlineSeconds"});
  if (before.has_value() && (!after.has_value() || *after > *before)) {
    causes->Invalid("spec.activeDeadlineSeconds", after ? Json(*after) : Json(nullptr),
                    after ? "must be less than or equal to previous value"
                          : "must not update from a positive integer to nil value");
  }
}

void ValidatePod(const Json& pod, const Json* old, Causes* causes) {
  const Json* spec = Find(pod, {"spec"});
  if (spec == nullptr) {
    return;
  }
  if (old == nullptr) {
    CheckMountsHaveVolumes(*spec, "spec", causes);
    return;
  }
  const std::string_view node_before = StringAt(*old, {"spec", "nodeName"});
  const Json* spec_before = Find(*old, {"spec"});
  const bool is_moved = StringAt(*spec, {"nodeName"}) != node_before;
  const std::optional<int64_t> grace = IntAt(*spec, {"terminationGracePeriodSeconds"});
  const std::optional<int64_t> grace_before =
      IntAt(*old, {"spec", "terminationGracePeriodSeconds"});
  const bool is_grace_changed =
      grace != grace_before && !(grace == 1 && grace_before.value_or(0) < 0);
  if (spec_before != nullptr &&
      (is_moved || is_grace_changed || FixedPart(*spec) != FixedPart(*spec_before))) {
    causes->Forbidden("spec", kUpdateText);
  }
  CheckTolerationsGrow(pod, *old, causes);
  CheckDeadline(pod, *old, causes);
}

struct Tally {
  int64_t ready = 0;
  int64_t total = 0;
  int64_t restarts = 0;
  std::string last_restart;
  std::string status;
};

std::string EndedReason(const Json& terminated, std::string_view prefix) {
  const std::string_view reason = StringAt(terminated, {"reason"});
  const int64_t signal = IntAt(terminated, {"signal"}).value_or(0);
  if (!reason.empty()) {
    return fmt::format("{}{}", prefix, reason);
  }
  return signal != 0
             ? fmt::format("{}Signal:{}", prefix, signal)
             : fmt::format("{}ExitCode:{}", prefix, IntAt(terminated, {"exitCode"}).value_or(0));
}

void CountRestarts(const Json& status, Tally* tally) {
  tally->restarts += IntAt(status, {"restartCount"}).value_or(0);
  const std::string_view finished = StringAt(status, {"lastState", "terminated", "finishedAt"});
  if (finished > tally->last_restart) {
    tally->last_restart = finished;  // RFC 3339 in UTC sorts as text
  }
}

// What holds the pod before its containers start; empty when nothing does.
std::string InitStatus(const Json& pod, Tally* tally) {
  const JsonArray* statuses = FindArray(pod, {"status", "initContainerStatuses"});
  const JsonArray* specs = FindArray(pod, {"spec", "initContainers"});
  for (size_t i = 0; statuses != nullptr && i < statuses->size(); ++i) {
    const Json& status = (*statuses)[i];
    CountRestarts(status, tally);
    const Json* terminated = Find(status, {"state", "terminated"});
    const std::string_view waiting = StringAt(status, {"state", "waiting", "reason"});
    const bool is_sidecar = specs != nullptr && i < specs->size() &&
                            StringAt((*specs)[i], {"restartPolicy"}) == "Always";
    if ((terminated != nullptr && IntAt(*terminated, {"exitCode"}).value_or(0) == 0) ||
        (is_sidecar && BoolAt(status, {"started"}))) {
      continue;
    }
    if (terminated != nullptr) {
      return EndedReason(*terminated, "Init:");
    }
    if (!waiting.empty() && waiting != "PodInitializing") {
      return fmt::format("Init:{}", waiting);
    }
    return fmt::format("Init:{}/{}", i, specs == nullptr ? statuses->size() : specs->size());
  }
  return {};
}

void TallyContainers(const Json& pod, Tally* tally) {
  const JsonArray* statuses = FindArray(pod, {"status", "containerStatuses"});
  bool has_running = false;
  for (size_t i = statuses == nullptr ? 0 : statuses->size(); i > 0; --i) {
    const Json& status = (*statuses)[i - 1];
    CountRestarts(status, tally);
    const std::string_view waiting = StringAt(status, {"state", "waiting", "reason"});
    const Json* terminated = Find(status, {"state", "terminated"});
    if (!waiting.empty()) {
      tally->status = waiting;
    } else if (terminated != nullptr) {
      tally->status = EndedReason(*terminated, "");
    } else if (BoolAt(status, {"ready"}) && Find(status, {"state", "running"}) != nullptr) {
      has_running = true;
      ++tally->ready;
    }
  }
  if (tally->status == "Completed" && has_running) {
    tally->status = "Running";
  }
}

Tally TallyPod(const Json& pod) {
  Tally tally;
  const JsonArray* containers = FindArray(pod, {"spec", "containers"});
  tally.total = containers == nullptr ? 0 : static_cast<int64_t>(containers->size());
  tally.status = StringAt(pod, {"status", "phase"});
  const std::string_view reason = StringAt(pod, {"status", "reason"});
  if (!reason.empty()) {
    tally.status = reason;
  }
  Tally before;
  std::string init = InitStatus(pod, &before);
  if (init.empty()) {
    TallyContainers(pod, &tally);
  } else {
    tally.status = std::move(init);
    tally.restarts = before.restarts;
    tally.last_restart = before.last_restart;
  }
  const std::string_view phase = StringAt(pod, {"status", "phase"});
  if (Find(pod, {"metadata", "deletionTimestamp"}) != nullptr) {
    if (reason == "NodeLost") {
      tally.status = "Unknown";
    } else if (phase != "Succeeded" && phase != "Failed") {
      tally.status = "Terminating";
    }
  }
  return tally;
}

Json Text(const std::string& text) {
  return Json(JsonView(text));
}

Json RestartsCell(const Json& pod, int64_t now_nanos) {
  const Tally tally = TallyPod(pod);
  if (tally.restarts == 0 || tally.last_restart.empty()) {
    return Text(fmt::format("{}", tally.restarts));
  }
  return Text(
      fmt::format("{} ({} ago)", tally.restarts, AgeText(Text(tally.last_restart), {}, now_nanos)));
}

Json OrNone(std::string_view text) {
  return text.empty() ? Json("<none>") : Json(JsonView(text));
}

Json GatesCell(const Json& pod, int64_t) {
  const JsonArray* gates = FindArray(pod, {"spec", "readinessGates"});
  const JsonArray* conditions = FindArray(pod, {"status", "conditions"});
  if (gates == nullptr || gates->empty()) {
    return Json("<none>");
  }
  StringSet met;
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (StringAt((*conditions)[i], {"status"}) == "True") {
      met.emplace(StringAt((*conditions)[i], {"type"}));
    }
  }
  size_t open = 0;
  for (const Json& gate : *gates) {
    open += met.contains(StringAt(gate, {"conditionType"})) ? 1 : 0;
  }
  return Text(fmt::format("{}/{}", open, gates->size()));
}

std::vector<Column> Columns() {
  return {NameColumn(),
          {.name = "Ready",
           .description = "Containers that are ready, of all.",
           .cell =
               [](const Json& pod, int64_t) {
                 const Tally tally = TallyPod(pod);
                 return Text(fmt::format("{}/{}", tally.ready, tally.total));
               }},
          {.name = "Status",
           .description = "The phase, or what keeps the pod from it.",
           .cell = [](const Json& pod, int64_t) { return Text(TallyPod(pod).status); }},
          {.name = "Restarts",
           .description = "How often containers were started again.",
           .cell = &RestartsCell},
          AgeColumn(),
          {.name = "IP",
           .priority = 1,
           .cell =
               [](const Json& pod, int64_t) {
                 return OrNone(StringAt(pod, {"status", "podIP"}));
               }},
          {.name = "Node",
           .priority = 1,
           .cell =
               [](const Json& pod, int64_t) {
                 return OrNone(StringAt(pod, {"spec", "nodeName"}));
               }},
          {.name = "Nominated Node",
           .priority = 1,
           .cell =
               [](const Json& pod, int64_t) {
                 return OrNone(StringAt(pod, {"status", "nominatedNodeName"}));
               }},
          {.name = "Readiness Gates", .priority = 1, .cell = &GatesCell}};
}

}  // namespace

Kind PodKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Pod",
      .list_kind = "PodList",
      .resource = "pods",
      .singular = "pod",
      .storage_resource = "pods",
      .short_names = {"po"},
      .categories = {"all"},
      .subresources = {StatusOf("Pod"),
                       {"binding", "", "", "Binding", {"create"}},
                       {"eviction", "policy", "v1", "Eviction", {"create"}}},
      .columns = Columns(),
      .fields =
          FieldsWithNames(true, {{"spec.nodeName", {"spec", "nodeName"}},
                                 {"spec.restartPolicy", {"spec", "restartPolicy"}},
                                 {"spec.schedulerName", {"spec", "schedulerName"}},
                                 {"spec.serviceAccountName", {"spec", "serviceAccountName"}},
                                 {"spec.hostNetwork", {"spec", "hostNetwork"}, "false"},
                                 {"status.phase", {"status", "phase"}},
                                 {"status.podIP", {"status", "podIP"}},
                                 {"status.nominatedNodeName", {"status", "nominatedNodeName"}}}),
      .has_status = true,
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("Containers that live and die together on one node.")
                    .Field("spec", Schema(PodSpec()).Required())
                    .Field("status", Schema(PodStatus()).Default(JsonObject()))
                    .Fill(&FillPod),
      .validate = &ValidatePod,
  };
}

}  // namespace socle::api
