// Authority: signs certificates and revocation lists for tests, in memory and at once.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_WIRE_HTTP_TESTING_AUTHORITY_H_
#define SOCLE_SERVER_WIRE_HTTP_TESTING_AUTHORITY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/wire/http/openssl_ptr.h"
#include "server/wire/http/self_signed.h"

namespace socle::server::http {

class Authority {
 public:
  // `valid_seconds` from now; negative: it has expired.
  explicit Authority(const std::string& name, int64_t valid_seconds = 3'600);

  struct Wish {
    std::string common_name;
    int64_t serial = 1;
    std::string alternative_names = {};  // OpenSSL's spelling: "DNS:a,IP:127.0.0.1"
    int64_t valid_seconds = 3'600;
  };

  PemPair Issue(const Wish& wish) const;
  // The certificate of an authority below this one, and that authority.
  Authority Below(const std::string& name) const;
  // A list in PEM, or in DER.
  std::string Revoke(const std::vector<int64_t>& serials, bool is_der = false) const;

  const std::string& certificate() const { return certificate_pem_; }

 private:
  Authority() = default;

  OpenSslPtr<EVP_PKEY> key_;
  OpenSslPtr<X509> certificate_;
  std::string certificate_pem_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_TESTING_AUTHORITY_H_
