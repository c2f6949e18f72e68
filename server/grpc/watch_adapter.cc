#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "server/grpc/adapters.h"
#include "server/grpc/call.h"
#include "server/service/watch_service.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// One client stream. Deletes itself when gRPC is done with it.
//
// Facts: at most one write is outstanding (is_writing_). Finish is called once, when the call is
// cancelled or a write failed, and never beside an outstanding write. The client closing its side
// changes nothing: events go on.
class WatchReactor final : public grpc::ServerBidiReactor<pb::WatchRequest, pb::WatchResponse> {
 public:
  WatchReactor(Node* node, RpcMeter* meter, Caller caller)
      : meter_(meter), session_(node, std::move(caller), [this] { Pump(); }) {
    began_nanos_ = meter_->Started(RpcMethod::kWatch);
    StartRead(&request_);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      return;
    }
    meter_->Received(RpcMethod::kWatch, request_.ByteSizeLong());
    session_.Receive(request_).IgnoreError();  // answered by itself
    MutexLock lock(&mu_);
    is_reading_held_ = true;
    ReadNext();
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

  void OnDone() override {
    meter_->Handled(RpcMethod::kWatch, absl::StatusCode::kCancelled, began_nanos_);
    delete this;
  }

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
      is_finished_ = true;
      Finish(grpc::Status(grpc::StatusCode::CANCELLED, "etcdserver: watch canceled"));
      return;
    }
    bytes_.clear();
    if (session_.AppendNext(&bytes_)) {
      CHECK(response_.ParseFromString(bytes_));
      is_writing_ = true;
      meter_->Sent(RpcMethod::kWatch, 1, response_.ByteSizeLong());
      StartWrite(&response_);
    }
    ReadNext();
  }

  void ReadNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (is_reading_held_ && session_.TakesRequests()) {
      is_reading_held_ = false;
      StartRead(&request_);
    }
  }

  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  pb::WatchRequest request_;  // of the read reaction
  Mutex mu_;
  pb::WatchResponse response_ ABSL_GUARDED_BY(mu_);
  std::string bytes_ ABSL_GUARDED_BY(mu_);  // of the response
  bool is_writing_ ABSL_GUARDED_BY(mu_) = false;
  bool is_reading_held_ ABSL_GUARDED_BY(mu_) = false;  // the client waits until requests are taken
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  bool is_finished_ ABSL_GUARDED_BY(mu_) = false;
  // Last: calls Pump from its birth on, and no more once it is destroyed.
  WatchSession session_;
};

class WatchAdapter final : public pb::Watch::CallbackService {
 public:
  WatchAdapter(Node* node, RpcMeter* meter) : node_(node), meter_(meter) {}

  grpc::ServerBidiReactor<pb::WatchRequest, pb::WatchResponse>* Watch(
      grpc::CallbackServerContext* context) override {
    CountClient(*context, meter_, RpcMethod::kWatch);
    return new WatchReactor(node_, meter_, CallerOf(*context));
  }

 private:
  Node* const node_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeWatchAdapter(Node* node, RpcMeter* meter) {
  return std::make_unique<WatchAdapter>(node, meter);
}

}  // namespace socle::server
