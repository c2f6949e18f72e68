// AdminSource: an endless, seeded script of the requests beside those of OperationSource: users, roles, alarms, members, maintenance, locks, elections;
// each by one of a few callers, who may or may not have logged in.
//
// Laws     1. The same seed and the same answers give the same requests.
//          2. Authentication is switched on and off on the way; few users, roles and keys, so that rules meet.
//          3. Nothing that waits for somebody else: a lock or an election has one lease, always the same.
// Threads  thread-compatible.
// Source   spec etcd 1.6 to 1.10.
#ifndef SOCLE_TESTS_CONFORMANCE_ADMIN_OPERATION_H_
#define SOCLE_TESTS_CONFORMANCE_ADMIN_OPERATION_H_

#include <cstdint>
#include <deque>
#include <string>
#include <variant>

#include "kv/base/random.h"
#include "tests/conformance/operation.h"
#include "tests/conformance/rpc.h"

namespace socle::conformance {

// What rpc.h lists and OperationSource does not send.
using AdminRequest = std::variant<
    etcdserverpb::LeaseLeasesRequest, etcdserverpb::LeaseKeepAliveRequest,
    etcdserverpb::MemberListRequest, etcdserverpb::MemberPromoteRequest, etcdserverpb::AlarmRequest,
    etcdserverpb::StatusRequest, etcdserverpb::DefragmentRequest, etcdserverpb::MoveLeaderRequest,
    etcdserverpb::AuthEnableRequest, etcdserverpb::AuthDisableRequest,
    etcdserverpb::AuthenticateRequest, etcdserverpb::AuthUserAddRequest,
    etcdserverpb::AuthUserGetRequest, etcdserverpb::AuthUserListRequest,
    etcdserverpb::AuthUserDeleteRequest, etcdserverpb::AuthUserChangePasswordRequest,
    etcdserverpb::AuthUserGrantRoleRequest, etcdserverpb::AuthUserRevokeRoleRequest,
    etcdserverpb::AuthRoleAddRequest, etcdserverpb::AuthRoleGetRequest,
    etcdserverpb::AuthRoleListRequest, etcdserverpb::AuthRoleDeleteRequest,
    etcdserverpb::AuthRoleGrantPermissionRequest, etcdserverpb::AuthRoleRevokePermissionRequest,
    v3lockpb::LockRequest, v3lockpb::UnlockRequest, v3electionpb::CampaignRequest,
    v3electionpb::ProclaimRequest, v3electionpb::LeaderRequest, v3electionpb::ResignRequest>;

class AdminSource {
 public:
  explicit AdminSource(uint64_t seed) : random_(seed) {}

  AdminRequest Next();

  // The next request must come before anything else.
  bool has_next() const { return !next_.empty(); }

  std::string User();

 private:
  std::string Role();
  std::string Password();
  std::string Key();
  AdminRequest OfUsers();
  AdminRequest OfRoles();
  AdminRequest OfServer();
  AdminRequest OfRecipes();

  Random random_;
  std::deque<AdminRequest> next_;
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_ADMIN_OPERATION_H_
