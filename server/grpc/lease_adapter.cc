#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "kv/base/mutex.h"
#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// One keep-alive stream: read, renew, write, and again. Deletes itself when gRPC is done with it.
//
// Facts: Finish is called once, never while a renewal or a write is outstanding (is_busy_): the
// renewal's answer may come late, from the write loop, and finds the reactor alive.
class KeepAliveReactor final
    : public grpc::ServerBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse> {
 public:
  KeepAliveReactor(LeaseService* service, RpcMeter* meter, Caller caller)
      : service_(service), meter_(meter), caller_(std::move(caller)) {
    began_nanos_ = meter_->Started(RpcMethod::kLeaseKeepAlive);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    {
      MutexLock lock(&mu_);
      if (!ok || is_over_) {
        is_over_ = true;  // the client closed its side: so does the server
        FinishIfIdle();
        return;
      }
      is_busy_ = true;
    }
    meter_->Received(RpcMethod::kLeaseKeepAlive, request_.ByteSizeLong());
    response_.Clear();
    service_->KeepAlive(caller_, request_, &response_,
                        [this](const absl::Status& status) { Renewed(status); });
  }

  void OnWriteDone(bool ok) override {
    MutexLock lock(&mu_);
    is_busy_ = false;
    is_over_ = is_over_ || !ok;
    if (is_over_) {
      FinishIfIdle();
      return;
    }
    StartRead(&request_);
  }

  void OnCancel() override {
    MutexLock lock(&mu_);
    is_over_ = true;
    FinishIfIdle();
  }

  void OnDone() override { delete this; }

 private:
  void Renewed(const absl::Status& status) {
    MutexLock lock(&mu_);
    if (!status.ok() || is_over_) {
      is_busy_ = false;
      is_over_ = true;
      status_ = status;
      FinishIfIdle();
      return;
    }
    meter_->Sent(RpcMethod::kLeaseKeepAlive, 1, response_.ByteSizeLong());
    StartWrite(&response_);
  }

  void FinishIfIdle() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_busy_ || is_finished_) {
      return;
    }
    is_finished_ = true;
    meter_->Handled(RpcMethod::kLeaseKeepAlive, status_.code(), began_nanos_);
    Finish(ToGrpc(status_));
  }

  LeaseService* const service_;
  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  const Caller caller_;
  pb::LeaseKeepAliveRequest request_;    // of the one that is busy
  pb::LeaseKeepAliveResponse response_;  // of the one that is busy
  Mutex mu_;
  bool is_busy_ ABSL_GUARDED_BY(mu_) = false;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

class LeaseAdapter final : public pb::Lease::CallbackService {
 public:
  LeaseAdapter(LeaseService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* LeaseGrant(grpc::CallbackServerContext* context,
                                       const pb::LeaseGrantRequest* request,
                                       pb::LeaseGrantResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kLeaseGrant, *request, *response,
                      [=, this](Done done) {
                        service_->Grant(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* LeaseRevoke(grpc::CallbackServerContext* context,
                                        const pb::LeaseRevokeRequest* request,
                                        pb::LeaseRevokeResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kLeaseRevoke, *request, *response,
                      [=, this](Done done) {
                        service_->Revoke(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerBidiReactor<pb::LeaseKeepAliveRequest, pb::LeaseKeepAliveResponse>* LeaseKeepAlive(
      grpc::CallbackServerContext* context) override {
    CountClient(*context, meter_, RpcMethod::kLeaseKeepAlive);
    return new KeepAliveReactor(service_, meter_, CallerOf(*context));
  }

  grpc::ServerUnaryReactor* LeaseTimeToLive(grpc::CallbackServerContext* context,
                                            const pb::LeaseTimeToLiveRequest* request,
                                            pb::LeaseTimeToLiveResponse* response) override {
    return AnswerUnary(
        context, meter_, RpcMethod::kLeaseTimeToLive, *request, *response,
        [=, this] { return service_->TimeToLive(CallerOf(*context), *request, response); });
  }

  grpc::ServerUnaryReactor* LeaseLeases(grpc::CallbackServerContext* context,
                                        const pb::LeaseLeasesRequest* request,
                                        pb::LeaseLeasesResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kLeaseLeases, *request, *response,
                       [=, this] { return service_->Leases(CallerOf(*context), response); });
  }

 private:
  LeaseService* const service_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeLeaseAdapter(LeaseService* service, RpcMeter* meter) {
  return std::make_unique<LeaseAdapter>(service, meter);
}

}  // namespace socle::server
