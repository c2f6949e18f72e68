// Endpoint: where a server listens, resolved to an address once.
//
// Laws     1. "http://host:port", "host:port" and "[v6]:port" are endpoints; the port defaults to
//             2379.
// Threads  immutable.
// Errors   InvalidArgument for what is not an endpoint, Unavailable when the name does not resolve.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_
#define SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_

#include <sys/socket.h>

#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::server {

struct Endpoint {
  std::string authority;  // host:port, as sent in :authority and shown in errors
  sockaddr_storage address{};
  socklen_t address_size = 0;
};

// May block in name resolution: not for the loop thread.
absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text);

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_
