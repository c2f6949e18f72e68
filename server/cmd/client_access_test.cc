// The client's way in: TLS, Unix sockets and users, against Debian's etcd and against our server; and what it says when
// it is not let in.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "kv/testing/temp_dir.h"
#include "server/cmd/kv_server.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/http_get.h"
#include "server/wire/client/testing/etcd_server.h"
#include "server/wire/http/testing/authority.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;

constexpr bool kAsksForCertificates = true;

class ClientAccessTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (IsEtcd() && FindProgram("etcd").empty()) {
      GTEST_SKIP() << "etcd is not installed (Debian package etcd-server)";
    }
    Write("ca.pem", authority_.certificate());
    Write("other_ca.pem", stranger_.certificate());
    WritePair("server",
              authority_.Issue({.common_name = "server", .alternative_names = "IP:127.0.0.1"}));
    WritePair("late", authority_.Issue({.common_name = "late",
                                        .alternative_names = "IP:127.0.0.1",
                                        .valid_seconds = -60}));
    WritePair("alice", authority_.Issue({.common_name = "alice", .serial = 7}));
    WritePair("stranger", stranger_.Issue({.common_name = "alice", .serial = 7}));
  }

  static bool IsEtcd() { return std::string_view(GetParam()) == "etcd"; }

  std::string Path(const std::string& name) const { return dir_.path() + "/" + name; }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  void WritePair(const std::string& name, const http::PemPair& pair) const {
    Write(name + ".pem", pair.certificate);
    Write(name + ".key", pair.private_key);
  }

  // A server on `url`, with the certificate of that name when it is https.
  void Start(const std::string& url, const std::string& certificate = "server",
             bool asks_for_certificates = false) {
    ::testing::AssertionResult started = IsEtcd()
                                             ? StartEtcd(url, certificate, asks_for_certificates)
                                             : StartSocle(url, certificate, asks_for_certificates);
    ASSERT_TRUE(started) << started.message();
  }

  ::testing::AssertionResult StartSocle(const std::string& url, const std::string& certificate,
                                        bool asks_for_certificates) {
    Settings settings;
    settings.data_dir = Path("data");
    settings.listen_client_urls = {url};
    settings.advertise_client_urls = {"http://127.0.0.1:1"};
    settings.bcrypt_cost = 4;
    if (url.starts_with("https") || url.starts_with("unixs")) {
      settings.cert_file = Path(certificate + ".pem");
      settings.key_file = Path(certificate + ".key");
      settings.trusted_ca_file = asks_for_certificates ? Path("ca.pem") : "";
      settings.client_cert_auth = asks_for_certificates;
    }
    auto server = KvServer::Start(settings);
    if (!server.ok()) {
      return ::testing::AssertionFailure() << server.status();
    }
    socle_ = *std::move(server);
    where_ = socle_->client_urls().front().ToString();
    where_ = where_.substr(where_.find("://") + 3);
    return ::testing::AssertionSuccess();
  }

  ::testing::AssertionResult StartEtcd(const std::string& url, const std::string& certificate,
                                       bool asks_for_certificates) {
    const std::string peer = fmt::format("http://127.0.0.1:{}", *FreePort());
    std::string listen = url;
    if (const size_t zero = listen.rfind(":0"); zero != std::string::npos) {
      listen.replace(zero, 2, fmt::format(":{}", *FreePort()));
    }
    std::vector<std::string> command = {FindProgram("etcd"),
                                        "--name=default",
                                        "--data-dir=" + Path("etcd"),
                                        "--listen-client-urls=" + listen,
                                        "--advertise-client-urls=http://127.0.0.1:1",
                                        "--listen-peer-urls=" + peer,
                                        "--initial-advertise-peer-urls=" + peer,
                                        "--initial-cluster=default=" + peer,
                                        "--bcrypt-cost=4",
                                        "--log-level=error",
                                        "--logger=zap"};
    if (url.starts_with("https") || url.starts_with("unixs")) {
      command.push_back("--cert-file=" + Path(certificate + ".pem"));
      command.push_back("--key-file=" + Path(certificate + ".key"));
      if (asks_for_certificates) {
        command.push_back("--trusted-ca-file=" + Path("ca.pem"));
        command.push_back("--client-cert-auth");
      }
    }
    auto child = ChildServer::Start(command, Path("etcd.log"));
    if (!child.ok()) {
      return ::testing::AssertionFailure() << child.status();
    }
    etcd_ = *std::move(child);
    where_ = listen.substr(listen.find("://") + 3);
    return ::testing::AssertionSuccess();
  }

  // What a put says: nothing when it went well. A server that just started may not be there yet.
  std::string Put(const std::string& endpoint, const ClientAccess& access) const {
    const int64_t give_up = Clock::Real()->MonotonicNanos() + 20 * kNanosPerSecond;
    while (true) {
      const std::string text = PutOnce(endpoint, access);
      const bool is_not_there = text.find("Connection refused") != std::string::npos ||
                                text.find("No such file") != std::string::npos ||
                                text.find("leader") != std::string::npos;
      if (!is_not_there || Clock::Real()->MonotonicNanos() > give_up) {
        return text;
      }
      Clock::Real()->SleepFor(20 * kNanosPerMilli);
    }
  }

  static std::string PutOnce(const std::string& endpoint, const ClientAccess& access) {
    const auto client = EtcdClient::Open(endpoint, {.access = access});
    return std::string(
        MessageOf(client.ok() ? (*client)->Put("k", "v").status() : client.status()));
  }

  ClientAccess Trusting(const std::string& authority = "ca", const std::string& shown = "") const {
    ClientAccess access;
    access.cacert = Path(authority + ".pem");
    if (!shown.empty()) {
      access.cert = Path(shown + ".pem");
      access.key = Path(shown + ".key");
    }
    return access;
  }

  std::string Https() const { return "https://" + where_; }

  const http::Authority authority_{"our authority"};
  const http::Authority stranger_{"another authority"};
  TempDir dir_;
  std::unique_ptr<KvServer> socle_;
  std::unique_ptr<ChildServer> etcd_;
  std::string where_;
};

TEST_P(ClientAccessTest, SpeaksTlsAndMovesMuchThroughIt) {
  Start("https://127.0.0.1:0");
  ASSERT_EQ(Put(Https(), Trusting()), "");
  EXPECT_EQ(Put(where_, Trusting()), "") << "an endpoint without a scheme, and files of TLS";
  EXPECT_EQ(Put(Https(), {.insecure_skip_tls_verify = true}), "");
  EXPECT_EQ(Put(where_, {.insecure_skip_tls_verify = true, .insecure_transport = false}), "");
  const auto client = *EtcdClient::Open(Https(), {.access = Trusting()});
  for (int i = 0; i < 20; ++i) {
    const auto put = client->Put(fmt::format("large{:02}", i), std::string(1'000'000, 'x'));
    ASSERT_TRUE(put.ok()) << put.status();
  }
  etcdserverpb::RangeRequest all;
  all.set_key("large");
  all.set_range_end("largf");
  const auto got = client->Range(all);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kvs_size(), 20);
  EXPECT_EQ(got->kvs(19).value(), std::string(1'000'000, 'x'));
  const auto metrics =
      HttpGet(*ResolveEndpoint(Https(), Trusting()), "/metrics", 5 * kNanosPerSecond);
  ASSERT_TRUE(metrics.ok()) << metrics.status();
  EXPECT_THAT(*metrics, HasSubstr("process_cpu_seconds_total"));
  EXPECT_THAT(std::string(MessageOf(HttpGet(*ResolveEndpoint(Https(), Trusting()), "/no-such-page",
                                            5 * kNanosPerSecond)
                                        .status())),
              HasSubstr("has no page /no-such-page"));
}

TEST_P(ClientAccessTest, SaysWhyItDoesNotTrustTheServer) {
  Start("https://127.0.0.1:0");
  ASSERT_EQ(Put(Https(), Trusting()), "");
  EXPECT_THAT(
      Put(Https(), {}),
      HasSubstr("the server's certificate was issued by /CN=our authority, which is not among "
                "the authorities of this machine: give its own with --cacert"));
  EXPECT_THAT(Put(Https(), Trusting("other_ca")),
              HasSubstr("not among the authorities of --cacert " + Path("other_ca.pem")));
  const std::string localhost = "https://localhost" + where_.substr(where_.rfind(':'));
  EXPECT_THAT(Put(localhost, Trusting()),
              HasSubstr("the server's certificate is made out to 127.0.0.1, not to localhost"));
  EXPECT_THAT(Put("http://" + where_, Trusting()),
              HasSubstr("if it speaks TLS, its endpoint begins with https://"));
}

TEST_P(ClientAccessTest, SaysWhenTheServersCertificateExpired) {
  Start("https://127.0.0.1:0", "late");
  EXPECT_THAT(Put(Https(), Trusting()), HasSubstr("the server's certificate expired on 20"));
}

TEST_P(ClientAccessTest, ShowsItsCertificateAndSaysWhenThatIsNotGoodEnough) {
  Start("https://127.0.0.1:0", "server", kAsksForCertificates);
  ASSERT_EQ(Put(Https(), Trusting("ca", "alice")), "");
  EXPECT_THAT(Put(Https(), Trusting()),
              HasSubstr("the server wants a certificate of its clients: give one with --cert and "
                        "--key"));
  for (const std::string name : {"stranger", "late"}) {
    EXPECT_THAT(Put(Https(), Trusting("ca", name)),
                HasSubstr("the server refuses the client certificate " + Path(name + ".pem")));
  }
}

TEST_P(ClientAccessTest, SaysThatAServerSpeaksNoTls) {
  Start("http://127.0.0.1:0");
  ASSERT_EQ(Put(where_, {}), "");
  EXPECT_THAT(Put(Https(), Trusting()),
              HasSubstr("if it speaks plain HTTP/2, its endpoint begins with http://"));
}

TEST_P(ClientAccessTest, ReachesAUnixSocket) {
  // etcd takes a path without folders only.
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(dir_.path());
  Start("unix://s:1");
  EXPECT_EQ(Put("unix://s:1", {}), "");
  EXPECT_EQ(Put("unix://" + Path("s:1"), {}), "");
  std::filesystem::current_path(before);
}

TEST_P(ClientAccessTest, LogsAUserIn) {
  Start("https://127.0.0.1:0");
  ASSERT_EQ(Put(Https(), Trusting()), "");
  const auto client = *EtcdClient::Open(Https(), {.access = Trusting()});
  etcdserverpb::AuthUserAddRequest root;
  root.set_name("root");
  root.set_password("r:oot");
  ASSERT_TRUE(
      client->Call<etcdserverpb::AuthUserAddResponse>("/etcdserverpb.Auth/UserAdd", root).ok());
  etcdserverpb::AuthUserGrantRoleRequest grant;
  grant.set_user("root");
  grant.set_role("root");
  ASSERT_TRUE(
      client
          ->Call<etcdserverpb::AuthUserGrantRoleResponse>("/etcdserverpb.Auth/UserGrantRole", grant)
          .ok());
  ASSERT_TRUE(client
                  ->Call<etcdserverpb::AuthEnableResponse>("/etcdserverpb.Auth/AuthEnable",
                                                           etcdserverpb::AuthEnableRequest())
                  .ok());
  ClientAccess access = Trusting();
  EXPECT_EQ(Put(Https(), access), "etcdserver: user name is empty");
  access.user = "root:r:oot";
  EXPECT_EQ(Put(Https(), access), "");
  access.user = "root";
  access.password = "r:oot";
  EXPECT_EQ(Put(Https(), access), "");
  access.password = "wrong";
  EXPECT_EQ(
      Put(Https(), access),
      "user root can't log in: etcdserver: authentication failed, invalid user ID or password");
}

TEST(ClientAccess, NamesTheFileThatCanNotBeUsed) {
  TempDir dir;
  const std::string text = dir.path() + "/text";
  std::ofstream(text) << "no certificate";

  const struct {
    ClientAccess access;
    std::string says;
  } kCases[] = {
      {{.cacert = "/none"}, "authorities /none: No such file or directory"},
      {{.cacert = text}, "authorities " + text + ": there is no PEM certificate in it"},
      {{.cert = text, .key = text}, "certificate " + text + ": there is no PEM certificate in it"},
      {{.cert = text}, "--cert without --key: a certificate is shown with its key"},
      {{.key = text}, "--key without --cert: a key alone shows nothing"},
      {{.user = "root"}, "--user NAME without a password: give --user NAME:PASSWORD"},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.says);
    const auto client = EtcdClient::Open("127.0.0.1:1", {.access = c.access});
    EXPECT_EQ(client.status(), absl::InvalidArgumentError(c.says));
  }
}

INSTANTIATE_TEST_SUITE_P(Servers, ClientAccessTest, ::testing::Values("etcd", "socle"),
                         [](const auto& server) { return std::string(server.param); });

}  // namespace
}  // namespace socle::server
