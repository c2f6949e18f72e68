// Selectors: whether one object could be selected by two label selectors.
//
// Laws     1. Exact for In, NotIn, Exists and DoesNotExist: false only when no labels satisfy both.
// Threads  pure functions.
// Source   spec controllers 4.9.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_SELECTORS_H_
#define SOCLE_CONTROLLERS_SIDECARSET_SELECTORS_H_

#include "controllers/api/label_selector.h"

namespace socle::sidecarset {

bool CanOverlap(const api::LabelSelector& a, const api::LabelSelector& b);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_SELECTORS_H_
