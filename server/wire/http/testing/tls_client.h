// TlsClient: a blocking TLS client over a raw socket, for tests of servers.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_WIRE_HTTP_TESTING_TLS_CLIENT_H_
#define SOCLE_SERVER_WIRE_HTTP_TESTING_TLS_CLIENT_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "server/wire/http/openssl_ptr.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server::http {

struct TlsClientOptions {
  std::string alpn = "\x08http/1.1";
  std::string certificate = {};  // files; empty: shows none
  std::string private_key = {};
  std::string authority = {};  // file; empty: any certificate of the server will do
  int min_version = TLS1_2_VERSION;
  int max_version = TLS1_3_VERSION;
  std::string ciphers_of_12 = {};  // OpenSSL's names
};

class TlsClient {
 public:
  explicit TlsClient(uint16_t port, const TlsClientOptions& options = {});

  // As far as this side knows: in TLS 1.3 a server that refuses the client's certificate says so later.
  bool is_connected() const { return is_connected_; }

  std::string protocol() const;

  // "TLSv1.3"
  std::string version() const { return SSL_get_version(ssl_.get()); }

  // The common name in the server's certificate.
  std::string server_name() const;
  // False when the peer has gone.
  bool Send(std::string_view bytes);
  std::string ReadToEnd();
  std::string ReadUntil(std::string_view text);
  // The answer to a GET on its own connection; empty when the server refused this client.
  std::string Get(std::string_view path);

 private:
  bool ReadSome(std::string* all);

  RawClient raw_;
  const OpenSslPtr<SSL_CTX> context_;
  const OpenSslPtr<SSL> ssl_;
  bool is_connected_ = false;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TESTING_TLS_CLIENT_H_
