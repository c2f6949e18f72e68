#include <utility>

#include "etcd/rpc.grpc.pb.h"

#include "server/grpc/adapters.h"
#include "server/grpc/call.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;

// RangeStream stays the generated "unimplemented", on which kube-apiserver falls back to Range.
class KvAdapter final : public pb::KV::CallbackService {
 public:
  KvAdapter(KvService* service, RpcMeter* meter) : service_(service), meter_(meter) {}

  grpc::ServerUnaryReactor* Range(grpc::CallbackServerContext* context,
                                  const pb::RangeRequest* request,
                                  pb::RangeResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kRange, [=, this](Done done) {
      service_->Range(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* Put(grpc::CallbackServerContext* context, const pb::PutRequest* request,
                                pb::PutResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kPut, [=, this](Done done) {
      service_->Put(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* DeleteRange(grpc::CallbackServerContext* context,
                                        const pb::DeleteRangeRequest* request,
                                        pb::DeleteRangeResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kDeleteRange, [=, this](Done done) {
      service_->DeleteRange(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* Txn(grpc::CallbackServerContext* context, const pb::TxnRequest* request,
                                pb::TxnResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kTxn, [=, this](Done done) {
      service_->Txn(CallerOf(*context), *request, response, std::move(done));
    });
  }

  grpc::ServerUnaryReactor* Compact(grpc::CallbackServerContext* context,
                                    const pb::CompactionRequest* request,
                                    pb::CompactionResponse* response) override {
    return StartUnary(context, meter_, RpcMethod::kCompact, [=, this](Done done) {
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
