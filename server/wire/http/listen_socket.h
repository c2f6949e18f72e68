// ListenSocket: a bound socket that listens; who accepts from it comes later. Ports can so be taken before anything
// else is done.
//
// Laws     1. The socket file of a server that is gone is replaced; of one that answers, and a file of any other
//             kind, it is left alone and refused.
//          2. [::] takes IPv4 too, as Go's servers do; every other IPv6 address only IPv6.
// Threads  thread-compatible.
// Memory   owns the descriptor; the file of a Unix socket goes with it.
// Errors   InvalidArgument for what is no address or path, Unavailable when it can't be bound.
// Source   spec etcd 1.12 (listen).
#ifndef SOCLE_SERVER_WIRE_HTTP_LISTEN_SOCKET_H_
#define SOCLE_SERVER_WIRE_HTTP_LISTEN_SOCKET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <absl/status/statusor.h>

namespace socle::server::http {

class ListenSocket {
 public:
  // Port 0 asks for a free one.
  static absl::StatusOr<ListenSocket> OpenTcp(std::string_view address, uint16_t port);
  static absl::StatusOr<ListenSocket> OpenUnix(std::string_view path);

  ~ListenSocket();

  ListenSocket(ListenSocket&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), port_(other.port_), path_(std::move(other.path_)) {}

  ListenSocket& operator=(ListenSocket&& other) = delete;

  int fd() const { return fd_; }

  // The one really bound; 0 of a Unix socket.
  uint16_t port() const { return port_; }

 private:
  ListenSocket(int fd, uint16_t port, std::string path)
      : fd_(fd), port_(port), path_(std::move(path)) {}

  int fd_;
  uint16_t port_;
  std::string path_;  // empty: TCP
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_LISTEN_SOCKET_H_
