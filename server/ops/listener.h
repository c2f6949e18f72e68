// Listener: accepts for the stock gRPC server, which can't tell HTTP/1 from HTTP/2: connections are sorted by their
// first bytes.
//
// Laws     1. The first three bytes are looked at, not taken: whoever gets the socket reads
//             everything.
//          2. A connection that says nothing for 10 s is closed; at most 1024 wait to say
//             something.
// Threads  the callbacks run on the listener's thread and own the (non-blocking) socket they get.
// Errors   Make: what the kernel refused.
// Source   spec etcd 1.2 (one port serves both protocols).
#ifndef SOCLE_SERVER_OPS_LISTENER_H_
#define SOCLE_SERVER_OPS_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/base/clock.h"
#include "server/wire/http/listen_socket.h"

namespace socle::server {

class Listener {
 public:
  struct Callbacks {
    std::function<void(int fd)> http2;  // empty: such connections are closed
    std::function<void(int fd)> http1;
  };

  virtual ~Listener() = default;
  // Begins to accept. Before, connections wait in the backlog.
  virtual void Start(Callbacks callbacks) = 0;
  // No callback runs after it returned.
  virtual void Stop() = 0;

  // `silence_nanos`: how long a connection may say nothing (law 2).
  static absl::StatusOr<std::unique_ptr<Listener>> Make(std::vector<http::ListenSocket> sockets,
                                                        int64_t silence_nanos = 10 *
                                                                                kNanosPerSecond);
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_LISTENER_H_
