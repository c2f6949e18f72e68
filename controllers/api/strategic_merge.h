// Strategic merge patch: a merge patch that knows from the schema which lists are maps.
//
//   {"spec":{"containers":[{"name":"app","image":"nginx:2"}]}}      changes one container
//
// Directives: `$patch` (replace, merge, delete) in an object or a list element, `$retainKeys`,
// `$deleteFromPrimitiveList/<field>`, `$setElementOrder/<field>`.
//
// Laws     1. A list that the schema does not merge, or does not describe, is replaced.
//          2. Merged elements stay where they are and new ones follow, unless $setElementOrder
//             says otherwise.
//          3. Work is bounded: lists too long to be merged element by element are refused.
// Threads  pure function.
// Errors   InvalidArgument: malformed patch (400); the document may be half changed then, so pass a
//          copy.
// Source   spec controllers 9.3.
#ifndef SOCLE_CONTROLLERS_API_STRATEGIC_MERGE_H_
#define SOCLE_CONTROLLERS_API_STRATEGIC_MERGE_H_

#include <absl/status/status.h>

#include "controllers/api/json.h"
#include "controllers/api/schema.h"

namespace socle::api {

absl::Status ApplyStrategicMerge(const Schema& schema, const Json& patch, Json* document);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_STRATEGIC_MERGE_H_
