// AuthTest: a whole server with authentication, and clients as nobody, root and alice.
#ifndef SOCLE_SERVER_CMD_TESTING_AUTH_FIXTURE_H_
#define SOCLE_SERVER_CMD_TESTING_AUTH_FIXTURE_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/testing/temp_dir.h"
#include "server/cmd/kv_server.h"
#include "server/wire/client/etcd_client.h"

namespace socle::server {

namespace pb = etcdserverpb;

inline constexpr const char* kDenied = "etcdserver: permission denied";
inline constexpr const char* kNobody = "etcdserver: user name is empty";
inline constexpr const char* kBadToken = "etcdserver: invalid auth token";
inline constexpr const char* kBadManagement = "etcdserver: invalid auth management";
inline constexpr const char* kBadPassword =
    "etcdserver: authentication failed, invalid user ID or password";
inline const std::string kOpen(1, '\0');

class AuthTest : public ::testing::TestWithParam<const char*> {
 protected:
  void Start(const std::string& tokens = "simple") {
    Settings settings;
    settings.data_dir = dir_.path();
    settings.transport = GetParam();
    settings.listen_client_urls = {"http://127.0.0.1:0"};
    settings.advertise_client_urls = {"http://127.0.0.1:1"};
    settings.bcrypt_cost = 4;
    settings.auth_token = tokens;
    auto server = KvServer::Start(settings);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    nobody_ = Open({});
  }

  void Stop() {
    nobody_.reset();
    root_.reset();
    alice_.reset();
    server_.reset();
  }

  ~AuthTest() override { Stop(); }

  std::unique_ptr<EtcdClient> Open(Metadata metadata) const {
    auto client = EtcdClient::Open(server_->client_urls().front().ToString(),
                                   {.metadata = std::move(metadata)});
    CHECK_OK(client.status());
    return *std::move(client);
  }

  absl::StatusOr<std::string> Authenticate(const std::string& user, const std::string& password) {
    pb::AuthenticateRequest request;
    request.set_name(user);
    request.set_password(password);
    const auto response = nobody_->Call<pb::AuthenticateResponse>(Path("Authenticate"), request);
    return response.ok() ? absl::StatusOr<std::string>(response->token()) : response.status();
  }

  std::unique_ptr<EtcdClient> Login(const std::string& user, const std::string& password) {
    const auto token = Authenticate(user, password);
    CHECK_OK(token.status());
    return Open({{"token", *token}});
  }

  static std::string Path(std::string_view method) {
    return "/etcdserverpb.Auth/" + std::string(method);
  }

  template <typename Response, typename Request>
  static std::string Try(EtcdClient* client, std::string_view method, const Request& request) {
    const auto response = client->Call<Response>(Path(method), request);
    return std::string(MessageOf(response.status()));
  }

  static std::string AddUser(EtcdClient* client, const std::string& name,
                             const std::string& password, bool no_password = false) {
    pb::AuthUserAddRequest request;
    request.set_name(name);
    request.set_password(password);
    request.mutable_options()->set_no_password(no_password);
    return Try<pb::AuthUserAddResponse>(client, "UserAdd", request);
  }

  static std::string DeleteUser(EtcdClient* client, const std::string& name) {
    pb::AuthUserDeleteRequest request;
    request.set_name(name);
    return Try<pb::AuthUserDeleteResponse>(client, "UserDelete", request);
  }

  static std::string ChangePassword(EtcdClient* client, const std::string& name,
                                    const std::string& password) {
    pb::AuthUserChangePasswordRequest request;
    request.set_name(name);
    request.set_password(password);
    return Try<pb::AuthUserChangePasswordResponse>(client, "UserChangePassword", request);
  }

  static std::string GrantRole(EtcdClient* client, const std::string& user,
                               const std::string& role) {
    pb::AuthUserGrantRoleRequest request;
    request.set_user(user);
    request.set_role(role);
    return Try<pb::AuthUserGrantRoleResponse>(client, "UserGrantRole", request);
  }

  static std::string RevokeRole(EtcdClient* client, const std::string& user,
                                const std::string& role) {
    pb::AuthUserRevokeRoleRequest request;
    request.set_name(user);
    request.set_role(role);
    return Try<pb::AuthUserRevokeRoleResponse>(client, "UserRevokeRole", request);
  }

  static std::string AddRole(EtcdClient* client, const std::string& name) {
    pb::AuthRoleAddRequest request;
    request.set_name(name);
    return Try<pb::AuthRoleAddResponse>(client, "RoleAdd", request);
  }

  static std::string DeleteRole(EtcdClient* client, const std::string& name) {
    pb::AuthRoleDeleteRequest request;
    request.set_role(name);
    return Try<pb::AuthRoleDeleteResponse>(client, "RoleDelete", request);
  }

  static std::string Grant(EtcdClient* client, const std::string& role,
                           authpb::Permission::Type type, const std::string& key,
                           const std::string& end) {
    pb::AuthRoleGrantPermissionRequest request;
    request.set_name(role);
    request.mutable_perm()->set_permtype(type);
    request.mutable_perm()->set_key(key);
    request.mutable_perm()->set_range_end(end);
    return Try<pb::AuthRoleGrantPermissionResponse>(client, "RoleGrantPermission", request);
  }

  static std::string Revoke(EtcdClient* client, const std::string& role, const std::string& key,
                            const std::string& end) {
    pb::AuthRoleRevokePermissionRequest request;
    request.set_role(role);
    request.set_key(key);
    request.set_range_end(end);
    return Try<pb::AuthRoleRevokePermissionResponse>(client, "RoleRevokePermission", request);
  }

  static std::string Enable(EtcdClient* client) {
    return Try<pb::AuthEnableResponse>(client, "AuthEnable", pb::AuthEnableRequest());
  }

  static std::string Disable(EtcdClient* client) {
    return Try<pb::AuthDisableResponse>(client, "AuthDisable", pb::AuthDisableRequest());
  }

  static pb::AuthStatusResponse Status(EtcdClient* client) {
    const auto status =
        client->Call<pb::AuthStatusResponse>(Path("AuthStatus"), pb::AuthStatusRequest());
    CHECK_OK(status.status());
    return *status;
  }

  static std::vector<std::string> RolesOf(EtcdClient* client, const std::string& user) {
    pb::AuthUserGetRequest request;
    request.set_name(user);
    const auto response = client->Call<pb::AuthUserGetResponse>(Path("UserGet"), request);
    if (!response.ok()) {
      return {std::string(MessageOf(response.status()))};
    }
    return {response->roles().begin(), response->roles().end()};
  }

  // root:r with everything; alice:a reads [r, s) and k, writes [w, x) and k; on.
  void StartWithUsers(const std::string& tokens = "simple") {
    Start(tokens);
    EtcdClient* const c = nobody_.get();
    ASSERT_EQ(AddUser(c, "root", "r"), "");
    ASSERT_EQ(GrantRole(c, "root", "root"), "");
    ASSERT_EQ(AddUser(c, "alice", "a"), "");
    ASSERT_EQ(AddRole(c, "some"), "");
    ASSERT_EQ(Grant(c, "some", authpb::Permission::READ, "r", "s"), "");
    ASSERT_EQ(Grant(c, "some", authpb::Permission::WRITE, "w", "x"), "");
    ASSERT_EQ(Grant(c, "some", authpb::Permission::READWRITE, "k", ""), "");
    ASSERT_EQ(GrantRole(c, "alice", "some"), "");
    ASSERT_EQ(Enable(c), "");
    root_ = Login("root", "r");
    alice_ = Login("alice", "a");
  }

  template <typename T>
  static std::string Text(const absl::StatusOr<T>& result) {
    return std::string(MessageOf(result.status()));
  }

  static std::string Range(EtcdClient* client, const std::string& key, const std::string& end) {
    pb::RangeRequest request;
    request.set_key(key);
    request.set_range_end(end);
    return Text(client->Range(request));
  }

  static std::string Delete(EtcdClient* client, const std::string& key, const std::string& end,
                            bool prev_kv = false) {
    pb::DeleteRangeRequest request;
    request.set_key(key);
    request.set_range_end(end);
    request.set_prev_kv(prev_kv);
    return Text(client->DeleteRange(request));
  }

  static std::string Put(EtcdClient* client, const std::string& key, bool prev_kv = false,
                         int64_t lease = 0) {
    pb::PutRequest request;
    request.set_key(key);
    request.set_prev_kv(prev_kv);
    request.set_lease(lease);
    return Text(client->Put(request));
  }

  // The reason that the creation of a watch is refused with; empty: it was made.
  static std::string Watch(EtcdClient* client, const std::string& key, const std::string& end) {
    Mutex mu;
    CondVar changed;
    std::vector<pb::WatchResponse> seen;
    pb::WatchCreateRequest create;
    create.set_key(key);
    create.set_range_end(end);
    const auto stream = client->Watch(create, [&](const pb::WatchResponse& response) {
      MutexLock lock(&mu);
      seen.push_back(response);
      changed.SignalAll();
    });
    MutexLock lock(&mu);
    while (seen.empty()) {
      changed.Wait(&mu);
    }
    EXPECT_TRUE(seen[0].created());
    EXPECT_EQ(seen[0].canceled(), !seen[0].cancel_reason().empty());
    EXPECT_EQ(seen[0].watch_id(), seen[0].canceled() ? -1 : 0);
    return seen[0].cancel_reason();
  }

  TempDir dir_;
  std::unique_ptr<KvServer> server_;
  std::unique_ptr<EtcdClient> nobody_;
  std::unique_ptr<EtcdClient> root_;
  std::unique_ptr<EtcdClient> alice_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_TESTING_AUTH_FIXTURE_H_
