// StoreError: what can go wrong in the store that a caller tells apart.
//
// Laws     1. The enum travels as a payload of the Status; nobody matches on message text.
//          2. Exact etcd texts and gRPC codes are made from it in one table,
//             server/service/error_table.
// Threads  pure functions.
#ifndef SOCLE_MVCC_ERRORS_H_
#define SOCLE_MVCC_ERRORS_H_

#include <optional>
#include <string_view>

#include <absl/status/status.h>

namespace socle::mvcc {

enum class StoreError {
  kKeyNotProvided,
  kKeyNotFound,
  kValueProvided,
  kLeaseProvided,
  kTooManyOps,
  kDuplicateKey,
  kInvalidSortOption,
  kRequestTooLarge,
  kCompacted,
  kFutureRevision,
  kLeaseNotFound,
  kLeaseExists,
  kLeaseTtlTooLarge,
  kNoSpace,
  kTooManyRequests,
  kCorrupt,
  kStopped,
  kPrefixQuota,  // its message says more than TextOf
};

// A Status with a fitting code, the error's own words as message, and the enum as payload.
absl::Status MakeError(StoreError error);
// The same with another message.
absl::Status MakeError(StoreError error, std::string_view message);

// nullopt for a Status that is OK or carries no StoreError.
std::optional<StoreError> ErrorOf(const absl::Status& status);

// "required revision has been compacted": a readable text, without etcd's prefixes.
std::string_view TextOf(StoreError error);

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_ERRORS_H_
