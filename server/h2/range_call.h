// RangeCall: Range, whose answer may be large: short ones are written at once, long ones as the client takes them.
//
// Laws     1. One path of bytes: what the store shows goes into what is sent, without protobuf objects between.
// Threads  as grpc_call.h.
// Source   spec etcd 1.1, 1.4.
#ifndef SOCLE_SERVER_H2_RANGE_CALL_H_
#define SOCLE_SERVER_H2_RANGE_CALL_H_

#include <memory>

#include "server/h2/grpc_call.h"

namespace socle::server::h2 {

std::shared_ptr<GrpcCall> MakeRangeCall(Services* services,
                                        std::shared_ptr<http::Exchange> exchange);

}  // namespace socle::server::h2

#endif  // SOCLE_SERVER_H2_RANGE_CALL_H_
