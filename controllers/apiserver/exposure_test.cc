// Who may reach the server, and how it knows them.
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "controllers/apiserver/api_server.h"
#include "controllers/apiserver/authentication.h"
#include "controllers/apiserver/testing/api_client.h"
#include "controllers/testing/plane_fixture.h"
#include "kv/base/check.h"
#include "kv/testing/temp_dir.h"
#include "server/wire/http/testing/clients.h"

namespace socle::apiserver {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kTokens = "secret,alice,1,\"a,b\"\nother,bob,2\n";

TEST(Authentication, ReadsATokenFile) {
  const auto made =
      Authentication::Make("# who\n\nsecret,alice,1,\"a,b\"\r\n\"se,\"\"c\",bob,2", false);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_FALSE(made->is_open());
  EXPECT_EQ(made->first_token(), "secret");
  server::http::Request request;
  EXPECT_FALSE(made->Identify(request, "").ok());
  request.Add("authorization", "Bearer secret");
  EXPECT_EQ(*made->Identify(request, ""), "alice");
  request.Clear(server::http::Version::kHttp2);
  request.Add("authorization", "Bearer se,\"c");
  EXPECT_EQ(*made->Identify(request, ""), "bob");
  EXPECT_EQ(*made->Identify(request, "carol"), "carol") << "a certificate goes first";
}

TEST(Authentication, RefusesBrokenTokens) {
  EXPECT_THAT(Authentication::Make("a,b,c\nsecret,alice\n", false).status().ToString(),
              HasSubstr("line 2"));
  const auto made = Authentication::Make(kTokens, false);
  for (const std::string_view field :
       {"Bearer ", "Bearer secre", "Bearer secret2", "Basic secret", "secret", "Bearer"}) {
    server::http::Request request;
    request.Add("authorization", field);
    EXPECT_EQ(registry::ReasonOf(made->Identify(request, "").status()),
              registry::Reason::kUnauthorized)
        << field;
  }
}

TEST(Authentication, WithoutItOnlyTheMachinesOwnNamesAreAnswered) {
  const auto open = Authentication::Make("", false);
  EXPECT_TRUE(open->is_open());
  const auto host = [&open](std::string_view authority) {
    server::http::Request request;
    request.SetAuthority(authority);
    return registry::ReasonOf(open->Identify(request, "").status());
  };
  for (const std::string_view good :
       {"", "localhost", "localhost:80", "127.0.0.1:8080", "[::1]:80", "10.0.0.1"}) {
    EXPECT_EQ(host(good), std::nullopt) << good;
  }
  for (const std::string_view bad :
       {"evil.example", "evil.example:8080", "127.0.0.1.evil.example"}) {
    EXPECT_EQ(host(bad), registry::Reason::kForbidden) << bad;
  }
}

TEST(Authentication, KnowsLoopback) {
  for (const std::string_view loopback : {"127.0.0.1", "127.9.9.9", "::1"}) {
    EXPECT_TRUE(IsLoopback(loopback)) << loopback;
  }
  for (const std::string_view other :
       {"0.0.0.0", "::", "10.0.0.1", "127.evil.example", "", "1270.0.0.1"}) {
    EXPECT_FALSE(IsLoopback(other)) << other;
  }
}

// An authority and what it signs.
class Signer {
 public:
  explicit Signer(std::string folder) : folder_(std::move(folder)) {
    authority_key_ = EVP_EC_gen("P-256");
    authority_ = NewCertificate("authority", authority_key_);
    Extend(NID_basic_constraints, "critical,CA:TRUE");
    CHECK(X509_sign(authority_, authority_key_, EVP_sha256()) > 0);
    WritePem("authority.pem", authority_);
  }

  ~Signer() {
    X509_free(authority_);
    EVP_PKEY_free(authority_key_);
  }

  Signer(const Signer&) = delete;
  Signer& operator=(const Signer&) = delete;

  std::string Path(std::string_view file) const { return fmt::format("{}/{}", folder_, file); }

  // <name>.pem and <name>.key
  void Sign(const std::string& name) const {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = NewCertificate(name, key);
    X509_set_issuer_name(certificate, X509_get_subject_name(authority_));
    CHECK(X509_sign(certificate, authority_key_, EVP_sha256()) > 0);
    WritePem(name + ".pem", certificate);
    BIO* const out = BIO_new_file(Path(name + ".key").c_str(), "w");
    PEM_write_bio_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
    BIO_free(out);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

 private:
  static X509* NewCertificate(const std::string& name, EVP_PKEY* key) {
    X509* const certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), static_cast<long>(name.size()));
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3'600);
    X509_set_pubkey(certificate, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
    return certificate;
  }

  void Extend(int what, const char* value) const {
    X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, nullptr, what, value);
    CHECK(extension != nullptr);
    X509_add_ext(authority_, extension, -1);
    X509_EXTENSION_free(extension);
  }

  void WritePem(const std::string& file, X509* certificate) const {
    BIO* const out = BIO_new_file(Path(file).c_str(), "w");
    PEM_write_bio_X509(out, certificate);
    BIO_free(out);
  }

  const std::string folder_;
  EVP_PKEY* authority_key_ = nullptr;
  X509* authority_ = nullptr;
};

// One request over TLS; its whole answer.
std::string Ask(uint16_t port, std::string_view request, const std::string& certificate = {},
                const std::string& key = {}) {
  const server::http::RawClient socket(port);
  SSL_CTX* const context = SSL_CTX_new(TLS_client_method());
  SSL* const ssl = SSL_new(context);
  if (!certificate.empty()) {
    CHECK_EQ(SSL_use_certificate_file(ssl, certificate.c_str(), SSL_FILETYPE_PEM), 1);
    CHECK_EQ(SSL_use_PrivateKey_file(ssl, key.c_str(), SSL_FILETYPE_PEM), 1);
  }
  SSL_set_fd(ssl, socket.fd());
  std::string answer;
  if (SSL_connect(ssl) == 1) {
    SSL_write(ssl, request.data(), static_cast<int>(request.size()));
    std::array<char, 65'536> bytes{};
    for (int got = 0; (got = SSL_read(ssl, bytes.data(), static_cast<int>(bytes.size()))) > 0;) {
      answer.append(bytes.data(), static_cast<size_t>(got));
    }
  }
  SSL_free(ssl);
  SSL_CTX_free(context);
  return answer;
}

std::string GetText(std::string_view path, std::string_view fields = {}) {
  return fmt::format("GET {} HTTP/1.1\r\nHost: plane.example\r\nConnection: close\r\n{}\r\n", path,
                     fields);
}

// Remembers who wrote.
class Listener final : public registry::AdmissionPlugin {
 public:
  explicit Listener(std::string* user) : user_(user) {}

  std::string_view name() const override { return "listener"; }

  absl::Status Admit(const registry::AdmissionRequest& request, api::Json* /*object*/) override {
    if (!request.caller->is_plane) {
      *user_ = request.caller->user;
    }
    return absl::OkStatus();
  }

 private:
  std::string* const user_;
};

class ExposureTest : public plane_testing::PlaneFixture {
 protected:
  plane_testing::Admission MakeAdmission(registry::ObjectCache* /*cache*/) override {
    plane_testing::Admission plugins;
    plugins.push_back(std::make_unique<Listener>(&user_));
    return plugins;
  }

  void TearDown() override {
    server_.reset();
    PlaneFixture::TearDown();
  }

  absl::Status Start(ApiServerOptions options) {
    server_.reset();
    options.registry = registry();
    options.loops = 1;
    absl::StatusOr<std::unique_ptr<ApiServer>> server = ApiServer::Start(std::move(options));
    if (server.ok()) {
      server_ = *std::move(server);
    }
    return server.status();
  }

  server::http::TlsFiles Tls(bool asks_for_certificates) const {
    return {.certificate_chain = signer_.Path("server.pem"),
            .private_key = signer_.Path("server.key"),
            .client_authorities = asks_for_certificates ? signer_.Path("authority.pem") : ""};
  }

  std::string user_;
  TempDir folder_;
  Signer signer_{folder_.path()};
  std::unique_ptr<ApiServer> server_;
};

TEST_F(ExposureTest, NeverListensToStrangers) {
  signer_.Sign("server");
  EXPECT_THAT(Start({.address = "0.0.0.0"}).ToString(), HasSubstr("without TLS"));
  EXPECT_THAT(Start({.address = "0.0.0.0", .token_file_text = std::string(kTokens)}).ToString(),
              HasSubstr("or listen on 127.0.0.1"));
  EXPECT_THAT(Start({.address = "0.0.0.0", .tls = Tls(false)}).ToString(),
              HasSubstr("without knowing who calls: give a token file"));
  EXPECT_OK(
      Start({.address = "0.0.0.0", .tls = Tls(false), .token_file_text = std::string(kTokens)}));
  EXPECT_OK(Start({.address = "0.0.0.0", .tls = Tls(true)}));
  EXPECT_OK(Start({.address = "127.0.0.1"}));
  EXPECT_THAT(server_->url(), StartsWith("http://127.0.0.1:"));
}

TEST_F(ExposureTest, RefusesOptionsThatCantWork) {
  EXPECT_TRUE(absl::IsInvalidArgument(Start({.address = "nowhere"})));
  EXPECT_TRUE(absl::IsInvalidArgument(Start({.token_file_text = "half"})));
  EXPECT_TRUE(absl::IsInvalidArgument(Start({.tls = server::http::TlsFiles{}})));
  EXPECT_TRUE(absl::IsInvalidArgument(Start(
      {.tls = server::http::TlsFiles{.certificate_chain = "/none", .private_key = "/none"}})));
}

TEST_F(ExposureTest, KnowsItsCallersByToken) {
  ASSERT_OK(Start({.token_file_text = std::string(kTokens)}));
  ApiClient client(server_->port());
  const ApiClient::Answer refused = client.Get("/api/v1/nodes");
  EXPECT_EQ(refused.status, 401);
  EXPECT_EQ(refused.Reason(), "Unauthorized");
  EXPECT_EQ(client.Get("/version").status, 401);
  EXPECT_EQ(client.Get("/livez").status, 200);
  const ApiClient::Answer created =
      client.Send("POST", "/api/v1/namespaces/default/configmaps", R"({"metadata":{"name":"a"}})",
                  "application/json", {{"Authorization", "Bearer secret"}});
  EXPECT_EQ(created.status, 201) << created.body;
  EXPECT_EQ(user_, "alice");
}

TEST_F(ExposureTest, KnowsItsCallersByCertificate) {
  signer_.Sign("server");
  signer_.Sign("carol");
  ASSERT_OK(Start({.tls = Tls(true), .token_file_text = std::string(kTokens)}));
  EXPECT_THAT(server_->url(), StartsWith("https://"));
  const uint16_t port = server_->port();
  const std::string pem = signer_.Path("carol.pem");
  const std::string key = signer_.Path("carol.key");
  EXPECT_THAT(Ask(port, GetText("/api/v1/nodes"), pem, key), HasSubstr("200 OK"));
  EXPECT_THAT(Ask(port, GetText("/api/v1/nodes")), HasSubstr("401 Unauthorized"));
  EXPECT_THAT(Ask(port, GetText("/api/v1/nodes", "Authorization: Bearer other\r\n")),
              HasSubstr("200 OK"));
  constexpr std::string_view kBody = R"({"metadata":{"name":"a"}})";
  const std::string post = fmt::format(
      "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      "Content-Length: {}\r\n\r\n{}",
      kBody.size(), kBody);
  EXPECT_THAT(Ask(port, post, pem, key), HasSubstr("201 Created"));
  EXPECT_EQ(user_, "carol");

  const TempDir elsewhere;
  const Signer stranger(elsewhere.path());
  stranger.Sign("carol");
  EXPECT_EQ(
      Ask(port, GetText("/api/v1/nodes"), stranger.Path("carol.pem"), stranger.Path("carol.key")),
      "");
}

TEST_F(ExposureTest, AnswersHttp2AsWell) {
  ASSERT_OK(Start({.token_file_text = std::string(kTokens)}));
  server::http::Http2Client client(server_->port());
  const int32_t list =
      client.Request("GET", "/api/v1/namespaces", {}, {{"authorization", "Bearer secret"}});
  EXPECT_THAT(client.Await(list).body, HasSubstr("kube-system"));
  const int32_t none = client.Request("GET", "/api/v1/namespaces");
  EXPECT_EQ(client.Await(none).fields.at(":status"), "401");
}

}  // namespace
}  // namespace socle::apiserver
