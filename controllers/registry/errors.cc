#include "controllers/registry/errors.h"

#include <array>
#include <utility>

#include <absl/strings/cord.h>
#include <fmt/format.h>

#include "controllers/storage/errors.h"
#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::registry {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

constexpr char kPayloadUrl[] = "socle/ApiError";

struct Row {
  Reason reason;
  std::string_view text;
  int code;
  absl::StatusCode status;
};

constexpr std::array kRows = {
    Row{Reason::kBadRequest, "BadRequest", 400, absl::StatusCode::kInvalidArgument},
    Row{Reason::kUnauthorized, "Unauthorized", 401, absl::StatusCode::kUnauthenticated},
    Row{Reason::kForbidden, "Forbidden", 403, absl::StatusCode::kPermissionDenied},
    Row{Reason::kNotFound, "NotFound", 404, absl::StatusCode::kNotFound},
    Row{Reason::kMethodNotAllowed, "MethodNotAllowed", 405, absl::StatusCode::kUnimplemented},
    Row{Reason::kNotAcceptable, "NotAcceptable", 406, absl::StatusCode::kInvalidArgument},
    Row{Reason::kConflict, "Conflict", 409, absl::StatusCode::kAborted},
    Row{Reason::kAlreadyExists, "AlreadyExists", 409, absl::StatusCode::kAlreadyExists},
    Row{Reason::kExpired, "Expired", 410, absl::StatusCode::kOutOfRange},
    Row{Reason::kTooLarge, "RequestEntityTooLarge", 413, absl::StatusCode::kInvalidArgument},
    Row{Reason::kUnsupportedMediaType, "UnsupportedMediaType", 415,
        absl::StatusCode::kInvalidArgument},
    Row{Reason::kInvalid, "Invalid", 422, absl::StatusCode::kInvalidArgument},
    Row{Reason::kTooManyRequests, "TooManyRequests", 429, absl::StatusCode::kResourceExhausted},
    Row{Reason::kInternal, "InternalError", 500, absl::StatusCode::kInternal},
    Row{Reason::kUnavailable, "ServiceUnavailable", 503, absl::StatusCode::kUnavailable},
    Row{Reason::kTimeout, "Timeout", 504, absl::StatusCode::kDeadlineExceeded},
};

const Row& RowOf(Reason reason) {
  const Row& row = kRows.at(static_cast<size_t>(reason));
  CHECK(row.reason == reason);
  return row;
}

void SetText(JsonObject* object, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    api::Set(object, name, Json(JsonView(text)));
  }
}

Json CausesDocument(const std::vector<StatusCause>& causes) {
  JsonArray list;
  for (const StatusCause& cause : causes) {
    JsonObject one;
    SetText(&one, "reason", cause.reason);
    SetText(&one, "message", cause.message);
    SetText(&one, "field", cause.field);
    list.emplace_back(std::move(one));
  }
  return list;
}

// The members of an ApiError as they stand in metav1.Status; also what the payload holds.
Json DetailsDocument(const ApiError& error) {
  JsonObject details;
  SetText(&details, "name", error.name);
  SetText(&details, "group", error.group);
  SetText(&details, "kind", error.kind);
  SetText(&details, "uid", error.uid);
  if (!error.causes.empty()) {
    api::Set(&details, "causes", CausesDocument(error.causes));
  }
  if (error.retry_after_seconds > 0) {
    api::Set(&details, "retryAfterSeconds", error.retry_after_seconds);
  }
  return details;
}

ApiError FromPayload(std::string_view payload) {
  const absl::StatusOr<Json> parsed = api::ParseJson(payload);
  if (!parsed.ok()) {
    // Texts hold what clients sent: one that is no UTF-8 must not end the process.
    return ApiError{.reason = Reason::kBadRequest,
                    .message = "the request has text that is no UTF-8"};
  }
  const int64_t reason = api::IntAt(*parsed, {"reason"}).value_or(0);
  ApiError error{.reason = static_cast<Reason>(reason),
                 .message = std::string(api::StringAt(*parsed, {"message"})),
                 .group = std::string(api::StringAt(*parsed, {"details", "group"})),
                 .kind = std::string(api::StringAt(*parsed, {"details", "kind"})),
                 .name = std::string(api::StringAt(*parsed, {"details", "name"})),
                 .uid = std::string(api::StringAt(*parsed, {"details", "uid"})),
                 .continue_token = std::string(api::StringAt(*parsed, {"continue"}))};
  error.retry_after_seconds =
      static_cast<int>(api::IntAt(*parsed, {"details", "retryAfterSeconds"}).value_or(0));
  const JsonArray* causes = api::FindArray(*parsed, {"details", "causes"});
  for (size_t i = 0; causes != nullptr && i < causes->size(); ++i) {
    error.causes.push_back({.reason = std::string(api::StringAt((*causes)[i], {"reason"})),
                            .message = std::string(api::StringAt((*causes)[i], {"message"})),
                            .field = std::string(api::StringAt((*causes)[i], {"field"}))});
  }
  return error;
}

// What a failure of the store is to a client.
ApiError FromStorage(storage::StorageError error, std::string_view message) {
  using storage::StorageError;
  ApiError made{.reason = Reason::kInternal,
                .message = fmt::format("Internal error occurred: {}", message)};
  switch (error) {
    case StorageError::kAlreadyExists:
      made.reason = Reason::kAlreadyExists;
      made.message = message;
      break;
    case StorageError::kConflict:
      made.reason = Reason::kConflict;
      made.message = message;
      break;
    case StorageError::kExpired:
      made.reason = Reason::kExpired;
      made.message = "The resourceVersion for the provided list is too old.";
      break;
    case StorageError::kFutureRevision:
      made.reason = Reason::kTimeout;
      made.message = message;
      made.causes = {
          {.reason = "ResourceVersionTooLarge", .message = "Too large resource version"}};
      made.retry_after_seconds = 1;
      break;
    case StorageError::kInvalidContinue:
      made.reason = Reason::kBadRequest;
      made.message = fmt::format("continue key is not valid: {}", message);
      break;
    case StorageError::kTooLarge:
      made.reason = Reason::kTooLarge;
      made.message = fmt::format("Request entity too large: {}", message);
      break;
    case StorageError::kNoSpace:
      break;
    case StorageError::kUnavailable:
      made.reason = Reason::kUnavailable;
      made.message = message;
      made.retry_after_seconds = 1;
      break;
    case StorageError::kOutcomeUnknown:
      made.reason = Reason::kTimeout;
      made.message = fmt::format("Timeout: {}", message);
      break;
  }
  return made;
}

// `pods`, `inplacesets.apps.kruise.io`
std::string Qualified(std::string_view group, std::string_view resource) {
  return group.empty() ? std::string(resource) : fmt::format("{}.{}", resource, group);
}

ApiError About(Reason reason, std::string_view group, std::string_view resource,
               std::string_view name, std::string message) {
  return ApiError{.reason = reason,
                  .message = std::move(message),
                  .group = std::string(group),
                  .kind = std::string(resource),
                  .name = std::string(name)};
}

}  // namespace

std::string_view ReasonText(Reason reason) {
  return RowOf(reason).text;
}

int CodeOf(Reason reason) {
  return RowOf(reason).code;
}

absl::Status MakeStatus(const ApiError& error) {
  absl::Status status(RowOf(error.reason).status, error.message);
  JsonObject payload;
  api::Set(&payload, "reason", static_cast<int>(error.reason));
  SetText(&payload, "message", error.message);
  SetText(&payload, "continue", error.continue_token);
  api::Set(&payload, "details", DetailsDocument(error));
  const std::string text = api::Dump(payload);
  status.SetPayload(kPayloadUrl, absl::Cord(AbslView(text)));
  return status;
}

ApiError ErrorOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  if (payload) {
    return FromPayload(std::string(*payload));
  }
  if (const auto error = storage::ErrorOf(status)) {
    return FromStorage(*error, MessageOf(status));
  }
  if (status.code() == absl::StatusCode::kInvalidArgument) {
    return ApiError{.reason = Reason::kBadRequest, .message = std::string(MessageOf(status))};
  }
  return ApiError{.reason = Reason::kInternal,
                  .message = fmt::format("Internal error occurred: {}", MessageOf(status))};
}

std::optional<Reason> ReasonOf(const absl::Status& status) {
  if (status.ok()) {
    return std::nullopt;
  }
  return status.GetPayload(kPayloadUrl) ? ErrorOf(status).reason : Reason::kInternal;
}

Json StatusDocument(const ApiError& error) {
  JsonObject metadata;
  SetText(&metadata, "continue", error.continue_token);
  JsonObject document;
  api::Set(&document, "kind", "Status");
  api::Set(&document, "apiVersion", "v1");
  api::Set(&document, "metadata", std::move(metadata));
  api::Set(&document, "status", "Failure");
  SetText(&document, "message", error.message);
  SetText(&document, "reason", ReasonText(error.reason));
  Json details = DetailsDocument(error);
  if (!details.get_object().empty()) {
    api::Set(&document, "details", std::move(details));
  }
  api::Set(&document, "code", CodeOf(error.reason));
  return document;
}

absl::Status BadRequest(std::string_view message) {
  return MakeStatus({.reason = Reason::kBadRequest, .message = std::string(message)});
}

absl::Status NotFound(std::string_view group, std::string_view resource, std::string_view name) {
  return MakeStatus(About(Reason::kNotFound, group, resource, name,
                          fmt::format("{} \"{}\" not found", Qualified(group, resource), name)));
}

absl::Status AlreadyExists(std::string_view group, std::string_view resource,
                           std::string_view name) {
  return MakeStatus(
      About(Reason::kAlreadyExists, group, resource, name,
            fmt::format("{} \"{}\" already exists", Qualified(group, resource), name)));
}

absl::Status Conflict(std::string_view group, std::string_view resource, std::string_view name,
                      std::string_view detail) {
  return MakeStatus(About(Reason::kConflict, group, resource, name,
                          fmt::format("Operation cannot be fulfilled on {} \"{}\": {}",
                                      Qualified(group, resource), name, detail)));
}

absl::Status Forbidden(std::string_view group, std::string_view resource, std::string_view name,
                       std::string_view detail) {
  const std::string what = Qualified(group, resource);
  return MakeStatus(About(Reason::kForbidden, group, resource, name,
                          name.empty()
                              ? fmt::format("{} is forbidden: {}", what, detail)
                              : fmt::format("{} \"{}\" is forbidden: {}", what, name, detail)));
}

absl::Status Invalid(std::string_view group, std::string_view kind, std::string_view name,
                     const api::Causes& causes) {
  ApiError error =
      About(Reason::kInvalid, group, kind, name, api::InvalidMessage(group, kind, name, causes));
  for (const api::Cause& cause : causes.items()) {
    error.causes.push_back({.reason = std::string(api::ReasonOf(cause.type)),
                            .message = cause.message,
                            .field = cause.field});
  }
  return MakeStatus(error);
}

}  // namespace socle::registry
