// OpenSslPtr: owners of OpenSSL's objects, and its error texts.
//
// Threads  values; error texts are of the calling thread.
#ifndef SOCLE_SERVER_WIRE_HTTP_OPENSSL_PTR_H_
#define SOCLE_SERVER_WIRE_HTTP_OPENSSL_PTR_H_

#include <memory>
#include <string>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace socle::server::http {

struct OpenSslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }

  void operator()(SSL* ssl) const { SSL_free(ssl); }

  void operator()(X509* certificate) const { X509_free(certificate); }

  void operator()(X509_CRL* list) const { X509_CRL_free(list); }

  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }

  void operator()(BIO* bio) const { BIO_free_all(bio); }

  void operator()(BIGNUM* number) const { BN_free(number); }
};

template <typename T>
using OpenSslPtr = std::unique_ptr<T, OpenSslFree>;

// Of the oldest error of this thread; forgets them all.
inline std::string OpenSslText() {
  const char* const reason = ERR_reason_error_string(ERR_get_error());
  ERR_clear_error();
  return reason != nullptr ? reason : "unknown error";
}

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_OPENSSL_PTR_H_
