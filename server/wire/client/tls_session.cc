#include "server/wire/client/tls_session.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <openssl/x509v3.h>

#include "kv/base/check.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/pem_files.h"
#include "server/wire/http/socket_bio.h"

namespace socle::server {
namespace {

constexpr std::string_view kPerhapsPlain =
    "if it speaks plain HTTP/2, its endpoint begins with http://";

bool IsAddress(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

std::string TextOf(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string AddressOf(const ASN1_STRING* bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = ASN1_STRING_length(bytes) == 4 ? AF_INET : AF_INET6;
  const bool is_address = ASN1_STRING_length(bytes) == 4 || ASN1_STRING_length(bytes) == 16;
  return is_address && ::inet_ntop(family, ASN1_STRING_get0_data(bytes), text.data(),
                                   text.size()) != nullptr
             ? std::string(text.data())
             : "?";
}

// Names and addresses that a certificate is made out to: "localhost, 10.0.0.1".
std::string NamesIn(const X509* certificate) {
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  std::vector<std::string> all;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type == GEN_DNS) {
      all.push_back(TextOf(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      all.push_back(AddressOf(name->d.iPAddress));
    }
  }
  GENERAL_NAMES_free(names);
  return all.empty() ? "nobody (it has no subject alternative names)"
                     : fmt::format("{}", fmt::join(all, ", "));
}

std::string IssuerOf(const X509* certificate) {
  std::array<char, 256> text{};
  X509_NAME_oneline(X509_get_issuer_name(certificate), text.data(), static_cast<int>(text.size()));
  return text.data();
}

// One line about a certificate that is not good enough.
std::string WhyNotGood(int error, int depth, const X509* certificate, const std::string& host,
                       const ClientAccess& access) {
  const std::string whose = depth == 0 || certificate == nullptr
                                ? "the server's certificate"
                                : fmt::format("the authority '{}' of the server's certificate",
                                              http::CommonNameOf(*certificate));
  if (certificate == nullptr) {
    return fmt::format("{}: {}", whose, X509_verify_cert_error_string(error));
  }
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return fmt::format("{} expired on {}", whose, http::EndOf(*certificate));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return fmt::format("{} is made out to {}, not to {}", whose, NamesIn(certificate), host);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return fmt::format("{} was issued by {}, which is not among the authorities {}", whose,
                         IssuerOf(certificate),
                         access.cacert.empty() ? "of this machine: give its own with --cacert"
                                               : "of --cacert " + access.cacert);
    default:
      return fmt::format("{}: {}", whose, X509_verify_cert_error_string(error));
  }
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ClientTls>> ClientTls::Load(const ClientAccess& access) {
  if (access.cert.empty() != access.key.empty()) {
    return absl::InvalidArgumentError(
        access.cert.empty() ? "--key without --cert: a key alone shows nothing"
                            : "--cert without --key: a certificate is shown with its key");
  }
  std::shared_ptr<ClientTls> tls(new ClientTls(access));
  ERR_clear_error();
  tls->context_.reset(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* const context = tls->context_.get();
  if (context == nullptr) {
    return absl::InternalError(fmt::format("TLS: {}", http::OpenSslText()));
  }
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_cert_cb(context, TlsSession::NoteCertificateWasAsked, nullptr);
  RETURN_IF_ERROR(tls->Trust());
  if (!access.cert.empty()) {
    RETURN_IF_ERROR(http::UseCertificate(access.cert, access.key, context));
  }
  return std::shared_ptr<const ClientTls>(std::move(tls));
}

absl::Status ClientTls::Trust() {
  SSL_CTX* const context = context_.get();
  if (!access_.cacert.empty()) {
    ASSIGN_OR_RETURN(const http::Certificates authorities,
                     http::ReadCertificates("authorities", access_.cacert));
    for (const auto& one : authorities) {
      X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get());
    }
  } else {
    SSL_CTX_set_default_verify_paths(context);
  }
  ERR_clear_error();
  // An authority below another one may be trusted by itself, as Go does.
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context), X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify(context, access_.insecure_skip_tls_verify ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     access_.insecure_skip_tls_verify ? nullptr : TlsSession::VerifyServer);
  return absl::OkStatus();
}

TlsSession::TlsSession(std::shared_ptr<const ClientTls> tls, std::string host, int fd,
                       std::string_view alpn)
    : tls_(std::move(tls)), host_(std::move(host)), ssl_(SSL_new(tls_->context())) {
  CHECK(ssl_ != nullptr);
  SSL_set_app_data(ssl_.get(), this);
  SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(alpn.data()),
                      static_cast<unsigned int>(alpn.size()));
  BIO* const owned_by_ssl = http::MakeSocketBio(fd).release();
  SSL_set_bio(ssl_.get(), owned_by_ssl, owned_by_ssl);
  if (IsAddress(host_)) {
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host_.c_str());
  } else {
    SSL_set_hostflags(ssl_.get(),
                      X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl_.get(), host_.c_str());
    // What SSL_set_tlsext_host_name stands for, whose cast is an old one.
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(host_.c_str()));
  }
  SSL_set_connect_state(ssl_.get());
}

TlsSession::State TlsSession::ShakeHands() {
  const State state = StateOf(SSL_do_handshake(ssl_.get()));
  has_shaken_hands_ = state == State::kDone;
  return state;
}

TlsSession::Result TlsSession::Read(std::span<char> into) {
  const int size = static_cast<int>(std::min<size_t>(into.size(), INT_MAX));
  const int got = SSL_read(ssl_.get(), into.data(), size);
  has_read_ = has_read_ || got > 0;
  return {StateOf(got), static_cast<size_t>(std::max(got, 0))};
}

TlsSession::Result TlsSession::Write(std::string_view bytes) {
  const int size = static_cast<int>(std::min<size_t>(bytes.size(), INT_MAX));
  const int sent = SSL_write(ssl_.get(), bytes.data(), size);
  return {StateOf(sent), static_cast<size_t>(std::max(sent, 0))};
}

TlsSession::State TlsSession::StateOf(int done) {
  if (done > 0) {
    return State::kDone;
  }
  const int system_error = errno;
  const int error = SSL_get_error(ssl_.get(), done);
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE && why_ended_.empty()) {
    why_ended_ = Explain(error, system_error);
  }
  ERR_clear_error();
  return error == SSL_ERROR_WANT_READ    ? State::kWantsRead
         : error == SSL_ERROR_WANT_WRITE ? State::kWantsWrite
                                         : State::kEnded;
}

std::string TlsSession::Explain(int ssl_error, int system_error) const {
  if (!refusal_.empty()) {
    return refusal_;
  }
  const uint64_t packed = ERR_peek_error();
  const int reason = ERR_GET_REASON(packed);
  if (ssl_error == SSL_ERROR_SSL && reason > SSL_AD_REASON_OFFSET &&
      reason < SSL_AD_REASON_OFFSET + 256) {
    return ExplainAlert(reason - SSL_AD_REASON_OFFSET);
  }
  const bool is_end = ssl_error == SSL_ERROR_ZERO_RETURN || ssl_error == SSL_ERROR_SYSCALL ||
                      reason == SSL_R_UNEXPECTED_EOF_WHILE_READING;
  if (is_end && !has_shaken_hands_ && BIO_number_read(SSL_get_rbio(ssl_.get())) == 0) {
    PROBE("wire client: hung up on the handshake");
    return fmt::format("the server hung up on the TLS handshake: {}", kPerhapsPlain);
  }
  if (is_end && was_asked_ && !has_read_) {
    PROBE("wire client: hung up after it asked for a certificate");
    return WhatItWantsOfUs();
  }
  if (is_end) {
    return ssl_error == SSL_ERROR_SYSCALL && system_error != 0
               ? std::generic_category().message(system_error)
           : has_shaken_hands_ ? "closed by the server"
                               : "the server hung up in the middle of the TLS handshake";
  }
  if (!has_shaken_hands_ &&
      (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
       reason == SSL_R_PACKET_LENGTH_TOO_LONG || reason == SSL_R_BAD_RECORD_TYPE)) {
    return fmt::format("the server does not answer in TLS: {}", kPerhapsPlain);
  }
  const char* const text = ERR_reason_error_string(packed);
  return fmt::format("TLS: {}", text != nullptr ? text : "unknown error");
}

std::string TlsSession::ExplainAlert(int alert) const {
  switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:  // of a server without a word for what it lacks
      return was_asked_
                 ? WhatItWantsOfUs()
                 : "the server finds no way to speak TLS with this client (versions, ciphers)";
    case SSL_AD_CERTIFICATE_REQUIRED:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
      return fmt::format("{} (its words: {})", WhatItWantsOfUs(),
                         SSL_alert_desc_string_long(alert));
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return "the server speaks TLS, but no HTTP/2 on it: this is no gRPC endpoint";
    default:
      return fmt::format("the server ended TLS: {}", SSL_alert_desc_string_long(alert));
  }
}

std::string TlsSession::WhatItWantsOfUs() const {
  const std::string& cert = tls_->access().cert;
  return cert.empty()
             ? "the server wants a certificate of its clients: give one with --cert and --key"
             : fmt::format("the server refuses the client certificate {}", cert);
}

int TlsSession::VerifyServer(int is_good, X509_STORE_CTX* chain) {
  if (is_good != 0) {
    return 1;
  }
  const auto* const ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(chain, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* const session = static_cast<TlsSession*>(SSL_get_app_data(ssl));
  if (session->refusal_.empty()) {
    session->refusal_ =
        WhyNotGood(X509_STORE_CTX_get_error(chain), X509_STORE_CTX_get_error_depth(chain),
                   X509_STORE_CTX_get_current_cert(chain), session->host_, session->tls_->access());
  }
  return 0;
}

int TlsSession::NoteCertificateWasAsked(SSL* ssl, void* /*unused*/) {
  static_cast<TlsSession*>(SSL_get_app_data(ssl))->was_asked_ = true;
  return 1;
}

}  // namespace socle::server
