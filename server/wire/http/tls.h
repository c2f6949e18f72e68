// Tls: OpenSSL below the protocols: one TlsContext for a server, one stream per connection.
//
// Laws     1. ALPN offers h2, then http/1.1; a client that offers neither is spoken to as its first bytes
//             say. TLS 1.2 and 1.3 only.
//          2. The handshake happens inside Read and Write, so its time is bounded like a silent client's.
//          3. peer_name is empty unless the certificate was verified against client_authorities.
// Threads  TlsContext is immutable; a stream is confined to its connection's loop.
// Errors   Make: InvalidArgument naming the file and what OpenSSL said about it.
#ifndef SOCLE_SERVER_WIRE_HTTP_TLS_H_
#define SOCLE_SERVER_WIRE_HTTP_TLS_H_

#include <memory>
#include <string>

#include <absl/status/statusor.h>

#include "server/wire/http/byte_stream.h"

namespace socle::server::http {

struct TlsFiles {
  std::string certificate_chain;        // PEM
  std::string private_key;              // PEM
  std::string client_authorities = {};  // PEM; empty: client certificates are not asked for
  // A client without one is let in (and known by something else); a bad one is still refused.
  bool may_lack_client_certificate = false;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;
  static absl::StatusOr<std::shared_ptr<TlsContext>> Make(const TlsFiles& files);
};

// Takes over a connected non-blocking socket. The context must outlive the stream's making only.
std::unique_ptr<ByteStream> MakeTlsStream(TlsContext* context, int fd);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TLS_H_
