// Parts that every kind shares: metadata, label selectors, conditions.
// Threads  built at the first use, then immutable.
#ifndef SOCLE_CONTROLLERS_API_FRAGMENTS_META_H_
#define SOCLE_CONTROLLERS_API_FRAGMENTS_META_H_

#include "controllers/api/schema.h"

namespace socle::api {

const Schema& ObjectMeta();
const Schema& ListMeta();
const Schema& LabelSelectorSchema();
// {type, status, reason, message, lastTransitionTime} and what the kinds add in time.
const Schema& Condition();
const Schema& LocalObjectReference();
const Schema& ObjectReference();

// An object of a kind: apiVersion, kind and metadata are there.
Schema TopLevel(std::string_view description);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_FRAGMENTS_META_H_
