#include "controllers/inplaceset/set_spec.h"

#include <algorithm>
#include <charconv>

#include "controllers/api/int_or_string.h"

namespace socle::inplaceset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

std::optional<int64_t> WholeNumber(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool is_whole = error == std::errc() && end == text.data() + text.size() && number >= 0;
  return is_whole ? std::optional(number) : std::nullopt;
}

// A number, "5", or "3-7".
std::optional<std::pair<int64_t, int64_t>> ReadRange(const Json& ordinal) {
  if (const std::optional<int64_t> one = api::AsInt(ordinal)) {
    return std::pair(*one, *one);
  }
  if (!ordinal.is_string()) {
    return std::nullopt;
  }
  const std::string_view text = api::View(ordinal.get_string());
  const size_t dash = text.find('-');
  const std::optional<int64_t> first = WholeNumber(text.substr(0, dash));
  const std::optional<int64_t> last =
      dash == std::string_view::npos ? first : WholeNumber(text.substr(dash + 1));
  if (!first.has_value() || !last.has_value() || *first > *last) {
    return std::nullopt;
  }
  return std::pair(*first, *last);
}

void ReadReserved(const Json& set, SetSpec* spec) {
  const JsonArray* list = api::FindArray(set, {"spec", "reserveOrdinals"});
  std::vector<std::pair<int64_t, int64_t>> ranges;
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if (const auto range = ReadRange((*list)[i])) {
      ranges.push_back(*range);
    }
  }
  std::sort(ranges.begin(), ranges.end());
  for (const auto& [first, last] : ranges) {
    if (!spec->reserved.empty() && first <= spec->reserved.back().second) {
      spec->reserved.back().second = std::max(spec->reserved.back().second, last);
    } else {
      spec->reserved.emplace_back(first, last);
    }
  }
}

void ReadPriorities(const Json& rolling, RollingUpdate* read) {
  const Json* unordered = api::Find(rolling, {"unorderedUpdate"});
  read->is_unordered = unordered != nullptr;
  if (unordered == nullptr) {
    return;
  }
  const JsonArray* order = api::FindArray(*unordered, {"priorityStrategy", "orderPriority"});
  for (size_t i = 0; order != nullptr && i < order->size(); ++i) {
    read->order_keys.emplace_back(api::StringAt((*order)[i], {"orderedKey"}));
  }
  const JsonArray* weights = api::FindArray(*unordered, {"priorityStrategy", "weightPriority"});
  for (size_t i = 0; weights != nullptr && i < weights->size(); ++i) {
    absl::StatusOr<api::LabelSelector> selector =
        api::LabelSelector::FromJson(api::Find((*weights)[i], {"matchSelector"}));
    if (selector.ok()) {
      read->weights.push_back({.weight = api::IntAt((*weights)[i], {"weight"}).value_or(0),
                               .selector = *std::move(selector)});
    }
  }
}

PodUpdatePolicy ReadPolicy(std::string_view text) {
  if (text == "InPlaceIfPossible") {
    return PodUpdatePolicy::kInPlaceIfPossible;
  }
  return text == "InPlaceOnly" ? PodUpdatePolicy::kInPlaceOnly : PodUpdatePolicy::kReCreate;
}

void ReadStrategy(const Json& set, SetSpec* spec) {
  spec->is_on_delete = api::StringAt(set, {"spec", "updateStrategy", "type"}) == "OnDelete";
  const Json* rolling = api::Find(set, {"spec", "updateStrategy", "rollingUpdate"});
  spec->has_rolling_params = rolling != nullptr;
  if (rolling == nullptr) {
    return;
  }
  RollingUpdate& read = spec->rolling;
  read.partition = std::max<int64_t>(api::IntAt(*rolling, {"partition"}).value_or(0), 0);
  if (const Json* share = api::Find(*rolling, {"maxUnavailable"})) {
    read.max_unavailable = *share;
  }
  read.policy = ReadPolicy(api::StringAt(*rolling, {"podUpdatePolicy"}));
  read.is_paused = api::BoolAt(*rolling, {"paused"});
  read.grace_seconds =
      api::IntAt(*rolling, {"inPlaceUpdateStrategy", "gracePeriodSeconds"}).value_or(0);
  read.min_ready_seconds = api::IntAt(*rolling, {"minReadySeconds"}).value_or(0);
  ReadPriorities(*rolling, &read);
}

void ReadSelector(const Json& set, SetSpec* spec) {
  absl::StatusOr<api::LabelSelector> selector =
      api::LabelSelector::FromJson(api::Find(set, {"spec", "selector"}));
  if (selector.ok()) {
    spec->selector = *std::move(selector);
  }
  const JsonObject* labels = api::FindObject(set, {"spec", "selector", "matchLabels"});
  for (const auto& label : labels == nullptr ? JsonObject() : *labels) {
    if (label.value().is_string()) {
      spec->match_labels.emplace_back(api::View(label.key()),
                                      api::View(label.value().get_string()));
    }
  }
}

void ReadStatus(const Json& set, SetSpec* spec) {
  if (const Json* status = api::Find(set, {"status"})) {
    spec->status = *status;
  }
  spec->current_revision = api::StringAt(spec->status, {"currentRevision"});
  spec->current_replicas = api::IntAt(spec->status, {"currentReplicas"}).value_or(0);
  spec->collision_count = api::IntAt(spec->status, {"collisionCount"}).value_or(0);
  spec->retried_pods = api::IntAt(spec->status, {"retriedPods"}).value_or(0);
  const JsonArray* retries = api::FindArray(spec->status, {"nodeRetries"});
  for (size_t i = 0; retries != nullptr && i < retries->size(); ++i) {
    NodeRetry retry{.pod = std::string(api::StringAt((*retries)[i], {"podName"}))};
    const JsonArray* nodes = api::FindArray((*retries)[i], {"nodes"});
    for (size_t k = 0; nodes != nullptr && k < nodes->size(); ++k) {
      if ((*nodes)[k].is_string()) {
        retry.nodes.emplace_back(api::View((*nodes)[k].get_string()));
      }
    }
    spec->node_retries.push_back(std::move(retry));
  }
}

void ReadRetry(const Json& set, SetSpec* spec) {
  const Json* retry = api::Find(set, {"spec", "scheduleStrategy", "retryOnOtherNodes"});
  if (retry == nullptr) {
    return;
  }
  spec->retry.is_enabled = api::BoolAt(*retry, {"enabled"});
  spec->retry.timeout_seconds = api::IntAt(*retry, {"timeoutSeconds"}).value_or(60);
  spec->retry.retries_max = api::IntAt(*retry, {"maxRetries"}).value_or(3);
}

}  // namespace

bool SetSpec::IsReserved(int64_t ordinal) const {
  return std::any_of(reserved.begin(), reserved.end(), [&](const auto& range) {
    return range.first <= ordinal && ordinal <= range.second;
  });
}

int64_t SetSpec::MaxUnavailable() const {
  return std::max<int64_t>(
      1, api::ScaledValue(rolling.max_unavailable, replicas, api::Rounding::kDown).value_or(1));
}

std::optional<int64_t> SetSpec::ScaleMaxUnavailable() const {
  if (is_ordered || !scale_max_unavailable.has_value()) {
    return std::nullopt;
  }
  return std::max<int64_t>(
      1, api::ScaledValue(*scale_max_unavailable, replicas, api::Rounding::kDown).value_or(1));
}

SetSpec ReadSet(const registry::ObjectRef& object) {
  SetSpec spec;
  spec.object = object;
  spec.is_deleting = object->is_deleting;
  const Json set = object->Parse();
  spec.generation = api::IntAt(set, {"metadata", "generation"}).value_or(0);
  spec.replicas =
      std::clamp<int64_t>(api::IntAt(set, {"spec", "replicas"}).value_or(1), 0, kReplicasMax);
  spec.start_ordinal =
      std::max<int64_t>(api::IntAt(set, {"spec", "ordinals", "start"}).value_or(0), 0);
  ReadReserved(set, &spec);
  ReadSelector(set, &spec);
  if (const Json* pod_template = api::Find(set, {"spec", "template"})) {
    spec.pod_template = *pod_template;
  }
  if (const JsonArray* claims = api::FindArray(set, {"spec", "volumeClaimTemplates"})) {
    spec.claim_templates.assign(claims->begin(), claims->end());
  }
  spec.service_name = api::StringAt(set, {"spec", "serviceName"});
  spec.is_ordered = api::StringAt(set, {"spec", "podManagementPolicy"}) != "Parallel";
  ReadStrategy(set, &spec);
  if (const Json* share = api::Find(set, {"spec", "scaleStrategy", "maxUnavailable"})) {
    spec.scale_max_unavailable = *share;
  }
  spec.history_limit = api::IntAt(set, {"spec", "revisionHistoryLimit"}).value_or(10);
  spec.hooks = workload::ReadLifecycleHooks(api::Find(set, {"spec", "lifecycle"}));
  const auto deletes = [&](std::string_view when) {
    return api::StringAt(set, {"spec", "persistentVolumeClaimRetentionPolicy", when}) == "Delete";
  };
  spec.deletes_claims_when_deleted = deletes("whenDeleted");
  spec.deletes_claims_when_scaled = deletes("whenScaled");
  ReadRetry(set, &spec);
  ReadStatus(set, &spec);
  return spec;
}

}  // namespace socle::inplaceset
