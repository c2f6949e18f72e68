#include "server/grpc/grpc_server.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>
#include <vector>

#include <absl/synchronization/mutex.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "server/grpc/adapters.h"

namespace socle::server {
namespace {

int ToMillis(int64_t nanos) {
  return static_cast<int>(
      std::min<int64_t>(nanos / kNanosPerMilli, std::numeric_limits<int>::max()));
}

class StockGrpcServer final : public GrpcServer {
 public:
  StockGrpcServer(Node* node, RpcMeter* meter)
      : kv_(node),
        lease_(node),
        maintenance_(node),
        cluster_(node),
        auth_(node),
        lock_(node),
        election_(node) {
    adapters_.push_back(MakeKvAdapter(&kv_, meter));
    adapters_.push_back(MakeWatchAdapter(node, meter));
    adapters_.push_back(MakeLeaseAdapter(&lease_, meter));
    adapters_.push_back(MakeMaintenanceAdapter(&maintenance_, meter));
    adapters_.push_back(MakeClusterAdapter(&cluster_, meter));
    adapters_.push_back(MakeAuthAdapter(&auth_, meter));
    adapters_.push_back(MakeLockAdapter(&lock_, meter));
    adapters_.push_back(MakeElectionAdapter(&election_, meter));
  }

  ~StockGrpcServer() override { Stop(); }

  absl::Status Build(const Node& node, const GrpcOptions& options) {
    // Debian builds Abseil with deadlock detection on: a global lock taken with each of gRPC's own.
    absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::ServerBuilder builder;
    builder.SetMaxReceiveMessageSize(static_cast<int>(std::min<int64_t>(
        node.request_bytes_max() + kGrpcOverheadBytes, std::numeric_limits<int>::max())));
    builder.SetMaxSendMessageSize(std::numeric_limits<int>::max());
    builder.AddChannelArgument(
        GRPC_ARG_MAX_CONCURRENT_STREAMS,
        static_cast<int>(
            std::min<int64_t>(options.max_concurrent_streams, std::numeric_limits<int>::max())));
    // Pings more frequent than this, or on a connection without calls, end it (too_many_pings).
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               ToMillis(options.keepalive_min_time_nanos));
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 0);
    if (options.keepalive_interval_nanos > 0) {
      builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS,
                                 ToMillis(options.keepalive_interval_nanos));
    }
    if (options.keepalive_timeout_nanos > 0) {
      builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS,
                                 ToMillis(options.keepalive_timeout_nanos));
    }
    for (const auto& adapter : adapters_) {
      builder.RegisterService(adapter.get());
    }
    acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
        grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
        grpc::InsecureServerCredentials());
    server_ = builder.BuildAndStart();
    return server_ != nullptr ? absl::OkStatus()
                              : absl::InternalError("the gRPC server could not be built");
  }

  void Adopt(int fd) override {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor_->HandleNewConnection(&connection);
  }

  void Stop() override {
    if (server_ == nullptr) {
      return;
    }
    // Calls get half a second to be answered; streams that stay open are cancelled then.
    constexpr int64_t kGraceNanos = 500 * kNanosPerMilli;
    const auto deadline = std::chrono::system_clock::time_point(
        std::chrono::nanoseconds(Clock::Real()->WallNanos() + kGraceNanos));
    server_->Shutdown(deadline);
    server_->Wait();
    server_.reset();
  }

 private:
  KvService kv_;
  LeaseService lease_;
  MaintenanceService maintenance_;
  ClusterService cluster_;
  AuthService auth_;
  LockService lock_;
  ElectionService election_;
  std::vector<std::unique_ptr<grpc::Service>> adapters_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(Node* node, RpcMeter* meter,
                                                              const GrpcOptions& options) {
  auto server = std::make_unique<StockGrpcServer>(node, meter);
  if (absl::Status built = server->Build(*node, options); !built.ok()) {
    return built;
  }
  return server;
}

}  // namespace socle::server
