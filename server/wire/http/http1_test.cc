#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::http {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ServerOptions Quick() {
  ServerOptions options;
  options.limits.head_timeout_nanos = 150 * kNanosPerMilli;
  options.limits.body_timeout_nanos = 150 * kNanosPerMilli;
  options.limits.idle_timeout_nanos = 150 * kNanosPerMilli;
  return options;
}

TEST(Http1, AnswersPipelinedRequestsInOrderOnOneConnection) {
  TestSite site;
  const RawClient client(site.port());
  client.Send(
      "GET /later?a HTTP/1.1\r\nHost: x\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
      "GET /echo?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadToEnd();
  const size_t first = all.find("GET /later?a ");
  const size_t second = all.find("POST /echo abc");
  const size_t third = all.find("GET /echo?b ");
  EXPECT_LT(first, second);
  EXPECT_LT(second, third);
  EXPECT_NE(third, std::string::npos) << all;
  EXPECT_THAT(all, HasSubstr("content-length: 14\r\n"));
}

TEST(Http1, TakesABodyInAnyPieces) {
  TestSite site;
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n4;ext=1\r\ndefg\r\n0\r\nX-Trailer: 1\r\n\r\n";
  for (const size_t piece : {size_t{1}, size_t{7}, request.size()}) {
    SCOPED_TRACE(piece);
    const RawClient client(site.port());
    for (size_t at = 0; at < request.size(); at += piece) {
      client.Send(std::string_view(request).substr(at, piece));
    }
    EXPECT_THAT(client.ReadUntil("abcdefg"), EndsWith("\r\n\r\nPOST /echo abcdefg"));
  }
}

TEST(Http1, StreamsInChunksWithTrailers) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("GET /chunks HTTP/1.1\r\nHost: x\r\n\r\n");
  const std::string all = client.ReadUntil("x-count: 3\r\n\r\n");
  EXPECT_THAT(all, HasSubstr("transfer-encoding: chunked\r\n"));
  EXPECT_THAT(all, EndsWith("0\r\nx-count: 3\r\n\r\n"));
}

TEST(Http1, EndsTheConnectionWhereAnOldClientExpectsIt) {
  TestSite site;
  {
    const RawClient client(site.port());
    client.Send("GET /chunks HTTP/1.0\r\n\r\n");
    EXPECT_THAT(client.ReadToEnd(), EndsWith("connection: close\r\n\r\none two three"));
  }
  const RawClient client(site.port());
  client.Send("GET /echo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("GET /echo "), HasSubstr("connection: keep-alive\r\n"));
}

TEST(Http1, HeadHasTheHeadAndNoBody) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("HEAD /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string all = client.ReadToEnd();
  EXPECT_THAT(all, HasSubstr("content-length: 11\r\n"));
  EXPECT_THAT(all, EndsWith("\r\n\r\n"));
}

TEST(Http1, SaysContinueToAClientThatWaitsForIt) {
  TestSite site;
  const RawClient client(site.port());
  client.Send(
      "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_THAT(client.ReadUntil("\r\n\r\n"), StartsWith("HTTP/1.1 100 Continue\r\n\r\n"));
  client.Send("hi");
  EXPECT_THAT(client.ReadUntil("hi"), HasSubstr("200 OK"));
}

TEST(Http1, RefusesWhatIsMalformedAndHangsUp) {
  struct Case {
    const char* name;
    std::string request;
    const char* answer;
  };

  const std::string long_value(70'000, 'a');
  std::string many_fields;
  for (int i = 0; i < 5'000; ++i) {
    many_fields += fmt::format("x-{}: 0123456789\r\n", i);
  }
  const std::vector<Case> cases = {
      {"no request line", "\x01\x02\x03\r\n\r\n", "400"},
      {"no version", "GET /\r\n\r\n", "400"},
      {"version 2 spelled out", "GET / HTTP/2.0\r\n\r\n", "400"},
      {"space in a field name", "GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", "400"},
      {"no colon", "GET / HTTP/1.1\r\nHost: x\r\nAbc\r\n\r\n", "400"},
      {"no host", "GET / HTTP/1.1\r\n\r\n", "400"},
      {"two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", "400"},
      {"bad length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n", "400"},
      {"negative length", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", "400"},
      {"two lengths",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "400"},
      {"length and chunks",
       "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
       "400"},
      {"unknown coding", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", "501"},
      {"bad chunk size",
       "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "400"},
      {"long value", "GET / HTTP/1.1\r\nHost: x\r\nA: " + long_value + "\r\n\r\n", "431"},
      {"many fields", "GET / HTTP/1.1\r\nHost: x\r\n" + many_fields + "\r\n", "431"},
      {"large body",
       "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n" +
           std::string(9'000'000, 'b'),
       "413"},
  };
  TestSite site;
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const RawClient client(site.port());
    client.Send(c.request);
    const std::string all = client.ReadToEnd();
    EXPECT_THAT(all, StartsWith(fmt::format("HTTP/1.1 {} ", c.answer)));
    EXPECT_THAT(all, HasSubstr("connection: close\r\n"));
    EXPECT_THAT(all, Not(EndsWith("<timeout>")));
  }
}

TEST(Http1, AnAnswerBeforeTheBodyEndsTheConnection) {
  TestSite site;
  const RawClient client(site.port());
  client.Send("POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  const std::string all = client.ReadToEnd();
  EXPECT_THAT(all, StartsWith("HTTP/1.1 403 "));
  EXPECT_THAT(all, EndsWith("connection: close\r\n\r\nno"));
}

TEST(Http1, CutsOffClientsThatStopInTheMiddle) {
  struct Case {
    const char* name;
    const char* sent;
    const char* answer;
  };

  constexpr Case kCases[] = {
      {"nothing at all", "", ""},
      {"the start of a preface", "PR", ""},
      {"half a head", "GET / HTTP/1.1\r\nHo", "HTTP/1.1 408 "},
      {"half a body", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab",
       "HTTP/1.1 408 "},
      {"idle after a request", "GET /early HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 403 "},
  };
  TestSite site(Quick());
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.name);
    const RawClient client(site.port());
    client.Send(c.sent);
    const std::string all = client.ReadToEnd();
    EXPECT_THAT(all, StartsWith(c.answer));
    EXPECT_THAT(all, Not(EndsWith("<timeout>")));
  }
  EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
}

TEST(Http1, AStreamMayStayOpenLongerThanAnyTimeout) {
  TestSite site(Quick());
  const RawClient silent(site.port());
  silent.Send("GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
  silent.ReadUntil("\r\n\r\n");
  const RawClient talking(site.port());
  talking.Send("POST /open HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
  talking.ReadUntil("\r\n\r\n");
  Clock::Real()->SleepFor(400 * kNanosPerMilli);
  EXPECT_EQ(site.open(), 2);
  EXPECT_TRUE(talking.Send("3\r\ndef\r\n"));
}

TEST(Http1, AClientThatStopsReadingIsHeldBackAndDisturbsNobody) {
  ServerOptions options;
  options.loops = 1;
  options.limits.stall_timeout_nanos = 500 * kNanosPerMilli;
  TestSite site(options);
  RawClient silent(site.port(), 16 * 1024);
  silent.Send("GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(Eventually([&] { return site.flooded_bytes() > 0; }));
  for (int i = 0; i < 100; ++i) {
    const RawClient other(site.port());
    other.Send("GET /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_THAT(other.ReadToEnd(), EndsWith("GET /echo "));
  }
  // Socket buffers and the backlog, no more.
  EXPECT_LT(site.flooded_bytes(), size_t{16} << 20U);
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; })) << "a stalled client is cut off";
}

TEST(Http1, NoticesThatTheClientOfAStreamHasGone) {
  TestSite site;
  RawClient client(site.port());
  client.Send("GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("\r\n\r\n");
  EXPECT_EQ(site.open(), 1);
  client.Close();
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; }));
}

TEST(Http1, StopEndsStreamsAndIdleConnections) {
  TestSite site;
  const RawClient idle(site.port());
  idle.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  idle.ReadUntil("GET /echo ");
  const RawClient polite(site.port());
  polite.Send("GET /stop HTTP/1.1\r\nHost: x\r\n\r\n");
  polite.ReadUntil("\r\n\r\n");
  const RawClient stubborn(site.port());
  stubborn.Send("GET /open HTTP/1.1\r\nHost: x\r\n\r\n");
  stubborn.ReadUntil("\r\n\r\n");
  site.server()->Stop(200 * kNanosPerMilli);
  EXPECT_EQ(idle.ReadToEnd(), "");
  EXPECT_EQ(polite.ReadToEnd(), "3\r\nbye\r\n0\r\n\r\n");
  EXPECT_EQ(stubborn.ReadToEnd(), "");
  EXPECT_EQ(site.open(), 0);
}

TEST(Http1, TakesNoMoreConnectionsThanAllowed) {
  ServerOptions options;
  options.limits.connections_max = 2;
  TestSite site(options);
  const RawClient first(site.port());
  const RawClient second(site.port());
  first.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  second.Send("GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
  first.ReadUntil("GET /echo ");
  second.ReadUntil("GET /echo ");
  const RawClient third(site.port());
  EXPECT_EQ(third.ReadToEnd(), "");
}

}  // namespace
}  // namespace socle::server::http
