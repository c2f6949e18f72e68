#include "server/wire/http/testing/authority.h"

#include <algorithm>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "kv/base/check.h"

namespace socle::server::http {
namespace {

// So that what has expired was valid once.
constexpr int64_t kAgeSeconds = 7'200;

std::string ContentsOf(BIO* memory) {
  char* text = nullptr;
  const auto size = BIO_get_mem_data(memory, &text);
  return {text, static_cast<size_t>(size)};
}

std::string PemOf(X509* certificate) {
  const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
  CHECK_EQ(PEM_write_bio_X509(out.get(), certificate), 1);
  return ContentsOf(out.get());
}

void AddExtension(X509* certificate, int nid, const std::string& value) {
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
  CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

OpenSslPtr<X509> Unsigned(const std::string& name, int64_t serial, int64_t valid_seconds,
                          EVP_PKEY* key) {
  OpenSslPtr<X509> certificate(X509_new());
  X509_set_version(certificate.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -kAgeSeconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), valid_seconds);
  X509_set_pubkey(certificate.get(), key);
  if (!name.empty()) {
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  }
  return certificate;
}

OpenSslPtr<X509> UnsignedAuthority(const std::string& name, int64_t valid_seconds, EVP_PKEY* key) {
  OpenSslPtr<X509> certificate = Unsigned(name, 1'000, valid_seconds, key);
  AddExtension(certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), NID_key_usage, "critical,keyCertSign,cRLSign");
  return certificate;
}

}  // namespace

Authority::Authority(const std::string& name, int64_t valid_seconds)
    : key_(EVP_EC_gen("P-256")), certificate_(UnsignedAuthority(name, valid_seconds, key_.get())) {
  X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
  CHECK(X509_sign(certificate_.get(), key_.get(), EVP_sha256()) > 0);
  certificate_pem_ = PemOf(certificate_.get());
}

Authority Authority::Below(const std::string& name) const {
  Authority below;
  below.key_.reset(EVP_EC_gen("P-256"));
  below.certificate_ = UnsignedAuthority(name, 3'600, below.key_.get());
  X509_set_issuer_name(below.certificate_.get(), X509_get_subject_name(certificate_.get()));
  CHECK(X509_sign(below.certificate_.get(), key_.get(), EVP_sha256()) > 0);
  below.certificate_pem_ = PemOf(below.certificate_.get());
  return below;
}

PemPair Authority::Issue(const Wish& wish) const {
  const OpenSslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const OpenSslPtr<X509> leaf =
      Unsigned(wish.common_name, wish.serial, wish.valid_seconds, key.get());
  if (!wish.alternative_names.empty()) {
    AddExtension(leaf.get(), NID_subject_alt_name, wish.alternative_names);
  }
  X509_set_issuer_name(leaf.get(), X509_get_subject_name(certificate_.get()));
  CHECK(X509_sign(leaf.get(), key_.get(), EVP_sha256()) > 0);
  const OpenSslPtr<BIO> key_out(BIO_new(BIO_s_mem()));
  CHECK_EQ(
      PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr), 1);
  return {PemOf(leaf.get()), ContentsOf(key_out.get())};
}

std::string Authority::Revoke(const std::vector<int64_t>& serials, bool is_der) const {
  const OpenSslPtr<X509_CRL> list(X509_CRL_new());
  X509_CRL_set_version(list.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(list.get(), X509_get_subject_name(certificate_.get()));
  ASN1_TIME* const now = X509_gmtime_adj(nullptr, 0);
  X509_CRL_set1_lastUpdate(list.get(), now);
  X509_CRL_set1_nextUpdate(list.get(), now);
  for (const int64_t serial : serials) {
    X509_REVOKED* const entry = X509_REVOKED_new();
    ASN1_INTEGER* const number = ASN1_INTEGER_new();
    ASN1_INTEGER_set(number, serial);
    X509_REVOKED_set_serialNumber(entry, number);
    X509_REVOKED_set_revocationDate(entry, now);
    X509_CRL_add0_revoked(list.get(), entry);
    ASN1_INTEGER_free(number);
  }
  ASN1_TIME_free(now);
  CHECK(X509_CRL_sign(list.get(), key_.get(), EVP_sha256()) > 0);
  const OpenSslPtr<BIO> out(BIO_new(BIO_s_mem()));
  CHECK_EQ(is_der ? i2d_X509_CRL_bio(out.get(), list.get())
                  : PEM_write_bio_X509_CRL(out.get(), list.get()),
           1);
  return ContentsOf(out.get());
}

}  // namespace socle::server::http
