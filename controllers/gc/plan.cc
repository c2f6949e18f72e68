#include "controllers/gc/plan.h"

#include <algorithm>

#include "kv/base/check.h"

namespace socle::gc {

using registry::Object;
using registry::Propagation;

bool HasFinalizer(const Object& object, std::string_view finalizer) {
  return std::find(object.finalizers.begin(), object.finalizers.end(), finalizer) !=
         object.finalizers.end();
}

bool IsGoingInForeground(const Object& object) {
  return object.is_deleting && HasFinalizer(object, kForegroundFinalizer);
}

bool IsOrphaning(const Object& object) {
  return object.is_deleting && HasFinalizer(object, kOrphanFinalizer);
}

bool BlocksOwner(const Object& dependent, std::string_view owner_uid) {
  return std::any_of(dependent.owners.begin(), dependent.owners.end(),
                     [owner_uid](const registry::OwnerReference& owner) {
                       return owner.uid == owner_uid && owner.blocks_deletion;
                     });
}

Verdict Judge(const Object& object, const std::vector<OwnerState>& owners, bool has_dependents) {
  CHECK_EQ(owners.size(), object.owners.size());
  if (owners.empty() || object.is_deleting) {
    return {};
  }
  const auto count = [&owners](OwnerState state) {
    return std::count(owners.begin(), owners.end(), state);
  };
  if (count(OwnerState::kPresent) > 0) {
    Verdict verdict;
    for (size_t i = 0; i < owners.size(); ++i) {
      if (owners[i] != OwnerState::kPresent) {
        verdict.strip.push_back(object.owners[i].uid);
      }
    }
    verdict.act = verdict.strip.empty() ? Verdict::Act::kKeep : Verdict::Act::kStrip;
    return verdict;
  }
  Verdict verdict{.act = Verdict::Act::kDelete};
  if (count(OwnerState::kGoing) > 0 && has_dependents) {
    verdict.propagation = Propagation::kForeground;
  } else if (HasFinalizer(object, kOrphanFinalizer)) {
    verdict.propagation = Propagation::kOrphan;
  } else if (HasFinalizer(object, kForegroundFinalizer)) {
    verdict.propagation = Propagation::kForeground;
  }
  return verdict;
}

}  // namespace socle::gc
