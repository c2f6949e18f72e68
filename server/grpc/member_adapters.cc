// Cluster and Auth.
#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

class ClusterAdapter final : public pb::Cluster::CallbackService {
 public:
  ClusterAdapter(ClusterService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* MemberAdd(grpc::CallbackServerContext* context,
                                      const pb::MemberAddRequest* request,
                                      pb::MemberAddResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberAdd, *request, *response,
                       [=, this] { return service_->MemberAdd(CallerOf(*context), *request); });
  }

  grpc::ServerUnaryReactor* MemberRemove(grpc::CallbackServerContext* context,
                                         const pb::MemberRemoveRequest* request,
                                         pb::MemberRemoveResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberRemove, *request, *response,
                       [=, this] { return service_->MemberRemove(CallerOf(*context), *request); });
  }

  grpc::ServerUnaryReactor* MemberUpdate(grpc::CallbackServerContext* context,
                                         const pb::MemberUpdateRequest* request,
                                         pb::MemberUpdateResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kMemberUpdate, *request, *response, [=, this](Done done) {
          service_->MemberUpdate(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* MemberList(grpc::CallbackServerContext* context,
                                       const pb::MemberListRequest* request,
                                       pb::MemberListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberList, *request, *response,
                       [=, this] { return service_->MemberList(CallerOf(*context), response); });
  }

  grpc::ServerUnaryReactor* MemberPromote(grpc::CallbackServerContext* context,
                                          const pb::MemberPromoteRequest* request,
                                          pb::MemberPromoteResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberPromote, *request, *response,
                       [=, this] { return service_->MemberPromote(CallerOf(*context), *request); });
  }

 private:
  ClusterService* const service_;
  RpcMeter* const meter_;
};

class AuthAdapter final : public pb::Auth::CallbackService {
 public:
  AuthAdapter(AuthService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* AuthEnable(grpc::CallbackServerContext* context,
                                       const pb::AuthEnableRequest* request,
                                       pb::AuthEnableResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kAuthEnable, *request, *response, [=, this](Done done) {
          service_->AuthEnable(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* AuthDisable(grpc::CallbackServerContext* context,
                                        const pb::AuthDisableRequest* request,
                                        pb::AuthDisableResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kAuthDisable, *request, *response, [=, this](Done done) {
          service_->AuthDisable(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* Authenticate(grpc::CallbackServerContext* context,
                                         const pb::AuthenticateRequest* request,
                                         pb::AuthenticateResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kAuthenticate, *request, *response, [=, this](Done done) {
          service_->Authenticate(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* UserAdd(grpc::CallbackServerContext* context,
                                    const pb::AuthUserAddRequest* request,
                                    pb::AuthUserAddResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kUserAdd, *request, *response,
                      [=, this](Done done) {
                        service_->UserAdd(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* UserDelete(grpc::CallbackServerContext* context,
                                       const pb::AuthUserDeleteRequest* request,
                                       pb::AuthUserDeleteResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kUserDelete, *request, *response, [=, this](Done done) {
          service_->UserDelete(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* UserChangePassword(
      grpc::CallbackServerContext* context, const pb::AuthUserChangePasswordRequest* request,
      pb::AuthUserChangePasswordResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kUserChangePassword, *request, *response, [=, this](Done done) {
          service_->UserChangePassword(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* UserGrantRole(grpc::CallbackServerContext* context,
                                          const pb::AuthUserGrantRoleRequest* request,
                                          pb::AuthUserGrantRoleResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kUserGrantRole, *request, *response, [=, this](Done done) {
          service_->UserGrantRole(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* UserRevokeRole(grpc::CallbackServerContext* context,
                                           const pb::AuthUserRevokeRoleRequest* request,
                                           pb::AuthUserRevokeRoleResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kUserRevokeRole, *request, *response, [=, this](Done done) {
          service_->UserRevokeRole(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* RoleAdd(grpc::CallbackServerContext* context,
                                    const pb::AuthRoleAddRequest* request,
                                    pb::AuthRoleAddResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kRoleAdd, *request, *response,
                      [=, this](Done done) {
                        service_->RoleAdd(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* RoleDelete(grpc::CallbackServerContext* context,
                                       const pb::AuthRoleDeleteRequest* request,
                                       pb::AuthRoleDeleteResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kRoleDelete, *request, *response, [=, this](Done done) {
          service_->RoleDelete(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* RoleGrantPermission(
      grpc::CallbackServerContext* context, const pb::AuthRoleGrantPermissionRequest* request,
      pb::AuthRoleGrantPermissionResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kRoleGrantPermission, *request, *response,
                      [=, this](Done done) {
                        service_->RoleGrantPermission(CallerOf(*context), *request, response,
                                                      std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* RoleRevokePermission(
      grpc::CallbackServerContext* context, const pb::AuthRoleRevokePermissionRequest* request,
      pb::AuthRoleRevokePermissionResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kRoleRevokePermission, *request, *response,
                      [=, this](Done done) {
                        service_->RoleRevokePermission(CallerOf(*context), *request, response,
                                                       std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* AuthStatus(grpc::CallbackServerContext* context,
                                       const pb::AuthStatusRequest* request,
                                       pb::AuthStatusResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kAuthStatus, *request, *response, [=, this] {
      return service_->AuthStatus(CallerOf(*context), *request, response);
    });
  }

  grpc::ServerUnaryReactor* UserGet(grpc::CallbackServerContext* context,
                                    const pb::AuthUserGetRequest* request,
                                    pb::AuthUserGetResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kUserGet, *request, *response, [=, this] {
      return service_->UserGet(CallerOf(*context), *request, response);
    });
  }

  grpc::ServerUnaryReactor* UserList(grpc::CallbackServerContext* context,
                                     const pb::AuthUserListRequest* request,
                                     pb::AuthUserListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kUserList, *request, *response, [=, this] {
      return service_->UserList(CallerOf(*context), *request, response);
    });
  }

  grpc::ServerUnaryReactor* RoleGet(grpc::CallbackServerContext* context,
                                    const pb::AuthRoleGetRequest* request,
                                    pb::AuthRoleGetResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kRoleGet, *request, *response, [=, this] {
      return service_->RoleGet(CallerOf(*context), *request, response);
    });
  }

  grpc::ServerUnaryReactor* RoleList(grpc::CallbackServerContext* context,
                                     const pb::AuthRoleListRequest* request,
                                     pb::AuthRoleListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kRoleList, *request, *response, [=, this] {
      return service_->RoleList(CallerOf(*context), *request, response);
    });
  }

 private:
  AuthService* const service_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeClusterAdapter(ClusterService* service, RpcMeter* meter) {
  return std::make_unique<ClusterAdapter>(service, meter);
}

std::unique_ptr<grpc::Service> MakeAuthAdapter(AuthService* service, RpcMeter* meter) {
  return std::make_unique<AuthAdapter>(service, meter);
}

}  // namespace socle::server
