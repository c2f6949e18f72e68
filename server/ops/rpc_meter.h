// RpcMeter: counts calls by method and outcome, their bytes and their clients, for the grpc_server_* and some
// etcd_* metrics.
//
// Laws     1. Counting costs relaxed adds on a cache line of the method's own.
//          2. How long calls took is measured only after TimeCalls (--metrics=extensive).
// Threads  thread-safe; TimeCalls comes before the first call.
// Source   spec etcd 1.13.
#ifndef SOCLE_SERVER_OPS_RPC_METER_H_
#define SOCLE_SERVER_OPS_RPC_METER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>

#include "kv/base/clock.h"
#include "kv/base/durations.h"
#include "kv/base/mutex.h"

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
    std::atomic<uint64_t> received_bytes{0};  // of messages
    std::atomic<uint64_t> sent_bytes{0};
    std::array<std::atomic<uint64_t>, kCodes> handled{};
  };

  // Returns when that was, for Handled; 0 while calls are not timed.
  int64_t Started(RpcMethod method) {
    Add(At(method).started);
    return Now();
  }

  void Received(RpcMethod method, size_t bytes) {
    Add(At(method).received);
    Add(At(method).received_bytes, bytes);
  }

  void Sent(RpcMethod method, uint64_t messages, size_t bytes) {
    Add(At(method).sent, messages);
    Add(At(method).sent_bytes, bytes);
  }

  // `began_nanos`: what Started said.
  void Handled(RpcMethod method, absl::StatusCode code, int64_t began_nanos) {
    const auto index = static_cast<size_t>(code);
    Add(At(method).handled[index < kCodes ? index : size_t{2}]);
    if (!times_.empty()) [[unlikely]] {
      times_[static_cast<size_t>(method)]->Observe(Now() - began_nanos);
    }
  }

  void TimeCalls();

  // A call of a client that says to be of this version of the API; empty: it does not say.
  void CountClient(RpcMethod method, std::string_view version);

  // A request of a stream could not be read.
  void CountUnreadable(RpcMethod method) {
    if (method == RpcMethod::kWatch) {
      Add(unreadable_watches_);
    } else if (method == RpcMethod::kLeaseKeepAlive) {
      Add(unreadable_keep_alives_);
    }
  }

  struct ClientCalls {
    std::string version;
    uint64_t unary = 0;
    uint64_t streams = 0;
  };

  std::vector<ClientCalls> ReadClients() const;

  const Counts& counts(size_t method_index) const { return counts_[method_index]; }

  // Null while calls are not timed.
  const Durations* times(size_t method_index) const {
    return times_.empty() ? nullptr : times_[method_index].get();
  }

  uint64_t unreadable_watches() const {
    return unreadable_watches_.load(std::memory_order_relaxed);
  }

  uint64_t unreadable_keep_alives() const {
    return unreadable_keep_alives_.load(std::memory_order_relaxed);
  }

 private:
  int64_t Now() const { return times_.empty() ? 0 : Clock::Real()->MonotonicNanos(); }

  static void Add(std::atomic<uint64_t>& counter, uint64_t count = 1) {
    counter.fetch_add(count, std::memory_order_relaxed);
  }

  Counts& At(RpcMethod method) { return counts_[static_cast<size_t>(method)]; }

  // Never changed once it is counted in clients_.
  struct Client {
    std::string version;
    std::atomic<uint64_t> unary{0};
    std::atomic<uint64_t> streams{0};
  };

  Client* ClientOf(std::string_view version);

  static constexpr size_t kClientsMax = 16;  // then "other": a client may say what it likes

  std::array<Counts, kRpcMethods.size()> counts_;
  std::vector<std::unique_ptr<Durations>> times_;  // none, or of each method
  std::atomic<uint64_t> unreadable_watches_{0};
  std::atomic<uint64_t> unreadable_keep_alives_{0};
  std::array<Client, kClientsMax> clients_;
  std::atomic<size_t> client_count_{0};
  Mutex mu_;  // of whoever adds a client
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_RPC_METER_H_
