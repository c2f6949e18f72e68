#include "controllers/sidecarset/upgrade_order.h"

#include <algorithm>
#include <charconv>
#include <tuple>
#include <unordered_map>

#include "kv/base/bytes.h"

namespace socle::sidecarset {
namespace {

int PhaseRank(workload::PodPhase phase) {
  switch (phase) {
    case workload::PodPhase::kPending:
      return 0;
    case workload::PodPhase::kUnknown:
      return 1;
    default:
      return 2;
  }
}

// Smaller first.
auto StateRank(const PodState& state) {
  // Ready since no known time counts as ready for no time.
  const int64_t ready_since =
      !state.is_ready || state.ready_since_nanos == 0 ? INT64_MAX : state.ready_since_nanos;
  const int64_t created = state.created_nanos == 0 ? INT64_MAX : state.created_nanos;
  return std::tuple(state.is_assigned, PhaseRank(state.phase), state.is_ready, -ready_since,
                    -state.restart_count, -created);
}

// The number that the text ends with; 0 without digits. Cut where 64 bits end.
uint64_t TrailingNumber(std::string_view text) {
  const size_t last = text.find_last_not_of("0123456789");
  const std::string_view digits = last == std::string_view::npos ? text : text.substr(last + 1);
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc::result_out_of_range ? UINT64_MAX : number;
}

struct PriorityRank {
  int64_t level = 0;    // smaller first
  uint64_t number = 0;  // larger first
};

PriorityRank OrderRank(const std::vector<std::string>& keys, const registry::Object& pod) {
  for (size_t level = 0; level < keys.size(); ++level) {
    if (pod.HasLabel(keys[level])) {
      return {.level = static_cast<int64_t>(level),
              .number = TrailingNumber(pod.Label(keys[level]))};
    }
  }
  return {.level = -1};
}

PriorityRank WeightRank(const std::vector<WeightTerm>& terms, const registry::Object& pod) {
  uint64_t weight = 0;
  for (const WeightTerm& term : terms) {
    weight += term.labels.MatchesSorted(pod.labels) ? static_cast<uint64_t>(term.weight) : 0;
  }
  return {.number = weight};
}

// One label by which pods are scattered.
struct ScatterKey {
  std::string key;
  bool is_every_value = false;
  StringSet values;
};

std::vector<ScatterKey> KeysOf(const std::vector<ScatterTerm>& terms) {
  std::vector<ScatterKey> keys;
  for (const ScatterTerm& term : terms) {
    auto found = std::find_if(keys.begin(), keys.end(),
                              [&](const ScatterKey& key) { return key.key == term.key; });
    if (found == keys.end()) {
      found = keys.insert(keys.end(), ScatterKey{.key = term.key});
    }
    if (term.value == "*") {
      found->is_every_value = true;
    } else {
      found->values.insert(term.value);
    }
  }
  return keys;
}

// Where a pod stands after scattering: nth of a group of `size`.
struct Place {
  size_t pod = 0;
  uint64_t nth = 0;
  uint64_t size = 1;
};

void ScatterBy(const ScatterKey& key, const std::vector<PlanPod>& pods, Order* order) {
  StringMap<uint64_t> sizes;
  std::vector<Place> places;
  std::vector<std::string_view> groups;
  places.reserve(order->size());
  groups.reserve(order->size());
  for (const size_t pod : *order) {
    const registry::Object& object = *pods[pod].object;
    const std::string_view value = object.Label(key.key);
    const bool is_group =
        object.HasLabel(key.key) && (key.is_every_value || key.values.contains(value));
    // No label value has a zero byte: the rest is a group of its own.
    const std::string_view group = is_group ? value : std::string_view("\0", 1);
    uint64_t& size = sizes.try_emplace(group, 0).first->second;
    places.push_back({.pod = pod, .nth = ++size});
    groups.push_back(group);
  }
  for (size_t i = 0; i < places.size(); ++i) {
    places[i].size = sizes.find(groups[i])->second;
  }
  std::stable_sort(places.begin(), places.end(),
                   [](const Place& a, const Place& b) { return a.nth * b.size < b.nth * a.size; });
  std::transform(places.begin(), places.end(), order->begin(),
                 [](const Place& place) { return place.pod; });
}

}  // namespace

void SortByState(const std::vector<PlanPod>& pods, Order* order) {
  std::stable_sort(order->begin(), order->end(), [&](size_t a, size_t b) {
    return StateRank(pods[a].state) < StateRank(pods[b].state);
  });
}

void SortByPriority(const UpdateStrategy& strategy, const std::vector<PlanPod>& pods,
                    Order* order) {
  if (strategy.weights.empty() && strategy.order_keys.empty()) {
    return;
  }
  std::unordered_map<size_t, PriorityRank> ranks;
  for (const size_t pod : *order) {
    ranks[pod] = strategy.weights.empty() ? OrderRank(strategy.order_keys, *pods[pod].object)
                                          : WeightRank(strategy.weights, *pods[pod].object);
  }
  std::stable_sort(order->begin(), order->end(), [&](size_t a, size_t b) {
    const PriorityRank& left = ranks[a];
    const PriorityRank& right = ranks[b];
    return left.level != right.level ? left.level < right.level : left.number > right.number;
  });
}

void Scatter(const std::vector<ScatterTerm>& terms, const std::vector<PlanPod>& pods,
             Order* order) {
  for (const ScatterKey& key : KeysOf(terms)) {
    ScatterBy(key, pods, order);
  }
}

std::vector<size_t> UpgradeOrder(const UpdateStrategy& strategy, const std::vector<PlanPod>& pods,
                                 std::vector<size_t> candidates) {
  SortByState(pods, &candidates);
  SortByPriority(strategy, pods, &candidates);
  Scatter(strategy.scatter, pods, &candidates);
  return candidates;
}

}  // namespace socle::sidecarset
