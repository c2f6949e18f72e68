// LogRequest: what an entry of an etcd log asks for.
//
// Laws     1. What is not known whole is refused, unknown fields inside known requests included: an entry is applied
//             as etcd applies it, or not at all.
// Threads  pure function.
// Errors   FailedPrecondition for what changes keys of the v2 API; Unimplemented for what a newer etcd wrote; DataLoss
//          for what is no request.
// Source   spec etcd 2.6.
#ifndef SOCLE_SERVER_MIGRATE_LOG_REQUEST_H_
#define SOCLE_SERVER_MIGRATE_LOG_REQUEST_H_

#include <cstdint>
#include <string>
#include <variant>

#include "etcd/raft_internal.pb.h"
#include <absl/status/statusor.h>

#include "server/migrate/etcd_log.h"

namespace socle::server {

// An election, or a request that touches nothing that is kept.
struct NothingToDo {};

// A change of the members.
struct MemberChange {
  enum class Kind : uint64_t { kAdd = 0, kRemove = 1, kUpdate = 2, kAddLearner = 3 };

  Kind kind = Kind::kAdd;
  uint64_t member_id = 0;
  std::string member_json;  // of an added or updated one
};

// What 3.5 and older keep by the v2 store: the one thing of a member's record that is no change of members …
struct MemberAttributes {
  uint64_t member_id = 0;
  std::string json;  // {"name":…,"clientURLs":[…]}
};

// … and the version of the cluster.
struct ClusterVersion {
  std::string version;
};

using LogRequest = std::variant<NothingToDo, etcdserverpb::InternalRaftRequest, MemberChange,
                                MemberAttributes, ClusterVersion>;

absl::StatusOr<LogRequest> DecodeLogRequest(const EtcdEntry& entry);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_LOG_REQUEST_H_
