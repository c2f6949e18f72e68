#include "server/gateway/web_front.h"

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/gateway/paths.h"
#include "server/h2/testing/h2_fixture.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server::gateway {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

H2Server::Web WebOf(const WebOptions& options) {
  const auto front = std::make_shared<WebFront>(
      [](const HttpRequest& page) {
        return HttpResponse{.body = fmt::format("page {} {}", page.path, page.query)};
      },
      options);
  return [front](h2::Services* services, const http::Request& request,
                 const std::shared_ptr<http::Exchange>& exchange) {
    return front->Begin(services, request, exchange);
  };
}

class WebFrontTest : public H2ServerTest {
 protected:
  explicit WebFrontTest(const WebOptions& options = {}, const H2Options& h2 = {})
      : H2ServerTest(WebOf(options), h2) {}

  // One request over HTTP/1.1, all of the answer.
  std::string Ask(std::string_view line, std::string_view body,
                  std::string_view fields = "") const {
    http::RawClient client(port());
    client.Send(
        fmt::format("{} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n{}\r\n{}",
                    line, body.size(), fields, body));
    return client.ReadToEnd();
  }

  bool AwaitWatchers(int64_t count) const {
    for (int i = 0; i < 1000 && store_->Stats().watchers != count; ++i) {
      Clock::Real()->SleepFor(5 * kNanosPerMilli);
    }
    return store_->Stats().watchers == count;
  }
};

TEST_F(WebFrontTest, AnswersCallsAndPagesOverBothProtocols) {
  EXPECT_THAT(Ask("POST /v3/kv/put", R"({"key":"YQ==","value":"MQ=="})"),
              HasSubstr(R"("revision":"2")"));
  http::Http2Client client(port());
  const auto& range = client.Await(client.Request("POST", "/v3/kv/range", R"({"key":"YQ=="})"));
  EXPECT_EQ(range.fields.at(":status"), "200");
  EXPECT_EQ(range.fields.at("content-type"), "application/json");
  EXPECT_EQ(range.fields.at("access-control-allow-origin"), "*");
  EXPECT_THAT(range.body, HasSubstr(R"("kvs":[{"key":"YQ==","create_revision":"2",)"));
  const auto& wrong = client.Await(client.Request("POST", "/v3/kv/range", "x"));
  EXPECT_EQ(wrong.fields.at(":status"), "400");
  EXPECT_THAT(wrong.body, EndsWith(R"(,"code":3,"details":[]})"));
  EXPECT_EQ(client.Await(client.Request("GET", "/v3/kv/range")).fields.at(":status"), "405");
  EXPECT_EQ(client.Await(client.Request("GET", "/v3/nothing")).body, "Not Found\n");
  EXPECT_EQ(client.Await(client.Request("GET", "/page?x")).body, "page /page x");
  EXPECT_THAT(Ask("GET /page?x", ""), EndsWith("\r\n\r\npage /page x"));
  EXPECT_EQ(meter_.counts(static_cast<size_t>(RpcMethod::kRange)).handled[0].load(), 1U);
}

class ShortAnswers : public WebFrontTest {
 protected:
  ShortAnswers() : WebFrontTest({}, {.sent_bytes_max = 10'000}) {}
};

TEST_F(ShortAnswers, AreAllThatIsSentAndALongerOneIsRefusedAsTheCallWouldBe) {
  ASSERT_TRUE(store_->Put({.key = "k", .value = std::string(5'000, 'v')}).ok());
  constexpr std::string_view kGet = R"({"requestRange":{"key":"aw=="}})";
  const std::string twice = fmt::format(R"({{"success":[{0},{0}]}})", kGet);
  const std::string answer = Ask("POST /v3/kv/txn", twice);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429 "));
  EXPECT_THAT(answer, HasSubstr(R"("message":"trying to send message larger than max (10)"));
  EXPECT_THAT(Ask("POST /v3/kv/range", R"({"key":"aw=="})"), StartsWith("HTTP/1.1 200 "));
}

TEST_F(WebFrontTest, FollowsAWatchWhoseClientGoesOnTalking) {
  http::Http2Client client(port());
  const int32_t id = client.Request("POST", "/v3/watch", "{\"create_re", {}, true);
  client.SendBody(id, "quest\":{\"key\":\"YQ==\"}}", false);
  ASSERT_TRUE(client.RunUntil([&] { return client.stream(id).body.ends_with("\n"); }));
  EXPECT_THAT(client.stream(id).body, EndsWith(R"("created":true}})"
                                               "\n"));
  ASSERT_TRUE(client_->Put("a", "1").ok());
  ASSERT_TRUE(
      client.RunUntil([&] { return client.stream(id).body.find("events") != std::string::npos; }));
  client.SendBody(id, R"( {"create_request":{"key":"Yg==","watch_id":9}} {"cancel_)", false);
  client.SendBody(id, R"(request":{"watch_id":9}} and what is no JSON)", false);
  ASSERT_TRUE(client.RunUntil(
      [&] { return client.stream(id).body.find("canceled") != std::string::npos; }));
  ASSERT_TRUE(client_->Put("a", "2").ok());
  ASSERT_TRUE(client.RunUntil(
      [&] { return client.stream(id).body.find("\"Mg==\"") != std::string::npos; }));
  EXPECT_FALSE(client.stream(id).is_closed);
  client.Reset(id, http::kResetCancel);
  client.Ping();
  client.RunUntil([this] { return store_->Stats().watchers == 0; });
  EXPECT_TRUE(AwaitWatchers(0));
}

TEST_F(WebFrontTest, StreamsInChunksAndLetsGoWithTheConnection) {
  {
    http::RawClient client(port());
    const std::string_view body = R"({"create_request":{"key":"YQ=="}})";
    client.Send(fmt::format("POST /v3/watch HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{}",
                            body.size(), body));
    const std::string head = client.ReadUntil("created");
    EXPECT_THAT(head, StartsWith("HTTP/1.1 200 OK\r\n"));
    EXPECT_THAT(head, HasSubstr("transfer-encoding: chunked\r\n"));
    ASSERT_TRUE(client_->Put("a", "1").ok());
    EXPECT_THAT(client.ReadUntil("\"MQ==\""), HasSubstr(R"("events":[{"kv":)"));
    EXPECT_TRUE(AwaitWatchers(1));
  }
  EXPECT_TRUE(AwaitWatchers(0));
}

TEST_F(WebFrontTest, RenewsLeasesOneAfterTheOther) {
  ASSERT_TRUE(client_->LeaseGrant(60).ok());
  const std::string answer =
      Ask("POST /v3/lease/keepalive", R"({"ID":1}{"ID":"2"}  {"ID":3} no more)");
  EXPECT_THAT(answer, HasSubstr(R"("ID":"1"}})"));
  EXPECT_THAT(answer, EndsWith("\"ID\":\"3\"}}\n"));
}

TEST_F(WebFrontTest, KeepsWithinItsLimits) {
  const std::string big(5'000'000, 'A');
  const std::string answer = Ask("POST /v3/kv/put", "{\"key\":\"" + big + "\"}");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 429"));
  EXPECT_THAT(answer, HasSubstr("longer than 4194304 bytes"));
  EXPECT_THAT(Ask("POST /v3/kv/put", "{\"key\":\"" + big.substr(0, 3'000'000) + "\"}"),
              HasSubstr("grpc: received message larger than max (2250"));
  EXPECT_THAT(Ask("POST /v3/kv/put", std::string(5'000'000, ' ') + R"({"key":"YQ=="})"),
              StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Ask("POST /v3/kv/put", R"({"key":"YQ=="})" + big), StartsWith("HTTP/1.1 200"));
}

TEST_F(WebFrontTest, EndsAStreamWithTheReasonInItsBody) {
  http::Http2Client client(port());
  const int32_t late = client.Request("POST", "/v3/watch", R"({"create_request":{"key":"YQ=="}})",
                                      {{"grpc-timeout", "50m"}});
  EXPECT_THAT(client.Await(late).body,
              EndsWith(R"({"error":{"grpc_code":4,"http_code":504,"message":"context deadline )"
                       R"(exceeded","http_status":"Gateway Timeout"}})"));
  const int32_t stopped =
      client.Request("POST", "/v3/watch", R"({"create_request":{"key":"YQ=="}})");
  ASSERT_TRUE(client.RunUntil([&] { return !client.stream(stopped).body.empty(); }));
  server_->Stop();
  EXPECT_THAT(client.Await(stopped).body, HasSubstr("\"message\":\"etcdserver: server stopped\""));
}

TEST_F(WebFrontTest, AClientThatStopsReadingDisturbsNobody) {
  http::Http2Client silent(port(), {.stream_window_bytes = 1'000, .grants_windows = false});
  silent.Request("POST", "/v3/watch", R"({"create_request":{"key":"dw=="}})");
  silent.RunUntil([this] { return store_->Stats().watchers == 1; });
  const std::string value(20'000, 'v');
  for (int i = 0; i < 200; ++i) {
    ASSERT_TRUE(client_->Put("w", value).ok());
  }
  EXPECT_THAT(Ask("POST /v3/kv/range", R"({"key":"dw==","count_only":true})"),
              HasSubstr("\"count\":\"1\""));
}

class WebFrontWithoutGatewayTest : public WebFrontTest {
 protected:
  WebFrontWithoutGatewayTest()
      : WebFrontTest({.has_gateway = false, .cors = {}, .host_whitelist = {"h"}}) {}
};

TEST_F(WebFrontWithoutGatewayTest, ServesPagesToTheHostsOfTheList) {
  EXPECT_THAT(Ask("POST /v3/kv/range", ""), EndsWith("page /v3/kv/range "));
  EXPECT_THAT(Ask("GET /page", ""), Not(HasSubstr("access-control")));
  http::RawClient client(port());
  client.Send("GET /page HTTP/1.1\r\nhost: other:1\r\nconnection: close\r\n\r\n");
  const std::string refused = client.ReadToEnd();
  EXPECT_THAT(refused, StartsWith("HTTP/1.1 421 "));
  EXPECT_THAT(refused, HasSubstr("--host-whitelist \"other\""));
}

TEST(Paths, LeadToEveryMethod) {
  std::set<std::string_view> reached;
  for (const PathRow& row : PathTable()) {
    SCOPED_TRACE(row.path);
    const GatewayMethod* const method = FindGatewayMethod(row.path);
    ASSERT_NE(method, nullptr);
    EXPECT_EQ(row.method, fmt::format("/{}/{}", method->row->service, method->row->method));
    reached.insert(row.method);
  }
  for (const h2::MethodRow& row : h2::MethodTable()) {
    // Neither has a path in etcd's gateway.
    if (row.service != "grpc.health.v1.Health" && row.method != "RangeStream") {
      EXPECT_TRUE(reached.contains(fmt::format("/{}/{}", row.service, row.method))) << row.method;
    }
  }
  EXPECT_EQ(FindGatewayMethod("kv/range/"), nullptr);
}

}  // namespace
}  // namespace socle::server::gateway
