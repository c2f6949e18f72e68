#include "server/h2/stream_calls.h"

#include <string>
#include <string_view>
#include <utility>

#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "server/service/error_table.h"
#include "server/service/snapshot_stream.h"
#include "server/service/watch_service.h"

namespace socle::server::h2 {
namespace {

namespace pb = etcdserverpb;

absl::Status Malformed() {
  return absl::InternalError("grpc: error unmarshalling request");
}

bool ParseInto(std::string_view bytes, google::protobuf::MessageLite* message) {
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// The client closing its side changes nothing: events go on.
class WatchCall final : public GrpcCall {
 public:
  WatchCall(Services* services, std::shared_ptr<http::Exchange> exchange)
      : GrpcCall(services, RpcMethod::kWatch, std::move(exchange)) {}

  void OnWake() override { Pump(); }

  void OnWritable() override { Pump(); }

  void OnStopping() override { End(WireStatus(EtcdError::kStopped)); }

 private:
  void OnBegin() override {
    SendHead();
    session_ = std::make_unique<WatchSession>(services()->node, caller(),
                                              [exchange = shared_exchange()] { exchange->Wake(); });
  }

  void OnMessage(std::string_view bytes) override {
    request_.Clear();
    if (!ParseInto(bytes, &request_)) {
      End(Malformed());
      return;
    }
    if (request_.has_create_request() && !MayOpen(request_)) {
      return;
    }
    const absl::Status may = session_->Receive(request_);
    if (request_.has_create_request()) {
      NoteOpened(request_, may);
    }
    if (!session_->TakesRequests()) {
      PROBE("watch: a client that does not take its answers is not listened to");
      is_held_back_ = true;
      Hold();
    }
  }

  void OnHalfClose() override {}

  void OnEnd() override { session_.reset(); }

  void Pump() {
    if (is_over()) {
      return;
    }
    SendAppended([this](std::string* out) { return session_->AppendNext(out); });
    if (!is_over() && is_held_back_ && session_->TakesRequests()) {
      is_held_back_ = false;
      Release();
    }
  }

  pb::WatchRequest request_;
  bool is_held_back_ = false;
  std::unique_ptr<WatchSession> session_;
};

// A piece is made on a worker when the connection has taken the one before.
class RangeStreamCall final : public GrpcCall,
                              public std::enable_shared_from_this<RangeStreamCall> {
 public:
  RangeStreamCall(Services* services, std::shared_ptr<http::Exchange> exchange)
      : GrpcCall(services, RpcMethod::kRangeStream, std::move(exchange)) {}

  void OnWake() override { Send(); }

  void OnWritable() override { Make(); }

  void OnStopping() override { End(WireStatus(EtcdError::kStopped)); }

 private:
  void OnMessage(std::string_view bytes) override {
    if (!ParseInto(bytes, &request_)) {
      End(Malformed());
    }
  }

  void OnHalfClose() override {
    if (!MayOpen(request_)) {
      return;
    }
    absl::StatusOr<std::unique_ptr<RangeStream>> stream =
        services()->kv.OpenRangeStream(caller(), request_);
    NoteOpened(request_, stream.status());
    if (!stream.ok()) {
      End(stream.status());
      return;
    }
    stream_ = *std::move(stream);
    Make();
  }

  void Make() {
    if (is_over() || is_making_ || stream_ == nullptr || !exchange()->CanWrite()) {
      return;
    }
    is_making_ = true;
    services()->kv.NextPiece(stream_.get(), &piece_,
                             [self = shared_from_this()](const absl::Status& status) {
                               self->status_ = status;
                               self->exchange()->Wake();  // carries piece and status over
                             });
  }

  void Send() {
    is_making_ = false;
    if (!status_.ok()) {
      End(status_);
      return;
    }
    const RangePiece piece = std::move(piece_);
    SendMessage(std::string_view(piece.bytes));
    if (piece.is_last) {
      End(absl::OkStatus());
    } else {
      Make();
    }
  }

  pb::RangeRequest request_;
  std::unique_ptr<RangeStream> stream_;
  bool is_making_ = false;  // stream_, piece_ and status_ are a worker's
  RangePiece piece_;
  absl::Status status_;
};

// One renewal at a time: the next request is looked at when the answer is on its way.
class KeepAliveCall final : public GrpcCall, public std::enable_shared_from_this<KeepAliveCall> {
 public:
  KeepAliveCall(Services* services, std::shared_ptr<http::Exchange> exchange)
      : GrpcCall(services, RpcMethod::kLeaseKeepAlive, std::move(exchange)) {}

  void OnWake() override { Renewed(); }

  void OnWritable() override { Release(); }

  void OnStopping() override { End(WireStatus(EtcdError::kStopped)); }

 private:
  void OnMessage(std::string_view bytes) override {
    request_.Clear();
    response_.Clear();
    if (!ParseInto(bytes, &request_)) {
      End(Malformed());
      return;
    }
    Hold();
    services()->lease.KeepAlive(caller(), request_, &response_,
                                [self = shared_from_this()](const absl::Status& status) {
                                  self->status_ = status;
                                  if (self->exchange()->loop()->IsLoopThread()) {
                                    self->Renewed();
                                  } else {
                                    self->exchange()->Wake();
                                  }
                                });
  }

  void Renewed() {
    if (!status_.ok()) {
      NoteOpened(request_, status_);
      End(status_);
      return;
    }
    SendMessage<google::protobuf::MessageLite>(response_);
    if (!is_over() && exchange()->CanWrite()) {
      Release();
    }
  }

  void OnHalfClose() override { End(absl::OkStatus()); }

  pb::LeaseKeepAliveRequest request_;    // of the renewal under way
  pb::LeaseKeepAliveResponse response_;  // of the renewal under way
  absl::Status status_;
};

class SnapshotCall final : public GrpcCall {
 public:
  SnapshotCall(Services* services, std::shared_ptr<http::Exchange> exchange)
      : GrpcCall(services, RpcMethod::kSnapshot, std::move(exchange)) {}

  void OnWake() override { Pump(); }

  void OnWritable() override { Pump(); }

 private:
  void OnMessage(std::string_view /*bytes*/) override {}

  void OnHalfClose() override {
    if (!MayOpen(pb::SnapshotRequest())) {
      return;
    }
    absl::StatusOr<std::unique_ptr<SnapshotStream>> stream = services()->maintenance.Snapshot(
        caller(), [exchange = shared_exchange()] { exchange->Wake(); });
    NoteOpened(pb::SnapshotRequest(), stream.status());
    if (!stream.ok()) {
      End(stream.status());
      return;
    }
    stream_ = *std::move(stream);
    Pump();
  }

  void OnEnd() override {
    if (stream_ == nullptr) {
      return;
    }
    // Its destructor waits for its thread, which may be committing: not on a loop.
    services()->node->RunOnWorker(
        [stream = std::move(stream_)](Done done) mutable {
          stream.reset();
          done(absl::OkStatus());
        },
        [](const absl::Status&) {});
  }

  void Pump() {
    while (!is_over() && stream_ != nullptr && exchange()->CanWrite()) {
      response_.Clear();
      const absl::StatusOr<SnapshotStream::Step> step = stream_->Next(&response_);
      if (!step.ok()) {
        End(step.status());
      } else if (*step == SnapshotStream::Step::kEnd) {
        End(absl::OkStatus());
      } else if (*step == SnapshotStream::Step::kWait) {
        return;
      } else {
        SendMessage<google::protobuf::MessageLite>(response_);
      }
    }
  }

  pb::SnapshotResponse response_;
  std::unique_ptr<SnapshotStream> stream_;
};

// The leader there is, then every change of it, until the client has enough.
class ObserveCall final : public GrpcCall {
 public:
  ObserveCall(Services* services, std::shared_ptr<http::Exchange> exchange)
      : GrpcCall(services, RpcMethod::kObserve, std::move(exchange)) {}

  void OnWake() override { Pump(); }

  void OnWritable() override { Pump(); }

  void OnStopping() override { End(WireStatus(EtcdError::kStopped)); }

 private:
  void OnMessage(std::string_view bytes) override {
    if (!ParseInto(bytes, &request_)) {
      End(Malformed());
    }
  }

  void OnHalfClose() override {
    if (!MayOpen(request_)) {
      return;
    }
    absl::StatusOr<std::unique_ptr<LeaderStream>> stream = services()->election.Observe(
        caller(), request_, [exchange = shared_exchange()] { exchange->Wake(); });
    NoteOpened(request_, stream.status());
    if (!stream.ok()) {
      End(stream.status());
      return;
    }
    SendHead();
    stream_ = *std::move(stream);
    Pump();
  }

  void OnEnd() override { stream_.reset(); }

  void Pump() {
    while (!is_over() && stream_ != nullptr && exchange()->CanWrite()) {
      response_.Clear();
      const absl::StatusOr<bool> is_there = stream_->Next(&response_);
      if (!is_there.ok()) {
        End(is_there.status());
      } else if (!*is_there) {
        return;
      } else {
        SendMessage<google::protobuf::MessageLite>(response_);
      }
    }
  }

  v3electionpb::LeaderRequest request_;
  v3electionpb::LeaderResponse response_;
  std::unique_ptr<LeaderStream> stream_;
};

// HealthCheckRequest {string service = 1}; HealthCheckResponse {ServingStatus status = 1}.
constexpr std::string_view kServing = "\x08\x01";
constexpr std::string_view kServiceUnknown = "\x08\x03";

// False when the bytes are no HealthCheckRequest.
bool ParseService(std::string_view bytes, std::string* service) {
  constexpr uint64_t kServiceTag = (1U << 3U) | 2U;
  service->clear();
  while (!bytes.empty()) {
    uint64_t tag = 0;
    std::string_view text;
    if (!ConsumeVarint(&bytes, &tag) || tag != kServiceTag ||
        !ConsumeLengthPrefixed(&bytes, &text)) {
      return false;
    }
    *service = text;
  }
  return true;
}

// Like etcd's, it knows the server as a whole, whose name is empty.
class HealthCall final : public GrpcCall {
 public:
  HealthCall(Services* services, std::shared_ptr<http::Exchange> exchange, bool is_watch)
      : GrpcCall(services, std::nullopt, std::move(exchange)), is_watch_(is_watch) {}

  void OnStopping() override {
    if (is_watch_) {
      End(WireStatus(EtcdError::kStopped));
    }
  }

 private:
  void OnMessage(std::string_view bytes) override {
    if (!ParseService(bytes, &service_)) {
      End(Malformed());
    }
  }

  void OnHalfClose() override {
    if (service_.empty() || is_watch_) {
      SendMessage(service_.empty() ? kServing : kServiceUnknown);
    }
    if (!is_watch_) {
      End(service_.empty() ? absl::OkStatus() : absl::NotFoundError("unknown service"));
    }
  }

  const bool is_watch_;
  std::string service_;
};

}  // namespace

std::shared_ptr<GrpcCall> MakeRangeStreamCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<RangeStreamCall>(services, std::move(exchange));
}

std::shared_ptr<GrpcCall> MakeWatchCall(Services* services,
                                        std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<WatchCall>(services, std::move(exchange));
}

std::shared_ptr<GrpcCall> MakeKeepAliveCall(Services* services,
                                            std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<KeepAliveCall>(services, std::move(exchange));
}

std::shared_ptr<GrpcCall> MakeSnapshotCall(Services* services,
                                           std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<SnapshotCall>(services, std::move(exchange));
}

std::shared_ptr<GrpcCall> MakeObserveCall(Services* services,
                                          std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<ObserveCall>(services, std::move(exchange));
}

std::shared_ptr<GrpcCall> MakeHealthCheckCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<HealthCall>(services, std::move(exchange), false);
}

std::shared_ptr<GrpcCall> MakeHealthWatchCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange) {
  return std::make_shared<HealthCall>(services, std::move(exchange), true);
}

}  // namespace socle::server::h2
