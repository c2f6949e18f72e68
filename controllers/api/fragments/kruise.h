// What the kinds of apps.kruise.io share: priorities of updates, hooks, shares of a whole.
// Threads  built at the first use, then immutable.
#ifndef SOCLE_CONTROLLERS_API_FRAGMENTS_KRUISE_H_
#define SOCLE_CONTROLLERS_API_FRAGMENTS_KRUISE_H_

#include "controllers/api/schema.h"

namespace socle::api {

inline constexpr std::string_view kKruiseGroup = "apps.kruise.io";

// {orderPriority | weightPriority}
const Schema& PriorityStrategy();
// {preDelete, inPlaceUpdate, preNormal}
const Schema& LifecycleHooks();
// An integer from zero on, or a percentage from 0% to 100%.
Schema Share(std::string_view description);

// The selector is there, is not empty, and (when labels are given) matches them.
void CheckOwnSelector(const Json& object, std::string_view labels_field, Causes* causes);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_FRAGMENTS_KRUISE_H_
