#include "controllers/sidecarset/selectors.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>

namespace socle::sidecarset {
namespace {

using Op = api::LabelRequirement::Op;

// What several requirements ask of one key together.
struct KeyDemand {
  bool must_exist = false;
  bool must_lack = false;
  std::optional<std::set<std::string_view>> allowed;
  std::set<std::string_view> forbidden;

  void Add(const api::LabelRequirement& requirement) {
    std::set<std::string_view> values(requirement.values.begin(), requirement.values.end());
    switch (requirement.op) {
      case Op::kIn: {
        must_exist = true;
        if (!allowed.has_value()) {
          allowed = values;
          return;
        }
        std::set<std::string_view> both;
        std::set_intersection(allowed->begin(), allowed->end(), values.begin(), values.end(),
                              std::inserter(both, both.end()));
        allowed = both;
        return;
      }
      case Op::kNotIn:
        forbidden.insert(values.begin(), values.end());
        return;
      case Op::kAbsent:
        must_lack = true;
        return;
      case Op::kExists:
      case Op::kGreater:
      case Op::kLess:
        must_exist = true;
        return;
    }
  }

  bool IsPossible() const {
    if (must_lack) {
      return !must_exist;
    }
    return !allowed.has_value() ||
           !std::includes(forbidden.begin(), forbidden.end(), allowed->begin(), allowed->end());
  }
};

}  // namespace

bool CanOverlap(const api::LabelSelector& a, const api::LabelSelector& b) {
  if (a.is_nothing() || b.is_nothing()) {
    return false;
  }
  std::map<std::string_view, KeyDemand> demands;
  for (const api::LabelSelector* selector : {&a, &b}) {
    for (const api::LabelRequirement& requirement : selector->requirements()) {
      demands[requirement.key].Add(requirement);
    }
  }
  return std::all_of(demands.begin(), demands.end(),
                     [](const auto& demand) { return demand.second.IsPossible(); });
}

}  // namespace socle::sidecarset
