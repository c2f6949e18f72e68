// Acceptor: a listening socket in a loop; what it accepts is handed on.
//
// Laws     1. Out of descriptors it pauses; the backlog keeps the clients meanwhile.
// Threads  Open: any; then confined to its loop.
// Errors   as server.h, Listen.
#ifndef SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_
#define SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include <absl/status/statusor.h>

#include "server/wire/http/loop.h"

namespace socle::server::http {

class Acceptor final : public Loop::Pollable, private Loop::Timed {
 public:
  // The socket is bound and listens; nothing is accepted before Start.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Open(Loop* loop, std::string_view address,
                                                        uint16_t port,
                                                        std::function<void(int fd)> on_accepted);
  ~Acceptor() override;

  uint16_t port() const { return port_; }

  void Start();
  void Stop();
  void OnReady(uint32_t events) override;

 private:
  Acceptor(Loop* loop, int fd, uint16_t port, std::function<void(int fd)> on_accepted)
      : loop_(loop), fd_(fd), port_(port), on_accepted_(std::move(on_accepted)) {}

  void OnTime(int64_t now_nanos) override;

  Loop* const loop_;
  const int fd_;
  const uint16_t port_;
  const std::function<void(int fd)> on_accepted_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_
