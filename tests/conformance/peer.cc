#include "tests/conformance/peer.h"

namespace socle::conformance {
namespace {

constexpr int kCallSeconds = 30;

void SetDeadline(grpc::ClientContext* context) {
  context->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(kCallSeconds, GPR_TIMESPAN)));
  context->set_wait_for_ready(true);
}

}  // namespace

Peer::Peer(const std::string& address)
    : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
      kv_(etcdserverpb::KV::NewStub(channel_)),
      lease_(etcdserverpb::Lease::NewStub(channel_)),
      watch_(etcdserverpb::Watch::NewStub(channel_)),
      maintenance_(etcdserverpb::Maintenance::NewStub(channel_)) {}

#define SOCLE_PEER_CALL(stub, method, request_type, response_type)   \
  grpc::Status Peer::Call(const etcdserverpb::request_type& request, \
                          etcdserverpb::response_type* response) {   \
    grpc::ClientContext context;                                     \
    SetDeadline(&context);                                           \
    return stub->method(&context, request, response);                \
  }
SOCLE_PEER_CALL(kv_, Range, RangeRequest, RangeResponse)
SOCLE_PEER_CALL(kv_, Put, PutRequest, PutResponse)
SOCLE_PEER_CALL(kv_, DeleteRange, DeleteRangeRequest, DeleteRangeResponse)
SOCLE_PEER_CALL(kv_, Txn, TxnRequest, TxnResponse)
SOCLE_PEER_CALL(kv_, Compact, CompactionRequest, CompactionResponse)
SOCLE_PEER_CALL(lease_, LeaseGrant, LeaseGrantRequest, LeaseGrantResponse)
SOCLE_PEER_CALL(lease_, LeaseRevoke, LeaseRevokeRequest, LeaseRevokeResponse)
SOCLE_PEER_CALL(lease_, LeaseTimeToLive, LeaseTimeToLiveRequest, LeaseTimeToLiveResponse)
SOCLE_PEER_CALL(maintenance_, HashKV, HashKVRequest, HashKVResponse)
SOCLE_PEER_CALL(maintenance_, Hash, HashRequest, HashResponse)
#undef SOCLE_PEER_CALL

grpc::Status Peer::Watch(const etcdserverpb::WatchCreateRequest& create, int64_t last,
                         std::vector<std::string>* events) {
  grpc::ClientContext context;
  SetDeadline(&context);
  const auto stream = watch_->Watch(&context);
  etcdserverpb::WatchRequest request;
  *request.mutable_create_request() = create;
  if (!stream->Write(request)) {
    return stream->Finish();
  }
  etcdserverpb::WatchResponse response;
  bool complete = false;
  while (!complete && stream->Read(&response)) {
    if (response.canceled()) {
      events->push_back("canceled: " + response.cancel_reason());
      break;
    }
    for (const auto& event : response.events()) {
      complete = complete || event.kv().mod_revision() >= last;
      events->push_back(event.Utf8DebugString());
    }
  }
  context.TryCancel();
  const grpc::Status status = stream->Finish();
  return complete ? grpc::Status::OK : status;
}

}  // namespace socle::conformance
