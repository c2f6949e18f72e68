// Cluster and Auth: small services whose answers are there at once.
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
                                      pb::MemberAddResponse* /*response*/) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberAdd,
                       [=, this] { return service_->MemberAdd(*request); });
  }

  grpc::ServerUnaryReactor* MemberRemove(grpc::CallbackServerContext* context,
                                         const pb::MemberRemoveRequest* request,
                                         pb::MemberRemoveResponse* /*response*/) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberRemove,
                       [=, this] { return service_->MemberRemove(*request); });
  }

  grpc::ServerUnaryReactor* MemberUpdate(grpc::CallbackServerContext* context,
                                         const pb::MemberUpdateRequest* request,
                                         pb::MemberUpdateResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kMemberUpdate, [=, this](Done done) {
      service_->MemberUpdate(*request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* MemberList(grpc::CallbackServerContext* context,
                                       const pb::MemberListRequest* /*request*/,
                                       pb::MemberListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberList,
                       [=, this] { return service_->MemberList(response); });
  }

  grpc::ServerUnaryReactor* MemberPromote(grpc::CallbackServerContext* context,
                                          const pb::MemberPromoteRequest* request,
                                          pb::MemberPromoteResponse* /*response*/) override {
    return AnswerUnary(context, meter_, RpcMethod::kMemberPromote,
                       [=, this] { return service_->MemberPromote(*request); });
  }

 private:
  ClusterService* const service_;
  RpcMeter* const meter_;
};

// Methods that would need users stay the generated "unimplemented".
class AuthAdapter final : public pb::Auth::CallbackService {
 public:
  AuthAdapter(AuthService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* AuthEnable(grpc::CallbackServerContext* context,
                                       const pb::AuthEnableRequest* /*request*/,
                                       pb::AuthEnableResponse* /*response*/) override {
    return AnswerUnary(context, meter_, RpcMethod::kAuthEnable,
                       [this] { return service_->AuthEnable(); });
  }

  grpc::ServerUnaryReactor* AuthDisable(grpc::CallbackServerContext* context,
                                        const pb::AuthDisableRequest* /*request*/,
                                        pb::AuthDisableResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kAuthDisable,
                       [=, this] { return service_->AuthDisable(response); });
  }

  grpc::ServerUnaryReactor* AuthStatus(grpc::CallbackServerContext* context,
                                       const pb::AuthStatusRequest* /*request*/,
                                       pb::AuthStatusResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kAuthStatus,
                       [=, this] { return service_->AuthStatus(response); });
  }

  grpc::ServerUnaryReactor* Authenticate(grpc::CallbackServerContext* context,
                                         const pb::AuthenticateRequest* /*request*/,
                                         pb::AuthenticateResponse* /*response*/) override {
    return AnswerUnary(context, meter_, RpcMethod::kAuthenticate,
                       [this] { return service_->Authenticate(); });
  }

  grpc::ServerUnaryReactor* UserList(grpc::CallbackServerContext* context,
                                     const pb::AuthUserListRequest* /*request*/,
                                     pb::AuthUserListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kUserList,
                       [=, this] { return service_->UserList(response); });
  }

  grpc::ServerUnaryReactor* RoleList(grpc::CallbackServerContext* context,
                                     const pb::AuthRoleListRequest* /*request*/,
                                     pb::AuthRoleListResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kRoleList,
                       [=, this] { return service_->RoleList(response); });
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
