// Users, roles and tokens as a client meets them (spec etcd 1.9), over both transports.
#include <cstdio>
#include <string>
#include <utility>

#include <gmock/gmock.h>

#include "server/cmd/testing/auth_fixture.h"

namespace socle::server {
namespace {

using ::testing::ElementsAre;

TEST_P(AuthTest, UsersAndRolesAreManagedWithEtcdsErrors) {
  Start();
  EtcdClient* const c = nobody_.get();
  EXPECT_EQ(Enable(c), "etcdserver: root user does not exist");
  EXPECT_EQ(Disable(c), "");
  EXPECT_EQ(Text(Authenticate("x", "y")), "etcdserver: authentication is not enabled");
  EXPECT_EQ(Status(c).authrevision(), 1U);
  EXPECT_EQ(AddUser(c, "", "x"), kNobody);
  EXPECT_EQ(AddUser(c, "root", "r"), "");
  EXPECT_EQ(AddUser(c, "root", "r"), "etcdserver: user name already exists");
  EXPECT_EQ(Status(c).authrevision(), 2U);
  EXPECT_EQ(Enable(c), "etcdserver: root user does not have root role");
  EXPECT_EQ(GrantRole(c, "none", "root"), "etcdserver: user name not found");
  EXPECT_EQ(GrantRole(c, "root", "none"), "etcdserver: role name not found");
  EXPECT_EQ(GrantRole(c, "root", "root"), "") << "the role need not exist";
  EXPECT_EQ(GrantRole(c, "root", "root"), "");
  EXPECT_EQ(Status(c).authrevision(), 3U) << "the second one changed nothing";
  EXPECT_EQ(AddRole(c, ""), "etcdserver: role name is empty");
  EXPECT_EQ(AddRole(c, "b"), "");
  EXPECT_EQ(AddRole(c, "a"), "");
  EXPECT_EQ(AddRole(c, "a"), "etcdserver: role name already exists");
  EXPECT_EQ(GrantRole(c, "root", "b"), "");
  EXPECT_EQ(GrantRole(c, "root", "a"), "");
  EXPECT_THAT(RolesOf(c, "root"), ElementsAre("a", "b", "root"));
  EXPECT_THAT(RolesOf(c, "none"), ElementsAre("etcdserver: user name not found"));
  EXPECT_EQ(RevokeRole(c, "root", "none"), "etcdserver: role is not granted to the user");
  EXPECT_EQ(RevokeRole(c, "none", "a"), "etcdserver: user name not found");
  EXPECT_EQ(RevokeRole(c, "root", "a"), "");
  EXPECT_EQ(DeleteRole(c, "none"), "etcdserver: role name not found");
  EXPECT_EQ(DeleteRole(c, "b"), "");
  EXPECT_THAT(RolesOf(c, "root"), ElementsAre("root"));
  EXPECT_EQ(ChangePassword(c, "none", "x"), "etcdserver: user name not found");
  EXPECT_EQ(DeleteUser(c, "none"), "etcdserver: user name not found");
  EXPECT_EQ(Status(c).authrevision(), 9U);
  EXPECT_EQ(Enable(c), "");
  EXPECT_EQ(Status(c).authrevision(), 9U) << "switching on is no change";
}

TEST_P(AuthTest, PermissionsAreSortedReplacedAndRefused) {
  Start();
  EtcdClient* const c = nobody_.get();
  EXPECT_EQ(Grant(c, "p", authpb::Permission::READ, "a", ""), "etcdserver: role name not found");
  ASSERT_EQ(AddRole(c, "p"), "");
  pb::AuthRoleGrantPermissionRequest nothing;
  nothing.set_name("p");
  EXPECT_EQ(Try<pb::AuthRoleGrantPermissionResponse>(c, "RoleGrantPermission", nothing),
            "etcdserver: permission not given");
  EXPECT_EQ(Grant(c, "p", authpb::Permission::READ, "", ""), kBadManagement);
  EXPECT_EQ(Grant(c, "p", authpb::Permission::READ, "b", "a"), kBadManagement);
  EXPECT_EQ(Grant(c, "p", authpb::Permission::READ, "b", ""), "");
  EXPECT_EQ(Grant(c, "p", authpb::Permission::READ, "a", kOpen), "");
  EXPECT_EQ(Grant(c, "p", authpb::Permission::WRITE, "b", ""), "");
  pb::AuthRoleGetRequest get;
  get.set_role("p");
  const auto role = c->Call<pb::AuthRoleGetResponse>(Path("RoleGet"), get);
  ASSERT_TRUE(role.ok()) << role.status();
  ASSERT_EQ(role->perm_size(), 2);
  EXPECT_EQ(role->perm(0).key(), "a");
  EXPECT_EQ(role->perm(0).range_end(), kOpen);
  EXPECT_EQ(role->perm(1).permtype(), authpb::Permission::WRITE);
  EXPECT_EQ(Revoke(c, "p", "a", ""), "etcdserver: permission is not granted to the role");
  EXPECT_EQ(Revoke(c, "p", "a", kOpen), "");
  EXPECT_EQ(Revoke(c, "none", "a", ""), "etcdserver: role name not found");
  ASSERT_EQ(AddRole(c, "root"), "");
  get.set_role("root");
  const auto everything = c->Call<pb::AuthRoleGetResponse>(Path("RoleGet"), get);
  ASSERT_TRUE(everything.ok());
  ASSERT_EQ(everything->perm_size(), 1);
  EXPECT_EQ(everything->perm(0).permtype(), authpb::Permission::READWRITE);
  EXPECT_EQ(everything->perm(0).range_end(), kOpen);
}

TEST_P(AuthTest, WhatKeepsTheDoorCannotBeRemovedWhileItIsOn) {
  StartWithUsers();
  EXPECT_EQ(AddRole(root_.get(), "root"), "");
  EXPECT_EQ(DeleteUser(root_.get(), "root"), kBadManagement);
  EXPECT_EQ(DeleteRole(root_.get(), "root"), kBadManagement);
  EXPECT_EQ(RevokeRole(root_.get(), "root", "root"), kBadManagement);
  EXPECT_EQ(Disable(root_.get()), "");
  EXPECT_EQ(RevokeRole(nobody_.get(), "root", "root"), "");
  EXPECT_EQ(DeleteUser(nobody_.get(), "root"), "");
}

TEST_P(AuthTest, OnlyRootManagesAndUsersSeeThemselves) {
  StartWithUsers();
  for (const auto& [client, refusal] :
       {std::pair(nobody_.get(), kNobody), std::pair(alice_.get(), kDenied)}) {
    EXPECT_EQ(AddUser(client, "x", "x"), refusal);
    EXPECT_EQ(DeleteUser(client, "alice"), refusal);
    EXPECT_EQ(ChangePassword(client, "alice", "x"), refusal);
    EXPECT_EQ(GrantRole(client, "alice", "root"), refusal);
    EXPECT_EQ(RevokeRole(client, "alice", "some"), refusal);
    EXPECT_EQ(AddRole(client, "x"), refusal);
    EXPECT_EQ(DeleteRole(client, "some"), refusal);
    EXPECT_EQ(Grant(client, "some", authpb::Permission::READ, "x", ""), refusal);
    EXPECT_EQ(Revoke(client, "some", "k", ""), refusal);
    EXPECT_EQ(Enable(client), refusal);
    EXPECT_EQ(Disable(client), refusal);
    EXPECT_EQ(Try<pb::AuthUserListResponse>(client, "UserList", pb::AuthUserListRequest()),
              refusal);
    EXPECT_EQ(Try<pb::AuthRoleListResponse>(client, "RoleList", pb::AuthRoleListRequest()),
              refusal);
    EXPECT_THAT(RolesOf(client, "root"), ElementsAre(refusal));
    pb::AuthRoleGetRequest root_role;
    root_role.set_role("root");
    EXPECT_EQ(Try<pb::AuthRoleGetResponse>(client, "RoleGet", root_role), refusal);
    EXPECT_TRUE(Status(client).enabled()) << "anybody may ask";
  }
  EXPECT_THAT(RolesOf(alice_.get(), "alice"), ElementsAre("some"));
  pb::AuthRoleGetRequest some;
  some.set_role("some");
  EXPECT_EQ(Try<pb::AuthRoleGetResponse>(alice_.get(), "RoleGet", some), "");
  EXPECT_EQ(Try<pb::AuthUserListResponse>(root_.get(), "UserList", pb::AuthUserListRequest()), "");
}

TEST_P(AuthTest, TokensComeFromPasswordsAndGoWithThem) {
  StartWithUsers();
  EXPECT_EQ(Text(Authenticate("alice", "wrong")), kBadPassword);
  EXPECT_EQ(Text(Authenticate("none", "a")), kBadPassword);
  ASSERT_EQ(AddUser(root_.get(), "certified", "", /*no_password=*/true), "");
  const auto refused = Authenticate("certified", "");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(Text(refused), "auth: authentication failed, password was given for no password user");

  const std::string token = *Authenticate("alice", "a");
  EXPECT_EQ(Range(Open({{"authorization", token}}).get(), "r", ""), "");
  EXPECT_EQ(Range(Open({{"authorization", "Bearer " + token}}).get(), "r", ""), "");
  const auto wrong = Open({{"token", "wrong"}, {"authorization", token}});
  EXPECT_EQ(Range(wrong.get(), "r", ""), kBadToken) << "token comes first";
  EXPECT_EQ(wrong->Get("r").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Range(Open({{"token", ""}}).get(), "r", ""), kBadToken);

  EXPECT_EQ(ChangePassword(root_.get(), "alice", "b"), "");
  EXPECT_EQ(Range(alice_.get(), "r", ""), kBadToken);
  EXPECT_EQ(Text(Authenticate("alice", "a")), kBadPassword);
  alice_ = Login("alice", "b");
  EXPECT_EQ(Range(alice_.get(), "r", ""), "");
  EXPECT_EQ(Revoke(root_.get(), "some", "r", "s"), "");
  EXPECT_EQ(Range(alice_.get(), "r", ""), kDenied) << "the same token, another permission";
  EXPECT_EQ(DeleteUser(root_.get(), "alice"), "");
  EXPECT_EQ(Range(alice_.get(), "k", ""), kBadToken);

  EXPECT_EQ(Disable(root_.get()), "");
  EXPECT_EQ(Range(nobody_.get(), "k", ""), "");
  EXPECT_EQ(Range(alice_.get(), "k", ""), "") << "nobody looks at tokens now";
  EXPECT_EQ(Enable(nobody_.get()), "");
  EXPECT_EQ(Range(root_.get(), "k", ""), kBadToken);
}

TEST_P(AuthTest, EverythingButTokensIsThereAfterARestart) {
  StartWithUsers();
  const uint64_t revision = Status(nobody_.get()).authrevision();
  Stop();
  Start();
  EXPECT_TRUE(Status(nobody_.get()).enabled());
  EXPECT_EQ(Status(nobody_.get()).authrevision(), revision);
  EXPECT_EQ(Range(nobody_.get(), "r", ""), kNobody);
  alice_ = Login("alice", "a");
  EXPECT_EQ(Range(alice_.get(), "r", "s"), "");
  EXPECT_EQ(Put(alice_.get(), "r"), kDenied);
  EXPECT_THAT(RolesOf(Login("root", "r").get(), "root"), ElementsAre("root"));
}

TEST_P(AuthTest, SignedTokensOfAnOlderRevisionAreTold) {
  const std::string secret = dir_.path() + "-secret";
  FILE* const file = fopen(secret.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fputs("s", file);
  fclose(file);
  StartWithUsers("jwt,sign-method=HS256,priv-key=" + secret);
  EXPECT_EQ(Range(alice_.get(), "r", ""), "");
  ASSERT_EQ(AddRole(root_.get(), "new"), "");
  EXPECT_EQ(Range(alice_.get(), "r", ""), "etcdserver: revision of auth store is old");
  EXPECT_EQ(Watch(alice_.get(), "r", ""),
            "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old");
  alice_ = Login("alice", "a");
  EXPECT_EQ(Range(alice_.get(), "r", ""), "");
  remove(secret.c_str());
}

INSTANTIATE_TEST_SUITE_P(Transports, AuthTest, ::testing::Values("h2", "grpc"));

}  // namespace
}  // namespace socle::server
