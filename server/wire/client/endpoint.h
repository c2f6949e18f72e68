// Endpoint: where a server listens, resolved to an address once, and what lets a client in.
//
// Laws     1. "http://host:port", "https://…", "host:port", "[v6]:port", "unix://path" and "unixs://path" are
//             endpoints; the port defaults to 2379. access.h law 1 says which are spoken to in TLS.
// Threads  immutable.
// Errors   InvalidArgument for what is not an endpoint and for files of TLS that can't be used, Unavailable when
//          the name does not resolve.
#ifndef SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_
#define SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_

#include <sys/socket.h>

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "server/wire/client/access.h"

namespace socle::server {

class ClientTls;

// Extra request headers, such as {"token", …} or {"hasleader", "true"}. Names in lower case.
using Metadata = std::vector<std::pair<std::string, std::string>>;

struct Endpoint {
  std::string authority;  // host:port, as sent in :authority
  std::string shown;      // in errors: host:port, or unix:path
  std::string host;       // whom the certificate must name
  sockaddr_storage address{};
  socklen_t address_size = 0;
  std::shared_ptr<const ClientTls> tls;  // null: plain HTTP/2
  Metadata metadata;                     // sent with every call
};

// May block in name resolution: not for the loop thread. Of `access` what concerns TLS.
absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text, const ClientAccess& access = {});

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_ENDPOINT_H_
