#include "controllers/workload/pod_readiness.h"

#include <string>
#include <utility>

#include "controllers/api/timestamp.h"
#include "controllers/workload/in_place_update.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

// The keys in the message of the condition.
JsonArray KeysOf(const Json& pod) {
  const Json* condition = FindPodCondition(pod, kKruiseReadyCondition);
  if (condition == nullptr) {
    return {};
  }
  absl::StatusOr<Json> keys = api::ParseJson(api::StringAt(*condition, {"message"}));
  return keys.ok() && keys->is_array() ? std::move(keys->get_array()) : JsonArray();
}

bool IsKey(const Json& one, const NotReadyKey& key) {
  return api::StringAt(one, {"userAgent"}) == key.user_agent &&
         api::StringAt(one, {"key"}) == key.key;
}

bool WriteKeys(const JsonArray& keys, int64_t now_nanos, Json* pod) {
  const std::string message = keys.empty() ? std::string() : api::Dump(keys);
  return SetPodCondition(
      {.type = kKruiseReadyCondition, .is_true = keys.empty(), .message = message}, now_nanos, pod);
}

}  // namespace

const Json* FindPodCondition(const Json& pod, std::string_view type) {
  const JsonArray* conditions = api::FindArray(pod, {"status", "conditions"});
  for (size_t i = 0; conditions != nullptr && i < conditions->size(); ++i) {
    if (api::StringAt((*conditions)[i], {"type"}) == type) {
      return &(*conditions)[i];
    }
  }
  return nullptr;
}

bool HasReadinessGate(const Json& pod, std::string_view type) {
  const JsonArray* gates = api::FindArray(pod, {"spec", "readinessGates"});
  for (size_t i = 0; gates != nullptr && i < gates->size(); ++i) {
    if (api::StringAt((*gates)[i], {"conditionType"}) == type) {
      return true;
    }
  }
  return false;
}

bool SetPodCondition(const ConditionValue& value, int64_t now_nanos, Json* pod) {
  JsonObject condition;
  condition["type"] = JsonView(value.type);
  condition["status"] = value.is_true ? "True" : "False";
  const Json* old = FindPodCondition(*pod, value.type);
  const bool is_same_status =
      old != nullptr && api::StringAt(*old, {"status"}) == api::StringAt(condition, "status");
  if (is_same_status && api::StringAt(*old, {"reason"}) == value.reason &&
      api::StringAt(*old, {"message"}) == value.message) {
    return false;
  }
  const std::string_view before =
      is_same_status ? api::StringAt(*old, {"lastTransitionTime"}) : std::string_view();
  const std::string since = before.empty() ? api::FormatTime(now_nanos) : std::string(before);
  condition["lastTransitionTime"] = JsonView(since);
  if (!value.reason.empty()) {
    condition["reason"] = JsonView(value.reason);
  }
  if (!value.message.empty()) {
    condition["message"] = JsonView(value.message);
  }
  Json& list = api::EnsureObject(pod, {"status"})["conditions"];
  if (!list.is_array()) {
    list = JsonArray();
  }
  for (Json& one : list.get_array()) {
    if (api::StringAt(one, {"type"}) == value.type) {
      one = std::move(condition);
      return true;
    }
  }
  list.get_array().push_back(std::move(condition));
  return true;
}

bool AddNotReadyKey(const NotReadyKey& key, int64_t now_nanos, Json* pod) {
  if (!HasReadinessGate(*pod, kKruiseReadyCondition)) {
    return false;
  }
  JsonArray keys = KeysOf(*pod);
  for (const Json& one : keys) {
    if (IsKey(one, key)) {
      return false;
    }
  }
  keys.push_back(JsonObject{{"userAgent", JsonView(key.user_agent)}, {"key", JsonView(key.key)}});
  WriteKeys(keys, now_nanos, pod);
  SetPodCondition({.type = kReadyCondition,
                   .is_true = false,
                   .reason = "ReadinessGatesNotReady",
                   .message = "a hook holds the pod"},
                  now_nanos, pod);
  return true;
}

bool RemoveNotReadyKey(const NotReadyKey& key, int64_t now_nanos, Json* pod) {
  if (!HasReadinessGate(*pod, kKruiseReadyCondition)) {
    return false;
  }
  JsonArray left;
  for (const Json& one : KeysOf(*pod)) {
    if (!IsKey(one, key)) {
      left.push_back(one);
    }
  }
  return WriteKeys(left, now_nanos, pod);
}

bool OpenReadinessGates(int64_t now_nanos, Json* pod) {
  bool is_changed = false;
  for (const std::string_view gate : {kInPlaceReadyCondition, kKruiseReadyCondition}) {
    if (HasReadinessGate(*pod, gate) && FindPodCondition(*pod, gate) == nullptr) {
      is_changed |= SetPodCondition({.type = gate, .is_true = true}, now_nanos, pod);
    }
  }
  return is_changed;
}

}  // namespace socle::workload
