#include "server/wire/http/self_signed.h"

#include <arpa/inet.h>

#include <array>
#include <string_view>

#include <fmt/format.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "server/wire/http/openssl_ptr.h"

namespace socle::server::http {
namespace {

constexpr int kSerialBits = 127;  // positive in 16 bytes
constexpr int kDaysPerYear = 365;

bool IsAddress(const std::string& host) {
  std::array<unsigned char, 16> bytes{};
  return ::inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

bool AddExtension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  const bool is_added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return is_added;
}

bool SetSerial(X509* certificate) {
  const OpenSslPtr<BIGNUM> number(BN_new());
  return BN_rand(number.get(), kSerialBits, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) == 1 &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool Fill(X509* certificate, EVP_PKEY* key, std::span<const std::string> hosts, int years) {
  std::string names;
  for (const std::string& host : hosts) {
    names += fmt::format("{}{}:{}", names.empty() ? "" : ",", IsAddress(host) ? "IP" : "DNS", host);
  }
  X509_NAME* const subject = X509_get_subject_name(certificate);
  constexpr std::string_view kOrganization = "etcd";
  return X509_set_version(certificate, X509_VERSION_3) == 1 && SetSerial(certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != nullptr &&
         X509_time_adj_ex(X509_getm_notAfter(certificate), years * kDaysPerYear, 0, nullptr) !=
             nullptr &&
         X509_NAME_add_entry_by_NID(subject, NID_organizationName, MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(kOrganization.data()),
                                    static_cast<int>(kOrganization.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1 &&
         X509_set_pubkey(certificate, key) == 1 &&
         AddExtension(certificate, NID_key_usage, "critical,digitalSignature,keyEncipherment") &&
         AddExtension(certificate, NID_ext_key_usage, "serverAuth") &&
         AddExtension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         (names.empty() || AddExtension(certificate, NID_subject_alt_name, names)) &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

std::string ContentsOf(BIO* memory) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory, &text);
  return {text, static_cast<size_t>(size)};
}

}  // namespace

absl::StatusOr<PemPair> MakeSelfSigned(std::span<const std::string> hosts, int years) {
  const OpenSslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const OpenSslPtr<X509> certificate(X509_new());
  const OpenSslPtr<BIO> certificate_out(BIO_new(BIO_s_mem()));
  const OpenSslPtr<BIO> key_out(BIO_new(BIO_s_mem()));
  if (key == nullptr || certificate == nullptr ||
      !Fill(certificate.get(), key.get(), hosts, years) ||
      PEM_write_bio_X509(certificate_out.get(), certificate.get()) != 1 ||
      PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) !=
          1) {
    return absl::InternalError(
        fmt::format("a self-signed certificate could not be made: {}", OpenSslText()));
  }
  return PemPair{ContentsOf(certificate_out.get()), ContentsOf(key_out.get())};
}

}  // namespace socle::server::http
