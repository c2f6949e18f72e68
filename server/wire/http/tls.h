// Tls: OpenSSL below the protocols: one TlsContext for a server, one stream per connection.
//
// Laws     1. ALPN offers h2, then http/1.1; a client that offers neither is spoken to as its first bytes
//             say. TLS 1.2 and 1.3 only.
//          2. The handshake happens inside Read and Write, so its time is bounded like a silent client's.
//          3. peer_name is empty unless the certificate was verified against the authorities.
//          4. A handshake sees the files as they are when the connection comes. While what they hold can't be
//             used, the last good contents stay in use, and the log says why.
//          5. No session is resumed where certificates are asked for: each connection shows its own.
//          6. A failed handshake is logged, ten a minute; a connection that said nothing is none.
// Threads  TlsContext is thread-safe; a stream is confined to its connection's loop.
// Errors   Make: InvalidArgument naming the file and what is wrong with it.
// Source   spec etcd 1.12 (security).
#ifndef SOCLE_SERVER_WIRE_HTTP_TLS_H_
#define SOCLE_SERVER_WIRE_HTTP_TLS_H_

#include <memory>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "server/wire/http/byte_stream.h"

namespace socle::server::http {

struct TlsFiles {
  std::string certificate_chain;        // PEM
  std::string private_key;              // PEM
  std::string client_authorities = {};  // PEM; empty: client certificates are not asked for
  // A client without one is let in (and known by something else); a bad one is still refused.
  bool may_lack_client_certificate = false;
  std::string revoked = {};  // certificate revocation lists, PEM or DER; empty: none
};

enum class TlsVersion { kTls12, kTls13 };

struct TlsPolicy {
  TlsVersion min_version = TlsVersion::kTls12;
  TlsVersion max_version = TlsVersion::kTls13;
  // IANA's names. Without one of TLS 1.3 those stay as they are; with none of TLS 1.2 it is not spoken.
  std::vector<std::string> cipher_suites = {};  // empty: OpenSSL's
  // A client's certificate must be made out to one of these names or addresses; empty: to anybody.
  std::vector<std::string> client_hostnames = {};
  // Certificates are asked for even if no authorities are named: those of the machine judge them.
  bool trusts_system_authorities = false;
};

class TlsContext {
 public:
  virtual ~TlsContext() = default;
  static absl::StatusOr<std::shared_ptr<TlsContext>> Make(const TlsFiles& files,
                                                          const TlsPolicy& policy = {});
};

// Takes over a connected non-blocking socket. The stream keeps of the context what it needs.
std::unique_ptr<ByteStream> MakeTlsStream(TlsContext* context, int fd);

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TLS_H_
