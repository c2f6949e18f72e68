// ApiError: a refusal as Kubernetes says it, carried by a Status from where it is known to the edge.
//
// Laws     1. Every failed verb of the registry carries one; its text and reason are those clients match.
//          2. Inside the process nobody matches on text: ReasonOf tells refusals apart.
// Threads  pure functions.
// Source   spec controllers 9.3 (errors).
#ifndef SOCLE_CONTROLLERS_REGISTRY_ERRORS_H_
#define SOCLE_CONTROLLERS_REGISTRY_ERRORS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "controllers/api/causes.h"
#include "controllers/api/json.h"

namespace socle::registry {

enum class Reason : uint8_t {
  kBadRequest,
  kUnauthorized,
  kForbidden,
  kNotFound,
  kMethodNotAllowed,
  kNotAcceptable,
  kConflict,
  kAlreadyExists,
  kExpired,
  kTooLarge,
  kUnsupportedMediaType,
  kInvalid,
  kTooManyRequests,
  kInternal,
  kUnavailable,
  kTimeout,
};

// "NotFound", "Invalid" …
std::string_view ReasonText(Reason reason);
// 404, 422 …
int CodeOf(Reason reason);

struct StatusCause {
  std::string reason;
  std::string message;
  std::string field;
};

struct ApiError {
  Reason reason = Reason::kInternal;
  std::string message;
  // Whom it is about; all may be empty. `kind` is the resource (pods) as Kubernetes has it, or for
  // kInvalid the kind (Pod).
  std::string group = {};
  std::string kind = {};
  std::string name = {};
  std::string uid = {};
  std::vector<StatusCause> causes = {};
  int retry_after_seconds = 0;
  // metadata.continue of the answer, for an expired list that may go on at the newest revision.
  std::string continue_token = {};
};

absl::Status MakeStatus(const ApiError& error);
// The error in the Status; one made up of a Status without (Internal, BadRequest for InvalidArgument).
ApiError ErrorOf(const absl::Status& status);
// nullopt for OK; kInternal for a Status without an ApiError.
std::optional<Reason> ReasonOf(const absl::Status& status);
// The metav1.Status document.
api::Json StatusDocument(const ApiError& error);

// The usual ones, in the words of Kubernetes.
absl::Status BadRequest(std::string_view message);
absl::Status NotFound(std::string_view group, std::string_view resource, std::string_view name);
absl::Status AlreadyExists(std::string_view group, std::string_view resource,
                           std::string_view name);
// `Operation cannot be fulfilled on pods "a": <detail>`
absl::Status Conflict(std::string_view group, std::string_view resource, std::string_view name,
                      std::string_view detail);
// `pods "a" is forbidden: <detail>`
absl::Status Forbidden(std::string_view group, std::string_view resource, std::string_view name,
                       std::string_view detail);
absl::Status Invalid(std::string_view group, std::string_view kind, std::string_view name,
                     const api::Causes& causes);

inline constexpr std::string_view kModifiedDetail =
    "the object has been modified; please apply your changes to the latest version and try again";

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_ERRORS_H_
