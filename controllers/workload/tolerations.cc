#include "controllers/workload/tolerations.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "controllers/api/timestamp.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

std::optional<TaintEffect> EffectOf(std::string_view word) {
  if (word == "NoSchedule") {
    return TaintEffect::kNoSchedule;
  }
  if (word == "PreferNoSchedule") {
    return TaintEffect::kPreferNoSchedule;
  }
  if (word == "NoExecute") {
    return TaintEffect::kNoExecute;
  }
  return std::nullopt;
}

}  // namespace

bool Toleration::Covers(const Taint& taint) const {
  if (effect.has_value() && *effect != taint.effect) {
    return false;
  }
  if (key.empty()) {
    return is_any_value;
  }
  return key == taint.key && (is_any_value || value == taint.value);
}

std::vector<Taint> ParseTaints(const api::Json* taints) {
  std::vector<Taint> result;
  const api::JsonArray* list = taints == nullptr ? nullptr : taints->if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const api::Json& one = (*list)[i];
    const std::optional<TaintEffect> effect = EffectOf(api::StringAt(one, {"effect"}));
    if (!effect.has_value()) {
      continue;
    }
    Taint taint{.key = std::string(api::StringAt(one, {"key"})),
                .value = std::string(api::StringAt(one, {"value"})),
                .effect = *effect};
    if (const std::string_view added = api::StringAt(one, {"timeAdded"}); !added.empty()) {
      taint.added_nanos = api::ParseTime(added);
    }
    result.push_back(std::move(taint));
  }
  return result;
}

std::vector<Toleration> ParseTolerations(const api::Json* tolerations) {
  std::vector<Toleration> result;
  const api::JsonArray* list = tolerations == nullptr ? nullptr : tolerations->if_array();
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const api::Json& one = (*list)[i];
    result.push_back(Toleration{.key = std::string(api::StringAt(one, {"key"})),
                                .value = std::string(api::StringAt(one, {"value"})),
                                .is_any_value = api::StringAt(one, {"operator"}) == "Exists",
                                .effect = EffectOf(api::StringAt(one, {"effect"})),
                                .seconds = api::IntAt(one, {"tolerationSeconds"})});
  }
  return result;
}

bool Tolerates(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(),
                     [&taint](const Toleration& one) { return one.Covers(taint); });
}

const Taint* FindUntolerated(const std::vector<Taint>& taints,
                             const std::vector<Toleration>& tolerations) {
  for (const Taint& taint : taints) {
    if (taint.effect != TaintEffect::kPreferNoSchedule && !Tolerates(tolerations, taint)) {
      return &taint;
    }
  }
  return nullptr;
}

int CountAvoided(const std::vector<Taint>& taints, const std::vector<Toleration>& tolerations) {
  return static_cast<int>(
      std::count_if(taints.begin(), taints.end(), [&tolerations](const Taint& taint) {
        return taint.effect == TaintEffect::kPreferNoSchedule && !Tolerates(tolerations, taint);
      }));
}

std::optional<int64_t> EvictionTime(const std::vector<Taint>& taints,
                                    const std::vector<Toleration>& tolerations, int64_t now_nanos) {
  std::optional<int64_t> earliest;
  for (const Taint& taint : taints) {
    if (taint.effect != TaintEffect::kNoExecute) {
      continue;
    }
    bool is_tolerated = false;
    std::optional<int64_t> seconds;
    for (const Toleration& one : tolerations) {
      if (one.Covers(taint)) {
        is_tolerated = true;
        if (one.seconds.has_value()) {
          seconds = std::min(seconds.value_or(INT64_MAX), *one.seconds);
        }
      }
    }
    if (is_tolerated && !seconds.has_value()) {
      continue;
    }
    // Seconds beyond a century mean never in practice; cut so that the sum stays in range.
    const int64_t wait = is_tolerated ? std::clamp<int64_t>(*seconds, 0, 3'200'000'000) : 0;
    const int64_t since = taint.added_nanos.value_or(now_nanos);
    const int64_t due = is_tolerated ? since + wait * kNanosPerSecond : now_nanos;
    earliest = std::min(earliest.value_or(INT64_MAX), std::max(due, now_nanos));
  }
  return earliest;
}

}  // namespace socle::workload
