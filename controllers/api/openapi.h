// OpenAPI v2 of the kinds: what kubectl explains, checks and merges with.
//
// Laws     1. Each kind has a definition and a PATCH path, both with its group, version and kind;
//             the PATCH takes dryRun and fieldValidation: clients ask these before they use them.
//          2. The protobuf form (gnostic openapi.v2.Document) says the same as the JSON.
// Threads  pure functions; the result is big, keep it.
#ifndef SOCLE_CONTROLLERS_API_OPENAPI_H_
#define SOCLE_CONTROLLERS_API_OPENAPI_H_

#include <string>

#include "controllers/api/json.h"
#include "controllers/api/kind_registry.h"

namespace socle::api {

Json OpenApiV2(const KindRegistry& registry);

// io.k8s.api.core.v1.Pod
std::string DefinitionName(const ServedKind& served);

// application/com.github.proto-openapi.spec.v2@v1.0+protobuf of an OpenAPI v2 document as
// OpenApiV2 makes it.
std::string OpenApiV2Proto(const Json& document);

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_OPENAPI_H_
