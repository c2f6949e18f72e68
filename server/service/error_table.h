// ErrorTable: every error a client of the etcd API can meet, with its gRPC code and exact text.
//
// Laws     1. One row per error; clients compare whole texts, so a text never changes.
//          2. absl::StatusCode and gRPC codes are the same numbers: a Status made here is what goes
//             on the wire.
//          3. What the table does not know goes out as Unknown with its own text, as etcd does.
// Threads  pure functions.
// Source   spec etcd 1.3 (with its quirks: two rows travel as Unknown).
#ifndef SOCLE_SERVER_SERVICE_ERROR_TABLE_H_
#define SOCLE_SERVER_SERVICE_ERROR_TABLE_H_

#include <span>
#include <string_view>

#include <absl/status/status.h>

#include "mvcc/errors.h"

namespace socle::server {

enum class EtcdError {
  kKeyNotProvided,
  kKeyNotFound,
  kValueProvided,
  kLeaseProvided,
  kTooManyOps,
  kDuplicateKey,
  kInvalidClientApiVersion,
  kInvalidSortOption,
  kInvalidMemberUrls,
  kRequestTooLarge,
  kUserNameEmpty,
  kRoleNameEmpty,
  kAuthFailed,
  kPermissionNotGiven,
  kInvalidAuthManagement,
  kAuthOldRevision,
  kWrongDowngradeFormat,
  kInvalidDowngradeTarget,
  kCompacted,
  kFutureRevision,
  kLeaseTtlTooLarge,
  kNoSpace,
  kTooManyRequests,
  kLeaseNotFound,
  kMemberNotFound,
  kLeaseExists,
  kMemberExists,
  kPeerUrlExists,
  kNotEnoughStartedMembers,
  kNotLearner,
  kLearnerNotReady,
  kTooManyLearners,
  kClusterIdMismatch,
  kRootUserNotExist,
  kRootRoleNotExist,
  kUserExists,
  kUserNotFound,
  kRoleExists,
  kRoleNotFound,
  kRoleNotGranted,
  kPermissionNotGranted,
  kAuthNotEnabled,
  kNotLeader,
  kNotCapable,
  kNotSupportedForLearner,
  kBadLeaderTransferee,
  kClusterVersionUnavailable,
  kDowngradeInProgress,
  kNoInflightDowngrade,
  kPermissionDenied,
  kInvalidAuthToken,
  kNoLeader,
  kLeaderChanged,
  kStopped,
  kTimeout,
  kTimeoutLeaderFailure,
  kTimeoutConnectionLost,
  kTimeoutWaitAppliedIndex,
  kUnhealthy,
  kCorrupt,
  kWatchCanceled,
  kRequestCanceled,
  kDeadlineExceeded,
};

struct ErrorRow {
  EtcdError error;
  absl::StatusCode code;  // as it arrives at the client
  std::string_view text;
};

// All rows, in the order of the enum.
std::span<const ErrorRow> ErrorTable();

// The wire status of an error.
absl::Status WireStatus(EtcdError error);

// The row that a store error goes out as.
EtcdError EtcdErrorOf(mvcc::StoreError error);

// The wire status of whatever the store or the lessor answered; OK stays OK.
absl::Status WireStatus(const absl::Status& status);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_ERROR_TABLE_H_
