// QueryOptions: what the query of a request says: selectors, pages, versions, how to write.
//
// Laws     1. Unknown parameters are ignored; of one that comes twice the first counts, but for dryRun.
// Threads  pure functions.
// Errors   ApiError: BadRequest for what can't be read, Invalid (422) for options that contradict each
//          other, in the words of Kubernetes.
// Source   spec controllers 9.2, 9.3.
#ifndef SOCLE_CONTROLLERS_APISERVER_QUERY_OPTIONS_H_
#define SOCLE_CONTROLLERS_APISERVER_QUERY_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "controllers/apiserver/resource_request.h"
#include "controllers/registry/registry.h"

namespace socle::apiserver {

struct QueryOptions {
  // Of lists and watches.
  bool is_watch = false;
  bool allows_bookmarks = false;
  std::optional<bool> sends_initial_events;
  std::string label_selector;
  std::string field_selector;
  int64_t limit = 0;
  std::string continue_token;
  std::string resource_version;
  std::string resource_version_match;
  std::optional<int64_t> timeout_seconds;
  std::string include_object;

  // Of writes.
  bool is_dry_run = false;
  std::string field_validation;
  std::optional<int64_t> grace_period_seconds;
  std::string propagation_policy;
  std::optional<bool> orphans_dependents;
};

absl::StatusOr<QueryOptions> ParseQuery(std::string_view query);

// A non-negative number; nullopt for an empty text.
absl::StatusOr<std::optional<int64_t>> ParseResourceVersion(std::string_view text);

// What a list, a watch or a deletion of a collection selects. A name in the path is one more term.
absl::StatusOr<registry::Selection> SelectionOf(const ResourceRequest& asked,
                                                const QueryOptions& options);

absl::StatusOr<registry::ListRequest> ListRequestOf(const ResourceRequest& asked,
                                                    const QueryOptions& options);

// Whether a watch's options go together.
absl::Status CheckWatchOptions(const QueryOptions& options);

absl::StatusOr<registry::Strictness> StrictnessOf(const QueryOptions& options);

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_QUERY_OPTIONS_H_
