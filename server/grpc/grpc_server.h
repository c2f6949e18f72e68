// GrpcServer: the stock gRPC server over connections that somebody else accepted.
//
// Laws     1. It opens no port: sockets come through Adopt, so that one port can serve HTTP/1 too.
//          2. Limits and keepalive enforcement are etcd's.
// Threads  Adopt is thread-safe. Stop is to be called once, before the services go.
// Source   spec etcd 1.2; DEPENDENCIES 3.
#ifndef SOCLE_SERVER_GRPC_GRPC_SERVER_H_
#define SOCLE_SERVER_GRPC_GRPC_SERVER_H_

#include <cstdint>
#include <memory>

#include <absl/status/statusor.h>

#include "server/ops/rpc_meter.h"
#include "server/service/node.h"

namespace socle::server {

struct GrpcOptions {
  int64_t max_concurrent_streams = 4'294'967'295;
  int64_t keepalive_min_time_nanos = 0;
  int64_t keepalive_interval_nanos = 0;
  int64_t keepalive_timeout_nanos = 0;
};

class GrpcServer {
 public:
  virtual ~GrpcServer() = default;
  // Takes over a connected non-blocking socket on which HTTP/2 begins.
  virtual void Adopt(int fd) = 0;
  // Answers what is under way, ends the streams, closes the connections.
  virtual void Stop() = 0;

  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(Node* node, RpcMeter* meter,
                                                           const GrpcOptions& options);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_GRPC_GRPC_SERVER_H_
