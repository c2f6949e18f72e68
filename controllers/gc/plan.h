// What becomes of an object whose owners are present, going, or gone.
//
// Laws     1. An object with one owner that stays, stays; references to the others are taken away.
//          2. An object none of whose owners stays is deleted, in the way it asks for by its own finalizers;
//             in the foreground when an owner waits for it and it has dependents itself.
// Threads  pure functions.
// Source   spec controllers 9.3 (garbage collector, propagation).
#ifndef SOCLE_CONTROLLERS_GC_PLAN_H_
#define SOCLE_CONTROLLERS_GC_PLAN_H_

#include <string>
#include <string_view>
#include <vector>

#include "controllers/registry/object.h"
#include "controllers/registry/registry.h"

namespace socle::gc {

inline constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
inline constexpr std::string_view kOrphanFinalizer = "orphan";

enum class OwnerState : uint8_t {
  kPresent,  // or of a kind that nobody here can look up
  kGoing,    // deleted in the foreground: it waits for its dependents
  kGone,     // no object with this uid under this name
};

struct Verdict {
  enum class Act : uint8_t { kKeep, kStrip, kDelete } act = Act::kKeep;
  std::vector<std::string> strip;  // uids of references to take away
  registry::Propagation propagation = registry::Propagation::kBackground;
};

// `owners`: in step with object.owners. `has_dependents`: others are owned by the object.
Verdict Judge(const registry::Object& object, const std::vector<OwnerState>& owners,
              bool has_dependents);

bool HasFinalizer(const registry::Object& object, std::string_view finalizer);
// It is being deleted and waits for its dependents to be deleted, or to be freed of it.
bool IsGoingInForeground(const registry::Object& object);
bool IsOrphaning(const registry::Object& object);
// The dependent holds up the deletion of its owner in the foreground.
bool BlocksOwner(const registry::Object& dependent, std::string_view owner_uid);

}  // namespace socle::gc

#endif  // SOCLE_CONTROLLERS_GC_PLAN_H_
