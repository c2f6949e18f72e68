#include "mvcc/errors.h"

#include <array>
#include <string>

#include <absl/strings/cord.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::mvcc {
namespace {

constexpr char kPayloadUrl[] = "socle/StoreError";

struct Row {
  StoreError error;
  absl::StatusCode code;
  std::string_view text;
};

constexpr std::array kRows = {
    Row{StoreError::kKeyNotProvided, absl::StatusCode::kInvalidArgument, "key is not provided"},
    Row{StoreError::kKeyNotFound, absl::StatusCode::kInvalidArgument, "key not found"},
    Row{StoreError::kValueProvided, absl::StatusCode::kInvalidArgument, "value is provided"},
    Row{StoreError::kLeaseProvided, absl::StatusCode::kInvalidArgument, "lease is provided"},
    Row{StoreError::kTooManyOps, absl::StatusCode::kInvalidArgument,
        "too many operations in txn request"},
    Row{StoreError::kDuplicateKey, absl::StatusCode::kInvalidArgument,
        "duplicate key given in txn request"},
    Row{StoreError::kInvalidSortOption, absl::StatusCode::kInvalidArgument, "invalid sort option"},
    Row{StoreError::kRequestTooLarge, absl::StatusCode::kInvalidArgument, "request is too large"},
    Row{StoreError::kCompacted, absl::StatusCode::kOutOfRange,
        "required revision has been compacted"},
    Row{StoreError::kFutureRevision, absl::StatusCode::kOutOfRange,
        "required revision is a future revision"},
    Row{StoreError::kLeaseNotFound, absl::StatusCode::kNotFound, "requested lease not found"},
    Row{StoreError::kLeaseExists, absl::StatusCode::kFailedPrecondition, "lease already exists"},
    Row{StoreError::kLeaseTtlTooLarge, absl::StatusCode::kOutOfRange, "too large lease TTL"},
    Row{StoreError::kNoSpace, absl::StatusCode::kResourceExhausted, "database space exceeded"},
    Row{StoreError::kTooManyRequests, absl::StatusCode::kResourceExhausted, "too many requests"},
    Row{StoreError::kCorrupt, absl::StatusCode::kDataLoss, "corrupt cluster"},
    Row{StoreError::kStopped, absl::StatusCode::kUnavailable, "server stopped"},
    Row{StoreError::kPrefixQuota, absl::StatusCode::kResourceExhausted, "prefix quota exceeded"},
};

const Row& RowOf(StoreError error) {
  const Row& row = kRows[static_cast<size_t>(error)];
  CHECK(row.error == error);
  return row;
}

}  // namespace

absl::Status MakeError(StoreError error) {
  return MakeError(error, TextOf(error));
}

absl::Status MakeError(StoreError error, std::string_view message) {
  absl::Status status(RowOf(error).code, AbslView(message));
  // Through a view: the string constructor is a template that clang and g++ name differently.
  const std::string number = absl::StrCat(static_cast<int>(error));
  status.SetPayload(kPayloadUrl, absl::Cord(AbslView(number)));
  return status;
}

std::optional<StoreError> ErrorOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kPayloadUrl);
  int number = 0;
  if (!payload || !absl::SimpleAtoi(std::string(*payload), &number) || number < 0 ||
      static_cast<size_t>(number) >= kRows.size()) {
    return std::nullopt;
  }
  return static_cast<StoreError>(number);
}

std::string_view TextOf(StoreError error) {
  return RowOf(error).text;
}

}  // namespace socle::mvcc
