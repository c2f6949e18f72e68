#include "server/wire/client/etcd_client.h"

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"

namespace socle::server {
namespace {

// Where a blocked caller meets the callback of its call.
class Rendezvous {
 public:
  void Arrive(const absl::Status& status) {
    MutexLock lock(&mu_);
    status_ = status;
    has_arrived_ = true;
    arrived_.SignalAll();
  }

  absl::Status Wait() {
    MutexLock lock(&mu_);
    while (!has_arrived_) {
      arrived_.Wait(&mu_);
    }
    return status_;
  }

 private:
  Mutex mu_;
  CondVar arrived_;
  bool has_arrived_ ABSL_GUARDED_BY(mu_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

absl::Status Parse(std::string_view bytes, google::protobuf::MessageLite* message) {
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return absl::InternalError(fmt::format("the response is not a {}", message->GetTypeName()));
  }
  return absl::OkStatus();
}

}  // namespace

struct EtcdStream::State {
  explicit State(ClientLoop* loop_in) : loop(loop_in) {}

  ClientLoop* const loop;
  Rendezvous ended;
  std::shared_ptr<ClientStream> stream;  // confined to the loop thread
};

EtcdStream::EtcdStream(std::shared_ptr<State> state) : state_(std::move(state)) {}

EtcdStream::~EtcdStream() {
  Cancel();
  // The end is the last callback.
  Wait().IgnoreError();
}

void EtcdStream::Send(const google::protobuf::MessageLite& message) {
  state_->loop->Post([state = state_, bytes = message.SerializeAsString()] {
    state->stream->Send(std::string_view(bytes));
  });
}

void EtcdStream::HalfClose() {
  state_->loop->Post([state = state_] { state->stream->HalfClose(); });
}

void EtcdStream::Cancel() {
  state_->loop->Post([state = state_] { state->stream->Cancel(); });
}

absl::Status EtcdStream::Wait() {
  CHECK(!state_->loop->IsLoopThread());
  return state_->ended.Wait();
}

absl::StatusOr<Endpoint> ReachEndpoint(std::string_view text, const ClientAccess& access,
                                       int64_t timeout_nanos) {
  ASSIGN_OR_RETURN(Endpoint endpoint, ResolveEndpoint(text, access));
  if (access.user.empty()) {
    return endpoint;
  }
  const size_t colon = access.user.find(':');
  if (colon == std::string::npos && access.password.empty()) {
    return absl::InvalidArgumentError("--user NAME without a password: give --user NAME:PASSWORD");
  }
  etcdserverpb::AuthenticateRequest request;
  request.set_name(access.user.substr(0, colon));
  request.set_password(colon == std::string::npos ? access.password
                                                  : access.user.substr(colon + 1));
  ASSIGN_OR_RETURN(const std::unique_ptr<EtcdClient> client,
                   EtcdClient::Open(endpoint, EtcdClientOptions{.timeout_nanos = timeout_nanos}));
  const auto answer =
      client->Call<etcdserverpb::AuthenticateResponse>(method::kAuthenticate, request);
  if (!answer.ok()) {
    // The server calls a wrong password an invalid argument, which it is not of ours.
    const absl::Status status = absl::IsInvalidArgument(answer.status())
                                    ? absl::UnauthenticatedError(answer.status().message())
                                    : answer.status();
    return Annotate(status, fmt::format("user {} can't log in", request.name()));
  }
  endpoint.metadata.emplace_back("token", answer->token());
  return endpoint;
}

absl::StatusOr<std::unique_ptr<EtcdClient>> EtcdClient::Open(std::string_view endpoint,
                                                             EtcdClientOptions options) {
  ASSIGN_OR_RETURN(const Endpoint reached, ReachEndpoint(endpoint, options.access));
  return Open(reached, std::move(options));
}

absl::StatusOr<std::unique_ptr<EtcdClient>> EtcdClient::Open(const Endpoint& endpoint,
                                                             EtcdClientOptions options) {
  ASSIGN_OR_RETURN(std::unique_ptr<ClientLoop> loop, ClientLoop::Start("etcd-client"));
  return std::unique_ptr<EtcdClient>(new EtcdClient(std::move(loop), endpoint, std::move(options)));
}

EtcdClient::EtcdClient(std::unique_ptr<ClientLoop> loop, const Endpoint& endpoint,
                       EtcdClientOptions options)
    : options_(std::move(options)), loop_(std::move(loop)), channel_(loop_->AddChannel(endpoint)) {}

absl::Status EtcdClient::CallInto(std::string_view path,
                                  const google::protobuf::MessageLite& request,
                                  google::protobuf::MessageLite* response) {
  CHECK(!loop_->IsLoopThread());
  Rendezvous answered;
  loop_->Post([&] {
    channel_->Unary(path, request, CallOptions{options_.timeout_nanos, options_.metadata},
                    [&](const absl::Status& status, std::string_view bytes) {
                      answered.Arrive(status.ok() ? Parse(bytes, response) : status);
                    });
  });
  return answered.Wait();
}

std::unique_ptr<EtcdStream> EtcdClient::OpenStream(std::string_view path,
                                                   MessageCallback on_message) {
  auto state = std::make_shared<EtcdStream::State>(loop_.get());
  loop_->Post([this, state, path = std::string(path), callback = std::move(on_message)]() mutable {
    state->stream = channel_->OpenStream(
        path, CallOptions{0, options_.metadata},
        StreamCallbacks{std::move(callback),
                        [state](const absl::Status& status) { state->ended.Arrive(status); }});
  });
  return std::unique_ptr<EtcdStream>(new EtcdStream(std::move(state)));
}

std::unique_ptr<EtcdStream> EtcdClient::OpenWatch(WatchCallback on_response) {
  return OpenStream(method::kWatch,
                    [callback = std::move(on_response),
                     response = etcdserverpb::WatchResponse()](std::string_view bytes) mutable {
                      if (Parse(bytes, &response).ok()) {
                        callback(response);
                      }
                    });
}

std::unique_ptr<EtcdStream> EtcdClient::Watch(const etcdserverpb::WatchCreateRequest& create,
                                              WatchCallback on_response) {
  std::unique_ptr<EtcdStream> stream = OpenWatch(std::move(on_response));
  etcdserverpb::WatchRequest request;
  *request.mutable_create_request() = create;
  stream->Send(request);
  return stream;
}

absl::Status EtcdClient::Snapshot(absl::AnyInvocable<void(std::string_view blob)> sink) {
  absl::Status parsed;
  const std::unique_ptr<EtcdStream> stream =
      OpenStream(method::kSnapshot, [&](std::string_view bytes) {
        etcdserverpb::SnapshotResponse response;
        const absl::Status status = Parse(bytes, &response);
        if (status.ok()) {
          sink(response.blob());
        } else if (parsed.ok()) {
          parsed = status;
        }
      });
  stream->Send(etcdserverpb::SnapshotRequest());
  stream->HalfClose();
  RETURN_IF_ERROR(stream->Wait());
  return parsed;
}

absl::StatusOr<etcdserverpb::LeaseKeepAliveResponse> EtcdClient::LeaseKeepAliveOnce(int64_t id) {
  etcdserverpb::LeaseKeepAliveResponse response;
  absl::Status parsed = absl::UnavailableError("the stream ended without an answer");
  const std::unique_ptr<EtcdStream> stream = OpenStream(
      method::kLeaseKeepAlive, [&](std::string_view bytes) { parsed = Parse(bytes, &response); });
  etcdserverpb::LeaseKeepAliveRequest request;
  request.set_id(id);
  stream->Send(request);
  // The server answers what it got, then ends the stream.
  stream->HalfClose();
  RETURN_IF_ERROR(stream->Wait());
  RETURN_IF_ERROR(parsed);
  return response;
}

absl::StatusOr<etcdserverpb::PutResponse> EtcdClient::Put(std::string_view key,
                                                          std::string_view value, int64_t lease) {
  etcdserverpb::PutRequest request;
  request.set_key(key.data(), key.size());
  request.set_value(value.data(), value.size());
  request.set_lease(lease);
  return Put(request);
}

absl::StatusOr<etcdserverpb::PutResponse> EtcdClient::Put(const etcdserverpb::PutRequest& request) {
  return Call<etcdserverpb::PutResponse>(method::kPut, request);
}

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::Get(std::string_view key) {
  etcdserverpb::RangeRequest request;
  request.set_key(key.data(), key.size());
  return Range(request);
}

absl::StatusOr<etcdserverpb::RangeResponse> EtcdClient::Range(
    const etcdserverpb::RangeRequest& request) {
  return Call<etcdserverpb::RangeResponse>(method::kRange, request);
}

absl::StatusOr<etcdserverpb::DeleteRangeResponse> EtcdClient::DeleteRange(
    const etcdserverpb::DeleteRangeRequest& request) {
  return Call<etcdserverpb::DeleteRangeResponse>(method::kDeleteRange, request);
}

absl::StatusOr<etcdserverpb::TxnResponse> EtcdClient::Txn(const etcdserverpb::TxnRequest& request) {
  return Call<etcdserverpb::TxnResponse>(method::kTxn, request);
}

absl::StatusOr<etcdserverpb::CompactionResponse> EtcdClient::Compact(int64_t revision,
                                                                     bool physical) {
  etcdserverpb::CompactionRequest request;
  request.set_revision(revision);
  request.set_physical(physical);
  return Call<etcdserverpb::CompactionResponse>(method::kCompact, request);
}

absl::StatusOr<etcdserverpb::LeaseGrantResponse> EtcdClient::LeaseGrant(int64_t ttl_seconds,
                                                                        int64_t id) {
  etcdserverpb::LeaseGrantRequest request;
  request.set_ttl(ttl_seconds);
  request.set_id(id);
  return Call<etcdserverpb::LeaseGrantResponse>(method::kLeaseGrant, request);
}

absl::StatusOr<etcdserverpb::LeaseRevokeResponse> EtcdClient::LeaseRevoke(int64_t id) {
  etcdserverpb::LeaseRevokeRequest request;
  request.set_id(id);
  return Call<etcdserverpb::LeaseRevokeResponse>(method::kLeaseRevoke, request);
}

absl::StatusOr<etcdserverpb::LeaseTimeToLiveResponse> EtcdClient::LeaseTimeToLive(int64_t id,
                                                                                  bool keys) {
  etcdserverpb::LeaseTimeToLiveRequest request;
  request.set_id(id);
  request.set_keys(keys);
  return Call<etcdserverpb::LeaseTimeToLiveResponse>(method::kLeaseTimeToLive, request);
}

absl::StatusOr<etcdserverpb::LeaseLeasesResponse> EtcdClient::LeaseLeases() {
  return Call<etcdserverpb::LeaseLeasesResponse>(method::kLeaseLeases,
                                                 etcdserverpb::LeaseLeasesRequest());
}

absl::StatusOr<etcdserverpb::StatusResponse> EtcdClient::Status() {
  return Call<etcdserverpb::StatusResponse>(method::kStatus, etcdserverpb::StatusRequest());
}

absl::StatusOr<etcdserverpb::MemberListResponse> EtcdClient::MemberList() {
  return Call<etcdserverpb::MemberListResponse>(method::kMemberList,
                                                etcdserverpb::MemberListRequest());
}

}  // namespace socle::server
