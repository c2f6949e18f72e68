#include "controllers/nodelifecycle/plan.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/timestamp.h"
#include "controllers/workload/tolerations.h"

namespace socle::nodelifecycle {
namespace {

constexpr std::string_view kPressures[] = {"Ready", "MemoryPressure", "DiskPressure",
                                           "PIDPressure"};

api::Json* FindCondition(api::Json* object, std::string_view type) {
  api::JsonArray* conditions = nullptr;
  if (api::Json* list = api::EnsureObject(object, {"status"}).if_contains("conditions")) {
    conditions = list->if_array();
  }
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == type) {
      return &(*conditions)[i];
    }
  }
  return nullptr;
}

std::string_view ReadyOf(const api::Json& node) {
  const api::JsonArray* conditions = api::FindArray(node, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == "Ready") {
      return api::StringAt((*conditions)[i], {"status"});
    }
  }
  return {};
}

struct WantedTaint {
  std::string_view key;
  std::string_view effect;
  bool is_wanted;
};

bool IsOurs(const api::Json& taint, const WantedTaint& wanted) {
  return api::StringAt(taint, {"key"}) == wanted.key &&
         api::StringAt(taint, {"effect"}) == wanted.effect;
}

// nullopt: the taints are as they should be.
std::optional<api::Json> TaintsFor(const api::Json& node, std::string_view ready,
                                   int64_t wall_nanos) {
  const bool is_unknown = ready == "Unknown";
  const bool is_not_ready = !is_unknown && ready != "True";
  const WantedTaint wanted[] = {
      {kUnreachableTaint, "NoSchedule", is_unknown},
      {kUnreachableTaint, "NoExecute", is_unknown},
      {kNotReadyTaint, "NoSchedule", is_not_ready},
      {kNotReadyTaint, "NoExecute", is_not_ready},
      {workload::kUnschedulableTaint, "NoSchedule", api::BoolAt(node, {"spec", "unschedulable"})}};
  const api::JsonArray* present = api::FindArray(node, {"spec", "taints"});
  api::JsonArray taints = present == nullptr ? api::JsonArray() : *present;
  bool has_changed = false;
  const std::string now = api::FormatTime(wall_nanos);
  for (api::Json& taint : taints) {
    // Tolerations run from then: without it they would begin anew at every look.
    if (taint.is_object() && api::StringAt(taint, {"effect"}) == "NoExecute" &&
        api::StringAt(taint, {"timeAdded"}).empty()) {
      api::Set(&taint.get_object(), "timeAdded", api::JsonView(now));
      has_changed = true;
    }
  }
  for (const WantedTaint& one : wanted) {
    const auto at = std::find_if(taints.begin(), taints.end(),
                                 [&](const api::Json& taint) { return IsOurs(taint, one); });
    if (one.is_wanted == (at != taints.end())) {
      continue;
    }
    has_changed = true;
    if (!one.is_wanted) {
      taints.erase(at);
      continue;
    }
    api::JsonObject taint;
    api::Set(&taint, "key", api::JsonView(one.key));
    api::Set(&taint, "effect", api::JsonView(one.effect));
    api::Set(&taint, "timeAdded", api::JsonView(now));
    taints.emplace_back(std::move(taint));
  }
  return has_changed ? std::optional<api::Json>(std::move(taints)) : std::nullopt;
}

}  // namespace

std::string TokenOf(const api::Json& node, const api::Json* lease) {
  std::string token;
  if (lease != nullptr) {
    token = api::StringAt(*lease, {"spec", "renewTime"});
  }
  const api::JsonArray* conditions = api::FindArray(node, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == "Ready") {
      token += fmt::format("|{}", api::StringAt((*conditions)[i], {"lastHeartbeatTime"}));
    }
  }
  return token;
}

void Look(const std::string& token, const api::Json* lease, int64_t monotonic_nanos,
          int64_t wall_nanos, NodeSeen* seen) {
  if (seen->looked_nanos == 0) {
    *seen = {token, monotonic_nanos, monotonic_nanos};
    return;
  }
  if (token != seen->token) {
    const std::optional<int64_t> renewed =
        lease == nullptr ? std::nullopt
                         : api::ParseTime(api::StringAt(*lease, {"spec", "renewTime"}));
    const int64_t heard = renewed ? monotonic_nanos - (wall_nanos - *renewed) : monotonic_nanos;
    seen->heard_nanos = std::clamp(heard, seen->looked_nanos, monotonic_nanos);
    seen->token = token;
  }
  seen->looked_nanos = monotonic_nanos;
}

NodePlan PlanNode(const api::Json& node, const NodeSeen& seen, int64_t grace_nanos,
                  int64_t monotonic_nanos, int64_t wall_nanos) {
  NodePlan plan;
  const int64_t silent_at = seen.heard_nanos + grace_nanos;
  std::string_view ready = ReadyOf(node);
  if (monotonic_nanos >= silent_at) {
    plan.becomes_unknown = ready != "Unknown";
    ready = "Unknown";
  } else {
    plan.again_nanos = silent_at;
  }
  plan.taints = TaintsFor(node, ready, wall_nanos);
  return plan;
}

bool MarkUnknown(api::Json* node, int64_t wall_nanos) {
  bool has_changed = false;
  const std::string now = api::FormatTime(wall_nanos);
  for (const std::string_view type : kPressures) {
    api::Json* condition = FindCondition(node, type);
    if (condition == nullptr && type == "Ready") {
      api::JsonObject& status = api::EnsureObject(node, {"status"});
      if (status.if_contains("conditions") == nullptr) {
        api::Set(&status, "conditions", api::JsonArray());
      }
      api::JsonArray& conditions = status.at("conditions").get_array();
      conditions.emplace_back(api::JsonObject{{"type", "Ready"}});
      condition = &conditions.back();
    }
    if (condition == nullptr || api::StringAt(*condition, {"status"}) == "Unknown") {
      continue;
    }
    api::JsonObject* members = condition->if_object();
    api::Set(members, "status", "Unknown");
    api::Set(members, "reason", "NodeStatusUnknown");
    api::Set(members, "message", "Kubelet stopped posting node status.");
    api::Set(members, "lastTransitionTime", api::JsonView(now));
    has_changed = true;
  }
  return has_changed;
}

bool MarkPodNotReady(api::Json* pod, int64_t wall_nanos) {
  api::Json* condition = FindCondition(pod, "Ready");
  if (condition == nullptr || api::StringAt(*condition, {"status"}) != "True") {
    return false;
  }
  const std::string now = api::FormatTime(wall_nanos);
  api::JsonObject* members = condition->if_object();
  api::Set(members, "status", "False");
  api::Set(members, "reason", "NodeNotReady");
  api::Set(members, "message", "Node is not ready");
  api::Set(members, "lastTransitionTime", api::JsonView(now));
  return true;
}

}  // namespace socle::nodelifecycle
