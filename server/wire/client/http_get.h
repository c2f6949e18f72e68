// HttpGet: one page of an endpoint over HTTP/1.0 and a connection of its own: the metrics and health pages that servers
// have beside gRPC.
//
// Threads  pure function, blocks for the time given at most.
// Errors   Unavailable when there is no whole answer in time or the server says other than 200; NotFound when it has no such
//          page; InvalidArgument for one of more than 64 MiB.
#ifndef SOCLE_SERVER_WIRE_CLIENT_HTTP_GET_H_
#define SOCLE_SERVER_WIRE_CLIENT_HTTP_GET_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "server/wire/client/endpoint.h"

namespace socle::server {

// The body. `path` as "/metrics".
absl::StatusOr<std::string> HttpGet(const Endpoint& endpoint, std::string_view path,
                                    int64_t timeout_nanos);

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_HTTP_GET_H_
