#include "server/h2/h2_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/status_macros.h"
#include "server/h2/method_table.h"
#include "server/h2/testing/h2_fixture.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST_F(H2ServerTest, ServesKvLeaseClusterAndMaintenance) {
  const auto put = client_->Put("k", "v");
  ASSERT_TRUE(put.ok()) << put.status();
  EXPECT_EQ(put->header().revision(), 2);
  const auto get = client_->Get("k");
  ASSERT_TRUE(get.ok()) << get.status();
  EXPECT_EQ(get->kvs(0).value(), "v");
  const auto lease = client_->LeaseGrant(60);
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_TRUE(client_->Put("leased", "v", lease->id()).ok());
  const auto renewed = client_->LeaseKeepAliveOnce(lease->id());
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(renewed->ttl(), 60);
  EXPECT_TRUE(client_->LeaseRevoke(lease->id()).ok());
  EXPECT_EQ(client_->Get("leased")->count(), 0);
  EXPECT_EQ(client_->LeaseRevoke(lease->id()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(client_->MemberList()->members_size(), 1);
  EXPECT_TRUE(client_->Status().ok());
  std::string snapshot;
  ASSERT_TRUE(client_->Snapshot([&](std::string_view blob) { snapshot += blob; }).ok());
  EXPECT_EQ(snapshot.size() % 512, 32U);
  EXPECT_EQ(meter_.counts(static_cast<size_t>(RpcMethod::kPut)).handled[0].load(), 2U);
}

TEST_F(H2ServerTest, CarriesErrorTextsByteForByte) {
  const auto empty = client_->Put("", "v");
  EXPECT_EQ(empty.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(empty.status()), "etcdserver: key is not provided");
  pb::RangeRequest future;
  future.set_key("k");
  future.set_revision(100);
  const auto range = client_->Range(future);
  EXPECT_EQ(range.status().code(), absl::StatusCode::kOutOfRange);
  EXPECT_EQ(MessageOf(range.status()), "etcdserver: mvcc: required revision is a future revision");
}

TEST_F(H2ServerTest, JudgesMessagesBySizeAsEtcdDoes) {
  EXPECT_TRUE(client_->Put("k", std::string(1'500'000, 'v')).ok());
  const auto large = client_->Put("k", std::string(1'600'000, 'v'));
  EXPECT_EQ(large.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(large.status()), "etcdserver: request is too large");
  const auto huge = client_->Put("k", std::string(3'000'000, 'v'));
  EXPECT_EQ(huge.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(MessageOf(huge.status())),
              StartsWith("grpc: received message larger than max (3"));
}

TEST_F(H2ServerTest, AnswersBadCallsAsGrpcDoes) {
  struct Case {
    const char* name;
    const char* path;
    std::string body;
    http::Http2Client::Fields fields;
    const char* status;
    const char* text;
  };

  const std::vector<Case> cases = {
      {"unknown service", "/no.Such/Call", Framed(""), {}, "12", "unknown service no.Such"},
      {"unknown method",
       "/etcdserverpb.KV/Nope",
       Framed(""),
       {},
       "12",
       "unknown method Nope for service etcdserverpb.KV"},
      {"no method", "/", Framed(""), {}, "12", "malformed method name"},
      {"compressed",
       "/etcdserverpb.KV/Range",
       Framed("x", 1),
       {{"grpc-encoding", "gzip"}},
       "12",
       "Decompressor is not installed"},
      {"compressed, not said",
       "/etcdserverpb.KV/Range",
       Framed("x", 1),
       {},
       "13",
       "compressed flag set"},
      {"odd flag",
       "/etcdserverpb.KV/Range",
       Framed("x", 7),
       {},
       "13",
       "unexpected payload format 7"},
      {"no message", "/etcdserverpb.KV/Range", "", {}, "13", "no message"},
      {"two messages",
       "/etcdserverpb.KV/Range",
       Framed("") + Framed(""),
       {},
       "13",
       "second message"},
      {"half a message",
       "/etcdserverpb.KV/Range",
       Framed("abc").substr(0, 6),
       {},
       "13",
       "within a message"},
      {"no protobuf",
       "/etcdserverpb.KV/Range",
       Framed("\xff\xff\xff"),
       {},
       "13",
       "error unmarshalling"},
      {"no protobuf on a stream",
       "/etcdserverpb.Watch/Watch",
       Framed("\xff\xff\xff"),
       {},
       "13",
       "error unmarshalling"},
      {"bad timeout",
       "/etcdserverpb.KV/Range",
       Framed(""),
       {{"grpc-timeout", "1y"}},
       "13",
       "malformed grpc-timeout"},
      {"no time at all",
       "/etcdserverpb.KV/Range",
       Framed(""),
       {{"grpc-timeout", "0n"}},
       "4",
       "context deadline exceeded"},
  };
  http::Http2Client client(port());
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    http::Http2Client::Fields fields = c.fields;
    fields.emplace_back("content-type", "application/grpc");
    const int32_t id = client.Request("POST", c.path, c.body, fields);
    client.Await(id);
    EXPECT_EQ(client.stream(id).fields[":status"], "200");
    EXPECT_EQ(client.stream(id).fields["grpc-status"], c.status);
    EXPECT_THAT(client.stream(id).fields["grpc-message"], HasSubstr(c.text));
  }
  const int32_t get =
      client.Request("GET", "/etcdserverpb.KV/Range", "", {{"content-type", "application/grpc"}});
  client.Await(get);
  EXPECT_EQ(client.stream(get).fields[":status"], "405");
}

// protobuf takes messages of a hundred levels by itself. Each level leaves fewer operations to those below.
TEST_F(H2ServerTest, TakesTransactionsAsDeepAsEtcdDoes) {
  struct Case {
    int depth;
    absl::StatusCode code;
  };

  constexpr Case kCases[] = {
      {1, absl::StatusCode::kOk},
      {49, absl::StatusCode::kOk},
      {50, absl::StatusCode::kOk},
      {64, absl::StatusCode::kOk},
      {65, absl::StatusCode::kInvalidArgument},
      {150, absl::StatusCode::kInvalidArgument},
      {500, absl::StatusCode::kInternal},
  };
  for (const auto& [depth, code] : kCases) {
    SCOPED_TRACE(depth);
    pb::TxnRequest txn;
    txn.add_compare()->set_key("a response as deep would be too deep for this client");
    txn.mutable_compare(0)->set_version(1);
    pb::TxnRequest* inner = &txn;
    for (int i = 1; i <= depth; ++i) {
      inner->add_success()->mutable_request_put()->set_key(fmt::format("{}/{}", depth, i));
      inner = i < depth ? inner->add_success()->mutable_request_txn() : nullptr;
    }
    const absl::Status status = client_->Txn(txn).status();
    EXPECT_EQ(status.code(), code) << status;
  }
}

TEST_F(H2ServerTest, EndsAStreamAtItsDeadline) {
  http::Http2Client client(port());
  const int32_t id =
      client.Request("POST", "/etcdserverpb.Watch/Watch", "",
                     {{"content-type", "application/grpc"}, {"grpc-timeout", "50m"}}, true);
  client.Await(id);
  EXPECT_EQ(client.stream(id).fields["grpc-status"], "4");
}

TEST_F(H2ServerTest, AnswersHealthChecks) {
  http::Http2Client client(port());
  const http::Http2Client::Fields grpc = {{"content-type", "application/grpc"}};
  const int32_t check = client.Request("POST", "/grpc.health.v1.Health/Check", Framed(""), grpc);
  EXPECT_EQ(client.Await(check).body, Framed("\x08\x01"));
  EXPECT_EQ(client.stream(check).fields["grpc-status"], "0");
  const int32_t unknown =
      client.Request("POST", "/grpc.health.v1.Health/Check", Framed("\x0a\x01x"), grpc);
  client.Await(unknown);
  EXPECT_EQ(client.stream(unknown).fields["grpc-status"], "5");
  const int32_t watch = client.Request("POST", "/grpc.health.v1.Health/Watch", Framed(""), grpc);
  EXPECT_TRUE(client.RunUntil([&] { return client.stream(watch).body == Framed("\x08\x01"); }));
  EXPECT_FALSE(client.stream(watch).is_closed);
}

TEST_F(H2ServerTest, ServesPagesOverBothProtocolsOnTheSamePort) {
  const http::RawClient old(port());
  old.Send("GET /health?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(old.ReadToEnd(), HasSubstr("\r\n\r\nGET /health a=b"));
  http::Http2Client client(port());
  EXPECT_EQ(client.Await(client.Request("GET", "/health?c")).body, "GET /health c");
}

TEST_F(H2ServerTest, RenewsLeasesInOrderOnOneStream) {
  const auto lease = client_->LeaseGrant(60);
  ASSERT_TRUE(lease.ok());
  http::Http2Client client(port());
  pb::LeaseKeepAliveRequest request;
  request.set_id(lease->id());
  std::string body;
  for (int i = 0; i < 50; ++i) {
    body += Framed(request.SerializeAsString());
  }
  const int32_t id = client.Request("POST", "/etcdserverpb.Lease/LeaseKeepAlive", body,
                                    {{"content-type", "application/grpc"}});
  client.Await(id);
  EXPECT_EQ(client.stream(id).fields["grpc-status"], "0");
  EXPECT_EQ(meter_.counts(static_cast<size_t>(RpcMethod::kLeaseKeepAlive)).sent.load(), 50U);
}

TEST_F(H2ServerTest, StopEndsOpenStreamsWithServerStopped) {
  Inbox inbox;
  pb::WatchCreateRequest create;
  create.set_key("w");
  const auto stream = client_->Watch(create, [&](const pb::WatchResponse& r) { inbox.Add(r); });
  ASSERT_TRUE(inbox.AwaitResponses(1));
  Stop();
  const absl::Status ended = stream->Wait();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(MessageOf(ended), "etcdserver: server stopped");
  const auto& counts = meter_.counts(static_cast<size_t>(RpcMethod::kWatch));
  EXPECT_EQ(counts.handled[static_cast<size_t>(absl::StatusCode::kUnavailable)].load(), 1U);
}

TEST_F(H2ServerTest, SurvivesClientsThatVanishDuringEverything) {
  for (int i = 0; i < 30; ++i) {
    http::Http2Client client(port());
    pb::PutRequest put;
    put.set_key("k");
    put.set_value(std::string(1'000, 'v'));
    const http::Http2Client::Fields grpc = {{"content-type", "application/grpc"}};
    for (int j = 0; j < 20; ++j) {
      client.Request("POST", "/etcdserverpb.KV/Put", Framed(put.SerializeAsString()), grpc);
    }
    client.Request("POST", "/etcdserverpb.Maintenance/Snapshot", Framed(""), grpc);
    client.Request("POST", "/etcdserverpb.Watch/Watch", "", grpc, true);
    client.Request("POST", "/etcdserverpb.Lease/LeaseKeepAlive", "", grpc, true);
  }
  EXPECT_TRUE(client_->Put("after", "v").ok());
}

TEST(MethodTable, HasARowForEveryCountedMethod) {
  for (const RpcMethodName& name : kRpcMethods) {
    EXPECT_NE(h2::FindMethod(fmt::format("/{}/{}", name.service, name.method)), nullptr)
        << name.method;
  }
}

TEST_F(H2ServerTest, AnswersOnASocketOnlyWhatItIsFor) {
  const auto listen = [this](const H2Server::Site& site) {
    auto socket = http::ListenSocket::OpenTcp("127.0.0.1", 0);
    CHECK_OK(socket.status());
    const uint16_t bound = socket->port();
    server_->Listen(*std::move(socket), site);
    return bound;
  };
  const http::Http2Client::Fields grpc = {{"content-type", "application/grpc"}};
  http::Http2Client calls(listen({}));
  EXPECT_EQ(calls.Await(calls.Request("POST", "/etcdserverpb.KV/Range", Framed(""), grpc))
                .fields.at("grpc-status"),
            "3");
  const auto& page = calls.Await(calls.Request("GET", "/health"));
  EXPECT_EQ(page.fields.at(":status"), "421");
  EXPECT_THAT(page.body, HasSubstr("only gRPC here"));
  http::Http2Client pages(listen({.has_calls = false, .web = &EchoHead}));
  EXPECT_EQ(pages.Await(pages.Request("GET", "/health")).body, "GET /health ");
  const auto& call = pages.Await(pages.Request("POST", "/etcdserverpb.KV/Range", Framed(""), grpc));
  EXPECT_EQ(call.fields.at(":status"), "421");
}

}  // namespace
}  // namespace socle::server
