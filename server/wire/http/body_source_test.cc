#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::http {
namespace {

std::string WholeBody() {
  std::string body = "head ";
  for (size_t i = 0; i < TestSite::kSourceBytes; ++i) {
    body.push_back(TestSite::SourceByte(i));
  }
  return body;
}

TEST(BodySource, IsTakenWholeOverHttp2) {
  TestSite site;
  Http2Client client(site.port());
  for (const char* const page : {"/source", "/pieces"}) {
    SCOPED_TRACE(page);
    const auto& stream = client.Await(client.Request("GET", page));
    EXPECT_EQ(stream.error, 0U);
    EXPECT_TRUE(stream.body == WholeBody()) << stream.body.size();
    EXPECT_TRUE(Eventually([&] { return site.sources() == 0; }));
  }
  EXPECT_EQ(site.slow_calls(), 0);
}

TEST(BodySource, IsTakenWholeOverHttp1WithItsLengthInTheHead) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("GET /source HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadToEnd();
  EXPECT_NE(answer.find("content-length: 3000005\r\n"), std::string::npos) << answer.substr(0, 300);
  EXPECT_TRUE(answer.ends_with("\r\n\r\n" + WholeBody())) << answer.size();
}

// What the chunks hold, which is all that comes after the head.
std::string Unchunked(std::string_view chunks) {
  std::string whole;
  for (size_t size = 1; size > 0;) {
    const size_t line = chunks.find("\r\n");
    size = std::stoul(std::string(chunks.substr(0, line)), nullptr, 16);
    whole += chunks.substr(line + 2, size);
    EXPECT_EQ(chunks.substr(line + 2 + size, 2), "\r\n");
    chunks.remove_prefix(line + 2 + size + 2);
  }
  EXPECT_EQ(chunks, "");
  return whole;
}

TEST(BodySource, ThatDoesNotSayItsLengthComesInChunksOverHttp1AndUntilTheEndOverItsElder) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("GET /pieces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answer = client.ReadToEnd();
  EXPECT_NE(answer.find("transfer-encoding: chunked\r\n"), std::string::npos)
      << answer.substr(0, 300);
  const size_t body = answer.find("\r\n\r\n") + 4;
  EXPECT_TRUE(Unchunked(std::string_view(answer).substr(body)) == WholeBody()) << answer.size();
  const RawClient elder(site.port());
  elder.Send("GET /pieces HTTP/1.0\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(elder.ReadToEnd().ends_with("\r\n\r\n" + WholeBody()));
}

TEST(BodySource, IsNotTakenForARequestThatAsksForTheHeadAlone) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("HEAD /source HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(client.ReadToEnd().ends_with("\r\n\r\n"));
  EXPECT_TRUE(Eventually([&] { return site.sources() == 0; }));
}

TEST(BodySource, OfAClientThatLeavesGoesWithIt) {
  TestSite site;
  {
    Http2Client client(site.port(), {.grants_windows = false});
    const int32_t id = client.Request("GET", "/source");
    ASSERT_TRUE(client.RunUntil([&] { return !client.stream(id).body.empty(); }));
    EXPECT_EQ(site.sources(), 1);
  }
  EXPECT_TRUE(Eventually([&] { return site.sources() == 0; }));
}

// The socket takes bytes and the connection lives: only the stream doesn't move.
TEST(BodySource, IsToldThatItsClientIsSlowAndTakenFromOneThatStandsStill) {
  ServerOptions options;
  options.limits.source_patience_nanos = 20 * kNanosPerMilli;
  options.limits.stall_timeout_nanos = 500 * kNanosPerMilli;
  TestSite site(options);
  Http2Client client(site.port(), {.grants_windows = false});
  const int32_t id = client.Request("GET", "/source");
  ASSERT_TRUE(client.RunUntil([&] { return site.slow_calls() > 2; }));
  EXPECT_EQ(site.sources(), 1);
  EXPECT_EQ(client.Await(client.Request("POST", "/echo", "q")).body, "POST /echo q");
  EXPECT_EQ(client.Await(id).error, uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_TRUE(Eventually([&] { return site.sources() == 0; }));
}

}  // namespace
}  // namespace socle::server::http
