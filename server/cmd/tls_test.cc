// TLS and certificates as the stock gRPC client meets them: who is the caller of a call?
#include <fstream>
#include <memory>
#include <string>

#include "etcd/rpc.grpc.pb.h"
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>

#include "server/cmd/testing/auth_fixture.h"
#include "server/wire/http/testing/authority.h"
#include "server/wire/http/testing/tls_client.h"

namespace socle::server {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

// root and alice (k only) exist and authentication is on; a plain URL is there for who logs in.
class TlsServerTest : public AuthTest {
 protected:
  void Start(bool certificate_names_user) {
    Write("authority.pem", authority_.certificate());
    const http::PemPair own =
        authority_.Issue({.common_name = "server", .alternative_names = "DNS:localhost"});
    Write("server.pem", own.certificate);
    Write("server.key", own.private_key);
    Settings settings;
    settings.data_dir = Path("data");
    settings.listen_client_urls = {"http://127.0.0.1:0", "https://127.0.0.1:0"};
    settings.listen_metrics_urls = {"https://127.0.0.1:0"};
    settings.advertise_client_urls = {"http://127.0.0.1:1"};
    settings.bcrypt_cost = 4;
    settings.cert_file = Path("server.pem");
    settings.key_file = Path("server.key");
    settings.trusted_ca_file = Path("authority.pem");
    settings.client_cert_auth = certificate_names_user;
    auto server = KvServer::Start(settings);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    nobody_ = Open({});
    EtcdClient* const c = nobody_.get();
    ASSERT_EQ(AddUser(c, "root", "r"), "");
    ASSERT_EQ(GrantRole(c, "root", "root"), "");
    ASSERT_EQ(AddUser(c, "alice", "", /*no_password=*/true), "");
    ASSERT_EQ(AddRole(c, "some"), "");
    ASSERT_EQ(Grant(c, "some", authpb::Permission::READWRITE, "k", ""), "");
    ASSERT_EQ(GrantRole(c, "alice", "some"), "");
    ASSERT_EQ(Enable(c), "");
  }

  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  std::shared_ptr<grpc::Channel> ChannelOf(const std::string& common_name) const {
    const http::PemPair pair = authority_.Issue({.common_name = common_name, .serial = 5});
    grpc::SslCredentialsOptions options;
    options.pem_root_certs = authority_.certificate();
    options.pem_cert_chain = pair.certificate;
    options.pem_private_key = pair.private_key;
    const std::string target = "localhost:" + std::to_string(server_->client_urls()[1].port);
    return grpc::CreateChannel(target, grpc::SslCredentials(options));
  }

  // The error of a put, or nothing.
  static std::string Put(const std::shared_ptr<grpc::Channel>& channel, const std::string& key,
                         const Metadata& metadata = {}) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    for (const auto& [name, value] : metadata) {
      context.AddMetadata(name, value);
    }
    pb::PutRequest request;
    request.set_key(key);
    pb::PutResponse response;
    return pb::KV::NewStub(channel)->Put(&context, request, &response).error_message();
  }

  static std::string CancelReasonOfWatch(const std::shared_ptr<grpc::Channel>& channel,
                                         const std::string& key) {
    grpc::ClientContext context;
    const auto stream = pb::Watch::NewStub(channel)->Watch(&context);
    pb::WatchRequest request;
    request.mutable_create_request()->set_key(key);
    stream->Write(request);
    pb::WatchResponse response;
    const bool is_answered = stream->Read(&response);
    context.TryCancel();
    stream->Finish().ok();
    return is_answered ? response.cancel_reason() : "no answer";
  }

  const http::Authority authority_{"our authority"};
};

TEST_F(TlsServerTest, TheCommonNameIsTheUserOfACallWithoutAToken) {
  Start(/*certificate_names_user=*/true);
  const auto alice = ChannelOf("alice");
  EXPECT_EQ(Put(alice, "k"), "");
  EXPECT_EQ(Put(alice, "other"), kDenied);
  EXPECT_EQ(CancelReasonOfWatch(alice, "k"), "");
  EXPECT_THAT(CancelReasonOfWatch(alice, "other"), HasSubstr("permission denied"));
  EXPECT_EQ(Put(ChannelOf("root"), "other"), "");
  EXPECT_EQ(Put(ChannelOf("stranger"), "k"), kDenied);
  EXPECT_EQ(Put(ChannelOf(""), "k"), kNobody) << "a certificate without a name";
}

TEST_F(TlsServerTest, ATokenSaysMoreThanTheCertificate) {
  Start(/*certificate_names_user=*/true);
  const auto alice = ChannelOf("alice");
  const auto token = Authenticate("root", "r");
  ASSERT_TRUE(token.ok()) << token.status();
  EXPECT_EQ(Put(alice, "other", {{"token", *token}}), "");
  EXPECT_EQ(Put(alice, "k", {{"token", "wrong"}}), kBadToken);
  EXPECT_EQ(Put(alice, "k", {{"token", ""}}), kBadToken);
}

TEST_F(TlsServerTest, TheCertificateOfAGatewayNamesNobody) {
  Start(/*certificate_names_user=*/true);
  EXPECT_EQ(Put(ChannelOf("root"), "k", {{"grpcgateway-accept", "*/*"}}), kNobody);
}

TEST_F(TlsServerTest, WithoutClientCertAuthACertificateNamesNobody) {
  Start(/*certificate_names_user=*/false);
  EXPECT_EQ(Put(ChannelOf("root"), "k"), kNobody);
}

TEST_F(TlsServerTest, MetricsAskForCertificatesToo) {
  Start(/*certificate_names_user=*/true);
  const uint16_t port = server_->metrics_urls().front().port;
  EXPECT_EQ(http::TlsClient(port).Get("/health"), "");
  const http::PemPair pair = authority_.Issue({.common_name = "scraper"});
  Write("scraper.pem", pair.certificate);
  Write("scraper.key", pair.private_key);
  const http::TlsClientOptions scraper = {.certificate = Path("scraper.pem"),
                                          .private_key = Path("scraper.key")};
  EXPECT_THAT(http::TlsClient(port, scraper).Get("/health"),
              EndsWith(R"({"health":"true","reason":""})"));
}

}  // namespace
}  // namespace socle::server
