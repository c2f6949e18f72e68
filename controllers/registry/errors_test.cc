#include "controllers/registry/errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "controllers/storage/errors.h"

namespace socle::registry {
namespace {

TEST(ApiErrors, EveryReasonHasTheCodeAndTheWordOfKubernetes) {
  struct Case {
    Reason reason;
    const char* text;
    int code;
  };

  const Case cases[] = {
      {Reason::kBadRequest, "BadRequest", 400},
      {Reason::kUnauthorized, "Unauthorized", 401},
      {Reason::kForbidden, "Forbidden", 403},
      {Reason::kNotFound, "NotFound", 404},
      {Reason::kMethodNotAllowed, "MethodNotAllowed", 405},
      {Reason::kNotAcceptable, "NotAcceptable", 406},
      {Reason::kConflict, "Conflict", 409},
      {Reason::kAlreadyExists, "AlreadyExists", 409},
      {Reason::kExpired, "Expired", 410},
      {Reason::kTooLarge, "RequestEntityTooLarge", 413},
      {Reason::kUnsupportedMediaType, "UnsupportedMediaType", 415},
      {Reason::kInvalid, "Invalid", 422},
      {Reason::kTooManyRequests, "TooManyRequests", 429},
      {Reason::kInternal, "InternalError", 500},
      {Reason::kUnavailable, "ServiceUnavailable", 503},
      {Reason::kTimeout, "Timeout", 504},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.text);
    EXPECT_EQ(ReasonText(c.reason), c.text);
    EXPECT_EQ(CodeOf(c.reason), c.code);
    EXPECT_EQ(ReasonOf(MakeStatus({.reason = c.reason, .message = "m"})), c.reason);
  }
}

TEST(ApiErrors, TheUsualOnesSpeakTheWordsOfKubernetes) {
  struct Case {
    absl::Status status;
    const char* message;
  };

  api::Causes causes;
  causes.Required("spec.selector");
  const Case cases[] = {
      {NotFound("", "pods", "a"), "pods \"a\" not found"},
      {NotFound("apps.kruise.io", "inplacesets", "a"),
       "inplacesets.apps.kruise.io \"a\" not found"},
      {AlreadyExists("", "pods", "a"), "pods \"a\" already exists"},
      {Conflict("", "pods", "a", kModifiedDetail),
       "Operation cannot be fulfilled on pods \"a\": the object has been modified; please apply "
       "your changes to the latest version and try again"},
      {Forbidden("", "pods", "a", "no"), "pods \"a\" is forbidden: no"},
      {Forbidden("", "pods", "", "no"), "pods is forbidden: no"},
      {Invalid("apps.kruise.io", "InplaceSet", "a", causes),
       "InplaceSet.apps.kruise.io \"a\" is invalid: spec.selector: Required value"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(ErrorOf(c.status).message, c.message);
  }
}

TEST(ApiErrors, AStatusCarriesTheWholeErrorToTheDocumentOfTheAnswer) {
  const absl::Status status = MakeStatus({.reason = Reason::kTooManyRequests,
                                          .message = "later",
                                          .group = "g",
                                          .kind = "pods",
                                          .name = "a",
                                          .uid = "u",
                                          .causes = {{"DisruptionBudget", "why", "f"}},
                                          .retry_after_seconds = 10,
                                          .continue_token = "token"});
  EXPECT_EQ(api::Dump(StatusDocument(ErrorOf(status))),
            R"({"kind":"Status","apiVersion":"v1","metadata":{"continue":"token"},)"
            R"("status":"Failure","message":"later","reason":"TooManyRequests",)"
            R"("details":{"name":"a","group":"g","kind":"pods","uid":"u",)"
            R"("causes":[{"reason":"DisruptionBudget","message":"why","field":"f"}],)"
            R"("retryAfterSeconds":10},"code":429})");
}

TEST(ApiErrors, TextThatIsNoUtf8IsABadRequestAndNoCrash) {
  EXPECT_EQ(ErrorOf(NotFound("", "pods", "\xff")).reason, Reason::kBadRequest);
}

TEST(ApiErrors, AFailureOfTheStoreBecomesAnAnswerThatSaysWhetherToTryAgain) {
  using storage::MakeError;
  using storage::StorageError;

  struct Case {
    StorageError error;
    Reason reason;
  };

  const Case cases[] = {
      {StorageError::kExpired, Reason::kExpired},
      {StorageError::kFutureRevision, Reason::kTimeout},
      {StorageError::kInvalidContinue, Reason::kBadRequest},
      {StorageError::kTooLarge, Reason::kTooLarge},
      {StorageError::kNoSpace, Reason::kInternal},
      {StorageError::kUnavailable, Reason::kUnavailable},
      {StorageError::kOutcomeUnknown, Reason::kTimeout},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(static_cast<int>(c.error));
    EXPECT_EQ(ErrorOf(MakeError(c.error)).reason, c.reason);
  }
  EXPECT_EQ(ErrorOf(absl::InvalidArgumentError("x")).reason, Reason::kBadRequest);
  EXPECT_EQ(ErrorOf(absl::DataLossError("x")).message, "Internal error occurred: x");
  EXPECT_EQ(ReasonOf(absl::OkStatus()), std::nullopt);
}

}  // namespace
}  // namespace socle::registry
