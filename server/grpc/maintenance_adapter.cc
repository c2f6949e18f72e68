#include <memory>
#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "kv/base/mutex.h"
#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// One snapshot being sent. Deletes itself when gRPC is done with it.
class SnapshotReactor final : public grpc::ServerWriteReactor<pb::SnapshotResponse> {
 public:
  SnapshotReactor(MaintenanceService* service, RpcMeter* meter, const Caller& caller)
      : meter_(meter) {
    began_nanos_ = meter_->Started(RpcMethod::kSnapshot);
    meter_->Received(RpcMethod::kSnapshot, 0);  // an empty message
    MutexLock lock(&mu_);  // the stream's thread rings at once: it finds the stream in its place
    absl::StatusOr<std::unique_ptr<SnapshotStream>> stream =
        service->Snapshot(caller, [this] { Pump(); });
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
    const absl::StatusOr<SnapshotStream::Step> step = stream_->Next(&response_);
    if (!step.ok()) {
      End(step.status());
    } else if (*step == SnapshotStream::Step::kEnd) {
      End(absl::OkStatus());
    } else if (*step == SnapshotStream::Step::kMessage) {
      is_writing_ = true;
      meter_->Sent(RpcMethod::kSnapshot, 1, response_.ByteSizeLong());
      StartWrite(&response_);
    }
  }

  void End(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    is_finished_ = true;
    meter_->Handled(RpcMethod::kSnapshot, status.code(), began_nanos_);
    Finish(ToGrpc(status));
  }

  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  Mutex mu_;
  pb::SnapshotResponse response_ ABSL_GUARDED_BY(mu_);
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  // Last: its thread calls Pump until it is destroyed.
  std::unique_ptr<SnapshotStream> stream_;
};

class MaintenanceAdapter final : public pb::Maintenance::CallbackService {
 public:
  MaintenanceAdapter(MaintenanceService* service, RpcMeter* meter)
      : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* Alarm(grpc::CallbackServerContext* context,
                                  const pb::AlarmRequest* request,
                                  pb::AlarmResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kAlarm, *request, *response,
                      [=, this](Done done) {
                        service_->Alarm(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const pb::StatusRequest* request,
                                   pb::StatusResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kStatus, *request, *response,
                       [=, this] { return service_->Status(CallerOf(*context), response); });
  }

  grpc::ServerUnaryReactor* Defragment(grpc::CallbackServerContext* context,
                                       const pb::DefragmentRequest* request,
                                       pb::DefragmentResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kDefragment, *request, *response,
                      [=, this](Done done) {
                        service_->Defragment(CallerOf(*context), response, std::move(done));
                      });
  }

  grpc::ServerUnaryReactor* Hash(grpc::CallbackServerContext* context,
                                 const pb::HashRequest* request,
                                 pb::HashResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kHash, *request, *response, [=, this](Done done) {
      service_->Hash(CallerOf(*context), response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* HashKV(grpc::CallbackServerContext* context,
                                   const pb::HashKVRequest* request,
                                   pb::HashKVResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kHashKv, *request, *response,
                      [=, this](Done done) {
                        service_->HashKv(CallerOf(*context), *request, response, std::move(done));
                      });
  }

  grpc::ServerWriteReactor<pb::SnapshotResponse>* Snapshot(
      grpc::CallbackServerContext* context, const pb::SnapshotRequest* /*request*/) override {
    CountClient(*context, meter_, RpcMethod::kSnapshot);
    return new SnapshotReactor(service_, meter_, CallerOf(*context));
  }

  grpc::ServerUnaryReactor* MoveLeader(grpc::CallbackServerContext* context,
                                       const pb::MoveLeaderRequest* request,
                                       pb::MoveLeaderResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kMoveLeader, *request, *response,
                       [=, this] { return service_->MoveLeader(CallerOf(*context), *request); });
  }

  grpc::ServerUnaryReactor* Downgrade(grpc::CallbackServerContext* context,
                                      const pb::DowngradeRequest* request,
                                      pb::DowngradeResponse* response) override {
    return AnswerUnary(context, meter_, RpcMethod::kDowngrade, *request, *response, [=, this] {
      return service_->Downgrade(CallerOf(*context), *request, response);
    });
  }

 private:
  MaintenanceService* const service_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeMaintenanceAdapter(MaintenanceService* service,
                                                      RpcMeter* meter) {
  return std::make_unique<MaintenanceAdapter>(service, meter);
}

}  // namespace socle::server
