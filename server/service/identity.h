// Identity: who this member is: ids derived as etcd derives them, and the records a booted etcd 3.6
// leaves behind.
//
// Laws     1. Member id = first 8 bytes of SHA-1(sorted peer URLs, cluster token); cluster id = the
//             same of the member ids. Once stored, the member id never changes, whatever the flags
//             say later.
//          2. A first start writes meta/{storageVersion,confState,term}, cluster/clusterVersion and
//             the member record, in one atomic step.
//          3. A directory of a cluster with several members, or of a newer format, is refused
//             untouched.
// Threads  pure functions.
// Source   spec etcd 1.8, 2.2, 2.5, 7.1 trap 27.
#ifndef SOCLE_SERVER_SERVICE_IDENTITY_H_
#define SOCLE_SERVER_SERVICE_IDENTITY_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

#include "mvcc/store.h"

namespace socle::server {

inline constexpr std::string_view kServerVersion = "3.6.6";
inline constexpr std::string_view kClusterVersion = "3.6.0";
inline constexpr std::string_view kStorageVersion = "3.6.0";

struct MemberRecord {
  uint64_t id = 0;
  std::string name;
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
};

struct Identity {
  uint64_t cluster_id = 0;
  uint64_t raft_term = 2;  // a single etcd member has elected itself at least once
  MemberRecord member;
};

struct IdentityOptions {
  std::string name = "default";
  std::string cluster_token = "etcd-cluster";
  std::vector<std::string> peer_urls = {"http://localhost:2380"};
  std::vector<std::string> client_urls = {"http://localhost:2379"};
};

uint64_t MemberIdOf(std::vector<std::string> peer_urls, std::string_view cluster_token);
uint64_t ClusterIdOf(std::vector<uint64_t> member_ids);

// {"id":…,"peerURLs":[…],"name":"…","clientURLs":[…]}
std::string MemberJson(const MemberRecord& member);
absl::StatusOr<MemberRecord> ParseMemberJson(std::string_view json);

// What writes a member's record to the `members` bucket.
mvcc::SystemWrite MemberWrite(const MemberRecord& member);

// Reads the identity stored in `store`, or makes and stores a new one; keeps name and client URLs
// current.
absl::StatusOr<Identity> BootIdentity(const IdentityOptions& options, mvcc::Store* store);

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_IDENTITY_H_
