// ByteStream: the bytes of a connection, plain or encrypted: the seam between sockets and protocols.
//
// Laws     1. Read and Write never block; kAgain says which readiness of the socket to wait for.
// Threads  confined to the connection's loop.
// Errors   kClosed for an orderly end as well as for a broken one: a server treats both alike.
#ifndef SOCLE_SERVER_WIRE_HTTP_BYTE_STREAM_H_
#define SOCLE_SERVER_WIRE_HTTP_BYTE_STREAM_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace socle::server::http {

class ByteStream {
 public:
  enum class State { kDone, kAgain, kClosed };

  struct Result {
    State state = State::kDone;
    size_t bytes = 0;          // kDone
    bool wants_write = false;  // kAgain: wait until the socket takes bytes, else until it has some
  };

  virtual ~ByteStream() = default;  // closes the socket
  virtual int fd() const = 0;
  virtual Result Read(std::span<char> into) = 0;
  virtual Result Write(std::string_view bytes) = 0;
  // Tells the peer that nothing more will be written; reading goes on.
  virtual void EndWriting() = 0;

  // Bytes already taken from the socket wait for Read: the socket's readiness does not tell of them.
  virtual bool has_buffered() const { return false; }

  // The protocol agreed on by ALPN: "h2", "http/1.1", or empty.
  virtual std::string_view protocol() const { return {}; }

  // The common name in the client's certificate, verified; empty when it has none. Valid as long as
  // the stream.
  virtual std::string_view peer_name() { return {}; }

  // TLS, as opposed to a plain socket.
  virtual bool is_encrypted() const { return false; }
};

// Takes over a connected non-blocking socket.
std::unique_ptr<ByteStream> MakePlainStream(int fd);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_BYTE_STREAM_H_
