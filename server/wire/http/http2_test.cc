#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "server/wire/http/listen_socket.h"
#include "server/wire/http/testing/clients.h"
#include "server/wire/http/testing/test_site.h"

namespace socle::server::http {
namespace {

using ::testing::HasSubstr;

TEST(Http2, AnswersOnTheLoopAndFromOtherThreads) {
  TestSite site;
  Http2Client client(site.port());
  const int32_t now = client.Request("POST", "/echo?x=1", "abc");
  const int32_t later = client.Request("POST", "/later", "def");
  const int32_t chunks = client.Request("GET", "/chunks");
  EXPECT_EQ(client.Await(now).body, "POST /echo?x=1 abc");
  EXPECT_EQ(client.Await(later).body, "POST /later def");
  EXPECT_EQ(client.Await(chunks).body, "one two three");
  EXPECT_EQ(client.stream(chunks).fields["x-count"], "3");
  EXPECT_EQ(client.stream(chunks).fields[":status"], "200");
}

TEST(Http2, TakesWhateverClientsCallTheirTarget) {
  TestSite site;
  for (const std::string authority :
       {"127.0.0.1:2379", "http://127.0.0.1:2379", "#initially=[127.0.0.1:2379]", "a/b", "a b",
        "%2Ftmp%2Fs", "/tmp/s",
        "b\xc3\xbc"
        "cher",
        ""}) {
    SCOPED_TRACE(authority);
    Http2Client client(site.port(), {.authority = authority});
    EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
  }
}

TEST(Http2, CarriesLargeBodiesBothWays) {
  TestSite site;
  Http2Client client(site.port());
  const std::string body(5'000'000, 'z');
  std::vector<int32_t> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(client.Request("POST", "/echo", body));
  }
  for (const int32_t id : ids) {
    EXPECT_EQ(client.Await(id).body, "POST /echo " + body);
  }
}

TEST(Http2, AnswersManyStreamsOfManyConnections) {
  TestSite site;
  std::vector<std::unique_ptr<Http2Client>> clients;
  for (int i = 0; i < 8; ++i) {
    clients.push_back(std::make_unique<Http2Client>(site.port()));
  }
  for (int round = 0; round < 20; ++round) {
    for (const auto& client : clients) {
      client->Request("POST", round % 4 == 0 ? "/later" : "/echo", "b");
    }
  }
  for (const auto& client : clients) {
    for (int32_t id = 1; id < 40; id += 2) {
      EXPECT_THAT(client->Await(id).body, HasSubstr("POST /"));
    }
  }
}

TEST(Http2, AnswersHeadWithoutABody) {
  TestSite site;
  Http2Client client(site.port());
  const int32_t head = client.Request("HEAD", "/echo");
  EXPECT_EQ(client.Await(head).body, "");
  EXPECT_EQ(client.stream(head).fields[":status"], "200");
  EXPECT_EQ(client.stream(head).error, 0U);
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
}

TEST(Http2, TellsAClientThatWasAnsweredEarlyToStopAfterAWhile) {
  TestSite site;
  Http2Client client(site.port());
  const int32_t id = client.Request("POST", "/early", "abc", {}, true);
  const Http2Client::Stream& stream = client.stream(id);
  ASSERT_TRUE(client.RunUntil([&] { return stream.body == "no"; }));
  EXPECT_EQ(stream.fields.at("content-length"), "2") << "so that it need not wait for more";
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
  client.SendBody(id, std::string(100'000, 'd'), false);
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
  EXPECT_FALSE(stream.is_closed);
  client.Await(id);
  EXPECT_TRUE(stream.is_closed);
  EXPECT_EQ(stream.error, 0U);
}

TEST(Http2, HoldsAClientBackWhileTheBodyIsPaused) {
  ServerOptions options;
  options.limits.stream_window_bytes = 100'000;
  TestSite site(options);
  Http2Client client(site.port());
  const int32_t id = client.Request("POST", "/held", std::string(350'000, 'h'));
  ASSERT_TRUE(client.RunUntil([&] { return site.held_bytes() > 0; }));
  const int32_t other = client.Request("POST", "/echo", "x");
  EXPECT_EQ(client.Await(other).body, "POST /echo x");
  EXPECT_LE(site.held_bytes(), 100'000U);
  while (site.held_bytes() < 350'000U) {
    const size_t seen = site.held_bytes();
    site.ReleaseHeld();
    ASSERT_TRUE(client.RunUntil([&] { return site.held_bytes() > seen; }));
    EXPECT_LE(site.held_bytes(), seen + 100'000);
  }
  EXPECT_EQ(client.Await(id).body, "got it");
}

TEST(Http2, AStreamWithoutWindowHoldsBackItselfOnly) {
  ServerOptions options;
  options.loops = 1;
  TestSite site(options);
  Http2Client client(site.port(), {.stream_window_bytes = 10'000, .grants_windows = false});
  const int32_t flood = client.Request("GET", "/flood");
  ASSERT_TRUE(client.RunUntil([&] { return client.stream(flood).body.size() == 10'000; }));
  for (int i = 0; i < 50; ++i) {
    const int32_t id = client.Request("POST", "/echo", "q");
    EXPECT_EQ(client.Await(id).body, "POST /echo q");
  }
  EXPECT_LE(site.flooded_bytes(), 10'000 + Exchange::kBacklogLow + 10'000);
  client.Reset(flood, 8);
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; }));
}

TEST(Http2, AnAnswerWithoutABodyPassesThoseThatWaitForTheConnectionsWindow) {
  ServerOptions options;
  options.limits.header_bytes_max = 4'096;
  TestSite site(options);
  Http2Client client(site.port(), {.stream_window_bytes = 1U << 30U,
                                   .connection_window_bytes = 65'535,
                                   .grants_windows = false});
  const int32_t flood = client.Request("GET", "/flood");
  ASSERT_TRUE(client.RunUntil([&] { return client.stream(flood).body.size() == 65'535; }));
  const int32_t refused =
      client.Request("GET", "/echo", {}, {{"x-large", std::string(5'000, 'l')}});
  client.Await(refused);
  EXPECT_EQ(client.stream(refused).fields[":status"], "431");
  EXPECT_EQ(client.stream(flood).body.size(), 65'535U);
  client.Reset(flood, 8);
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; }));
}

TEST(Http2, AConnectionThatIsNotReadHoldsBackItselfOnly) {
  ServerOptions options;
  options.loops = 1;
  options.limits.stall_timeout_nanos = 500 * kNanosPerMilli;
  options.limits.backlog_pause_bytes = 10'000;
  TestSite site(options);
  Http2Client silent(site.port(), {.stream_window_bytes = 1U << 30U});
  silent.Request("GET", "/flood");  // and never reads
  ASSERT_TRUE(Eventually([&] { return site.flooded_bytes() > 0; }));
  Http2Client other(site.port());
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(other.Await(other.Request("POST", "/echo", "q")).body, "POST /echo q");
  }
  EXPECT_LT(site.flooded_bytes(), size_t{64} << 20U);
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; })) << "a stalled client is cut off";
}

// Refusals have no body that would count as backlog; a client that never read them could fill the memory with them.
TEST(Http2, AClientThatDoesNotReadRefusalsIsNotReadFrom) {
  constexpr uint32_t kHeads = 200'000;
  ServerOptions options;
  options.loops = 1;
  TestSite site(options);
  std::string folder = "/tmp/socle_http2_test.XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/socket";  // its buffers do not grow
  absl::StatusOr<ListenSocket> socket = ListenSocket::OpenUnix(path);
  ASSERT_TRUE(socket.ok()) << socket.status();
  site.server()->Accept(*std::move(socket), {.handler = &site});
  const RawClient client(path);
  const timeval patience{.tv_sec = 0, .tv_usec = 300'000};
  ASSERT_EQ(::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
  client.Send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\4\0\0\0\0\0", 9));
  bool is_taken = true;
  for (uint32_t stream = 1; stream < 2 * kHeads && is_taken; stream += 2) {
    const std::array head = {'\0',
                             '\0',
                             '\3',
                             '\1',
                             '\5',
                             '\0',
                             static_cast<char>(stream >> 16U),
                             static_cast<char>(stream >> 8U),
                             static_cast<char>(stream),
                             '\x82',
                             '\x84',
                             '\x86'};  // GET / by http
    is_taken = client.Send(std::string_view(head.data(), head.size()));
  }
  EXPECT_FALSE(is_taken);
  // What fits into the buffers, what is read at once, and a thousand.
  EXPECT_LT(site.begun(), kHeads / 4);
  Http2Client other(site.port());
  EXPECT_EQ(other.Await(other.Request("GET", "/echo")).body, "GET /echo ");
  std::filesystem::remove_all(folder);
}

TEST(Http2, RefusesHeadsThatAreTooLarge) {
  ServerOptions options;
  options.limits.header_bytes_max = 4'096;
  TestSite site(options);
  Http2Client client(site.port());
  const int32_t id = client.Request("GET", "/echo", {}, {{"x-large", std::string(5'000, 'l')}});
  client.Await(id);
  EXPECT_EQ(client.stream(id).fields[":status"], "431");
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
}

TEST(Http2, RefusesStreamsBeyondTheLimit) {
  ServerOptions options;
  options.limits.streams_max = 2;
  TestSite site(options);
  Http2Client client(site.port());
  client.Await(client.Request("GET", "/echo"));  // the settings have arrived
  client.Request("GET", "/open");
  client.Request("GET", "/open");
  const int32_t third = client.Request("GET", "/echo");
  // The client's own library queues it; when one of the two ends it goes out.
  EXPECT_FALSE(client.stream(third).is_closed);
  client.Reset(3, 8);
  EXPECT_EQ(client.Await(third).body, "GET /echo ");
}

TEST(Http2, RefusesStreamsOfAClientThatTakesNoAnswers) {
  ServerOptions options;
  options.limits.backlog_refuse_bytes = 1'000;
  TestSite site(options);
  Http2Client client(site.port(), {.stream_window_bytes = 100, .grants_windows = false});
  const int32_t first = client.Request("POST", "/echo", std::string(5'000, 'a'));
  ASSERT_TRUE(client.RunUntil([&] { return client.stream(first).body.size() == 100; }));
  const int32_t second = client.Request("POST", "/echo", "b");
  EXPECT_EQ(client.Await(second).error, uint32_t{NGHTTP2_REFUSED_STREAM});
  client.Reset(first, 8);
  EXPECT_EQ(client.Await(client.Request("POST", "/echo", "c")).body, "POST /echo c");
}

TEST(Http2, RefusesStreamsOfThoseWhoHoldMuchWhenTheLoopHoldsTooMuch) {
  ServerOptions options;
  options.loops = 1;
  options.limits.backlog_pause_bytes = 30'000;
  options.limits.loop_backlog_refuse_bytes = 50'000;
  TestSite site(options);
  Http2Client hoarder(site.port(), {.stream_window_bytes = 100, .grants_windows = false});
  const int32_t first = hoarder.Request("POST", "/echo", std::string(100'000, 'a'));
  ASSERT_TRUE(hoarder.RunUntil([&] { return hoarder.stream(first).body.size() == 100; }));
  EXPECT_EQ(hoarder.Await(hoarder.Request("POST", "/echo", "b")).error,
            uint32_t{NGHTTP2_REFUSED_STREAM});
  Http2Client modest(site.port());
  EXPECT_EQ(modest.Await(modest.Request("POST", "/echo", "c")).body, "POST /echo c");
  hoarder.Reset(first, 8);
  EXPECT_EQ(hoarder.Await(hoarder.Request("POST", "/echo", "d")).body, "POST /echo d");
}

TEST(Http2, EndsAClientThatPingsTooOften) {
  ServerOptions options;
  options.limits.pings = {.min_interval_nanos = 5 * kNanosPerSecond};
  TestSite site(options);
  Http2Client client(site.port());
  client.Await(client.Request("GET", "/echo"));
  for (int i = 0; i < 6; ++i) {
    client.Ping();
  }
  ASSERT_TRUE(client.RunUntil([&] { return client.has_goaway() && client.is_over(); }));
  EXPECT_EQ(client.goaway_error(), uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_EQ(client.goaway_text(), "too_many_pings");
}

TEST(Http2, ForgivesPingsOfAClientThatIsTalkedTo) {
  ServerOptions options;
  options.limits.pings = {.min_interval_nanos = 5 * kNanosPerSecond};
  TestSite site(options);
  Http2Client client(site.port());
  for (int i = 0; i < 20; ++i) {
    client.Ping();
    EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
  }
  EXPECT_FALSE(client.has_goaway());
}

TEST(Http2, EndsAClientThatResetsStreamsRapidly) {
  TestSite site;
  Http2Client client(site.port());
  client.Await(client.Request("GET", "/echo"));
  for (int i = 0; i < 3'000 && !client.is_over(); ++i) {
    client.Reset(client.Request("GET", "/open"), 8);
  }
  EXPECT_TRUE(client.RunUntil([&] { return client.is_over() || client.has_goaway(); }));
  EXPECT_EQ(client.goaway_error(), uint32_t{NGHTTP2_ENHANCE_YOUR_CALM});
  EXPECT_EQ(client.goaway_text(), "too_many_resets");
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; }));
}

TEST(Http2, ForgivesResetsThatComeAtALeisurelyPace) {
  TestSite site;
  Http2Client client(site.port());
  for (int i = 0; i < 900; ++i) {
    client.Reset(client.Request("GET", "/open"), 8);
  }
  EXPECT_EQ(client.Await(client.Request("GET", "/echo")).body, "GET /echo ");
  EXPECT_FALSE(client.has_goaway());
}

// What an answer takes beside its bytes counts too: many small ones are as bad as a few large ones.
TEST(Http2, RefusesStreamsOfAClientThatTakesNoneOfManySmallAnswers) {
  ServerOptions options;
  options.limits.backlog_refuse_bytes = 1'000'000;
  TestSite site(options);
  Http2Client client(site.port(), {.stream_window_bytes = 0, .grants_windows = false});
  int32_t last = 0;
  for (int i = 0; i < 300; ++i) {
    last = client.Request("POST", "/echo", "q");
  }
  EXPECT_EQ(client.Await(last).error, uint32_t{NGHTTP2_REFUSED_STREAM});
}

TEST(Http2, CutsOffWhatIsNotHttp2) {
  struct Case {
    const char* name;
    std::string sent;
  };

  const std::string preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  const std::string settings(std::string("\0\0\0\4\0\0\0\0\0", 9));
  const std::vector<Case> cases = {
      {"half a preface", "PRI * HT"},
      {"another preface", "PRI * HTTP/3.0\r\n\r\nSM\r\n\r\n"},
      {"no settings", preface},
      {"data first", preface + std::string("\0\0\1\0\0\0\0\0\1x", 10)},
      {"a frame too large", preface + settings + std::string("\x7f\xff\xff\0\0\0\0\0\1", 9)},
      {"a header block without end",
       preface + settings + std::string("\0\0\1\1\0\0\0\0\1\x82", 10)},
      {"a header block that can't be decoded",
       preface + settings + std::string("\0\0\2\1\5\0\0\0\1\xff\xff", 11)},
      {"noise", preface + settings + std::string(500, '\xa7')},
  };
  ServerOptions options;
  options.limits.head_timeout_nanos = 150 * kNanosPerMilli;
  TestSite site(options);
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const RawClient client(site.port());
    client.Send(c.sent);
    EXPECT_THAT(client.ReadToEnd(), ::testing::Not(::testing::EndsWith("<timeout>")));
  }
  EXPECT_TRUE(Eventually([&] { return site.server()->connections() == 0; }));
}

TEST(Http2, PingsASilentClientAndEndsItWhenItDoesNotAnswer) {
  ServerOptions options;
  options.limits.keepalive_interval_nanos = 100 * kNanosPerMilli;
  options.limits.keepalive_timeout_nanos = 200 * kNanosPerMilli;
  TestSite site(options);
  Http2Client alive(site.port());
  Http2Client dead(site.port());
  alive.Request("GET", "/open");
  dead.Request("GET", "/open");
  ASSERT_TRUE(Eventually([&] { return site.open() == 2; }));
  ASSERT_TRUE(Eventually([&] {
    const int64_t until = Clock::Real()->MonotonicNanos() + 10 * kNanosPerMilli;
    alive.Request("GET", "/echo");
    alive.RunUntil([until] { return Clock::Real()->MonotonicNanos() > until; });
    return site.open() == 1;
  }));
  EXPECT_FALSE(alive.is_over());
}

TEST(Http2, NoticesThatTheClientHasGone) {
  TestSite site;
  Http2Client client(site.port());
  client.Request("GET", "/open");
  client.Request("GET", "/flood");
  ASSERT_TRUE(Eventually([&] { return site.open() == 2; }));
  client.socket().Close();
  EXPECT_TRUE(Eventually([&] { return site.open() == 0; }));
}

TEST(Http2, StopSaysGoawayEndsStreamsAndAnswersWhatIsUnderWay) {
  TestSite site;
  Http2Client client(site.port());
  const int32_t polite = client.Request("GET", "/stop");
  const int32_t held = client.Request("POST", "/held", "x", {}, true);
  ASSERT_TRUE(Eventually([&] { return site.held_bytes() == 1 && site.open() == 2; }));
  Thread stopper("stopper", [&] { site.server()->Stop(2 * kNanosPerSecond); });
  ASSERT_TRUE(client.RunUntil([&] { return client.has_goaway(); }));
  EXPECT_EQ(client.goaway_error(), uint32_t{NGHTTP2_NO_ERROR});
  site.ReleaseHeld();
  client.SendBody(held, {}, true);
  EXPECT_EQ(client.Await(polite).body, "bye");
  EXPECT_EQ(client.Await(held).body, "got it");
  EXPECT_TRUE(client.RunUntil([&] { return client.is_over(); }));
  client.socket().Close();
  stopper.Join();
  EXPECT_EQ(site.open(), 0);
}

TEST(Http2, AnswersThatComeAfterTheEndHarmNobody) {
  for (int i = 0; i < 20; ++i) {
    TestSite site;
    Http2Client client(site.port());
    for (int j = 0; j < 10; ++j) {
      client.Request("POST", "/later", "x");
    }
    if (i % 2 == 0) {
      client.socket().Close();
    }
    site.server()->Stop(0);
  }
}

}  // namespace
}  // namespace socle::server::http
