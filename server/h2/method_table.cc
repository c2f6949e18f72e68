#include "server/h2/method_table.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
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
      [](Services* services, const Request& request, Response* response, Done done) {
        done(Run{}(services, request, response));
      });
}

template <RpcMethod kMethod>
constexpr MethodRow Stream(std::shared_ptr<GrpcCall> (*make)(Services*,
                                                             std::shared_ptr<http::Exchange>)) {
  return {NameOf(kMethod).service, NameOf(kMethod).method, make};
}

constexpr std::string_view kHealth = "grpc.health.v1.Health";

// RangeStream has none: kube-apiserver falls back on Range then. Nor have the methods that need users.
constexpr std::array kRows = {
    Later<RpcMethod::kRange, pb::RangeRequest, pb::RangeResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->kv.Range(q, r, std::move(d)); }),
    Later<RpcMethod::kPut, pb::PutRequest, pb::PutResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->kv.Put(q, r, std::move(d)); }),
    Later<RpcMethod::kDeleteRange, pb::DeleteRangeRequest, pb::DeleteRangeResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->kv.DeleteRange(q, r, std::move(d)); }),
    Later<RpcMethod::kTxn, pb::TxnRequest, pb::TxnResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->kv.Txn(q, r, std::move(d)); }),
    Later<RpcMethod::kCompact, pb::CompactionRequest, pb::CompactionResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->kv.Compact(q, r, std::move(d)); }),
    Stream<RpcMethod::kWatch>(MakeWatchCall),
    Later<RpcMethod::kLeaseGrant, pb::LeaseGrantRequest, pb::LeaseGrantResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->lease.Grant(q, r, std::move(d)); }),
    Later<RpcMethod::kLeaseRevoke, pb::LeaseRevokeRequest, pb::LeaseRevokeResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->lease.Revoke(q, r, std::move(d)); }),
    Stream<RpcMethod::kLeaseKeepAlive>(MakeKeepAliveCall),
    Now<RpcMethod::kLeaseTimeToLive, pb::LeaseTimeToLiveRequest, pb::LeaseTimeToLiveResponse>(
        [](Services* s, const auto& q, auto* r) { return s->lease.TimeToLive(q, r); }),
    Now<RpcMethod::kLeaseLeases, pb::LeaseLeasesRequest, pb::LeaseLeasesResponse>(
        [](Services* s, const auto&, auto* r) { return s->lease.Leases(r); }),
    Now<RpcMethod::kMemberAdd, pb::MemberAddRequest, pb::MemberAddResponse>(
        [](Services* s, const auto& q, auto*) { return s->cluster.MemberAdd(q); }),
    Now<RpcMethod::kMemberRemove, pb::MemberRemoveRequest, pb::MemberRemoveResponse>(
        [](Services* s, const auto& q, auto*) { return s->cluster.MemberRemove(q); }),
    Later<RpcMethod::kMemberUpdate, pb::MemberUpdateRequest, pb::MemberUpdateResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          s->cluster.MemberUpdate(q, r, std::move(d));
        }),
    Now<RpcMethod::kMemberList, pb::MemberListRequest, pb::MemberListResponse>(
        [](Services* s, const auto&, auto* r) { return s->cluster.MemberList(r); }),
    Now<RpcMethod::kMemberPromote, pb::MemberPromoteRequest, pb::MemberPromoteResponse>(
        [](Services* s, const auto& q, auto*) { return s->cluster.MemberPromote(q); }),
    Later<RpcMethod::kAlarm, pb::AlarmRequest, pb::AlarmResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          s->maintenance.Alarm(q, r, std::move(d));
        }),
    Now<RpcMethod::kStatus, pb::StatusRequest, pb::StatusResponse>(
        [](Services* s, const auto&, auto* r) { return s->maintenance.Status(r); }),
    Later<RpcMethod::kDefragment, pb::DefragmentRequest, pb::DefragmentResponse>(
        [](Services* s, const auto&, auto* r, Done d) {
          s->maintenance.Defragment(r, std::move(d));
        }),
    Later<RpcMethod::kHash, pb::HashRequest, pb::HashResponse>(
        [](Services* s, const auto&, auto* r, Done d) { s->maintenance.Hash(r, std::move(d)); }),
    Later<RpcMethod::kHashKv, pb::HashKVRequest, pb::HashKVResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          s->maintenance.HashKv(q, r, std::move(d));
        }),
    Stream<RpcMethod::kSnapshot>(MakeSnapshotCall),
    Now<RpcMethod::kMoveLeader, pb::MoveLeaderRequest, pb::MoveLeaderResponse>(
        [](Services* s, const auto& q, auto*) { return s->maintenance.MoveLeader(q); }),
    Now<RpcMethod::kDowngrade, pb::DowngradeRequest, pb::DowngradeResponse>(
        [](Services* s, const auto& q, auto* r) { return s->maintenance.Downgrade(q, r); }),
    Now<RpcMethod::kAuthEnable, pb::AuthEnableRequest, pb::AuthEnableResponse>(
        [](Services* s, const auto&, auto*) { return s->auth.AuthEnable(); }),
    Now<RpcMethod::kAuthDisable, pb::AuthDisableRequest, pb::AuthDisableResponse>(
        [](Services* s, const auto&, auto* r) { return s->auth.AuthDisable(r); }),
    Now<RpcMethod::kAuthStatus, pb::AuthStatusRequest, pb::AuthStatusResponse>(
        [](Services* s, const auto&, auto* r) { return s->auth.AuthStatus(r); }),
    Now<RpcMethod::kAuthenticate, pb::AuthenticateRequest, pb::AuthenticateResponse>(
        [](Services* s, const auto&, auto*) { return s->auth.Authenticate(); }),
    Now<RpcMethod::kUserList, pb::AuthUserListRequest, pb::AuthUserListResponse>(
        [](Services* s, const auto&, auto* r) { return s->auth.UserList(r); }),
    Now<RpcMethod::kRoleList, pb::AuthRoleListRequest, pb::AuthRoleListResponse>(
        [](Services* s, const auto&, auto* r) { return s->auth.RoleList(r); }),
    Later<RpcMethod::kLock, v3lockpb::LockRequest, v3lockpb::LockResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          return s->lock.Lock(q, r, std::move(d));
        }),
    Later<RpcMethod::kUnlock, v3lockpb::UnlockRequest, v3lockpb::UnlockResponse>(
        [](Services* s, const auto& q, auto* r, Done d) { s->lock.Unlock(q, r, std::move(d)); }),
    Later<RpcMethod::kCampaign, v3electionpb::CampaignRequest, v3electionpb::CampaignResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          return s->election.Campaign(q, r, std::move(d));
        }),
    Later<RpcMethod::kProclaim, v3electionpb::ProclaimRequest, v3electionpb::ProclaimResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          s->election.Proclaim(q, r, std::move(d));
        }),
    Now<RpcMethod::kLeader, v3electionpb::LeaderRequest, v3electionpb::LeaderResponse>(
        [](Services* s, const auto& q, auto* r) { return s->election.Leader(q, r); }),
    Stream<RpcMethod::kObserve>(MakeObserveCall),
    Later<RpcMethod::kResign, v3electionpb::ResignRequest, v3electionpb::ResignResponse>(
        [](Services* s, const auto& q, auto* r, Done d) {
          s->election.Resign(q, r, std::move(d));
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
