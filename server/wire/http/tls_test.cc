#include "server/wire/http/tls.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  TlsTest() {
    CHECK(::mkdtemp(dir_.data()) != nullptr);
    WriteCertificate();
  }

  ~TlsTest() override { std::filesystem::remove_all(dir_); }

  // A key and a certificate signed with it: an authority, and all it has signed.
  void WriteCertificate() const {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
    X509_set_pubkey(certificate, key);
    X509_NAME* const name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
    X509_set_issuer_name(certificate, name);
    CHECK(X509_sign(certificate, key, EVP_sha256()) > 0);
    BIO* out = BIO_new_file(certificate_path().c_str(), "w");
    PEM_write_bio_X509(out, certificate);
    BIO_free(out);
    out = BIO_new_file(key_path().c_str(), "w");
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  std::string certificate_path() const { return dir_ + "/cert.pem"; }

  std::string key_path() const { return dir_ + "/key.pem"; }

  ServerOptions Options(const std::string& client_authorities = {},
                        bool may_lack_client_certificate = false) const {
    auto tls = TlsContext::Make({.certificate_chain = certificate_path(),
                                 .private_key = key_path(),
                                 .client_authorities = client_authorities,
                                 .may_lack_client_certificate = may_lack_client_certificate});
    CHECK_OK(tls.status());
    ServerOptions options;
    options.tls = *tls;
    options.limits.head_timeout_nanos = 300 * kNanosPerMilli;
    return options;
  }

  std::string dir_ = "/tmp/socle_tls_test.XXXXXX";
};

// A blocking TLS client over a raw socket.
class TlsClient {
 public:
  // With the certificate and the key of these files, when given.
  TlsClient(uint16_t port, std::string_view alpn, const std::string& certificate = {},
            const std::string& key = {})
      : raw_(port), context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_)) {
    if (!certificate.empty()) {
      CHECK_EQ(SSL_use_certificate_file(ssl_, certificate.c_str(), SSL_FILETYPE_PEM), 1);
      CHECK_EQ(SSL_use_PrivateKey_file(ssl_, key.c_str(), SSL_FILETYPE_PEM), 1);
    }
    SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                        static_cast<unsigned int>(alpn.size()));
    SSL_set_fd(ssl_, raw_.fd());
    is_connected_ = SSL_connect(ssl_) == 1;
  }

  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  bool is_connected() const { return is_connected_; }

  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned int size = 0;
    SSL_get0_alpn_selected(ssl_, &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  void Send(std::string_view bytes) {
    CHECK_EQ(SSL_write(ssl_, bytes.data(), static_cast<int>(bytes.size())),
             static_cast<int>(bytes.size()));
  }

  std::string ReadToEnd() {
    std::string all;
    std::array<char, 65'536> bytes{};
    for (int got = 0; (got = SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()))) > 0;) {
      all.append(bytes.data(), static_cast<size_t>(got));
    }
    return all;
  }

 private:
  RawClient raw_;
  SSL_CTX* const context_;
  SSL* const ssl_;
  bool is_connected_ = false;
};

TEST_F(TlsTest, SpeaksWhatAlpnAgreedOn) {
  TestSite site(Options());
  TlsClient both(site.port(), "\x02h2\x08http/1.1");
  EXPECT_EQ(both.protocol(), "h2");
  both.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(both.ReadToEnd().substr(3, 1), std::string(1, '\4')) << "a settings frame";

  TlsClient old(site.port(), "\x08http/1.1");
  EXPECT_EQ(old.protocol(), "http/1.1");
  old.Send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(old.ReadToEnd(), EndsWith("GET /echo "));

  TlsClient silent(site.port(), "");
  silent.Send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(silent.ReadToEnd(), EndsWith("GET /echo "));
}

TEST_F(TlsTest, CarriesLargeBodies) {
  TestSite site(Options());
  TlsClient client(site.port(), "\x08http/1.1");
  const std::string body(2'000'000, 'b');
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n");
  client.Send(body);
  EXPECT_THAT(client.ReadToEnd(), EndsWith("POST /echo " + body));
}

TEST_F(TlsTest, RefusesPlainTextAndHalfAHandshake) {
  TestSite site(Options());
  const RawClient plain(site.port());
  plain.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(plain.ReadToEnd(), ::testing::Not(HasSubstr("200 OK")));
  const RawClient half(site.port());
  half.Send("\x16\x03\x01");
  EXPECT_EQ(half.ReadToEnd(), "");
  EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
}

TEST_F(TlsTest, RefusesAClientWithoutACertificateWhenOneIsAskedFor) {
  TestSite site(Options(certificate_path()));
  TlsClient client(site.port(), "\x08http/1.1");
  EXPECT_EQ(client.ReadToEnd(), "");  // TLS 1.3: the refusal follows the client's handshake
  EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
}

constexpr std::string_view kWhoAmI = "GET /whoami HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

TEST_F(TlsTest, TellsTheNameInTheClientsCertificate) {
  TestSite site(Options(certificate_path()));
  TlsClient client(site.port(), "\x08http/1.1", certificate_path(), key_path());
  client.Send(kWhoAmI);
  EXPECT_THAT(client.ReadToEnd(), EndsWith("you are 'test'"));
}

TEST_F(TlsTest, LetsAClientWithoutACertificateInWhereItMay) {
  TestSite site(Options(certificate_path(), true));
  TlsClient nobody(site.port(), "\x08http/1.1");
  nobody.Send(kWhoAmI);
  EXPECT_THAT(nobody.ReadToEnd(), EndsWith("you are ''"));
  TlsClient somebody(site.port(), "\x08http/1.1", certificate_path(), key_path());
  somebody.Send(kWhoAmI);
  EXPECT_THAT(somebody.ReadToEnd(), EndsWith("you are 'test'"));
}

TEST_F(TlsTest, BelievesNoCertificateThatItsAuthoritiesHaveNotSigned) {
  const std::string authority = dir_ + "/authority.pem";
  std::filesystem::copy_file(certificate_path(), authority);
  WriteCertificate();  // another key, the same name
  TestSite site(Options(authority, true));
  TlsClient stranger(site.port(), "\x08http/1.1", certificate_path(), key_path());
  EXPECT_EQ(stranger.ReadToEnd(), "");
  TestSite careless(Options());  // asks for none
  TlsClient pushy(careless.port(), "\x08http/1.1", certificate_path(), key_path());
  pushy.Send(kWhoAmI);
  EXPECT_THAT(pushy.ReadToEnd(), EndsWith("you are ''"));
}

TEST_F(TlsTest, SaysWhichFileIsBad) {
  const auto missing =
      TlsContext::Make({.certificate_chain = dir_ + "/none.pem", .private_key = key_path()});
  EXPECT_THAT(std::string(MessageOf(missing.status())), HasSubstr("none.pem"));
  const auto swapped =
      TlsContext::Make({.certificate_chain = key_path(), .private_key = certificate_path()});
  EXPECT_TRUE(absl::IsInvalidArgument(swapped.status()));
}

}  // namespace
}  // namespace socle::server::http
