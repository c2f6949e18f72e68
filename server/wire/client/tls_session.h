// ClientTls, TlsSession: the client's side of TLS on a connected socket, by OpenSSL.
//
// Laws     1. A server is spoken to only when its certificate is vouched for by the authorities, is valid now, and is
//             made out (subject alternative names) to the host of the endpoint; insecure_skip_tls_verify lifts all three.
//          2. ALPN asks for what the caller speaks; TLS 1.2 and 1.3 only.
//          3. A handshake that fails says why in one line that names what to do: whose certificate, which name, which
//             authority, what the server wants of us, whether it speaks TLS at all.
// Threads  ClientTls is immutable; a session is confined to its connection's loop.
// Errors   Load: InvalidArgument naming the file and what is wrong with it.
#ifndef SOCLE_SERVER_WIRE_CLIENT_TLS_SESSION_H_
#define SOCLE_SERVER_WIRE_CLIENT_TLS_SESSION_H_

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "server/wire/client/access.h"
#include "server/wire/http/openssl_ptr.h"

namespace socle::server {

// What a program trusts and shows, read once.
class ClientTls {
 public:
  static absl::StatusOr<std::shared_ptr<const ClientTls>> Load(const ClientAccess& access);

  SSL_CTX* context() const { return context_.get(); }

  const ClientAccess& access() const { return access_; }

 private:
  explicit ClientTls(const ClientAccess& access) : access_(access) {}

  absl::Status Trust();

  const ClientAccess access_;
  http::OpenSslPtr<SSL_CTX> context_;
};

// What ALPN asks for, as it is on the wire.
inline constexpr std::string_view kAlpnHttp2 = "\x02h2";
inline constexpr std::string_view kAlpnHttp1 = "\x08http/1.1";

class TlsSession {
 public:
  enum class State { kDone, kWantsRead, kWantsWrite, kEnded };

  struct Result {
    State state = State::kDone;
    size_t bytes = 0;  // kDone
  };

  // The socket is connected, does not block, and stays its caller's. `host`: whom the certificate must name.
  TlsSession(std::shared_ptr<const ClientTls> tls, std::string host, int fd,
             std::string_view alpn = kAlpnHttp2);

  State ShakeHands();
  // Requires: ShakeHands was done.
  Result Read(std::span<char> into);
  Result Write(std::string_view bytes);

  // Requires: a kEnded.
  const std::string& why_ended() const { return why_ended_; }

 private:
  State StateOf(int done);
  std::string Explain(int ssl_error, int system_error) const;
  std::string ExplainAlert(int alert) const;
  std::string WhatItWantsOfUs() const;
  static int VerifyServer(int is_good, X509_STORE_CTX* chain);
  static int NoteCertificateWasAsked(SSL* ssl, void* unused);

  const std::shared_ptr<const ClientTls> tls_;
  const std::string host_;
  const http::OpenSslPtr<SSL> ssl_;
  std::string refusal_;  // of the server's certificate, by us
  std::string why_ended_;
  bool has_shaken_hands_ = false;
  bool has_read_ = false;
  bool was_asked_ = false;  // for a certificate

  friend class ClientTls;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_WIRE_CLIENT_TLS_SESSION_H_
