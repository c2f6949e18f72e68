// Server: HTTP/1.1 and HTTP/2 on the same sockets, one loop per core, connections spread over them.
//
// Laws     1. A connection stays on its loop for life; its handler calls all happen there.
//          2. Each listening socket has its own TLS and its own handler; the loops and the limits are shared.
//          3. Stop tells streams and clients to end (GOAWAY, connection: close), answers what is under
//             way, and after the grace closes what is left. No handler runs after it.
// Threads  Adopt and Listen are thread-safe; Stop is to be called once, not from a handler.
// Memory   the handler must outlive Stop. Exchanges may be held longer: they are closed.
// Errors   Start: what the kernel refused. Listen: InvalidArgument for what is no address, Unavailable
//          when the port can't be bound.
#ifndef SOCLE_SERVER_WIRE_HTTP_SERVER_H_
#define SOCLE_SERVER_WIRE_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

#include "server/wire/http/exchange.h"
#include "server/wire/http/limits.h"
#include "server/wire/http/listen_socket.h"

namespace socle::server::http {

class TlsContext;

struct ServerOptions {
  std::string thread_name = "http";
  size_t loops = 0;  // 0: one per core
  Limits limits;
  std::shared_ptr<TlsContext> tls;  // of Adopt and Listen; null: plain
};

// What the connections of one listening socket get.
struct Site {
  Handler* handler = nullptr;
  std::shared_ptr<TlsContext> tls = {};  // null: plain
};

class Server {
 public:
  virtual ~Server() = default;  // stops without grace

  // Takes over a connected non-blocking socket from which nothing was read.
  virtual void Adopt(int fd) = 0;
  // Accepts on an IP address; the bound port (0 asks for a free one).
  virtual absl::StatusOr<uint16_t> Listen(std::string_view address, uint16_t port) = 0;
  // Accepts on a socket; its handler must outlive Stop, as the server's.
  virtual void Accept(ListenSocket socket, Site site) = 0;
  virtual size_t connections() const = 0;
  virtual void Stop(int64_t grace_nanos) = 0;

  static absl::StatusOr<std::unique_ptr<Server>> Start(ServerOptions options, Handler* handler);
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_SERVER_H_
