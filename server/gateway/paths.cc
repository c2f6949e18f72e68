#include "server/gateway/paths.h"

#include <algorithm>
#include <array>
#include <string>

#include "kv/base/bytes.h"
#include "kv/base/check.h"

namespace socle::server::gateway {
namespace {

constexpr std::array kPaths = {
    PathRow{"kv/range", "/etcdserverpb.KV/Range"},
    PathRow{"kv/put", "/etcdserverpb.KV/Put"},
    PathRow{"kv/deleterange", "/etcdserverpb.KV/DeleteRange"},
    PathRow{"kv/txn", "/etcdserverpb.KV/Txn"},
    PathRow{"kv/compaction", "/etcdserverpb.KV/Compact"},
    PathRow{"watch", "/etcdserverpb.Watch/Watch"},
    PathRow{"lease/grant", "/etcdserverpb.Lease/LeaseGrant"},
    PathRow{"lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"},
    PathRow{"kv/lease/revoke", "/etcdserverpb.Lease/LeaseRevoke"},
    PathRow{"lease/keepalive", "/etcdserverpb.Lease/LeaseKeepAlive"},
    PathRow{"lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive"},
    PathRow{"kv/lease/timetolive", "/etcdserverpb.Lease/LeaseTimeToLive"},
    PathRow{"lease/leases", "/etcdserverpb.Lease/LeaseLeases"},
    PathRow{"kv/lease/leases", "/etcdserverpb.Lease/LeaseLeases"},
    PathRow{"cluster/member/add", "/etcdserverpb.Cluster/MemberAdd"},
    PathRow{"cluster/member/remove", "/etcdserverpb.Cluster/MemberRemove"},
    PathRow{"cluster/member/update", "/etcdserverpb.Cluster/MemberUpdate"},
    PathRow{"cluster/member/list", "/etcdserverpb.Cluster/MemberList"},
    PathRow{"cluster/member/promote", "/etcdserverpb.Cluster/MemberPromote"},
    PathRow{"maintenance/alarm", "/etcdserverpb.Maintenance/Alarm"},
    PathRow{"maintenance/status", "/etcdserverpb.Maintenance/Status"},
    PathRow{"maintenance/defragment", "/etcdserverpb.Maintenance/Defragment"},
    PathRow{"maintenance/hash", "/etcdserverpb.Maintenance/Hash"},
    PathRow{"maintenance/hashkv", "/etcdserverpb.Maintenance/HashKV"},
    PathRow{"maintenance/snapshot", "/etcdserverpb.Maintenance/Snapshot"},
    PathRow{"maintenance/transfer-leadership", "/etcdserverpb.Maintenance/MoveLeader"},
    PathRow{"maintenance/downgrade", "/etcdserverpb.Maintenance/Downgrade"},
    PathRow{"auth/enable", "/etcdserverpb.Auth/AuthEnable"},
    PathRow{"auth/disable", "/etcdserverpb.Auth/AuthDisable"},
    PathRow{"auth/status", "/etcdserverpb.Auth/AuthStatus"},
    PathRow{"auth/authenticate", "/etcdserverpb.Auth/Authenticate"},
    PathRow{"auth/user/add", "/etcdserverpb.Auth/UserAdd"},
    PathRow{"auth/user/get", "/etcdserverpb.Auth/UserGet"},
    PathRow{"auth/user/list", "/etcdserverpb.Auth/UserList"},
    PathRow{"auth/user/delete", "/etcdserverpb.Auth/UserDelete"},
    PathRow{"auth/user/changepw", "/etcdserverpb.Auth/UserChangePassword"},
    PathRow{"auth/user/grant", "/etcdserverpb.Auth/UserGrantRole"},
    PathRow{"auth/user/revoke", "/etcdserverpb.Auth/UserRevokeRole"},
    PathRow{"auth/role/add", "/etcdserverpb.Auth/RoleAdd"},
    PathRow{"auth/role/get", "/etcdserverpb.Auth/RoleGet"},
    PathRow{"auth/role/list", "/etcdserverpb.Auth/RoleList"},
    PathRow{"auth/role/delete", "/etcdserverpb.Auth/RoleDelete"},
    PathRow{"auth/role/grant", "/etcdserverpb.Auth/RoleGrantPermission"},
    PathRow{"auth/role/revoke", "/etcdserverpb.Auth/RoleRevokePermission"},
    PathRow{"lock/lock", "/v3lockpb.Lock/Lock"},
    PathRow{"lock/unlock", "/v3lockpb.Lock/Unlock"},
    PathRow{"election/campaign", "/v3electionpb.Election/Campaign"},
    PathRow{"election/proclaim", "/v3electionpb.Election/Proclaim"},
    PathRow{"election/leader", "/v3electionpb.Election/Leader"},
    PathRow{"election/observe", "/v3electionpb.Election/Observe"},
    PathRow{"election/resign", "/v3electionpb.Election/Resign"},
};

// Packages must be linked for their descriptors to be found, and are: the services use their messages.
GatewayMethod MethodOf(const PathRow& row) {
  std::string name(row.method.substr(1));
  std::replace(name.begin(), name.end(), '/', '.');
  const GatewayMethod method{
      .row = h2::FindMethod(row.method),
      .types = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(name)};
  CHECK(method.row != nullptr && method.types != nullptr);
  return method;
}

}  // namespace

std::span<const PathRow> PathTable() {
  return kPaths;
}

const GatewayMethod* FindGatewayMethod(std::string_view path) {
  static const auto* const by_path = [] {
    auto* map = new StringMap<GatewayMethod>;
    for (const PathRow& row : kPaths) {
      (*map)[std::string(row.path)] = MethodOf(row);
    }
    return map;
  }();
  const auto found = by_path->find(path);
  return found != by_path->end() ? &found->second : nullptr;
}

}  // namespace socle::server::gateway
