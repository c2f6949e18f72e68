#include "server/wire/http/tls_credentials.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/pem_files.h"

namespace socle::server::http {
namespace {

constexpr unsigned char kProtocols[] = "\x02h2\x08http/1.1";
constexpr unsigned int kHostFlags =
    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

std::string HexOf(const ASN1_INTEGER* serial) {
  const OpenSslPtr<BIGNUM> number(ASN1_INTEGER_to_BN(serial, nullptr));
  char* const text = number != nullptr ? BN_bn2hex(number.get()) : nullptr;
  std::string hex = text != nullptr ? text : "";
  OPENSSL_free(text);
  return hex;
}

int ChooseProtocol(SSL* /*ssl*/, const unsigned char** out, unsigned char* out_size,
                   const unsigned char* in, unsigned int in_size, void* /*user*/) {
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kProtocols, sizeof(kProtocols) - 1, in, in_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

int NumberOf(TlsVersion version) {
  return version == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION;
}

// Go has two names that IANA knows as longer ones.
std::string IanaName(const std::string& name) {
  return name.ends_with("_CHACHA20_POLY1305") ? name + "_SHA256" : name;
}

// Which of the two protocols the suite belongs to; nullopt: OpenSSL has no such suite.
std::optional<TlsVersion> VersionOfSuite(SSL_CTX* context, const std::string& name) {
  const STACK_OF(SSL_CIPHER)* const known = SSL_CTX_get_ciphers(context);
  for (int i = 0; i < sk_SSL_CIPHER_num(known); ++i) {
    const SSL_CIPHER* const one = sk_SSL_CIPHER_value(known, i);
    const char* const standard = SSL_CIPHER_standard_name(one);
    if (standard != nullptr && name == standard) {
      const bool is_13 = std::string_view(SSL_CIPHER_get_version(one)) == "TLSv1.3";
      return is_13 ? TlsVersion::kTls13 : TlsVersion::kTls12;
    }
  }
  return std::nullopt;
}

absl::Status SetCipherSuites(SSL_CTX* context, const std::vector<std::string>& suites) {
  std::string of_12;
  std::string of_13;
  for (const std::string& name : suites) {
    const std::string standard = IanaName(name);
    const std::optional<TlsVersion> version = VersionOfSuite(context, standard);
    if (!version.has_value()) {
      return absl::InvalidArgumentError(
          fmt::format("cipher suite '{}' is unknown, or too weak to be offered: give names such as "
                      "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                      name));
    }
    std::string& list = *version == TlsVersion::kTls13 ? of_13 : of_12;
    list += list.empty() ? "" : ":";
    list += *version == TlsVersion::kTls13 ? standard : OPENSSL_cipher_name(standard.c_str());
  }
  if (!of_13.empty()) {
    SSL_CTX_set_ciphersuites(context, of_13.c_str());
  }
  if (!of_12.empty()) {
    SSL_CTX_set_cipher_list(context, of_12.c_str());
  } else if (!suites.empty()) {
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::shared_ptr<const TlsCredentials>> TlsCredentials::Load(
    const TlsFiles& files, const TlsPolicy& policy) {
  std::shared_ptr<TlsCredentials> loaded(new TlsCredentials());
  ERR_clear_error();
  loaded->context_.reset(SSL_CTX_new(TLS_server_method()));
  SSL_CTX* const context = loaded->context_.get();
  if (context == nullptr) {
    return absl::InternalError(fmt::format("TLS: {}", OpenSslText()));
  }
  SSL_CTX_set_app_data(context, loaded.get());
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
  RETURN_IF_ERROR(loaded->ApplyPolicy(policy));
  RETURN_IF_ERROR(loaded->LoadCertificate(files));
  RETURN_IF_ERROR(loaded->LoadAuthorities(files, policy));
  return loaded;
}

absl::Status TlsCredentials::ApplyPolicy(const TlsPolicy& policy) {
  SSL_CTX_set_min_proto_version(context_.get(), NumberOf(policy.min_version));
  SSL_CTX_set_max_proto_version(context_.get(), NumberOf(policy.max_version));
  client_hostnames_ = policy.client_hostnames;
  return SetCipherSuites(context_.get(), policy.cipher_suites);
}

absl::Status TlsCredentials::LoadCertificate(const TlsFiles& files) {
  RETURN_IF_ERROR(UseCertificate(files.certificate_chain, files.private_key, context_.get()));
  const X509* const own = SSL_CTX_get0_certificate(context_.get());
  if (HasEnded(*own)) {
    LogWarning("the certificate of this server has expired: clients will refuse it",
               {{"file", files.certificate_chain}, {"expired", EndOf(*own)}});
  }
  return absl::OkStatus();
}

absl::Status TlsCredentials::LoadAuthorities(const TlsFiles& files, const TlsPolicy& policy) {
  SSL_CTX* const context = context_.get();
  if (!files.client_authorities.empty()) {
    RETURN_IF_ERROR(TrustOnly(files.client_authorities));
  } else if (policy.trusts_system_authorities) {
    SSL_CTX_set_default_verify_paths(context);
    ERR_clear_error();
  } else {
    return absl::OkStatus();
  }
  if (!files.revoked.empty()) {
    RETURN_IF_ERROR(LoadRevoked(files.revoked));
  }
  const int must_have = files.may_lack_client_certificate ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | must_have, VerifyClient);
  // An authority below another one may be trusted by itself, as Go does.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tls.h law 5
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  return absl::OkStatus();
}

absl::Status TlsCredentials::TrustOnly(const std::string& path) {
  constexpr std::string_view kWhat = "client authorities";
  ASSIGN_OR_RETURN(const Certificates authorities, ReadCertificates(kWhat, path));
  const auto has_ended = [](const OpenSslPtr<X509>& one) { return HasEnded(*one); };
  const auto ended = std::count_if(authorities.begin(), authorities.end(), has_ended);
  const std::string last = EndOf(*authorities.back());
  if (ended == static_cast<std::ptrdiff_t>(authorities.size())) {
    return BadPemFile(kWhat, path, fmt::format("every certificate in it has expired ({})", last));
  }
  if (ended > 0) {
    LogWarning("client authorities have expired", {{"file", path}, {"count", ended}});
  }
  STACK_OF(X509_NAME)* const names = sk_X509_NAME_new_null();
  for (const OpenSslPtr<X509>& one : authorities) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), one.get());
    sk_X509_NAME_push(names, X509_NAME_dup(X509_get_subject_name(one.get())));
  }
  SSL_CTX_set_client_CA_list(context_.get(), names);  // takes them
  ERR_clear_error();
  return absl::OkStatus();
}

absl::Status TlsCredentials::LoadRevoked(const std::string& path) {
  constexpr std::string_view kWhat = "revocation list";
  ASSIGN_OR_RETURN(const std::string bytes, ReadPemFile(kWhat, path));
  std::vector<OpenSslPtr<X509_CRL>> lists;
  const OpenSslPtr<BIO> in = PemReader(bytes);
  while (X509_CRL* const list = PEM_read_bio_X509_CRL(in.get(), nullptr, nullptr, nullptr)) {
    lists.emplace_back(list);
  }
  bool is_at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (lists.empty()) {
    const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
    lists.emplace_back(d2i_X509_CRL(nullptr, &at, static_cast<int64_t>(bytes.size())));
    is_at_end = lists.front() != nullptr;
  }
  ERR_clear_error();
  if (!is_at_end) {
    return BadPemFile(kWhat, path, "it is not a certificate revocation list in PEM or DER");
  }
  for (const OpenSslPtr<X509_CRL>& list : lists) {
    const STACK_OF(X509_REVOKED)* const entries = X509_CRL_get_REVOKED(list.get());
    for (int i = 0; i < sk_X509_REVOKED_num(entries); ++i) {
      const X509_REVOKED* const entry = sk_X509_REVOKED_value(entries, i);
      revoked_serials_.insert(HexOf(X509_REVOKED_get0_serialNumber(entry)));
    }
  }
  return absl::OkStatus();
}

int TlsCredentials::Judge(X509* certificate, int depth) const {
  if (revoked_serials_.contains(HexOf(X509_get0_serialNumber(certificate)))) {
    PROBE("tls: a revoked certificate");
    return X509_V_ERR_CERT_REVOKED;
  }
  const auto is_made_out_to = [certificate](const std::string& name) {
    return X509_check_host(certificate, name.data(), name.size(), kHostFlags, nullptr) == 1 ||
           X509_check_ip_asc(certificate, name.c_str(), 0) == 1;
  };
  const bool is_welcome =
      depth > 0 || client_hostnames_.empty() ||
      std::any_of(client_hostnames_.begin(), client_hostnames_.end(), is_made_out_to);
  return is_welcome ? X509_V_OK : X509_V_ERR_HOSTNAME_MISMATCH;
}

int TlsCredentials::VerifyClient(int is_good, X509_STORE_CTX* chain) {
  auto* const ssl =
      static_cast<SSL*>(X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  X509* const certificate = X509_STORE_CTX_get_current_cert(chain);
  if (is_good != 0 && certificate != nullptr) {
    const auto* const credentials =
        static_cast<const TlsCredentials*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    const int verdict = credentials->Judge(certificate, X509_STORE_CTX_get_error_depth(chain));
    if (verdict == X509_V_OK) {
      return 1;
    }
    X509_STORE_CTX_set_error(chain, verdict);
  }
  if (auto* const refusal = static_cast<std::string*>(SSL_get_app_data(ssl))) {
    *refusal = fmt::format("client certificate: {}",
                           X509_verify_cert_error_string(X509_STORE_CTX_get_error(chain)));
    if (certificate != nullptr) {
      *refusal += fmt::format(" (common name '{}', serial {})", CommonNameOf(*certificate),
                              HexOf(X509_get0_serialNumber(certificate)));
    }
  }
  return 0;
}

}  // namespace socle::server::http
