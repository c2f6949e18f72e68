// Lock and Election: calls that wait for others, and a stream of leaders.
#include <memory>
#include <utility>

#include "etcd/election.grpc.pb.h"
#include "etcd/lock.grpc.pb.h"

#include "kv/base/mutex.h"
#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

// A unary call that its client may give up while it waits. Lives until gRPC and the service are done with it.
class WaitingReactor final : public grpc::ServerUnaryReactor {
 public:
  WaitingReactor(RpcMeter* meter, RpcMethod method, const google::protobuf::Message& request,
                 const google::protobuf::Message* response)
      : meter_(meter), method_(method), response_(response) {
    began_nanos_ = meter_->Started(method_);
    meter_->Received(method_, request.ByteSizeLong());
  }

  // `start` answers through its Done and returns the withdrawal.
  template <typename Start>
  static grpc::ServerUnaryReactor* Begin(const grpc::CallbackServerContext& context,
                                         RpcMeter* meter, RpcMethod method,
                                         const google::protobuf::Message& request,
                                         const google::protobuf::Message& response, Start start) {
    CountClient(context, meter, method);
    auto reactor = std::make_shared<WaitingReactor>(meter, method, request, &response);
    reactor->self_ = reactor;
    reactor->Keep(start(Done([reactor](const absl::Status& status) { reactor->Answer(status); })));
    return reactor.get();
  }

  void OnCancel() override {
    Withdrawal withdrawal;
    {
      MutexLock lock(&mu_);
      is_cancelled_ = true;
      withdrawal = std::exchange(withdrawal_, nullptr);
    }
    if (withdrawal) {
      withdrawal();
    }
  }

  void OnDone() override { const auto last = std::move(self_); }

 private:
  void Keep(Withdrawal withdrawal) {
    {
      MutexLock lock(&mu_);
      if (!is_cancelled_) {
        withdrawal_ = is_answered_ ? nullptr : std::move(withdrawal);
        return;
      }
    }
    withdrawal();
  }

  void Answer(const absl::Status& status) {
    {
      MutexLock lock(&mu_);
      is_answered_ = true;
      withdrawal_ = nullptr;
    }
    meter_->Handled(method_, status.code(), began_nanos_);
    if (status.ok()) {
      meter_->Sent(method_, 1, response_->ByteSizeLong());
    }
    Finish(ToGrpc(status));
  }

  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  const RpcMethod method_;
  const google::protobuf::Message* const response_;  // the call's
  std::shared_ptr<WaitingReactor> self_;             // until OnDone
  Mutex mu_;
  Withdrawal withdrawal_ ABSL_GUARDED_BY(mu_);
  bool is_answered_ ABSL_GUARDED_BY(mu_) = false;
  bool is_cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

// One client of Observe. Deletes itself when gRPC is done with it.
class ObserveReactor final : public grpc::ServerWriteReactor<v3electionpb::LeaderResponse> {
 public:
  ObserveReactor(ElectionService* service, RpcMeter* meter, const Caller& caller,
                 const v3electionpb::LeaderRequest& request)
      : meter_(meter) {
    began_nanos_ = meter_->Started(RpcMethod::kObserve);
    meter_->Received(RpcMethod::kObserve, request.ByteSizeLong());
    MutexLock lock(&mu_);
    absl::StatusOr<std::unique_ptr<LeaderStream>> stream =
        service->Observe(caller, request, [this] { Pump(); });
    if (!stream.ok()) {
      End(stream.status());
      return;
    }
    stream_ = *std::move(stream);
    SendNext();
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    is_writing_ = false;
    is_over_ = is_over_ || !ok;
    SendNext();
  }

  void OnCancel() override {
    MutexLock lock(&mu_);
    is_over_ = true;
    SendNext();
  }

  void OnDone() override { delete this; }

 private:
  void Pump() {
    MutexLock lock(&mu_);
    SendNext();
  }

  void SendNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_writing_ || is_finished_) {
      return;
    }
    if (is_over_) {
      End(absl::CancelledError("etcdserver: request canceled"));
      return;
    }
    response_.Clear();
    const absl::StatusOr<bool> is_there = stream_->Next(&response_);
    if (!is_there.ok()) {
      End(is_there.status());
    } else if (*is_there) {
      is_writing_ = true;
      meter_->Sent(RpcMethod::kObserve, 1, response_.ByteSizeLong());
      StartWrite(&response_);
    }
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    is_finished_ = true;
    meter_->Handled(RpcMethod::kObserve, status.code(), began_nanos_);
    Finish(ToGrpc(status));
  }

  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  Mutex mu_;
  v3electionpb::LeaderResponse response_ ABSL_GUARDED_BY(mu_);
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  // Last: calls Pump until it is destroyed.
  std::unique_ptr<LeaderStream> stream_;
};

class LockAdapter final : public v3lockpb::Lock::CallbackService {
 public:
  LockAdapter(LockService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* Lock(grpc::CallbackServerContext* context,
                                 const v3lockpb::LockRequest* request,
                                 v3lockpb::LockResponse* response) override {
    return WaitingReactor::Begin(
        *context, meter_, RpcMethod::kLock, *request, *response, [=, this](Done done) {
          return service_->Lock(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* Unlock(grpc::CallbackServerContext* context,
                                   const v3lockpb::UnlockRequest* request,
                                   v3lockpb::UnlockResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kUnlock, *request, *response,
                      [=, this](Done done) {
                        service_->Unlock(CallerOf(*context), *request, response, std::move(done));
                      });
  }

 private:
  LockService* const service_;
  RpcMeter* const meter_;
};

class ElectionAdapter final : public v3electionpb::Election::CallbackService {
 public:
  ElectionAdapter(ElectionService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* Campaign(grpc::CallbackServerContext* context,
                                     const v3electionpb::CampaignRequest* request,
                                     v3electionpb::CampaignResponse* response) override {
    return WaitingReactor::Begin(
        *context, meter_, RpcMethod::kCampaign, *request, *response, [=, this](Done done) {
          return service_->Campaign(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* Proclaim(grpc::CallbackServerContext* context,
                                     const v3electionpb::ProclaimRequest* request,
                                     v3electionpb::ProclaimResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kProclaim, *request, *response,
                      [=, this](Done done) {
                        service_->Proclaim(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* Leader(grpc::CallbackServerContext* context,
                                   const v3electionpb::LeaderRequest* request,
                                   v3electionpb::LeaderResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kLeader, *request, *response, [=, this] {
      return service_->Leader(CallerOf(*context), *request, response);
    });
  }

  grpc::ServerWriteReactor<v3electionpb::LeaderResponse>* Observe(
      grpc::CallbackServerContext* context, const v3electionpb::LeaderRequest* request) override {
    CountClient(*context, meter_, RpcMethod::kObserve);
    return new ObserveReactor(service_, meter_, CallerOf(*context), *request);
  }

  grpc::ServerUnaryReactor* Resign(grpc::CallbackServerContext* context,
                                   const v3electionpb::ResignRequest* request,
                                   v3electionpb::ResignResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kResign, *request, *response,
                      [=, this](Done done) {
                        service_->Resign(CallerOf(*context), *request, response, std::move(done));
                      });
  }

 private:
  ElectionService* const service_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLockAdapter(LockService* service, RpcMeter* meter) {
  return std::make_unique<LockAdapter>(service, meter);
}

std::unique_ptr<grpc::Service> MakeElectionAdapter(ElectionService* service, RpcMeter* meter) {
  return std::make_unique<ElectionAdapter>(service, meter);
}

}  // namespace socle::server
