// Body: what the body of a write says: an object, a patch, the options of a deletion.
//
// Laws     1. Any bytes may come in. What can't be read is answered 400 with the place where it broke,
//             what is in another format 415.
// Threads  pure functions.
// Errors   ApiError.
// Source   spec controllers 9.3.
#ifndef SOCLE_CONTROLLERS_APISERVER_BODY_H_
#define SOCLE_CONTROLLERS_APISERVER_BODY_H_

#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/apiserver/query_options.h"
#include "controllers/apiserver/resource_request.h"
#include "controllers/registry/registry.h"

namespace socle::apiserver {

struct BodyObject {
  api::Json object;
  std::vector<std::string> duplicate_fields;  // looked for unless they are ignored
};

// The object of a create or an update: its apiVersion and kind are those of the path (filled in where
// missing), its namespace too, and its name where the path has one.
absl::StatusOr<BodyObject> ParseObject(const ResourceRequest& asked, std::string_view content_type,
                                       std::string_view body, registry::Strictness strictness);

struct BodyPatch {
  api::Json patch;
  registry::PatchType type = registry::PatchType::kMerge;
};

absl::StatusOr<BodyPatch> ParsePatch(const ResourceRequest& asked, std::string_view content_type,
                                     std::string_view body);

struct DeleteOptions {
  registry::DeleteRequest request;  // without its target
  bool is_dry_run = false;
};

// Of the body when there is one, else of the query.
absl::StatusOr<DeleteOptions> ParseDeleteOptions(const QueryOptions& query,
                                                 std::string_view content_type,
                                                 std::string_view body);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_BODY_H_
