// H2Server: the fast transport of socle-kv: gRPC, and a web of others' making, on our own HTTP server.
//
// Laws     1. It opens no port: whoever does gives it bound sockets (Listen), or accepted ones (Adopt).
//          2. Requests of content type application/grpc are calls; every other one is the web's.
//          3. Limits and keepalive enforcement are etcd's.
//          4. The name in a client's certificate is the caller's only where the options say so.
// Threads  Listen and Adopt are thread-safe. Stop is to be called once, before the services' parts go.
// Source   spec etcd 1.2.
#ifndef SOCLE_SERVER_H2_H2_SERVER_H_
#define SOCLE_SERVER_H2_H2_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include <absl/status/statusor.h>

#include "server/h2/services.h"
#include "server/ops/rpc_meter.h"
#include "server/service/node.h"
#include "server/wire/http/exchange.h"
#include "server/wire/http/listen_socket.h"
#include "server/wire/http/tls.h"

namespace socle::server {

struct H2Options {
  size_t loops = 0;  // 0: one per core
  int64_t max_concurrent_streams = 4'294'967'295;
  int64_t keepalive_min_time_nanos = 0;
  int64_t keepalive_interval_nanos = 0;
  int64_t keepalive_timeout_nanos = 0;
  bool certificate_names_user = false;  // --client-cert-auth
  const CallObserver* observer =
      nullptr;  // must outlive the server; null: nobody wants to know of calls
  size_t sent_bytes_max = kSentBytesMax;      // of one message: for tests
  size_t kept_bytes_max = h2::kKeptBytesMax;  // of requests that have not come whole: for tests
  int64_t kept_patience_nanos = h2::kKeptPatienceNanos;
};

class H2Server {
 public:
  // Begins what is no gRPC, as http::Handler::Begin does.
  using Web = std::function<std::shared_ptr<http::Receiver>(
      h2::Services*, const http::Request&, const std::shared_ptr<http::Exchange>&)>;

  // What is served on a listening socket.
  struct Site {
    std::shared_ptr<http::TlsContext> tls = {};  // null: plain
    bool has_calls = true;
    Web web = {};  // null: only calls
  };

  virtual ~H2Server() = default;
  // Begins to accept.
  virtual void Listen(http::ListenSocket socket, Site site) = 0;
  // Takes over a connected non-blocking socket from which nothing was read; it serves all.
  virtual void Adopt(int fd) = 0;
  // Answers what is under way, ends the streams, closes the connections.
  virtual void Stop() = 0;

  static absl::StatusOr<std::unique_ptr<H2Server>> Start(Node* node, RpcMeter* meter, Web web,
                                                         const H2Options& options);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_H2_H2_SERVER_H_
