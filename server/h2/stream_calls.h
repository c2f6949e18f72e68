// StreamCalls: the calls that are streams: RangeStream, Watch, LeaseKeepAlive, Snapshot, Observe, and the health service.
//
// Laws     1. A stream makes its next message only when the connection can take it (CanWrite), so a
//             client that stops reading holds back its own stream and nothing else.
// Threads  as grpc_call.h.
// Source   spec etcd 1.5, 1.6, 1.7; the gRPC health checking protocol.
#ifndef SOCLE_SERVER_H2_STREAM_CALLS_H_
#define SOCLE_SERVER_H2_STREAM_CALLS_H_

#include <memory>

#include "server/h2/grpc_call.h"

namespace socle::server::h2 {

std::shared_ptr<GrpcCall> MakeRangeStreamCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeWatchCall(Services* services,
                                        std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeKeepAliveCall(Services* services,
                                            std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeSnapshotCall(Services* services,
                                           std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeObserveCall(Services* services,
                                          std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeHealthCheckCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange);
std::shared_ptr<GrpcCall> MakeHealthWatchCall(Services* services,
                                              std::shared_ptr<http::Exchange> exchange);

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_STREAM_CALLS_H_
