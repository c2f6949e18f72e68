// RpcMeter: counts calls by method and outcome, for the grpc_server_* metrics.
//
// Laws     1. Counting costs one relaxed add on a cache line of the method's own.
// Threads  thread-safe.
// Source   spec etcd 1.13.
#ifndef SOCLE_SERVER_OPS_RPC_METER_H_
#define SOCLE_SERVER_OPS_RPC_METER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <absl/status/status.h>

namespace socle::server {

enum class RpcMethod : size_t {
  kRange,
  kRangeStream,
  kPut,
  kDeleteRange,
  kTxn,
  kCompact,
  kWatch,
  kLeaseGrant,
  kLeaseRevoke,
  kLeaseKeepAlive,
  kLeaseTimeToLive,
  kLeaseLeases,
  kMemberAdd,
  kMemberRemove,
  kMemberUpdate,
  kMemberList,
  kMemberPromote,
  kAlarm,
  kStatus,
  kDefragment,
  kHash,
  kHashKv,
  kSnapshot,
  kMoveLeader,
  kDowngrade,
  kAuthEnable,
  kAuthDisable,
  kAuthStatus,
  kAuthenticate,
  kUserList,
  kRoleList,
  kUserAdd,
  kUserGet,
  kUserDelete,
  kUserChangePassword,
  kUserGrantRole,
  kUserRevokeRole,
  kRoleAdd,
  kRoleGet,
  kRoleDelete,
  kRoleGrantPermission,
  kRoleRevokePermission,
  kLock,
  kUnlock,
  kCampaign,
  kProclaim,
  kLeader,
  kObserve,
  kResign,
};

struct RpcMethodName {
  std::string_view service;
  std::string_view method;
  std::string_view type;  // unary, server_stream or bidi_stream
};

inline constexpr std::array kRpcMethods = {
    RpcMethodName{"etcdserverpb.KV", "Range", "unary"},
    RpcMethodName{"etcdserverpb.KV", "RangeStream", "server_stream"},
    RpcMethodName{"etcdserverpb.KV", "Put", "unary"},
    RpcMethodName{"etcdserverpb.KV", "DeleteRange", "unary"},
    RpcMethodName{"etcdserverpb.KV", "Txn", "unary"},
    RpcMethodName{"etcdserverpb.KV", "Compact", "unary"},
    RpcMethodName{"etcdserverpb.Watch", "Watch", "bidi_stream"},
    RpcMethodName{"etcdserverpb.Lease", "LeaseGrant", "unary"},
    RpcMethodName{"etcdserverpb.Lease", "LeaseRevoke", "unary"},
    RpcMethodName{"etcdserverpb.Lease", "LeaseKeepAlive", "bidi_stream"},
    RpcMethodName{"etcdserverpb.Lease", "LeaseTimeToLive", "unary"},
    RpcMethodName{"etcdserverpb.Lease", "LeaseLeases", "unary"},
    RpcMethodName{"etcdserverpb.Cluster", "MemberAdd", "unary"},
    RpcMethodName{"etcdserverpb.Cluster", "MemberRemove", "unary"},
    RpcMethodName{"etcdserverpb.Cluster", "MemberUpdate", "unary"},
    RpcMethodName{"etcdserverpb.Cluster", "MemberList", "unary"},
    RpcMethodName{"etcdserverpb.Cluster", "MemberPromote", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Alarm", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Status", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Defragment", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Hash", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "HashKV", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Snapshot", "server_stream"},
    RpcMethodName{"etcdserverpb.Maintenance", "MoveLeader", "unary"},
    RpcMethodName{"etcdserverpb.Maintenance", "Downgrade", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "AuthEnable", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "AuthDisable", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "AuthStatus", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "Authenticate", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserList", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleList", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserAdd", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserGet", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserDelete", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserChangePassword", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserGrantRole", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "UserRevokeRole", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleAdd", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleGet", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleDelete", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleGrantPermission", "unary"},
    RpcMethodName{"etcdserverpb.Auth", "RoleRevokePermission", "unary"},
    RpcMethodName{"v3lockpb.Lock", "Lock", "unary"},
    RpcMethodName{"v3lockpb.Lock", "Unlock", "unary"},
    RpcMethodName{"v3electionpb.Election", "Campaign", "unary"},
    RpcMethodName{"v3electionpb.Election", "Proclaim", "unary"},
    RpcMethodName{"v3electionpb.Election", "Leader", "unary"},
    RpcMethodName{"v3electionpb.Election", "Observe", "server_stream"},
    RpcMethodName{"v3electionpb.Election", "Resign", "unary"},
};
static_assert(kRpcMethods.size() == static_cast<size_t>(RpcMethod::kResign) + 1);

class RpcMeter {
 public:
  static constexpr size_t kCodes = 17;

  struct alignas(64) Counts {
    std::atomic<uint64_t> started{0};
    std::atomic<uint64_t> received{0};
    std::atomic<uint64_t> sent{0};
    std::array<std::atomic<uint64_t>, kCodes> handled{};
  };

  void Started(RpcMethod method) { Add(At(method).started); }

  void Received(RpcMethod method) { Add(At(method).received); }

  void Sent(RpcMethod method, uint64_t messages = 1) { Add(At(method).sent, messages); }

  void Handled(RpcMethod method, absl::StatusCode code) {
    const auto index = static_cast<size_t>(code);
    Add(At(method).handled[index < kCodes ? index : size_t{2}]);
  }

  const Counts& counts(size_t method_index) const { return counts_[method_index]; }

 private:
  static void Add(std::atomic<uint64_t>& counter, uint64_t count = 1) {
    counter.fetch_add(count, std::memory_order_relaxed);
  }

  Counts& At(RpcMethod method) { return counts_[static_cast<size_t>(method)]; }

  std::array<Counts, kRpcMethods.size()> counts_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_RPC_METER_H_
