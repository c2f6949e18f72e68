#include "bench/grpc/grpc_caller.h"

namespace socle::bench {

bool HasGrpc() {
  return false;
}

absl::StatusOr<std::unique_ptr<Caller>> MakeGrpcCaller(server::ClientLoop* /*loop*/,
                                                       const server::Endpoint& /*endpoint*/) {
  return absl::UnimplementedError("built without gRPC");
}

}  // namespace socle::bench
