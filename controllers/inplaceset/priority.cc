// Priorities of unorderedUpdate.
#include <algorithm>

#include "controllers/inplaceset/plan.h"

namespace socle::inplaceset {

using workload::PodFacts;
using workload::PodFactsRef;

namespace {

// The number at the end of the text; 0 without one, the greatest for what is too long.
uint64_t TrailingNumber(std::string_view text) {
  size_t start = text.size();
  while (start > 0 && text[start - 1] >= '0' && text[start - 1] <= '9') {
    --start;
  }
  uint64_t number = 0;
  for (const char digit : text.substr(start)) {
    if (number > (UINT64_MAX - 9) / 10) {
      return UINT64_MAX;
    }
    number = number * 10 + static_cast<uint64_t>(digit - '0');
  }
  return number;
}

struct Rank {
  int64_t level = 0;    // lower first
  uint64_t within = 0;  // higher first

  bool operator<(const Rank& other) const {
    return level != other.level ? level < other.level : within > other.within;
  }
};

Rank RankOf(const RollingUpdate& rolling, const PodFacts& pod) {
  if (!rolling.order_keys.empty()) {
    for (size_t i = 0; i < rolling.order_keys.size(); ++i) {
      if (pod.object->HasLabel(rolling.order_keys[i])) {
        return {.level = static_cast<int64_t>(i),
                .within = TrailingNumber(pod.object->Label(rolling.order_keys[i]))};
      }
    }
    return {.level = -1, .within = 0};  // as upstream: without any of the keys comes first
  }
  api::JsonObject labels;
  for (const auto& [key, value] : pod.object->labels) {
    labels[api::JsonView(key)] = api::JsonView(value);
  }
  uint64_t weight = 0;
  for (const WeightTerm& term : rolling.weights) {
    weight += term.selector.Matches(&labels) ? static_cast<uint64_t>(term.weight) : 0;
  }
  return {.level = 0, .within = weight};
}

}  // namespace

void SortForUpdate(const SetSpec& set, std::string_view update_revision,
                   std::vector<PodFactsRef>* pods) {
  const auto is_behind = [&](const PodFactsRef& pod) {
    return pod->revision != update_revision && !pod->is_deleting;
  };
  std::stable_sort(pods->begin(), pods->end(), [&](const PodFactsRef& a, const PodFactsRef& b) {
    return !is_behind(a) && is_behind(b);
  });
  const auto first = std::find_if(pods->begin(), pods->end(), is_behind);
  std::vector<std::pair<Rank, PodFactsRef>> ranked;
  for (auto pod = first; pod != pods->end(); ++pod) {
    ranked.emplace_back(RankOf(set.rolling, **pod), *pod);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(ranked.begin(), ranked.end(), first, [](const auto& one) { return one.second; });
}

}  // namespace socle::inplaceset
