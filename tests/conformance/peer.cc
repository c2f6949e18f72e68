#include "tests/conformance/peer.h"

namespace socle::conformance {
namespace {

constexpr int kCallSeconds = 30;

}  // namespace

Peer::Peer(const std::string& address)
    : channel_(grpc::CreateChannel(address, grpc::InsecureChannelCredentials())),
      kv_(etcdserverpb::KV::NewStub(channel_)),
      lease_(etcdserverpb::Lease::NewStub(channel_)),
      watch_(etcdserverpb::Watch::NewStub(channel_)),
      cluster_(etcdserverpb::Cluster::NewStub(channel_)),
      maintenance_(etcdserverpb::Maintenance::NewStub(channel_)),
      auth_(etcdserverpb::Auth::NewStub(channel_)),
      lock_(v3lockpb::Lock::NewStub(channel_)),
      election_(v3electionpb::Election::NewStub(channel_)) {}

void Peer::Prepare(grpc::ClientContext* context) const {
  context->set_deadline(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_seconds(kCallSeconds, GPR_TIMESPAN)));
  context->set_wait_for_ready(true);
  if (!token_.empty()) {
    context->AddMetadata("token", token_);
  }
}

#define SOCLE_PEER_CALL(service, method, request_type, response_type)             \
  grpc::Status Peer::Call(const request_type& request, response_type* response) { \
    grpc::ClientContext context;                                                  \
    Prepare(&context);                                                            \
    return service##_->method(&context, request, response);                       \
  }
SOCLE_UNARY_RPCS(SOCLE_PEER_CALL)
#undef SOCLE_PEER_CALL

grpc::Status Peer::Call(const etcdserverpb::LeaseKeepAliveRequest& request,
                        etcdserverpb::LeaseKeepAliveResponse* response) {
  grpc::ClientContext context;
  Prepare(&context);
  const auto stream = lease_->LeaseKeepAlive(&context);
  stream->Write(request);
  stream->WritesDone();
  stream->Read(response);
  return stream->Finish();
}

grpc::Status Peer::Snapshot(std::string* bytes) {
  grpc::ClientContext context;
  Prepare(&context);
  const auto stream = maintenance_->Snapshot(&context, etcdserverpb::SnapshotRequest());
  etcdserverpb::SnapshotResponse response;
  while (stream->Read(&response)) {
    *bytes += response.blob();
  }
  return stream->Finish();
}

grpc::Status Peer::Watch(const etcdserverpb::WatchCreateRequest& create, int64_t last,
                         std::vector<mvccpb::Event>* events) {
  grpc::ClientContext context;
  Prepare(&context);
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
      context.TryCancel();
      stream->Finish();
      return {grpc::StatusCode::CANCELLED, response.cancel_reason()};
    }
    for (const auto& event : response.events()) {
      complete = complete || event.kv().mod_revision() >= last;
      events->push_back(event);
    }
  }
  context.TryCancel();
  const grpc::Status status = stream->Finish();
  return complete ? grpc::Status::OK : status;
}

}  // namespace socle::conformance
