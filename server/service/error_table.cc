#include "server/service/error_table.h"

#include <array>
#include <optional>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::server {
namespace {

using absl::StatusCode;

constexpr std::array kRows = {
    ErrorRow{EtcdError::kKeyNotProvided, StatusCode::kInvalidArgument,
             "etcdserver: key is not provided"},
    ErrorRow{EtcdError::kKeyNotFound, StatusCode::kInvalidArgument, "etcdserver: key not found"},
    ErrorRow{EtcdError::kValueProvided, StatusCode::kInvalidArgument,
             "etcdserver: value is provided"},
    ErrorRow{EtcdError::kLeaseProvided, StatusCode::kInvalidArgument,
             "etcdserver: lease is provided"},
    ErrorRow{EtcdError::kTooManyOps, StatusCode::kInvalidArgument,
             "etcdserver: too many operations in txn request"},
    ErrorRow{EtcdError::kDuplicateKey, StatusCode::kInvalidArgument,
             "etcdserver: duplicate key given in txn request"},
    ErrorRow{EtcdError::kInvalidClientApiVersion, StatusCode::kInvalidArgument,
             "etcdserver: invalid client api version"},
    ErrorRow{EtcdError::kInvalidSortOption, StatusCode::kInvalidArgument,
             "etcdserver: invalid sort option"},
    ErrorRow{EtcdError::kInvalidMemberUrls, StatusCode::kInvalidArgument,
             "etcdserver: given member URLs are invalid"},
    ErrorRow{EtcdError::kRequestTooLarge, StatusCode::kInvalidArgument,
             "etcdserver: request is too large"},
    ErrorRow{EtcdError::kUserNameEmpty, StatusCode::kInvalidArgument,
             "etcdserver: user name is empty"},
    ErrorRow{EtcdError::kRoleNameEmpty, StatusCode::kInvalidArgument,
             "etcdserver: role name is empty"},
    ErrorRow{EtcdError::kAuthFailed, StatusCode::kInvalidArgument,
             "etcdserver: authentication failed, invalid user ID or password"},
    ErrorRow{EtcdError::kPermissionNotGiven, StatusCode::kInvalidArgument,
             "etcdserver: permission not given"},
    ErrorRow{EtcdError::kInvalidAuthManagement, StatusCode::kInvalidArgument,
             "etcdserver: invalid auth management"},
    ErrorRow{EtcdError::kAuthOldRevision, StatusCode::kInvalidArgument,
             "etcdserver: revision of auth store is old"},
    ErrorRow{EtcdError::kWrongDowngradeFormat, StatusCode::kInvalidArgument,
             "etcdserver: wrong downgrade target version format"},
    ErrorRow{EtcdError::kInvalidDowngradeTarget, StatusCode::kInvalidArgument,
             "etcdserver: invalid downgrade target version"},
    ErrorRow{EtcdError::kCompacted, StatusCode::kOutOfRange,
             "etcdserver: mvcc: required revision has been compacted"},
    ErrorRow{EtcdError::kFutureRevision, StatusCode::kOutOfRange,
             "etcdserver: mvcc: required revision is a future revision"},
    ErrorRow{EtcdError::kLeaseTtlTooLarge, StatusCode::kOutOfRange,
             "etcdserver: too large lease TTL"},
    ErrorRow{EtcdError::kNoSpace, StatusCode::kResourceExhausted,
             "etcdserver: mvcc: database space exceeded"},
    // Declared as ResourceExhausted in etcd, but its server sends the client-side error type:
    // Unknown.
    ErrorRow{EtcdError::kTooManyRequests, StatusCode::kUnknown, "etcdserver: too many requests"},
    ErrorRow{EtcdError::kLeaseNotFound, StatusCode::kNotFound,
             "etcdserver: requested lease not found"},
    ErrorRow{EtcdError::kMemberNotFound, StatusCode::kNotFound, "etcdserver: member not found"},
    ErrorRow{EtcdError::kLeaseExists, StatusCode::kFailedPrecondition,
             "etcdserver: lease already exists"},
    ErrorRow{EtcdError::kMemberExists, StatusCode::kFailedPrecondition,
             "etcdserver: member ID already exist"},
    ErrorRow{EtcdError::kPeerUrlExists, StatusCode::kFailedPrecondition,
             "etcdserver: Peer URLs already exists"},
    // The same quirk: declared as FailedPrecondition.
    ErrorRow{EtcdError::kNotEnoughStartedMembers, StatusCode::kUnknown,
             "etcdserver: re-configuration failed due to not enough started members"},
    ErrorRow{EtcdError::kNotLearner, StatusCode::kFailedPrecondition,
             "etcdserver: can only promote a learner member"},
    ErrorRow{EtcdError::kLearnerNotReady, StatusCode::kFailedPrecondition,
             "etcdserver: can only promote a learner member which is in sync with leader"},
    ErrorRow{EtcdError::kTooManyLearners, StatusCode::kFailedPrecondition,
             "etcdserver: too many learner members in cluster"},
    ErrorRow{EtcdError::kClusterIdMismatch, StatusCode::kFailedPrecondition,
             "etcdserver: cluster ID mismatch"},
    ErrorRow{EtcdError::kRootUserNotExist, StatusCode::kFailedPrecondition,
             "etcdserver: root user does not exist"},
    ErrorRow{EtcdError::kRootRoleNotExist, StatusCode::kFailedPrecondition,
             "etcdserver: root user does not have root role"},
    ErrorRow{EtcdError::kUserExists, StatusCode::kFailedPrecondition,
             "etcdserver: user name already exists"},
    ErrorRow{EtcdError::kUserNotFound, StatusCode::kFailedPrecondition,
             "etcdserver: user name not found"},
    ErrorRow{EtcdError::kRoleExists, StatusCode::kFailedPrecondition,
             "etcdserver: role name already exists"},
    ErrorRow{EtcdError::kRoleNotFound, StatusCode::kFailedPrecondition,
             "etcdserver: role name not found"},
    ErrorRow{EtcdError::kRoleNotGranted, StatusCode::kFailedPrecondition,
             "etcdserver: role is not granted to the user"},
    ErrorRow{EtcdError::kPermissionNotGranted, StatusCode::kFailedPrecondition,
             "etcdserver: permission is not granted to the role"},
    ErrorRow{EtcdError::kAuthNotEnabled, StatusCode::kFailedPrecondition,
             "etcdserver: authentication is not enabled"},
    ErrorRow{EtcdError::kNotLeader, StatusCode::kFailedPrecondition, "etcdserver: not leader"},
    ErrorRow{EtcdError::kNotCapable, StatusCode::kFailedPrecondition, "etcdserver: not capable"},
    ErrorRow{EtcdError::kNotSupportedForLearner, StatusCode::kFailedPrecondition,
             "etcdserver: rpc not supported for learner"},
    ErrorRow{EtcdError::kBadLeaderTransferee, StatusCode::kFailedPrecondition,
             "etcdserver: bad leader transferee"},
    ErrorRow{EtcdError::kClusterVersionUnavailable, StatusCode::kFailedPrecondition,
             "etcdserver: cluster version not found during downgrade"},
    ErrorRow{EtcdError::kDowngradeInProgress, StatusCode::kFailedPrecondition,
             "etcdserver: cluster has a downgrade job in progress"},
    ErrorRow{EtcdError::kNoInflightDowngrade, StatusCode::kFailedPrecondition,
             "etcdserver: no inflight downgrade job"},
    ErrorRow{EtcdError::kPermissionDenied, StatusCode::kPermissionDenied,
             "etcdserver: permission denied"},
    ErrorRow{EtcdError::kInvalidAuthToken, StatusCode::kUnauthenticated,
             "etcdserver: invalid auth token"},
    ErrorRow{EtcdError::kNoLeader, StatusCode::kUnavailable, "etcdserver: no leader"},
    ErrorRow{EtcdError::kLeaderChanged, StatusCode::kUnavailable, "etcdserver: leader changed"},
    ErrorRow{EtcdError::kStopped, StatusCode::kUnavailable, "etcdserver: server stopped"},
    ErrorRow{EtcdError::kTimeout, StatusCode::kUnavailable, "etcdserver: request timed out"},
    ErrorRow{EtcdError::kTimeoutLeaderFailure, StatusCode::kUnavailable,
             "etcdserver: request timed out, possibly due to previous leader failure"},
    ErrorRow{EtcdError::kTimeoutConnectionLost, StatusCode::kUnavailable,
             "etcdserver: request timed out, possibly due to connection lost"},
    ErrorRow{EtcdError::kTimeoutWaitAppliedIndex, StatusCode::kUnavailable,
             "etcdserver: request timed out, waiting for the applied index took too long"},
    ErrorRow{EtcdError::kUnhealthy, StatusCode::kUnavailable, "etcdserver: unhealthy cluster"},
    ErrorRow{EtcdError::kCorrupt, StatusCode::kDataLoss, "etcdserver: corrupt cluster"},
    ErrorRow{EtcdError::kWatchCanceled, StatusCode::kCancelled, "etcdserver: watch canceled"},
    ErrorRow{EtcdError::kRequestCanceled, StatusCode::kCancelled, "etcdserver: request canceled"},
    ErrorRow{EtcdError::kDeadlineExceeded, StatusCode::kDeadlineExceeded,
             "etcdserver: context deadline exceeded"},
};

}  // namespace

std::span<const ErrorRow> ErrorTable() {
  return kRows;
}

absl::Status WireStatus(EtcdError error) {
  const auto index = static_cast<size_t>(error);
  CHECK_LT(index, kRows.size());
  const ErrorRow& row = kRows[index];
  CHECK(row.error == error);
  return absl::Status(row.code, AbslView(row.text));
}

EtcdError EtcdErrorOf(mvcc::StoreError error) {
  switch (error) {
    case mvcc::StoreError::kKeyNotProvided:
      return EtcdError::kKeyNotProvided;
    case mvcc::StoreError::kKeyNotFound:
      return EtcdError::kKeyNotFound;
    case mvcc::StoreError::kValueProvided:
      return EtcdError::kValueProvided;
    case mvcc::StoreError::kLeaseProvided:
      return EtcdError::kLeaseProvided;
    case mvcc::StoreError::kTooManyOps:
      return EtcdError::kTooManyOps;
    case mvcc::StoreError::kDuplicateKey:
      return EtcdError::kDuplicateKey;
    case mvcc::StoreError::kInvalidSortOption:
      return EtcdError::kInvalidSortOption;
    case mvcc::StoreError::kRequestTooLarge:
      return EtcdError::kRequestTooLarge;
    case mvcc::StoreError::kCompacted:
      return EtcdError::kCompacted;
    case mvcc::StoreError::kFutureRevision:
      return EtcdError::kFutureRevision;
    case mvcc::StoreError::kLeaseNotFound:
      return EtcdError::kLeaseNotFound;
    case mvcc::StoreError::kLeaseExists:
      return EtcdError::kLeaseExists;
    case mvcc::StoreError::kLeaseTtlTooLarge:
      return EtcdError::kLeaseTtlTooLarge;
    case mvcc::StoreError::kNoSpace:
      return EtcdError::kNoSpace;
    case mvcc::StoreError::kTooManyRequests:
      return EtcdError::kTooManyRequests;
    case mvcc::StoreError::kCorrupt:
      return EtcdError::kCorrupt;
    case mvcc::StoreError::kStopped:
      return EtcdError::kStopped;
    case mvcc::StoreError::kPrefixQuota:
      return EtcdError::kNoSpace;  // what comes nearest; WireStatus says it in its own words
  }
  return EtcdError::kStopped;
}

absl::Status WireStatus(const absl::Status& status) {
  if (status.ok()) {
    return status;
  }
  if (const std::optional<mvcc::StoreError> error = mvcc::ErrorOf(status)) {
    if (*error == mvcc::StoreError::kPrefixQuota) {
      // Not etcd's: it says which prefix is full.
      return absl::Status(absl::StatusCode::kResourceExhausted, status.message());
    }
    return WireStatus(EtcdErrorOf(*error));
  }
  return absl::Status(absl::StatusCode::kUnknown, status.message());
}

}  // namespace socle::server
