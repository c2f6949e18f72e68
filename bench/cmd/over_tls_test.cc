// Load commands over TLS and as a user, by both clients, against Debian's etcd and against socle-kv.
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <memory>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bench/peer/local_server.h"
#include "bench/report/json.h"
#include "bench/testing/run_bench.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/testing/etcd_server.h"
#include "server/wire/http/testing/authority.h"

namespace socle::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

class OverTls : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    ASSERT_NE(::mkdtemp(dir_.data()), nullptr);
    const auto peer = ParsePeer(GetParam());
    if (absl::IsNotFound(peer.status())) {
      GTEST_SKIP() << peer.status();
    }
    ASSERT_TRUE(peer.ok()) << peer.status();
    Write("ca.pem", authority_.certificate());
    Write("other.pem", stranger_.certificate());
    WritePair("server",
              authority_.Issue({.common_name = "server", .alternative_names = "IP:127.0.0.1"}));
    WritePair("client", authority_.Issue({.common_name = "root", .serial = 2}));
    endpoint_ = fmt::format("https://127.0.0.1:{}", *server::FreePort());
    std::vector<std::string> command = {peer->binary,
                                        "--data-dir=" + Path("data"),
                                        "--listen-client-urls=" + endpoint_,
                                        "--advertise-client-urls=" + endpoint_,
                                        "--log-level=error",
                                        "--bcrypt-cost=4",
                                        "--cert-file=" + Path("server.pem"),
                                        "--key-file=" + Path("server.key"),
                                        "--trusted-ca-file=" + Path("ca.pem"),
                                        "--client-cert-auth"};
    if (peer->is_etcd) {
      const std::string url = fmt::format("http://127.0.0.1:{}", *server::FreePort());
      command.insert(command.end(),
                     {"--logger=zap", "--listen-peer-urls=" + url,
                      "--initial-advertise-peer-urls=" + url, "--initial-cluster=default=" + url});
    }
    auto child = server::ChildServer::Start(command, Path("log"));
    ASSERT_TRUE(child.ok()) << child.status();
    child_ = *std::move(child);
    access_ = {.cacert = Path("ca.pem"), .cert = Path("client.pem"), .key = Path("client.key")};
    client_ = *server::EtcdClient::Open(endpoint_, {.access = access_});
    for (int tries = 0; tries < 500 && !client_->Get("k").ok(); ++tries) {
      Clock::Real()->SleepFor(20 * kNanosPerMilli);
    }
  }

  void TearDown() override {
    client_.reset();
    child_.reset();
    std::filesystem::remove_all(dir_);
  }

  std::string Path(const std::string& name) const { return dir_ + "/" + name; }

  void Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
  }

  void WritePair(const std::string& name, const server::http::PemPair& pair) const {
    Write(name + ".pem", pair.certificate);
    Write(name + ".key", pair.private_key);
  }

  std::string Tls(const std::string& authority = "ca") const {
    return fmt::format("--endpoints={} --cacert={} --cert={} --key={}", endpoint_,
                       Path(authority + ".pem"), Path("client.pem"), Path("client.key"));
  }

  void EnableAuthentication() const {
    etcdserverpb::AuthUserAddRequest root;
    root.set_name("root");
    root.set_password("secret");
    etcdserverpb::AuthUserGrantRoleRequest grant;
    grant.set_user("root");
    grant.set_role("root");
    const std::string auth = "/etcdserverpb.Auth/";
    ASSERT_TRUE(client_->Call<etcdserverpb::AuthUserAddResponse>(auth + "UserAdd", root).ok());
    ASSERT_TRUE(
        client_->Call<etcdserverpb::AuthUserGrantRoleResponse>(auth + "UserGrantRole", grant).ok());
    ASSERT_TRUE(client_
                    ->Call<etcdserverpb::AuthEnableResponse>(auth + "AuthEnable",
                                                             etcdserverpb::AuthEnableRequest())
                    .ok());
  }

  const server::http::Authority authority_{"our authority"};
  const server::http::Authority stranger_{"another authority"};
  std::string dir_ = "/tmp/socle_bench_tls.XXXXXX";
  std::string endpoint_;
  server::ClientAccess access_;
  std::unique_ptr<server::ChildServer> child_;
  std::unique_ptr<server::EtcdClient> client_;
};

TEST_P(OverTls, EveryKindOfLoadRunsByBothClients) {
  const struct {
    std::string_view arguments;
    std::string_view shows;
  } kCases[] = {
      {"put --total 500 --key-space-size 200 --clients 20 --conns 3 --verify",
       "0 missing, 0 wrong"},
      // The pid is not given: memory is what the metrics page says, over TLS too.
      {"range --key-space-size 200 --total 300 --clients 10", "MiB resident"},
      {"watch --watchers 20 --streams 4 --conns 2 --total 10", "0 missing, 0 repeated"},
      {"kube-leases --nodes 20 --period 0.2 --verify", "0 missing, 0 wrong"},
      {"snapshot --total 1", "errors       0"},
      {"watch-get --watchers 10 --streams 2 --events 4 --total 50 --clients 5", "40 events"},
  };

  for (const std::string_view client : {"fast", "grpc"}) {
    for (const auto& c : kCases) {
      SCOPED_TRACE(fmt::format("{} by {}", c.arguments, client));
      const CommandResult result =
          RunBench(fmt::format("{} {} --client={}", c.arguments, Tls(), client));
      if (result.output.find("built without gRPC") != std::string::npos) {
        continue;
      }
      EXPECT_EQ(result.exit_code, 0) << result.output;
      EXPECT_THAT(result.output, HasSubstr(std::string(c.shows)));
    }
  }
}

TEST_P(OverTls, WrongCertificatesAreOneLine) {
  const struct {
    std::string flags;
    std::string text;
  } kCases[] = {
      {Tls("other"), "which is not among the authorities of --cacert"},
      {fmt::format("--endpoints={} --cacert={}", endpoint_, Path("ca.pem")),
       "the server wants a certificate of its clients"},
      {"--endpoints=http://" + endpoint_.substr(8), "its endpoint begins with https://"},
      {fmt::format("--endpoints={} --cacert=/none", endpoint_), "/none: No such file"},
  };

  for (const std::string_view command :
       {"put --total 5", "watch --watchers 1 --streams 1 --conns 1", "check --total 5",
        "watch-get"}) {
    for (const auto& c : kCases) {
      SCOPED_TRACE(fmt::format("{} {}", command, c.flags));
      const CommandResult result = RunBench(fmt::format("{} {}", command, c.flags));
      EXPECT_NE(result.exit_code, 0) << result.output;
      EXPECT_THAT(result.output, HasSubstr(c.text));
    }
  }
}

TEST_P(OverTls, AUserIsLoggedInAndThePasswordStaysOutOfTheReport) {
  EnableAuthentication();
  const std::string json = Path("run.json");
  for (const std::string user :
       {"--user root:secret", "--user=root:secret", "--user root --password secret"}) {
    const CommandResult good =
        RunBench(fmt::format("put --total 50 {} {} --verify --json {}", Tls(), user, json));
    EXPECT_EQ(good.exit_code, 0) << good.output;
    EXPECT_THAT(*ReadTextFile(json), Not(HasSubstr("secret")));
    EXPECT_THAT(*ReadTextFile(json), HasSubstr("***"));
    const CommandResult check = RunBench(fmt::format("check --from {} {} {}", json, Tls(), user));
    EXPECT_EQ(check.exit_code, 0) << check.output;
  }
  const CommandResult bad = RunBench(fmt::format("put --total 50 {} --user root:wrong", Tls()));
  EXPECT_EQ(bad.exit_code, 1) << bad.output;
  EXPECT_THAT(bad.output, HasSubstr("user root can't log in: etcdserver: authentication failed"));
}

INSTANTIATE_TEST_SUITE_P(Peers, OverTls, testing::ValuesIn(std::array{"etcd", SOCLE_PEER}),
                         [](const testing::TestParamInfo<const char*>& peer) {
                           return peer.index == 0 ? "Etcd" : "Socle";
                         });

}  // namespace
}  // namespace socle::bench
