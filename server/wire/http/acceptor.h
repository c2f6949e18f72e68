// Acceptor: a listening socket in a loop; what it accepts is handed on.
//
// Laws     1. Out of descriptors but those that clients leave (kv/base/descriptor_limit.h) it pauses; the backlog keeps
//             the clients meanwhile.
//          2. Nothing is accepted before Start.
// Threads  confined to its loop, but for its making.
#ifndef SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_
#define SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <utility>

#include "server/wire/http/listen_socket.h"
#include "server/wire/http/loop.h"

namespace socle::server::http {

class Acceptor final : public Loop::Pollable, private Loop::Timed {
 public:
  Acceptor(Loop* loop, ListenSocket socket, std::function<void(int fd)> on_accepted)
      : loop_(loop), socket_(std::move(socket)), on_accepted_(std::move(on_accepted)) {}

  void Start();
  void Stop();
  void OnReady(uint32_t events) override;

 private:
  void OnTime(int64_t now_nanos) override;
  void Pause(const std::string& why);

  Loop* const loop_;
  const ListenSocket socket_;
  const std::function<void(int fd)> on_accepted_;
  int64_t told_nanos_ = INT64_MIN;  // when the log last said that it pauses
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_ACCEPTOR_H_
