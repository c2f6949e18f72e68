#include "tests/conformance/admin_operation.h"

#include <array>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace socle::conformance {
namespace {

constexpr uint64_t kNobody = 4711;  // a member that is not there

template <typename Request>
Request Named(std::string name) {
  Request request;
  request.set_name(std::move(name));
  return request;
}

}  // namespace

AdminRequest AdminSource::Next() {
  if (!next_.empty()) {
    AdminRequest request = std::move(next_.front());
    next_.pop_front();
    return request;
  }
  const uint64_t dice = random_.Below(100);
  if (dice < 45) {
    return OfUsers();
  }
  if (dice < 70) {
    return OfRoles();
  }
  return dice < 85 ? OfServer() : OfRecipes();
}

std::string AdminSource::User() {
  static constexpr std::array<std::string_view, 4> kUsers = {"root", "alice", "bob", "carol"};
  return random_.OneIn(25) ? "" : std::string(kUsers[random_.Below(kUsers.size())]);
}

std::string AdminSource::Role() {
  static constexpr std::array<std::string_view, 4> kRoles = {"root", "reader", "writer", "other"};
  return random_.OneIn(25) ? "" : std::string(kRoles[random_.Below(kRoles.size())]);
}

std::string AdminSource::Password() {
  return random_.OneIn(6) ? "other" : "secret";
}

std::string AdminSource::Key() {
  return fmt::format("{}{}", static_cast<char>('a' + random_.Below(4)), random_.Below(10));
}

AdminRequest AdminSource::OfUsers() {
  switch (random_.Below(14)) {
    case 0: {
      auto add = Named<etcdserverpb::AuthUserAddRequest>(User());
      if (random_.OneIn(6)) {
        add.mutable_options()->set_no_password(true);
      } else {
        add.set_password(Password());
      }
      return add;
    }
    case 1:
      return Named<etcdserverpb::AuthUserGetRequest>(User());
    case 2:
      return etcdserverpb::AuthUserListRequest();
    case 3:
      return random_.OneIn(2) ? AdminRequest(Named<etcdserverpb::AuthUserDeleteRequest>(User()))
                              : AdminRequest(etcdserverpb::AuthUserListRequest());
    case 4: {
      auto change = Named<etcdserverpb::AuthUserChangePasswordRequest>(User());
      change.set_password(Password());
      return change;
    }
    case 5:
    case 6: {
      etcdserverpb::AuthUserGrantRoleRequest grant;
      grant.set_user(User());
      grant.set_role(Role());
      return grant;
    }
    case 7: {
      auto revoke = Named<etcdserverpb::AuthUserRevokeRoleRequest>(User());
      revoke.set_role(Role());
      return revoke;
    }
    case 8:
    case 9:
      return etcdserverpb::AuthEnableRequest();
    case 10:
      return random_.OneIn(3) ? AdminRequest(etcdserverpb::AuthDisableRequest())
                              : AdminRequest(etcdserverpb::AuthUserListRequest());
    default: {
      auto log_in = Named<etcdserverpb::AuthenticateRequest>(User());
      log_in.set_password(Password());
      return log_in;
    }
  }
}

AdminRequest AdminSource::OfRoles() {
  switch (random_.Below(8)) {
    case 0:
      return Named<etcdserverpb::AuthRoleAddRequest>(Role());
    case 1: {
      etcdserverpb::AuthRoleGetRequest get;
      get.set_role(Role());
      if (get.role() == "root") {  // V9 of DIFFERENCES.md
        get.set_role("reader");
      }
      return get;
    }
    case 2:
      return etcdserverpb::AuthRoleListRequest();
    case 3: {
      etcdserverpb::AuthRoleDeleteRequest remove;
      remove.set_role(Role());
      return random_.OneIn(2) ? AdminRequest(remove)
                              : AdminRequest(etcdserverpb::AuthRoleListRequest());
    }
    case 4: {
      etcdserverpb::AuthRoleRevokePermissionRequest revoke;
      revoke.set_role(Role());
      revoke.set_key(Key());
      return revoke;
    }
    default: {
      auto grant = Named<etcdserverpb::AuthRoleGrantPermissionRequest>(Role());
      auto* const permission = grant.mutable_perm();
      permission->set_permtype(static_cast<authpb::Permission::Type>(random_.Below(3)));
      permission->set_key(Key());
      if (permission->key().back() % 2 == 0) {  // V11 of DIFFERENCES.md: one range for each key
        permission->set_range_end(std::string(1, static_cast<char>(permission->key()[0] + 1)));
      }
      return grant;
    }
  }
}

AdminRequest AdminSource::OfServer() {
  switch (random_.Below(12)) {
    case 0:
      return etcdserverpb::LeaseLeasesRequest();
    case 1: {
      etcdserverpb::LeaseKeepAliveRequest renew;
      renew.set_id(1 + static_cast<int64_t>(random_.Below(12)));
      return renew;
    }
    case 2:
    case 3:
    case 4:
      return etcdserverpb::MemberListRequest();
    case 5: {
      etcdserverpb::MemberPromoteRequest promote;
      promote.set_id(kNobody);
      return promote;
    }
    case 6:
      return random_.OneIn(10) ? AdminRequest(etcdserverpb::DefragmentRequest())
                               : AdminRequest(etcdserverpb::StatusRequest());
    case 7: {
      etcdserverpb::MoveLeaderRequest move;
      move.set_targetid(kNobody);
      return move;
    }
    case 8:
      return etcdserverpb::StatusRequest();
    default: {
      // Taken back at once: V6 of DIFFERENCES.md.
      etcdserverpb::AlarmRequest alarm;
      alarm.set_alarm(etcdserverpb::NOSPACE);
      if (random_.OneIn(3)) {
        next_.emplace_back(etcdserverpb::StatusRequest());
        next_.emplace_back(etcdserverpb::AlarmRequest());
        alarm.set_action(etcdserverpb::AlarmRequest::DEACTIVATE);
        next_.emplace_back(alarm);
        alarm.set_action(etcdserverpb::AlarmRequest::ACTIVATE);
      } else {
        alarm.set_action(random_.OneIn(2) ? etcdserverpb::AlarmRequest::GET
                                          : etcdserverpb::AlarmRequest::DEACTIVATE);
      }
      return alarm;
    }
  }
}

AdminRequest AdminSource::OfRecipes() {
  const int64_t lease = 1 + static_cast<int64_t>(random_.Below(12));
  const std::string name = fmt::format("d-{}", lease);
  const std::string key = fmt::format("{}/{:x}", name, lease);
  switch (random_.Below(6)) {
    case 0: {
      auto lock = Named<v3lockpb::LockRequest>(name);
      lock.set_lease(lease);
      return lock;
    }
    case 1: {
      v3lockpb::UnlockRequest unlock;
      unlock.set_key(key);
      return unlock;
    }
    case 2: {
      auto campaign = Named<v3electionpb::CampaignRequest>(name);
      campaign.set_lease(lease);
      campaign.set_value(Key());
      return campaign;
    }
    case 3:
      return Named<v3electionpb::LeaderRequest>(name);
    case 4: {
      v3electionpb::ProclaimRequest proclaim;
      proclaim.set_value(Key());
      if (!random_.OneIn(3)) {
        proclaim.mutable_leader()->set_name(name);
        proclaim.mutable_leader()->set_key(key);
        proclaim.mutable_leader()->set_lease(lease);
        proclaim.mutable_leader()->set_rev(1);
      }
      return proclaim;
    }
    default: {
      v3electionpb::ResignRequest resign;
      if (!random_.OneIn(3)) {
        resign.mutable_leader()->set_name(name);
        resign.mutable_leader()->set_key(key);
        resign.mutable_leader()->set_lease(lease);
        resign.mutable_leader()->set_rev(1);
      }
      return resign;
    }
  }
}

}  // namespace socle::conformance
