#include "controllers/workload/lifecycle_hooks.h"

#include <algorithm>
#include <array>

#include "controllers/api/timestamp.h"
#include "controllers/workload/document_edits.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::array<std::pair<LifecycleState, std::string_view>, 6> kTexts = {
    {{LifecycleState::kPreparingNormal, "PreparingNormal"},
     {LifecycleState::kNormal, "Normal"},
     {LifecycleState::kPreparingUpdate, "PreparingUpdate"},
     {LifecycleState::kUpdating, "Updating"},
     {LifecycleState::kUpdated, "Updated"},
     {LifecycleState::kPreparingDelete, "PreparingDelete"}}};

LifecycleHook ReadHook(const Json* hook) {
  LifecycleHook read;
  if (hook == nullptr || !hook->is_object()) {
    return read;
  }
  read.is_set = true;
  if (const JsonObject* labels = api::FindObject(*hook, {"labelsHandler"})) {
    for (const auto& label : *labels) {
      if (label.value().is_string()) {
        read.labels.emplace_back(api::View(label.key()), api::View(label.value().get_string()));
      }
    }
  }
  if (const JsonArray* finalizers = api::FindArray(*hook, {"finalizersHandler"})) {
    for (const Json& finalizer : *finalizers) {
      if (finalizer.is_string()) {
        read.finalizers.emplace_back(api::View(finalizer.get_string()));
      }
    }
  }
  read.marks_not_ready = api::BoolAt(*hook, {"markPodNotReady"});
  return read;
}

bool HasFinalizer(const registry::Object& object, std::string_view finalizer) {
  return std::find(object.finalizers.begin(), object.finalizers.end(), finalizer) !=
         object.finalizers.end();
}

bool HasFinalizer(const Json& object, std::string_view finalizer) {
  const JsonArray* list = api::FindArray(object, {"metadata", "finalizers"});
  return list != nullptr && std::any_of(list->begin(), list->end(), [&](const Json& one) {
           return one.is_string() && api::View(one.get_string()) == finalizer;
         });
}

bool HasLabel(const registry::Object& object, const std::pair<std::string, std::string>& label) {
  return object.HasLabel(label.first) && object.Label(label.first) == label.second;
}

LifecycleState AfterUpdate(const LifecycleHooks& hooks, const registry::Object& pod) {
  return IsAllHooked(hooks.in_place_update, pod) ? LifecycleState::kNormal
                                                 : LifecycleState::kUpdated;
}

}  // namespace

std::string_view LifecycleStateText(LifecycleState state) {
  for (const auto& [one, text] : kTexts) {
    if (one == state) {
      return text;
    }
  }
  return {};
}

LifecycleState ParseLifecycleState(std::string_view text) {
  for (const auto& [state, one] : kTexts) {
    if (one == text) {
      return state;
    }
  }
  return LifecycleState::kNone;
}

LifecycleHooks ReadLifecycleHooks(const Json* lifecycle) {
  if (lifecycle == nullptr) {
    return {};
  }
  return {.pre_delete = ReadHook(api::Find(*lifecycle, {"preDelete"})),
          .in_place_update = ReadHook(api::Find(*lifecycle, {"inPlaceUpdate"})),
          .pre_normal = ReadHook(api::Find(*lifecycle, {"preNormal"}))};
}

bool IsHooked(const LifecycleHook& hook, const registry::Object& object) {
  if (!hook.is_set) {
    return false;
  }
  return std::any_of(hook.labels.begin(), hook.labels.end(),
                     [&](const auto& label) { return HasLabel(object, label); }) ||
         std::any_of(hook.finalizers.begin(), hook.finalizers.end(),
                     [&](const std::string& one) { return HasFinalizer(object, one); });
}

bool IsAllHooked(const LifecycleHook& hook, const registry::Object& object) {
  return std::all_of(hook.labels.begin(), hook.labels.end(),
                     [&](const auto& label) { return HasLabel(object, label); }) &&
         std::all_of(hook.finalizers.begin(), hook.finalizers.end(),
                     [&](const std::string& one) { return HasFinalizer(object, one); });
}

bool IsAllHooked(const LifecycleHook& hook, const Json& object) {
  const JsonObject* labels = api::FindObject(object, {"metadata", "labels"});
  const auto has_label = [&](const auto& label) {
    const Json* value = labels == nullptr ? nullptr : api::Find(*labels, label.first);
    return value != nullptr && value->is_string() && api::View(value->get_string()) == label.second;
  };
  return std::all_of(hook.labels.begin(), hook.labels.end(), has_label) &&
         std::all_of(hook.finalizers.begin(), hook.finalizers.end(),
                     [&](const std::string& one) { return HasFinalizer(object, one); });
}

LifecycleState StateOfNewPod(const LifecycleHooks& hooks, const Json& pod) {
  return IsAllHooked(hooks.pre_normal, pod) ? LifecycleState::kNormal
                                            : LifecycleState::kPreparingNormal;
}

std::optional<LifecycleState> NextLifecycleState(const LifecycleHooks& hooks,
                                                 const registry::Object& pod, LifecycleState state,
                                                 bool is_updated, bool is_in_place_done) {
  switch (state) {
    case LifecycleState::kPreparingNormal:
      if (IsAllHooked(hooks.pre_normal, pod)) {
        return LifecycleState::kNormal;
      }
      return std::nullopt;
    case LifecycleState::kPreparingUpdate:
      if (is_updated && is_in_place_done) {  // rolled back while it was held
        return AfterUpdate(hooks, pod);
      }
      return std::nullopt;
    case LifecycleState::kUpdating:
      if (is_in_place_done) {
        return AfterUpdate(hooks, pod);
      }
      return std::nullopt;
    case LifecycleState::kUpdated:
      if (IsAllHooked(hooks.in_place_update, pod)) {
        return LifecycleState::kNormal;
      }
      return std::nullopt;
    case LifecycleState::kNone:
    case LifecycleState::kNormal:
    case LifecycleState::kPreparingDelete:
      return std::nullopt;
  }
  return std::nullopt;
}

UpdateGate GateForUpdate(const LifecycleHooks& hooks, const registry::Object& pod,
                         LifecycleState state) {
  const bool is_hooked = IsHooked(hooks.in_place_update, pod);
  switch (state) {
    case LifecycleState::kNone:
    case LifecycleState::kNormal:
    case LifecycleState::kPreparingNormal:
      return is_hooked ? UpdateGate::kPrepare : UpdateGate::kOpen;
    case LifecycleState::kPreparingUpdate:
      return is_hooked ? UpdateGate::kWait : UpdateGate::kOpen;
    case LifecycleState::kUpdating:
      return UpdateGate::kOpen;
    case LifecycleState::kUpdated:
      return hooks.in_place_update.is_set ? UpdateGate::kRearm : UpdateGate::kOpen;
    case LifecycleState::kPreparingDelete:
      return UpdateGate::kWait;
  }
  return UpdateGate::kWait;
}

DeleteGate GateForDelete(const LifecycleHooks& hooks, const registry::Object& pod,
                         LifecycleState state) {
  if (!IsHooked(hooks.pre_delete, pod)) {
    return DeleteGate::kOpen;
  }
  return state == LifecycleState::kPreparingDelete ? DeleteGate::kWait : DeleteGate::kPrepare;
}

void SetLifecycleState(LifecycleState state, int64_t now_nanos, Json* pod) {
  if (SetLabel(kLifecycleStateLabel, LifecycleStateText(state), pod)) {
    SetAnnotation(kLifecycleTimeKey, api::FormatTime(now_nanos), pod);
  }
}

void AddHook(const LifecycleHook& hook, Json* pod) {
  for (const auto& [key, value] : hook.labels) {
    SetLabel(key, value, pod);
  }
  for (const std::string& finalizer : hook.finalizers) {
    AddFinalizer(finalizer, pod);
  }
}

}  // namespace socle::workload
