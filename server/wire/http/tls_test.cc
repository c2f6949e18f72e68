#include "server/wire/http/tls.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/testing/authority.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"
#include "server/wire/http/testing/tls_client.h"

namespace socle::server::http {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::string_view kWhoAmI = "/whoami";

class TlsTest : public ::testing::Test {
 protected:
  // The log can't be turned over while servers run.
  static void SetUpTestSuite() {
    std::string path = "/tmp/socle_tls_log.XXXXXX";
    ::close(::mkstemp(path.data()));
    log_path_ = new std::string(path);
    CHECK_OK(InitLog({.format = LogFormat::kText, .outputs = {path}}));
  }

  static void TearDownTestSuite() {
    CHECK_OK(InitLog({.level = LogLevel::kWarning, .format = LogFormat::kText}));
    std::filesystem::remove(*log_path_);
    delete log_path_;
  }

  ~TlsTest() override { std::filesystem::remove_all(dir_); }

  TlsTest() {
    CHECK(::mkdtemp(dir_.data()) != nullptr);
    Write("authority.pem", authority_.certificate());
    WritePair("server", authority_.Issue({.common_name = "server"}));
    WritePair("alice", authority_.Issue({.common_name = "alice",
                                         .serial = 7,
                                         .alternative_names = "DNS:alice.example,IP:127.0.0.9"}));
    WritePair("bob", authority_.Issue({.common_name = "bob", .serial = 8}));
    WritePair("late", authority_.Issue({.common_name = "late", .valid_seconds = -10}));
    WritePair("stranger", stranger_.Issue({.common_name = "alice", .serial = 7}));
  }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  void Write(const std::string& name, std::string_view bytes) const {
    // As tools do that replace certificates: the new file takes the place of the old one whole.
    const std::string aside = Path(name + ".new");
    std::ofstream(aside, std::ios::binary) << bytes;
    CHECK_EQ(::rename(aside.c_str(), Path(name).c_str()), 0);
  }

  void WritePair(const std::string& name, const PemPair& pair) const {
    Write(name + ".pem", pair.certificate);
    Write(name + ".key", pair.private_key);
  }

  TlsFiles Files(bool asks_for_certificates = false) const {
    return {.certificate_chain = Path("server.pem"),
            .private_key = Path("server.key"),
            .client_authorities = asks_for_certificates ? Path("authority.pem") : ""};
  }

  static ServerOptions Options(const TlsFiles& files, const TlsPolicy& policy = {}) {
    auto tls = TlsContext::Make(files, policy);
    CHECK_OK(tls.status());
    ServerOptions options;
    options.loops = 1;
    options.tls = *tls;
    options.limits.head_timeout_nanos = 300 * kNanosPerMilli;
    return options;
  }

  TlsClientOptions As(const std::string& name) const {
    return {.certificate = Path(name + ".pem"), .private_key = Path(name + ".key")};
  }

  // The answer that a new connection gets: who it is, or nothing.
  std::string Ask(const TestSite& site, const TlsClientOptions& options) const {
    return TlsClient(site.port(), options).Get(kWhoAmI);
  }

  // What servers log while `work` runs.
  static std::string Logged(const std::function<void()>& work) {
    const auto before = std::filesystem::file_size(*log_path_);
    work();
    std::ifstream in(*log_path_);
    in.seekg(static_cast<std::streamoff>(before));
    return {std::istreambuf_iterator<char>(in), {}};
  }

  static std::string* log_path_;
  std::string dir_ = "/tmp/socle_tls_test.XXXXXX";
  const Authority authority_{"our authority"};
  const Authority stranger_{"our authority"};  // of the same name, with another key
};

std::string* TlsTest::log_path_ = nullptr;

TEST_F(TlsTest, SpeaksWhatAlpnAgreedOn) {
  TestSite site(Options(Files()));
  TlsClient both(site.port(), {.alpn = "\x02h2\x08http/1.1"});
  EXPECT_EQ(both.protocol(), "h2");
  both.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(both.ReadToEnd().substr(3, 1), std::string(1, '\4')) << "a settings frame";

  TlsClient old(site.port(), {.alpn = "\x08http/1.1"});
  EXPECT_EQ(old.protocol(), "http/1.1");
  EXPECT_THAT(old.Get("/echo"), EndsWith("GET /echo "));
  EXPECT_THAT(TlsClient(site.port(), {.alpn = ""}).Get("/echo"), EndsWith("GET /echo "));
}

TEST_F(TlsTest, CarriesLargeBodies) {
  TestSite site(Options(Files()));
  TlsClient client(site.port());
  const std::string body(2'000'000, 'b');
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2000000\r\n\r\n");
  client.Send(body);
  EXPECT_THAT(client.ReadToEnd(), EndsWith("POST /echo " + body));
}

TEST_F(TlsTest, RefusesPlainTextAndHalfAHandshake) {
  TestSite site(Options(Files()));
  const std::string log = Logged([&] {
    const RawClient plain(site.port());
    plain.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_THAT(plain.ReadToEnd(), Not(HasSubstr("200 OK")));
    const RawClient half(site.port());
    half.Send("\x16\x03\x01");
    EXPECT_EQ(half.ReadToEnd(), "");
    EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
  });
  EXPECT_THAT(log, AllOf(HasSubstr("rejected connection"), HasSubstr("127.0.0.1:"),
                         HasSubstr("http request"), HasSubstr("not finished in time")));
}

TEST_F(TlsTest, LetsInWhomTheFilesAndThePolicySay) {
  constexpr const char* kRefused = "";

  struct Case {
    const char* name;
    TlsFiles files;
    TlsPolicy policy;
    TlsClientOptions client;
    const char* answer;
    const char* reason = "";  // in the log
  };

  const TlsFiles open = Files();
  const TlsFiles asks = Files(true);
  TlsFiles may_lack = asks;
  may_lack.may_lack_client_certificate = true;
  Write("none.crl", authority_.Revoke({}));
  Write("pem.crl", authority_.Revoke({3, 7}) + stranger_.Revoke({99}));
  Write("der.crl", authority_.Revoke({7}, /*is_der=*/true));
  const auto revoked = [&asks, this](const char* list) {
    TlsFiles files = asks;
    files.revoked = Path(list);
    return files;
  };
  TlsClientOptions only_12;
  only_12.max_version = TLS1_2_VERSION;
  TlsClientOptions only_13;
  only_13.min_version = TLS1_3_VERSION;
  TlsClientOptions weak = only_12;
  weak.ciphers_of_12 = "ECDHE-ECDSA-AES256-GCM-SHA384";
  TlsClientOptions alice_12 = As("alice");
  alice_12.max_version = TLS1_2_VERSION;
  const TlsPolicy aes128 = {.cipher_suites = {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}};
  const TlsPolicy chacha13 = {.cipher_suites = {"TLS_CHACHA20_POLY1305_SHA256"}};
  const TlsPolicy by_name = {.client_hostnames = {"other.example", "alice.example"}};
  const TlsPolicy by_address = {.client_hostnames = {"127.0.0.9"}};
  const TlsPolicy by_common_name = {.client_hostnames = {"bob"}};

  const std::vector<Case> cases = {
      {"no certificate asked for", open, {}, {}, "''"},
      {"a certificate that nobody asked for", open, {}, As("alice"), "''"},
      {"a good certificate", asks, {}, As("alice"), "'alice'"},
      {"a good certificate, TLS 1.2", asks, {}, alice_12, "'alice'"},
      {"none where one is asked for", asks, {}, {}, kRefused, "did not return a certificate"},
      {"none where it may be lacking", may_lack, {}, {}, "''"},
      {"another authority", asks, {}, As("stranger"), kRefused, "client certificate"},
      {"another authority where none would do", may_lack, {}, As("stranger"), kRefused},
      {"expired", asks, {}, As("late"), kRefused, "has expired (common name 'late'"},
      {"revoked in a PEM list of two",
       revoked("pem.crl"),
       {},
       As("alice"),
       kRefused,
       "certificate revoked (common name 'alice', serial 07)"},
      {"revoked in a DER list", revoked("der.crl"), {}, As("alice"), kRefused, "revoked"},
      {"revoked, TLS 1.2", revoked("pem.crl"), {}, alice_12, kRefused, "revoked"},
      {"not in the list", revoked("pem.crl"), {}, As("bob"), "'bob'"},
      {"an empty list", revoked("none.crl"), {}, As("alice"), "'alice'"},
      {"a host name that may come", asks, by_name, As("alice"), "'alice'"},
      {"an address that may come", asks, by_address, As("alice"), "'alice'"},
      {"a host name that may not", asks, by_name, As("bob"), kRefused, "ostname mismatch"},
      {"a common name is no host name", asks, by_common_name, As("bob"), kRefused},
      {"the machine's authorities don't know ours",
       open,
       {.trusts_system_authorities = true},
       As("alice"),
       kRefused},
      {"TLS 1.2 where it may be", open, {}, only_12, "''"},
      {"TLS 1.2 where only 1.3 may be",
       open,
       {.min_version = TlsVersion::kTls13},
       only_12,
       kRefused,
       "unsupported protocol"},
      {"TLS 1.3 where only 1.2 may be",
       open,
       {.max_version = TlsVersion::kTls12},
       only_13,
       kRefused},
      {"a cipher suite that both know", open, aes128, only_12, "''"},
      {"no cipher suite that both know", open, aes128, weak, kRefused, "no shared cipher"},
      {"suites of 1.2 leave 1.3 alone", open, aes128, only_13, "''"},
      {"suites of 1.3 alone end 1.2", open, chacha13, only_12, kRefused},
      {"suites of 1.3", open, chacha13, only_13, "''"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    TestSite site(Options(c.files, c.policy));
    std::string answer;
    const std::string log = Logged([&] {
      answer = Ask(site, c.client);
      EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
    });
    const bool is_refused = std::string_view(c.answer).empty();
    EXPECT_THAT(answer, is_refused ? testing::Matcher<std::string>("")
                                   : testing::Matcher<std::string>(EndsWith(c.answer)));
    EXPECT_THAT(log, HasSubstr(c.reason));
  }
}

TEST_F(TlsTest, TrustsAnAuthorityBelowAnotherByItself) {
  const Authority below = authority_.Below("below");
  WritePair("carol", below.Issue({.common_name = "carol", .serial = 21}));
  TlsFiles files = Files(true);
  {
    TestSite site(Options(files));
    EXPECT_EQ(Ask(site, As("carol")), "") << "nobody showed the link between them";
  }
  Write("below.pem", below.certificate());
  files.client_authorities = Path("below.pem");
  TestSite site(Options(files));
  EXPECT_THAT(Ask(site, As("carol")), EndsWith("'carol'"));
  EXPECT_EQ(Ask(site, As("alice")), "");
}

TEST_F(TlsTest, AHandshakeSeesTheFilesAsTheyAre) {
  TlsFiles files = Files(true);
  files.revoked = Path("list.crl");
  Write("list.crl", authority_.Revoke({}));
  TestSite site(Options(files));
  TlsClient live(site.port(), As("alice"));
  EXPECT_EQ(live.server_name(), "server");

  WritePair("server", authority_.Issue({.common_name = "renewed"}));
  TlsClientOptions careful = As("alice");
  careful.authority = Path("authority.pem");
  EXPECT_EQ(TlsClient(site.port(), careful).server_name(), "renewed");

  Write("list.crl", authority_.Revoke({7}));
  EXPECT_EQ(Ask(site, As("alice")), "");
  EXPECT_THAT(Ask(site, As("bob")), EndsWith("'bob'"));
  EXPECT_THAT(live.Get(kWhoAmI), EndsWith("'alice'")) << "who was in stays in";

  Write("authority.pem", stranger_.certificate());
  Write("list.crl", authority_.Revoke({}));
  EXPECT_EQ(Ask(site, As("bob")), "");
  EXPECT_THAT(Ask(site, As("stranger")), EndsWith("'alice'"));
}

TEST_F(TlsTest, KeepsTheLastGoodCertificateWhileTheFilesAreBad) {
  TestSite site(Options(Files()));
  const PemPair renewed = authority_.Issue({.common_name = "renewed"});
  const std::string log = Logged([&] {
    Write("server.pem", renewed.certificate);  // its key is still to come
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(TlsClient(site.port()).server_name(), "server");
    }
    Write("server.key", renewed.private_key);
    EXPECT_EQ(TlsClient(site.port()).server_name(), "renewed");
    ::unlink(Path("server.pem").c_str());
    EXPECT_EQ(TlsClient(site.port()).server_name(), "renewed");
  });
  EXPECT_THAT(log, AllOf(HasSubstr("does not belong to the certificate"),
                         HasSubstr("server.pem: No such file or directory"),
                         HasSubstr("certificates were read again")));
  const std::string_view complaint = "can't be used";
  size_t complaints = 0;
  for (size_t at = log.find(complaint); at != std::string::npos; at = log.find(complaint, at + 1)) {
    ++complaints;
  }
  EXPECT_EQ(complaints, 2U) << "once for each state of the files";
}

TEST_F(TlsTest, ResumesNoSessionWhereCertificatesAreAskedFor) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestSite site(Options(Files(true)));
    const OpenSslPtr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_use_certificate_file(context.get(), Path("alice.pem").c_str(), SSL_FILETYPE_PEM);
    SSL_CTX_use_PrivateKey_file(context.get(), Path("alice.key").c_str(), SSL_FILETYPE_PEM);
    SSL_SESSION* session = nullptr;
    for (int i = 0; i < 2; ++i) {
      const RawClient raw(site.port());
      const OpenSslPtr<SSL> ssl(SSL_new(context.get()));
      SSL_set_fd(ssl.get(), raw.fd());
      if (session != nullptr) {
        SSL_set_session(ssl.get(), session);
      }
      ASSERT_EQ(SSL_connect(ssl.get()), 1);
      EXPECT_EQ(SSL_session_reused(ssl.get()), 0);
      SSL_SESSION_free(session);
      session = SSL_get1_session(ssl.get());
    }
    SSL_SESSION_free(session);
  }
}

TEST_F(TlsTest, AStormOfRejectionsFillsNoLog) {
  TestSite site(Options(Files()));
  const std::string log = Logged([&] {
    for (int i = 0; i < 50; ++i) {
      const RawClient plain(site.port());
      plain.Send("GET / HTTP/1.1\r\n\r\n");
      plain.ReadToEnd();
    }
    const RawClient silent(site.port());  // a health check of a port, say
  });
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 10);
}

TEST_F(TlsTest, SaysWhichFileIsBadAndWhy) {
  Write("garbage.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  Write("text.pem", "hello\n");
  Write("old.pem", Authority("old", -10).certificate());
  const OpenSslPtr<EVP_PKEY> key(EVP_EC_gen("P-256"));
  const OpenSslPtr<BIO> locked(BIO_new_file(Path("locked.key").c_str(), "w"));
  PEM_write_bio_PKCS8PrivateKey(locked.get(), key.get(), EVP_aes_128_cbc(), "secret", 6, nullptr,
                                nullptr);
  BIO_flush(locked.get());
  TlsFiles good = Files(true);
  good.revoked = Path("list.crl");
  Write("list.crl", authority_.Revoke({}));

  struct Case {
    std::string TlsFiles::*member;
    const char* file;
    const char* message;
  };

  const Case kCases[] = {
      {&TlsFiles::certificate_chain, "none.pem", "none.pem: No such file or directory"},
      {&TlsFiles::certificate_chain, ".", "/.: Is a directory"},
      {&TlsFiles::certificate_chain, "text.pem", "there is no PEM certificate in it"},
      {&TlsFiles::certificate_chain, "server.key", "there is no PEM certificate in it"},
      {&TlsFiles::certificate_chain, "garbage.pem", "garbage.pem: certificate 1 in it"},
      {&TlsFiles::private_key, "none.key", "none.key: No such file or directory"},
      {&TlsFiles::private_key, "server.pem", "there is no PEM private key in it"},
      {&TlsFiles::private_key, "bob.key", "bob.key: it does not belong to the certificate"},
      {&TlsFiles::private_key, "locked.key", "locked.key: it is encrypted"},
      {&TlsFiles::client_authorities, "none.pem", "none.pem: No such file or directory"},
      {&TlsFiles::client_authorities, "text.pem", "there is no PEM certificate in it"},
      {&TlsFiles::client_authorities, "old.pem", "old.pem: every certificate in it has expired"},
      {&TlsFiles::revoked, "none.crl", "none.crl: No such file or directory"},
      {&TlsFiles::revoked, "text.pem", "not a certificate revocation list"},
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.message);
    TlsFiles files = good;
    files.*c.member = Path(c.file);
    const auto made = TlsContext::Make(files);
    EXPECT_TRUE(absl::IsInvalidArgument(made.status()));
    EXPECT_THAT(std::string(MessageOf(made.status())), HasSubstr(c.message));
  }
  const auto suite = TlsContext::Make(Files(), {.cipher_suites = {"TLS_RSA_WITH_RC4_128_SHA"}});
  EXPECT_THAT(std::string(MessageOf(suite.status())), HasSubstr("'TLS_RSA_WITH_RC4_128_SHA'"));
}

TEST_F(TlsTest, ASelfSignedCertificateIsMadeOutToItsHosts) {
  const std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1"};
  const auto made = MakeSelfSigned(hosts, 2);
  ASSERT_TRUE(made.ok()) << made.status();
  WritePair("self", *made);
  TestSite site(Options({.certificate_chain = Path("self.pem"), .private_key = Path("self.key")}));
  EXPECT_THAT(TlsClient(site.port(), {.authority = Path("self.pem")}).Get("/echo"),
              EndsWith("GET /echo "));
  const OpenSslPtr<BIO> in(
      BIO_new_mem_buf(made->certificate.data(), static_cast<int>(made->certificate.size())));
  const OpenSslPtr<X509> certificate(PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(X509_check_host(certificate.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(certificate.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_host(certificate.get(), "example.com", 0, 0, nullptr), 0);
  int days = 0;
  int seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(certificate.get()),
                 X509_get0_notAfter(certificate.get()));
  EXPECT_EQ(days, 730);
}

}  // namespace
}  // namespace socle::server::http
