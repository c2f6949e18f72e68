// Defaulting: fills what an object leaves open, as its schema says, and drops nulls and empty lists.
//
// Laws     1. Idempotent: a second run changes nothing.
//          2. A member whose value has the wrong type is left for validation to refuse.
// Threads  pure function on the caller's document.
#ifndef SOCLE_CONTROLLERS_API_DEFAULTING_H_
#define SOCLE_CONTROLLERS_API_DEFAULTING_H_

#include "controllers/api/json.h"
#include "controllers/api/schema.h"

namespace socle::api {

void ApplyDefaults(const Schema& schema, Json* value);

// Removes the members that `schema` does not describe; free-form parts stay whole.
void PruneUnknown(const Schema& schema, Json* value);

// Copies from `stored` into `object` the members that the stored form describes and the shown form
// does not: a write through an older version keeps what only a newer one can say.
void CarryHidden(const Schema& shown, const Schema& stored_schema, const Json& stored,
                 Json* object);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_DEFAULTING_H_
