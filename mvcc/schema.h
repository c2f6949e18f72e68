// Schema: the top-level buckets of the page store and the keys of the `meta` bucket, as etcd names
// them.
//
// Laws     1. All ten buckets exist in every file that we write: etcd needs `key` and `meta` to
//             restore.
// Source   spec etcd 2.2.
#ifndef SOCLE_MVCC_SCHEMA_H_
#define SOCLE_MVCC_SCHEMA_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/backend/pending_buffer.h"

namespace socle::mvcc {

inline constexpr kv::BucketId kKeyBucket{0};
inline constexpr kv::BucketId kMetaBucket{1};
inline constexpr kv::BucketId kLeaseBucket{2};

// Position = BucketId.
inline std::vector<std::string> BucketNames() {
  return {"key",  "meta",      "lease",    "alarm", "cluster", "members", "members_removed",
          "auth", "authUsers", "authRoles"};
}

inline std::optional<kv::BucketId> FindBucket(std::string_view name) {
  const std::vector<std::string> names = BucketNames();
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) {
      return kv::BucketId{static_cast<uint8_t>(i)};
    }
  }
  return std::nullopt;
}

// Fields of leasepb.Lease that are ours: LeaseCheckpoint::noted_unix_millis and left_millis.
inline constexpr uint32_t kLeaseNotedField = 1'001;
inline constexpr uint32_t kLeaseLeftField = 1'002;
// 1: granted by a put for its key (PutRequest::ttl_seconds).
inline constexpr uint32_t kLeaseOfKeyField = 1'003;

inline constexpr std::string_view kConsistentIndexKey = "consistent_index";
// Keys of `meta` that are ours begin so. etcd ignores them, and hashes leave them out.
inline constexpr std::string_view kOwnKeyPrefix = "socle_";
// 8 random bytes, also in the head of each log segment, so that a log is never replayed onto
// another store's pages.
inline constexpr std::string_view kStoreIdKey = "socle_store_id";
// There since its log was begun: mvcc/lost_log.h.
inline constexpr std::string_view kHasLogKey = "socle_has_log";
// What the key bucket must hold: mvcc/key_digest.h.
inline constexpr std::string_view kKeyDigestKey = "socle_key_digest";
// mvcc/prefix_quota.h.
inline constexpr std::string_view kPrefixQuotaKey = "socle_prefix_quota";
inline constexpr std::string_view kScheduledCompactKey = "scheduledCompactRev";
inline constexpr std::string_view kFinishedCompactKey = "finishedCompactRev";

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_SCHEMA_H_
