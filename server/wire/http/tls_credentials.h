// TlsCredentials: what a server shows and trusts, as its files were at one moment, made ready for handshakes.
//
// Laws     1. A key that is not the certificate's, authorities that have all expired, and a file that can't be read
//             or holds something else are refused.
//          2. A client's certificate is refused when its serial number, or that of one above it, is in the revocation
//             lists, whoever issued them: etcd compares no more than that.
// Threads  immutable.
// Errors   InvalidArgument naming the file and what is wrong with it.
// Source   spec etcd 1.12 (security).
#ifndef SOCLE_SERVER_WIRE_HTTP_TLS_CREDENTIALS_H_
#define SOCLE_SERVER_WIRE_HTTP_TLS_CREDENTIALS_H_

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "server/wire/http/openssl_ptr.h"
#include "server/wire/http/tls.h"

namespace socle::server::http {

class TlsCredentials {
 public:
  static absl::StatusOr<std::shared_ptr<const TlsCredentials>> Load(const TlsFiles& files,
                                                                    const TlsPolicy& policy);

  // The SSL's application pointer may be a std::string*: it is told why a certificate was refused. These credentials
  // must outlive the SSL.
  OpenSslPtr<SSL> NewSsl() const { return OpenSslPtr<SSL>(SSL_new(context_.get())); }

 private:
  TlsCredentials() = default;

  absl::Status LoadCertificate(const TlsFiles& files);
  absl::Status LoadAuthorities(const TlsFiles& files, const TlsPolicy& policy);
  absl::Status TrustOnly(const std::string& path);
  absl::Status LoadRevoked(const std::string& path);
  absl::Status ApplyPolicy(const TlsPolicy& policy);
  // Of one that the authorities vouch for; X509_V_OK or what is wrong. `depth` 0: the client's own.
  int Judge(X509* certificate, int depth) const;
  static int VerifyClient(int is_good, X509_STORE_CTX* chain);

  OpenSslPtr<SSL_CTX> context_;
  std::set<std::string, std::less<>> revoked_serials_;  // in hexadecimal
  std::vector<std::string> client_hostnames_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TLS_CREDENTIALS_H_
