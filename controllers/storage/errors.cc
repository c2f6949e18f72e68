#include "controllers/storage/errors.h"

#include <array>
#include <string>

#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::storage {
namespace {

constexpr char kPayloadUrl[] = "socle/StorageError";

struct Row {
  StorageError error;
  absl::StatusCode code;
  std::string_view text;
};

constexpr std::array kRows = {
    Row{StorageError::kAlreadyExists, absl::StatusCode::kAlreadyExists,
        "the object exists already"},
    Row{StorageError::kConflict, absl::StatusCode::kAborted,
        "the object is not at the expected revision"},
    Row{StorageError::kExpired, absl::StatusCode::kOutOfRange, "the revision has been compacted"},
    Row{StorageError::kFutureRevision, absl::StatusCode::kOutOfRange,
        "the revision is ahead of the store"},
    Row{StorageError::kInvalidContinue, absl::StatusCode::kInvalidArgument,
        "not a continue token of this list"},
    Row{StorageError::kTooLarge, absl::StatusCode::kInvalidArgument, "the request is too large"},
    Row{StorageError::kNoSpace, absl::StatusCode::kResourceExhausted, "the store is out of space"},
    Row{StorageError::kUnavailable, absl::StatusCode::kUnavailable, "the store is unavailable"},
    Row{StorageError::kOutcomeUnknown, absl::StatusCode::kUnknown,
        "the answer to the write was lost"},
};

}  // namespace

absl::Status MakeError(StorageError error, std::string_view detail) {
  const Row& row = kRows[static_cast<size_t>(error)];
  CHECK(row.error == error);
  absl::Status status(
      row.code, detail.empty() ? std::string(row.text) : fmt::format("{}: {}", row.text, detail));
  const std::string number = fmt::format("{}", static_cast<int>(error));
  status.SetPayload(kPayloadUrl, absl::Cord(AbslView(number)));  // A view: see mvcc/errors.cc.
  return status;
}

std::optional<StorageError> ErrorOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  int number = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &number) || number < 0 ||
      static_cast<size_t>(number) >= kRows.size()) {
    return std::nullopt;
  }
  return static_cast<StorageError>(number);
}

}  // namespace socle::storage
