// What a namespace that is being deleted says about itself while its content goes.
//
// Threads  pure functions.
// Source   spec controllers 9.3 (namespace deletion).
#ifndef SOCLE_CONTROLLERS_NAMESPACE_PLAN_H_
#define SOCLE_CONTROLLERS_NAMESPACE_PLAN_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "controllers/api/json.h"
#include "controllers/registry/object.h"

namespace socle::namespaces {

inline constexpr std::string_view kFinalizer = "kubernetes";

// What is still in the namespace.
struct Remainder {
  std::map<std::string, int64_t> objects;     // by resource, `pods`, `inplacesets.apps.kruise.io`
  std::map<std::string, int64_t> finalizers;  // how many objects each holds up

  void Add(const registry::Object& object);

  bool is_empty() const { return objects.empty(); }
};

// status.conditions; `failure` is empty when every deletion was accepted.
// Keeps lastTransitionTime of those in `before` (nullptr: none) whose status is the same.
api::JsonArray Conditions(const Remainder& remainder, const std::string& failure,
                          const api::JsonArray* before, int64_t wall_nanos);

}  // namespace socle::namespaces

#endif  // SOCLE_CONTROLLERS_NAMESPACE_PLAN_H_
