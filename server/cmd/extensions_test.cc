// The extensions through a whole server, as a client and an operator meet them.
#include "server/cmd/extensions.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"
#include "kv/testing/temp_dir.h"
#include "server/cmd/kv_server.h"
#include "server/cmd/soclectl.h"
#include "server/wire/client/etcd_client.h"
#include "server/wire/client/http_get.h"

namespace socle::server {
namespace {

namespace pb = etcdserverpb;
namespace json = boost::json;

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

absl::StatusOr<std::string> FetchPage(const std::string& url, std::string_view path) {
  return HttpGet(*ResolveEndpoint(url), path, 10 * kNanosPerSecond);
}

class ExtensionsTest : public ::testing::Test {
 protected:
  ExtensionsTest() {
    settings_.data_dir = dir_.path() + "/data";
    settings_.listen_client_urls = {"http://127.0.0.1:0"};
    settings_.advertise_client_urls = {"http://127.0.0.1:1"};
    settings_.bcrypt_cost = 4;
  }

  ~ExtensionsTest() override { Stop(); }

  void Start() {
    auto server = KvServer::Start(settings_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    client_ = Open({});
  }

  void Stop() {
    client_.reset();
    server_.reset();
  }

  std::string url() const { return server_->client_urls().front().ToString(); }

  std::unique_ptr<EtcdClient> Open(Metadata metadata) const {
    auto client = EtcdClient::Open(url(), {.metadata = std::move(metadata)});
    CHECK_OK(client.status());
    return *std::move(client);
  }

  template <typename Response, typename Request>
  absl::Status Auth(EtcdClient* client, std::string_view method, const Request& request) {
    return client->Call<Response>("/etcdserverpb.Auth/" + std::string(method), request).status();
  }

  std::string Read(const std::string& path) const {
    const auto file = Env::Posix()->Open(path, OpenMode::kReadOnly);
    CHECK_OK(file.status());
    std::string text((*file)->Size().value(), '\0');
    CHECK_OK((*file)->ReadAt(0, text));
    return text;
  }

  // The objects of a file with one in each line.
  std::vector<json::object> Lines(const std::string& path) const {
    std::vector<json::object> lines;
    const std::string text = Read(path);
    for (size_t start = 0, end = 0; (end = text.find('\n', start)) != std::string::npos;
         start = end + 1) {
      lines.push_back(json::parse(text.substr(start, end - start)).as_object());
    }
    return lines;
  }

  // What soclectl prints; its exit code must be `code`.
  std::string RunSoclectl(const std::vector<std::string>& arguments, int code = 0) {
    std::string out;
    const Console console{.env = Env::Posix(),
                          .clock = Clock::Real(),
                          .out = [&out](std::string_view text) { out += text; },
                          .err = [&out](std::string_view text) { out += text; }};
    EXPECT_EQ(Soclectl(arguments, console), code) << out;
    return out;
  }

  TempDir dir_;
  Settings settings_;
  std::unique_ptr<KvServer> server_;
  std::unique_ptr<EtcdClient> client_;
};

double MillisOf(const json::object& line, std::string_view phase) {
  return std::stod(std::string(line.at({phase.data(), phase.size()}).as_string()));
}

TEST_F(ExtensionsTest, ASlowRequestIsLoggedWithItsPhasesAndAStormOfThemIsCut) {
  const std::string log = dir_.path() + "/log";
  ASSERT_TRUE(InitLog({.level = LogLevel::kWarning, .outputs = {log}}).ok());
  settings_.slow_request_threshold_nanos = 1;
  settings_.warning_unary_request_nanos = 1;
  Start();
  ASSERT_TRUE(client_->Put("/app/key", "secret-value").ok());
  pb::RangeRequest range;
  range.set_key("/app/");
  range.set_range_end("/app0");
  ASSERT_TRUE(client_->Range(range).ok());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(client_->Get("/app/key").ok());
  }
  Stop();
  ASSERT_TRUE(InitLog({.level = LogLevel::kWarning, .format = LogFormat::kText}).ok());

  EXPECT_THAT(Read(log), Not(HasSubstr("secret-value")));
  size_t slow = 0;
  size_t as_etcd = 0;
  int64_t left_out = 0;
  for (const json::object& line : Lines(log)) {
    const bool is_slow = line.at("msg") == "slow request";
    as_etcd += line.at("msg") == "request stats" ? 1 : 0;
    if (line.contains("left-out")) {
      left_out += line.at("left-out").as_int64();
    }
    if (!is_slow) {
      continue;
    }
    ++slow;
    double sum = 0;
    for (const char* phase :
         {"worker-wait", "queue", "log-sync", "apply", "work", "answer", "send"}) {
      sum += MillisOf(line, phase);
    }
    EXPECT_NEAR(sum, MillisOf(line, "took"), 0.01);
    EXPECT_EQ(line.at("level"), "warn");
    EXPECT_THAT(std::string(line.at("remote").as_string()), HasSubstr("127.0.0.1:"));
    if (line.at("method") == "Put") {
      EXPECT_EQ(line.at("key"), "/app/key");
      EXPECT_GT(MillisOf(line, "log-sync"), 0);
      EXPECT_EQ(line.at("code"), "OK");
    }
    if (line.at("method") == "Range" && line.at("range-end") == "/app0") {
      EXPECT_GT(MillisOf(line, "work"), 0);
      EXPECT_GT(line.at("response-bytes").as_int64(), 0);
    }
  }
  EXPECT_GE(slow, SlowLog::kLinesPerSecond);
  EXPECT_GE(as_etcd, SlowLog::kLinesPerSecond);
  EXPECT_EQ(slow + as_etcd + static_cast<size_t>(left_out), 104U);  // 52 calls, two kinds of lines
}

TEST_F(ExtensionsTest, TheAuditLogHasEveryWriteWithItsRevisionAndNoValue) {
  settings_.audit_log = dir_.path() + "/audit";
  Start();
  const auto put = client_->Put("/a", "secret-value");
  ASSERT_TRUE(put.ok());
  ASSERT_TRUE(client_->Get("/a").ok());  // a read is not of this level
  pb::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key("/b");
  txn.add_success()->mutable_request_delete_range()->set_key("/a");
  ASSERT_TRUE(client_->Txn(txn).ok());
  EXPECT_FALSE(client_->Put("", "v").ok());
  Stop();

  EXPECT_THAT(Read(settings_.audit_log), Not(HasSubstr("secret-value")));
  const std::vector<json::object> lines = Lines(settings_.audit_log);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("method"), "Put");
  EXPECT_EQ(lines[0].at("revision"), put->header().revision());
  EXPECT_EQ(lines[0].at("ranges").at(0).at("key"), "/a");
  EXPECT_EQ(lines[0].at("ranges").at(0).at("bytes"), 12);
  EXPECT_EQ(lines[1].at("method"), "Txn");
  EXPECT_EQ(lines[1].at("ranges").at(1).at("verb"), "delete");
  EXPECT_EQ(lines[1].at("revision"), put->header().revision() + 1);
  EXPECT_EQ(lines[2].at("code"), "InvalidArgument");
  EXPECT_EQ(lines[2].at("error"), "etcdserver: key is not provided");
}

TEST_F(ExtensionsTest, TheAuditLogTellsAGuardedPutThatWasMadeFromOneThatWasNot) {
  settings_.audit_log = dir_.path() + "/audit";
  Start();
  pb::TxnRequest txn;  // make it, if it is not there
  txn.add_compare()->set_key("/lock");
  txn.mutable_compare(0)->set_target(pb::Compare::VERSION);
  txn.add_success()->mutable_request_put()->set_key("/lock");
  txn.add_failure()->mutable_request_range()->set_key("/lock");
  ASSERT_TRUE(client_->Txn(txn)->succeeded());
  ASSERT_FALSE(client_->Txn(txn)->succeeded());
  const auto lease = client_->LeaseGrant(60);
  ASSERT_TRUE(lease.ok()) << lease.status();
  Stop();

  const std::vector<json::object> lines = Lines(settings_.audit_log);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].at("succeeded"), true);
  EXPECT_EQ(lines[0].at("ranges").at(1).at("verb"), "put");
  EXPECT_EQ(lines[1].at("succeeded"), false);
  EXPECT_EQ(lines[1].at("ranges").at(1).at("verb"), "range");
  for (const json::object& line : lines) {
    EXPECT_EQ(line.contains("ranges") ? line.at("ranges").as_array().size() : 2, 2U);
  }
  EXPECT_FALSE(lines[2].contains("succeeded"));
  EXPECT_EQ(lines[2].at("lease"), lease->id());
  EXPECT_EQ(lines[2].at("ttl"), 60);
}

TEST_F(ExtensionsTest, TheAuditLogNamesUsersAndTheRefused) {
  settings_.audit_log = dir_.path() + "/audit";
  settings_.audit_level = "auth";
  Start();
  pb::AuthUserAddRequest add;
  add.set_name("root");
  add.set_password("secret-word");
  ASSERT_TRUE(Auth<pb::AuthUserAddResponse>(client_.get(), "UserAdd", add).ok());
  pb::AuthUserGrantRoleRequest grant;
  grant.set_user("root");
  grant.set_role("root");
  ASSERT_TRUE(Auth<pb::AuthUserGrantRoleResponse>(client_.get(), "UserGrantRole", grant).ok());
  add.set_name("alice");
  ASSERT_TRUE(Auth<pb::AuthUserAddResponse>(client_.get(), "UserAdd", add).ok());
  ASSERT_TRUE(
      Auth<pb::AuthEnableResponse>(client_.get(), "AuthEnable", pb::AuthEnableRequest()).ok());
  pb::AuthenticateRequest login;
  login.set_name("alice");
  login.set_password("wrong-word");
  EXPECT_FALSE(Auth<pb::AuthenticateResponse>(client_.get(), "Authenticate", login).ok());
  login.set_password("secret-word");
  const auto token =
      client_->Call<pb::AuthenticateResponse>("/etcdserverpb.Auth/Authenticate", login);
  ASSERT_TRUE(token.ok());
  {
    const auto alice = Open({{"token", token->token()}});
    EXPECT_EQ(alice->Put("/theirs", "v").status().code(), absl::StatusCode::kPermissionDenied);
    const auto watched = alice->Watch(
        [] {
          pb::WatchCreateRequest create;
          create.set_key("/theirs");
          return create;
        }(),
        [](const pb::WatchResponse&) {});
    EXPECT_FALSE(alice->Get("/theirs").ok());
    const auto thief = Open({{"token", "no-such-token.1"}});
    EXPECT_FALSE(thief->Get("/theirs").ok());
    login.set_name("root");
    const auto root_token =
        client_->Call<pb::AuthenticateResponse>("/etcdserverpb.Auth/Authenticate", login);
    ASSERT_TRUE(root_token.ok());
    const auto root = Open({{"token", root_token->token()}});
    ASSERT_TRUE(root->Put("/allowed", "v").ok());  // not of this level
    ASSERT_TRUE(
        Auth<pb::AuthDisableResponse>(root.get(), "AuthDisable", pb::AuthDisableRequest()).ok());
  }
  Stop();

  const std::string text = Read(settings_.audit_log);
  EXPECT_THAT(text, Not(HasSubstr("-word")));
  EXPECT_THAT(text, Not(HasSubstr(token->token())));
  std::vector<std::string> seen;
  for (const json::object& line : Lines(settings_.audit_log)) {
    seen.push_back(fmt::format("{} {} {}", std::string(line.at("method").as_string()),
                               std::string(line.at("user").as_string()),
                               std::string(line.at("code").as_string())));
  }
  std::sort(seen.begin(), seen.end());
  const std::vector<std::string> expected = {"AuthDisable root OK",
                                             "AuthEnable  OK",
                                             "Authenticate alice InvalidArgument",
                                             "Authenticate alice OK",
                                             "Authenticate root OK",
                                             "Put alice PermissionDenied",
                                             "Range  Unauthenticated",
                                             "Range alice PermissionDenied",
                                             "UserAdd  OK",
                                             "UserAdd  OK",
                                             "UserGrantRole  OK",
                                             "Watch alice PermissionDenied"};
  EXPECT_EQ(seen, expected);
}

TEST_F(ExtensionsTest, AnAuditLogThatCantBeOpenedStopsTheStart) {
  settings_.audit_log = dir_.path() + "/no/such/directory/audit";
  const auto server = KvServer::Start(settings_);
  ASSERT_FALSE(server.ok());
  EXPECT_THAT(std::string(MessageOf(server.status())), HasSubstr("--audit-log"));
  EXPECT_FALSE(Env::Posix()->Exists(settings_.data_dir).value());
}

TEST_F(ExtensionsTest, AnAuditLogThatCantBeWrittenRefusesWritesWhenAskedTo) {
  settings_.audit_log = "/dev/full";
  settings_.audit_failure = "refuse";
  Start();
  absl::Status status;
  for (int i = 0; i < 1'000 && status.ok(); ++i) {
    status = client_->Put("/a", "v").status();
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(MessageOf(status)), HasSubstr("audit log"));
  EXPECT_TRUE(client_->Get("/a").ok());  // not of the level, so not audited
}

TEST_F(ExtensionsTest, TheBusiestPrefixesAreOnAPageAndInSoclectlTop) {
  settings_.hot_prefixes = 5;
  Start();
  for (int i = 0; i < 3'000; ++i) {
    ASSERT_TRUE(client_->Get(fmt::format("/registry/pods/ns/{}", i % 7)).ok());
  }
  for (int i = 0; i < 600; ++i) {
    ASSERT_TRUE(client_->Put(fmt::format("/registry/leases/ns/{}", i % 7), "v").ok());
  }
  const auto page = FetchPage(url(), "/debug/hot-prefixes?top=3");
  ASSERT_TRUE(page.ok()) << page.status();
  const json::array rows = json::parse(*page).at("prefixes").as_array();
  ASSERT_GE(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("prefix"), "/registry/pods/");
  EXPECT_GT(rows[0].at("reads_per_second").as_double(), 0);
  EXPECT_EQ(rows[1].at("prefix"), "/registry/leases/");
  EXPECT_GT(rows[1].at("writes_per_second").as_double(), 0);

  const std::string table = RunSoclectl({"top", "--endpoint", url(), "--once", "-n", "1"});
  EXPECT_THAT(table, HasSubstr("READS/S"));
  EXPECT_THAT(table, HasSubstr("/registry/pods/"));
  EXPECT_THAT(table, Not(HasSubstr("/registry/leases/")));
}

TEST_F(ExtensionsTest, ManyWritersTogetherFillAPrefixToItsQuotaAndNotBeyond) {
  settings_.prefix_quotas = {{.prefix = "/app/", .bytes = 1'000}};
  Start();
  // Each wants 40 times 10 + 15 bytes; all of them get 40 of 160.
  std::vector<Thread> writers;
  std::atomic<int> refused{0};
  for (int writer = 0; writer < 4; ++writer) {
    writers.emplace_back("writer", [this, writer, &refused] {
      const auto client = Open({});
      for (int i = 0; i < 40; ++i) {
        const absl::Status put =
            client->Put(fmt::format("/app/{:02}/{:02}", writer, i), "fifteen bytes..").status();
        if (!put.ok()) {
          ++refused;
          EXPECT_EQ(put.code(), absl::StatusCode::kResourceExhausted);
          EXPECT_EQ(
              std::string(MessageOf(put)),
              "socle: prefix quota exceeded: the keys of \"/app/\" take 1000 of 1000 bytes, and "
              "this write adds 25");
        }
      }
    });
  }
  writers.clear();
  EXPECT_EQ(refused.load(), 120);
  EXPECT_TRUE(client_->Put("/other", std::string(5'000, 'v')).ok());
  const std::string table = RunSoclectl({"quota", "--endpoint", url()});
  EXPECT_THAT(table, HasSubstr("1000             1000  100.0 %         40        120  /app/"));
  EXPECT_THAT(FetchPage(url(), "/metrics").value(),
              HasSubstr("socle_prefix_quota_used_bytes{prefix=\"/app/\"} 1000"));
  pb::DeleteRangeRequest erase;
  erase.set_key("/app/");
  erase.set_range_end("/app0");
  EXPECT_TRUE(client_->DeleteRange(erase).ok());
  EXPECT_TRUE(client_->Put("/app/again", "v").ok());
}

TEST_F(ExtensionsTest, APutWithANegativeLeaseMakesItsKeyLiveSoManySeconds) {
  settings_.key_ttl = true;
  Start();
  Mutex mu;
  CondVar changed;
  int64_t deleted_at = 0;
  pb::WatchCreateRequest create;
  create.set_key("/ttl/short");
  const auto watch = client_->Watch(create, [&](const pb::WatchResponse& response) {
    MutexLock lock(&mu);
    for (const mvccpb::Event& event : response.events()) {
      deleted_at = event.type() == mvccpb::Event::DELETE ? event.kv().mod_revision() : deleted_at;
    }
    changed.SignalAll();
  });
  ASSERT_TRUE(client_->Put("/ttl/short", "v", -2).ok());
  pb::TxnRequest txn;
  for (const char* key : {"/ttl/long", "/ttl/dropped", "/ttl/erased"}) {
    pb::PutRequest* const put = txn.add_success()->mutable_request_put();
    put->set_key(key);
    put->set_lease(-1'000);
  }
  const auto made = client_->Txn(txn);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->header().revision(), 3);  // grants and puts are one revision
  const auto lease_of = [this](const char* key) { return client_->Get(key)->kvs(0).lease(); };
  const int64_t lease = lease_of("/ttl/long");
  EXPECT_GT(lease, 0);
  const auto left = client_->LeaseTimeToLive(lease, /*keys=*/true);
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->grantedttl(), 1'000);
  ASSERT_EQ(left->keys_size(), 1);
  EXPECT_EQ(left->keys(0), "/ttl/long");
  EXPECT_EQ(client_->LeaseLeases()->leases_size(), 4);

  // Refreshed by another put; dropped by one without; gone with its key.
  ASSERT_TRUE(client_->Put("/ttl/long", "w", -2'000).ok());
  EXPECT_NE(lease_of("/ttl/long"), lease);
  EXPECT_EQ(client_->LeaseTimeToLive(lease, false)->ttl(), -1);
  ASSERT_TRUE(client_->Put("/ttl/dropped", "w").ok());
  EXPECT_EQ(lease_of("/ttl/dropped"), 0);
  pb::DeleteRangeRequest erase;
  erase.set_key("/ttl/erased");
  ASSERT_TRUE(client_->DeleteRange(erase).ok());
  EXPECT_LE(client_->LeaseLeases()->leases_size(), 2);

  // A client may still renew it, and hang others on it.
  EXPECT_EQ(client_->LeaseKeepAliveOnce(lease_of("/ttl/long"))->ttl(), 2'000);
  EXPECT_EQ(client_->Put("/x", "v", INT64_MIN).status().code(), absl::StatusCode::kOutOfRange);
  {
    MutexLock lock(&mu);
    while (deleted_at == 0) {
      ASSERT_TRUE(changed.WaitFor(&mu, std::chrono::seconds(20)));
    }
  }
  EXPECT_EQ(client_->Get("/ttl/short")->count(), 0);
}

TEST_F(ExtensionsTest, WithoutKeyTtlANegativeLeaseIsOneThatDoesNotExist) {
  Start();
  const absl::Status refused = client_->Put("/k", "v", -5).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(std::string(MessageOf(refused)), "etcdserver: requested lease not found");
}

TEST_F(ExtensionsTest, WithKeyTtlALeaseWithANegativeIdIsStillItself) {
  settings_.key_ttl = true;
  Start();
  ASSERT_TRUE(client_->LeaseGrant(100, -5).ok());
  ASSERT_TRUE(client_->Put("/k", "v", -5).ok());
  EXPECT_EQ(client_->Get("/k")->kvs(0).lease(), -5);
}

TEST_F(ExtensionsTest, WithoutItsFlagThereIsNoPageAndSoclectlSaysWhichFlagMakesIt) {
  Start();
  EXPECT_TRUE(absl::IsNotFound(FetchPage(url(), "/debug/hot-prefixes").status()));
  EXPECT_THAT(RunSoclectl({"top", "--endpoint", url(), "--once"}, 2),
              HasSubstr("start socle-kv with --hot-prefixes=N"));
}

}  // namespace
}  // namespace socle::server
