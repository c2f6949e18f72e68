// Rpc: the calls with one request and one response that the differential test sends, as one list.
//
// X(service, method, request, response). LeaseKeepAlive is a stream and stands in peer.cc by itself.
// Threads  constants.
// Source   spec etcd 1.1, without what etcd 3.4 does not have (RangeStream, AuthStatus, Downgrade).
#ifndef SOCLE_TESTS_CONFORMANCE_RPC_H_
#define SOCLE_TESTS_CONFORMANCE_RPC_H_

#include <etcd/election.pb.h>
#include <etcd/lock.pb.h>
#include <etcd/rpc.pb.h>

#define SOCLE_PAIRED_RPCS(X, package, service, method) \
  X(service, method, package::method##Request, package::method##Response)
#define SOCLE_AUTH_RPCS(X, method) \
  X(auth, method, etcdserverpb::Auth##method##Request, etcdserverpb::Auth##method##Response)

#define SOCLE_UNARY_RPCS(X)                                                         \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, kv, Range)                                     \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, kv, Put)                                       \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, kv, DeleteRange)                               \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, kv, Txn)                                       \
  X(kv, Compact, etcdserverpb::CompactionRequest, etcdserverpb::CompactionResponse) \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, lease, LeaseGrant)                             \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, lease, LeaseRevoke)                            \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, lease, LeaseTimeToLive)                        \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, lease, LeaseLeases)                            \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, cluster, MemberRemove)                         \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, cluster, MemberUpdate)                         \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, cluster, MemberList)                           \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, cluster, MemberPromote)                        \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, Alarm)                            \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, Status)                           \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, Defragment)                       \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, Hash)                             \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, HashKV)                           \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, maintenance, MoveLeader)                       \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, auth, AuthEnable)                              \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, auth, AuthDisable)                             \
  SOCLE_PAIRED_RPCS(X, etcdserverpb, auth, Authenticate)                            \
  SOCLE_AUTH_RPCS(X, UserAdd)                                                       \
  SOCLE_AUTH_RPCS(X, UserGet)                                                       \
  SOCLE_AUTH_RPCS(X, UserList)                                                      \
  SOCLE_AUTH_RPCS(X, UserDelete)                                                    \
  SOCLE_AUTH_RPCS(X, UserChangePassword)                                            \
  SOCLE_AUTH_RPCS(X, UserGrantRole)                                                 \
  SOCLE_AUTH_RPCS(X, UserRevokeRole)                                                \
  SOCLE_AUTH_RPCS(X, RoleAdd)                                                       \
  SOCLE_AUTH_RPCS(X, RoleGet)                                                       \
  SOCLE_AUTH_RPCS(X, RoleList)                                                      \
  SOCLE_AUTH_RPCS(X, RoleDelete)                                                    \
  SOCLE_AUTH_RPCS(X, RoleGrantPermission)                                           \
  SOCLE_AUTH_RPCS(X, RoleRevokePermission)                                          \
  SOCLE_PAIRED_RPCS(X, v3lockpb, lock, Lock)                                        \
  SOCLE_PAIRED_RPCS(X, v3lockpb, lock, Unlock)                                      \
  SOCLE_PAIRED_RPCS(X, v3electionpb, election, Campaign)                            \
  SOCLE_PAIRED_RPCS(X, v3electionpb, election, Proclaim)                            \
  SOCLE_PAIRED_RPCS(X, v3electionpb, election, Leader)                              \
  SOCLE_PAIRED_RPCS(X, v3electionpb, election, Resign)

namespace socle::conformance {

template <typename Request>
struct ResponseTo;

#define SOCLE_RESPONSE_TO(service, method, request, response) \
  template <>                                                 \
  struct ResponseTo<request> {                                \
    using Type = response;                                    \
  };
SOCLE_UNARY_RPCS(SOCLE_RESPONSE_TO)
#undef SOCLE_RESPONSE_TO

template <>
struct ResponseTo<etcdserverpb::LeaseKeepAliveRequest> {
  using Type = etcdserverpb::LeaseKeepAliveResponse;
};

}  // namespace socle::conformance

#endif  // SOCLE_TESTS_CONFORMANCE_RPC_H_
