// GrpcCaller: calls by the stock gRPC C++ client (callback API, protobuf messages in byte buffers), for Engine. The only
// file of bench that knows gRPC is grpc_caller.cc.
//
// Laws     1. The destructor cancels what is under way and waits until gRPC has let go of it.
// Threads  as engine.h.
// Errors   InvalidArgument for TLS that this client can't do (insecure_skip_tls_verify) and for files that can't be read.
#ifndef SOCLE_BENCH_GRPC_GRPC_CALLER_H_
#define SOCLE_BENCH_GRPC_GRPC_CALLER_H_

#include <memory>

#include <absl/status/statusor.h>

#include "bench/load/engine.h"

namespace socle::bench {

// Whether this program was built with gRPC.
bool HasGrpc();

// Requires: HasGrpc().
absl::StatusOr<std::unique_ptr<Caller>> MakeGrpcCaller(server::ClientLoop* loop,
                                                       const server::Endpoint& endpoint);

}  // namespace socle::bench

#endif  // SOCLE_BENCH_GRPC_GRPC_CALLER_H_
