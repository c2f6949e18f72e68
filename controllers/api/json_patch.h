// JSON patch (RFC 6902) and merge patch (RFC 7386).
//
// Laws     1. All or nothing: a patch that fails leaves the document as it was.
//          2. At most kPatchOperationsMax operations, and copies add at most kPatchCopiedBytesMax:
//             a small patch can't make a huge document.
// Threads  pure functions.
// Errors   InvalidArgument: the patch itself is malformed (400). FailedPrecondition: it does not
//          apply to this document (422).
#ifndef SOCLE_CONTROLLERS_API_JSON_PATCH_H_
#define SOCLE_CONTROLLERS_API_JSON_PATCH_H_

#include <cstddef>

#include <absl/status/status.h>

#include "controllers/api/json.h"

namespace socle::api {

inline constexpr size_t kPatchOperationsMax = 10'000;
inline constexpr size_t kPatchCopiedBytesMax = 3 * 1024 * 1024;

absl::Status ApplyJsonPatch(const Json& patch, Json* document);

// Total: a merge patch that is no object replaces the document.
void ApplyMergePatch(const Json& patch, Json* document);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_JSON_PATCH_H_
