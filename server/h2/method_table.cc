#include "server/h2/method_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "server/h2/range_call.h"
#include "server/h2/stream_calls.h"
#include "server/h2/unary_call.h"

namespace socle::server::h2 {
namespace {

namespace pb = etcdserverpb;

constexpr RpcMethodName NameOf(RpcMethod method) {
  return kRpcMethods[static_cast<size_t>(method)];
}

// `Run` answers through its Done.
template <RpcMethod kMethod, typename Request, typename Response, typename Run>
constexpr MethodRow Later(Run /*run*/) {
  return {NameOf(kMethod).service, NameOf(kMethod).method,
          [](Services* services,
             std::shared_ptr<http::Exchange> exchange) -> std::shared_ptr<GrpcCall> {
            return std::make_shared<UnaryCall<Request, Response, Run>>(services, kMethod,
                                                                       std::move(exchange));
          }};
}

// `Run` returns the status.
template <RpcMethod kMethod, typename Request, typename Response, typename Run>
constexpr MethodRow Now(Run /*run*/) {
  return Later<kMethod, Request, Response>(
      [](Services* services, const Caller& caller, const Request& request, Response* response,
         Done done) { done(Run{}(services, caller, request, response)); });
}

template <RpcMethod kMethod>
constexpr MethodRow Stream(std::shared_ptr<GrpcCall> (*make)(Services*,
                                                             std::shared_ptr<http::Exchange>)) {
  return {NameOf(kMethod).service, NameOf(kMethod).method, make};
}

constexpr std::string_view kHealth = "grpc.health.v1.Health";

constexpr std::array kRows = {
    Stream<RpcMethod::kRange>(MakeRangeCall),
    Stream<RpcMethod::kRangeStream>(MakeRangeStreamCall),
    Later<RpcMethod::kPut, pb::PutRequest, pb::PutResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->kv.Put(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kDeleteRange, pb::DeleteRangeRequest, pb::DeleteRangeResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->kv.DeleteRange(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kTxn, pb::TxnRequest, pb::TxnResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->kv.Txn(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kCompact, pb::CompactionRequest, pb::CompactionResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->kv.Compact(c, q, r, std::move(d));
        }),
    Stream<RpcMethod::kWatch>(MakeWatchCall),
    Later<RpcMethod::kLeaseGrant, pb::LeaseGrantRequest, pb::LeaseGrantResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->lease.Grant(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kLeaseRevoke, pb::LeaseRevokeRequest, pb::LeaseRevokeResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->lease.Revoke(c, q, r, std::move(d));
        }),
    Stream<RpcMethod::kLeaseKeepAlive>(MakeKeepAliveCall),
    Now<RpcMethod::kLeaseTimeToLive, pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->lease.TimeToLive(c, q, r);
        }),
    Now<RpcMethod::kLeaseLeases, pb::LeaseLeasesRequest, pb::LeaseLeasesResponse>(
        [](Services* s, const Caller& c, const auto&, auto* r) { return s->lease.Leases(c, r); }),
    Now<RpcMethod::kMemberAdd, pb::MemberAddRequest, pb::MemberAddResponse>(
        [](Services* s, const Caller& c, const auto& q, auto*) {
          return s->cluster.MemberAdd(c, q);
        }),
    Now<RpcMethod::kMemberRemove, pb::MemberRemoveRequest, pb::MemberRemoveResponse>(
        [](Services* s, const Caller& c, const auto& q, auto*) {
          return s->cluster.MemberRemove(c, q);
        }),
    Later<RpcMethod::kMemberUpdate, pb::MemberUpdateRequest, pb::MemberUpdateResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->cluster.MemberUpdate(c, q, r, std::move(d));
        }),
    Now<RpcMethod::kMemberList, pb::MemberListRequest, pb::MemberListResponse>(
        [](Services* s, const Caller& c, const auto&, auto* r) {
          return s->cluster.MemberList(c, r);
        }),
    Now<RpcMethod::kMemberPromote, pb::MemberPromoteRequest, pb::MemberPromoteResponse>(
        [](Services* s, const Caller& c, const auto& q, auto*) {
          return s->cluster.MemberPromote(c, q);
        }),
    Later<RpcMethod::kAlarm, pb::AlarmRequest, pb::AlarmResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->maintenance.Alarm(c, q, r, std::move(d));
        }),
    Now<RpcMethod::kStatus, pb::StatusRequest, pb::StatusResponse>(
        [](Services* s, const Caller& c, const auto&, auto* r) {
          return s->maintenance.Status(c, r);
        }),
    Later<RpcMethod::kDefragment, pb::DefragmentRequest, pb::DefragmentResponse>(
        [](Services* s, const Caller& c, const auto&, auto* r, Done d) {
          s->maintenance.Defragment(c, r, std::move(d));
        }),
    Later<RpcMethod::kHash, pb::HashRequest, pb::HashResponse>(
        [](Services* s, const Caller& c, const auto&, auto* r, Done d) {
          s->maintenance.Hash(c, r, std::move(d));
        }),
    Later<RpcMethod::kHashKv, pb::HashKVRequest, pb::HashKVResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->maintenance.HashKv(c, q, r, std::move(d));
        }),
    Stream<RpcMethod::kSnapshot>(MakeSnapshotCall),
    Now<RpcMethod::kMoveLeader, pb::MoveLeaderRequest, pb::MoveLeaderResponse>(
        [](Services* s, const Caller& c, const auto& q, auto*) {
          return s->maintenance.MoveLeader(c, q);
        }),
    Now<RpcMethod::kDowngrade, pb::DowngradeRequest, pb::DowngradeResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->maintenance.Downgrade(c, q, r);
        }),
    Later<RpcMethod::kAuthEnable, pb::AuthEnableRequest, pb::AuthEnableResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.AuthEnable(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kAuthDisable, pb::AuthDisableRequest, pb::AuthDisableResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.AuthDisable(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kAuthenticate, pb::AuthenticateRequest, pb::AuthenticateResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.Authenticate(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUserAdd, pb::AuthUserAddRequest, pb::AuthUserAddResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.UserAdd(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUserDelete, pb::AuthUserDeleteRequest, pb::AuthUserDeleteResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.UserDelete(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUserChangePassword, pb::AuthUserChangePasswordRequest,
          pb::AuthUserChangePasswordResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.UserChangePassword(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUserGrantRole, pb::AuthUserGrantRoleRequest, pb::AuthUserGrantRoleResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.UserGrantRole(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUserRevokeRole, pb::AuthUserRevokeRoleRequest,
          pb::AuthUserRevokeRoleResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.UserRevokeRole(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kRoleAdd, pb::AuthRoleAddRequest, pb::AuthRoleAddResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.RoleAdd(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kRoleDelete, pb::AuthRoleDeleteRequest, pb::AuthRoleDeleteResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.RoleDelete(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kRoleGrantPermission, pb::AuthRoleGrantPermissionRequest,
          pb::AuthRoleGrantPermissionResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.RoleGrantPermission(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kRoleRevokePermission, pb::AuthRoleRevokePermissionRequest,
          pb::AuthRoleRevokePermissionResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->auth.RoleRevokePermission(c, q, r, std::move(d));
        }),
    Now<RpcMethod::kAuthStatus, pb::AuthStatusRequest, pb::AuthStatusResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->auth.AuthStatus(c, q, r);
        }),
    Now<RpcMethod::kUserGet, pb::AuthUserGetRequest, pb::AuthUserGetResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->auth.UserGet(c, q, r);
        }),
    Now<RpcMethod::kUserList, pb::AuthUserListRequest, pb::AuthUserListResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->auth.UserList(c, q, r);
        }),
    Now<RpcMethod::kRoleGet, pb::AuthRoleGetRequest, pb::AuthRoleGetResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->auth.RoleGet(c, q, r);
        }),
    Now<RpcMethod::kRoleList, pb::AuthRoleListRequest, pb::AuthRoleListResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->auth.RoleList(c, q, r);
        }),
    Later<RpcMethod::kLock, v3lockpb::LockRequest, v3lockpb::LockResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          return s->lock.Lock(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kUnlock, v3lockpb::UnlockRequest, v3lockpb::UnlockResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->lock.Unlock(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kCampaign, v3electionpb::CampaignRequest, v3electionpb::CampaignResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          return s->election.Campaign(c, q, r, std::move(d));
        }),
    Later<RpcMethod::kProclaim, v3electionpb::ProclaimRequest, v3electionpb::ProclaimResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->election.Proclaim(c, q, r, std::move(d));
        }),
    Now<RpcMethod::kLeader, v3electionpb::LeaderRequest, v3electionpb::LeaderResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r) {
          return s->election.Leader(c, q, r);
        }),
    Stream<RpcMethod::kObserve>(MakeObserveCall),
    Later<RpcMethod::kResign, v3electionpb::ResignRequest, v3electionpb::ResignResponse>(
        [](Services* s, const Caller& c, const auto& q, auto* r, Done d) {
          s->election.Resign(c, q, r, std::move(d));
        }),
    MethodRow{kHealth, "Check", MakeHealthCheckCall},
    MethodRow{kHealth, "Watch", MakeHealthWatchCall},
};
static_assert(kRows.size() == kRpcMethods.size() + 2, "a row per counted method, and health");

}  // namespace

std::span<const MethodRow> MethodTable() {
  return kRows;
}

const MethodRow* FindMethod(std::string_view path) {
  static const auto* const by_path = [] {
    auto* map = new StringMap<const MethodRow*>;
    for (const MethodRow& row : kRows) {
      (*map)[fmt::format("/{}/{}", row.service, row.method)] = &row;
    }
    return map;
  }();
  const auto found = by_path->find(path);
  return found != by_path->end() ? found->second : nullptr;
}

absl::Status UnknownMethod(std::string_view path) {
  const size_t slash = path.rfind('/');
  if (!path.starts_with('/') || slash == 0) {
    return absl::UnimplementedError(fmt::format("malformed method name: \"{}\"", path));
  }
  const std::string_view service = path.substr(1, slash - 1);
  const bool is_known = std::any_of(kRows.begin(), kRows.end(), [service](const MethodRow& row) {
    return row.service == service;
  });
  return absl::UnimplementedError(
      is_known ? fmt::format("unknown method {} for service {}", path.substr(slash + 1), service)
               : fmt::format("unknown service {}", service));
}

}  // namespace socle::server::h2
