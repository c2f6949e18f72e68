// Validation: an object against its schema, with field paths and words of Kubernetes.
//
// Laws     1. Never fails on hostile input: every problem is a cause, and their number is bounded.
//          2. A check of a node runs only when the node has the type it describes.
// Threads  pure functions.
// Errors   causes.
#ifndef SOCLE_CONTROLLERS_API_VALIDATION_H_
#define SOCLE_CONTROLLERS_API_VALIDATION_H_

#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"
#include "controllers/api/schema.h"

namespace socle::api {

// Types, required members, ranges, enums, formats, unique keys, and the checks of each node.
void ValidateAgainst(const Schema& schema, const Json& value, std::string_view path,
                     Causes* causes);

// Members marked immutable that differ: `Invalid value: …: field is immutable`.
void ValidateImmutable(const Schema& schema, const Json& value, const Json& old,
                       std::string_view path, Causes* causes);

// Paths of members that the schema does not describe, at most 64: `spec.template.spec.foo`.
std::vector<std::string> UnknownFields(const Schema& schema, const Json& value);

// `strict decoding error: unknown field "a", duplicate field "b"`: the message of the 400.
std::string StrictDecodingMessage(const std::vector<std::string>& unknown,
                                  const std::vector<std::string>& duplicates);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_VALIDATION_H_
