#include <atomic>
#include <memory>
#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

absl::Status FillIn(const RangeAnswer& answer, pb::RangeResponse* response) {
  if (const absl::Status fits = CheckMessageBytes(RangeResponseBytes(answer.parts())); !fits.ok()) {
    return fits;
  }
  std::string bytes;
  AppendRangeResponse(answer.parts(), &bytes);
  return response->ParseFromString(bytes)
             ? absl::OkStatus()
             : absl::InternalError("a stored record is no message of etcd's");
}

// One stream: a piece is made on a worker when the one before was written. Deletes itself when gRPC is done with it.
class RangeStreamReactor final : public grpc::ServerWriteReactor<pb::RangeStreamResponse> {
 public:
  RangeStreamReactor(KvService* service, RpcMeter* meter, const Caller& caller,
                     const pb::RangeRequest& request)
      : service_(service), meter_(meter) {
    began_nanos_ = meter_->Started(RpcMethod::kRangeStream);
    meter_->Received(RpcMethod::kRangeStream, request.ByteSizeLong());
    absl::StatusOr<std::unique_ptr<RangeStream>> stream =
        service_->OpenRangeStream(caller, request);
    if (!stream.ok()) {
      End(stream.status());
      return;
    }
    stream_ = *std::move(stream);
    Make();
  }

  void OnWriteDone(bool ok) override {
    if (!ok || is_cancelled_.load(std::memory_order_relaxed)) {
      End(absl::CancelledError("etcdserver: request canceled"));
    } else if (piece_.is_last) {
      End(absl::OkStatus());
    } else {
      Make();
    }
  }

  void OnCancel() override { is_cancelled_.store(true, std::memory_order_relaxed); }

  void OnDone() override { delete this; }

 private:
  void Make() {
    service_->NextPiece(stream_.get(), &piece_, [this](const absl::Status& status) {
      if (!status.ok() || !response_.ParseFromString(piece_.bytes)) {
        End(status);
        return;
      }
      meter_->Sent(RpcMethod::kRangeStream, 1, response_.ByteSizeLong());
      StartWrite(&response_);
    });
  }

  void End(const absl::Status& status) {
    meter_->Handled(RpcMethod::kRangeStream, status.code(), began_nanos_);
    Finish(ToGrpc(status));
  }

  KvService* const service_;
  RpcMeter* const meter_;
  int64_t began_nanos_ = 0;
  std::unique_ptr<RangeStream> stream_;
  RangePiece piece_;
  pb::RangeStreamResponse response_;
  std::atomic<bool> is_cancelled_{
      false};  // by OnCancel, on any thread; a late look only writes once more
};

class KvAdapter final : public pb::KV::CallbackService {
 public:
  KvAdapter(KvService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* Range(grpc::CallbackServerContext* context,
                                  const pb::RangeRequest* request,
                                  pb::RangeResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kRange, *request, *response, [=, this](Done done) {
          auto answer = std::make_unique<RangeAnswer>();
          RangeAnswer* const found = answer.get();
          service_->Range(CallerOf(*context), *request, found,
                          [response, answer = std::move(answer),
                           done = std::move(done)](const absl::Status& status) mutable {
                            done(status.ok() ? FillIn(*answer, response) : status);
                          });
        });
  }

  grpc::ServerWriteReactor<pb::RangeStreamResponse>* RangeStream(
      grpc::CallbackServerContext* context, const pb::RangeRequest* request) override {
    CountClient(*context, meter_, RpcMethod::kRangeStream);
    return new RangeStreamReactor(service_, meter_, CallerOf(*context), *request);
  }

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const pb::PutRequest* request,
                                pb::PutResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kPut, *request, *response, [=, this](Done done) {
      service_->Put(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* DeleteRange(grpc::CallbackServerContext* context,
                                        const pb::DeleteRangeRequest* request,
                                        pb::DeleteRangeResponse* response) override {
    return StartUnary(
        context, meter_, RpcMethod::kDeleteRange, *request, *response, [=, this](Done done) {
          service_->DeleteRange(CallerOf(*context), *request, response, std::move(done));
        });
  }

  grpc::ServerUnaryReactor* Txn(grpc::CallbackServerContext* context, const pb::TxnRequest* request,
                                pb::TxnResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kTxn, *request, *response, [=, this](Done done) {
      service_->Txn(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* Compact(grpc::CallbackServerContext* context,
                                    const pb::CompactionRequest* request,
                                    pb::CompactionResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kCompact, *request, *response,
                      [=, this](Done done) {
                        service_->Compact(CallerOf(*context), *request, response, std::move(done));
                      });
  }

 private:
  KvService* const service_;
  RpcMeter* const meter_;
};

}  // namespace

std::unique_ptr<grpc::Service> MakeKvAdapter(KvService* service, RpcMeter* meter) {
  return std::make_unique<KvAdapter>(service, meter);
}

}  // namespace socle::server
