#include "controllers/storage/errors.h"

#include <gtest/gtest.h>

#include "kv/base/status_macros.h"

namespace socle::storage {
namespace {

TEST(StorageErrors, TravelAsPayloadWhateverTheMessageSays) {
  for (int i = 0; i <= static_cast<int>(StorageError::kOutcomeUnknown); ++i) {
    const auto error = static_cast<StorageError>(i);
    const absl::Status status = MakeError(error, "detail");
    EXPECT_EQ(ErrorOf(status), error);
    EXPECT_EQ(ErrorOf(Annotate(status, "somewhere")), error);
    EXPECT_TRUE(MessageOf(status).ends_with(": detail")) << status;
    EXPECT_FALSE(MessageOf(MakeError(error)).ends_with(": ")) << status;
  }
}

TEST(StorageErrors, OtherStatusesCarryNone) {
  EXPECT_EQ(ErrorOf(absl::OkStatus()), std::nullopt);
  EXPECT_EQ(ErrorOf(absl::AbortedError("by hand")), std::nullopt);
  absl::Status foreign = absl::AbortedError("foreign");
  foreign.SetPayload("socle/StorageError", absl::Cord("999"));
  EXPECT_EQ(ErrorOf(foreign), std::nullopt);
}

}  // namespace
}  // namespace socle::storage
