// Ports: every socket that socle-kv listens on, bound, and the TLS that the secure ones speak.
//
// Laws     1. Files of certificates are read before anything is bound; --auto-tls makes its own after that, since it
//             writes into the data directory.
// Threads  thread-compatible.
// Errors   one line that names the URL or the file and what is wrong with it.
// Source   spec etcd 1.2, 1.12.
#ifndef SOCLE_SERVER_CMD_PORTS_H_
#define SOCLE_SERVER_CMD_PORTS_H_

#include <memory>
#include <vector>

#include <absl/status/statusor.h>

#include "server/config/settings.h"
#include "server/config/url.h"
#include "server/wire/http/listen_socket.h"
#include "server/wire/http/tls.h"

namespace socle::server {

struct Port {
  Url url;  // with the port really bound
  http::ListenSocket socket;
};

struct Ports {
  std::vector<Port> client;
  std::vector<Port> client_http;  // empty: HTTP is on the client ports
  std::vector<Port> metrics;
  std::shared_ptr<http::TlsContext> tls;  // null when no URL is secure

  static absl::StatusOr<Ports> Open(const Settings& settings);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_CMD_PORTS_H_
