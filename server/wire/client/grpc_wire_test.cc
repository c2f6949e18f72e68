#include "server/wire/client/grpc_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/deadline_wheel.h"
#include "server/wire/client/endpoint.h"
#include "server/wire/http2/frame.h"

namespace socle::server {
namespace {

TEST(GrpcWire, FramesRoundTripHoweverTheBytesArrive) {
  std::string sent;
  AppendFramed(std::string_view("alpha"), &sent);
  AppendFramed(std::string_view(""), &sent);
  AppendFramed(std::string_view(std::string(70'000, 'x')), &sent);
  for (const size_t step : {size_t{1}, size_t{7}, size_t{100'000}}) {
    SCOPED_TRACE(step);
    std::string held;
    std::vector<std::string> got;
    for (size_t i = 0; i < sent.size(); i += step) {
      held.append(sent.substr(i, step));
      std::string_view rest = held;
      bool complete = true;
      while (complete) {
        std::string_view message;
        ASSERT_TRUE(ConsumeFramed(&rest, 1 << 20, &message, &complete).ok());
        if (complete) {
          got.emplace_back(message);
        }
      }
      held.erase(0, held.size() - rest.size());
    }
    EXPECT_THAT(got, testing::ElementsAre("alpha", "", std::string(70'000, 'x')));
    EXPECT_EQ(held, "");
  }
}

TEST(GrpcWire, RefusesCompressedAndOversizedMessages) {
  std::string_view message;
  bool complete = false;
  std::string_view compressed("\x01\0\0\0\0", 5);
  EXPECT_EQ(ConsumeFramed(&compressed, 10, &message, &complete).code(),
            absl::StatusCode::kInternal);
  std::string_view large("\0\0\0\0\x0B", 5);
  EXPECT_EQ(ConsumeFramed(&large, 10, &message, &complete).code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(GrpcWire, DecodesPercentEncodedMessages) {
  const struct {
    std::string_view encoded;
    std::string_view decoded;
  } kCases[] = {{"plain", "plain"},
                {"a%20b", "a b"},
                {"%E2%82%AC", "\xE2\x82\xAC"},
                {"100%", "100%"},
                {"%zz%4", "%zz%4"},
                {"%25", "%"},
                {"etcdserver: %22x%22", "etcdserver: \"x\""},
                {"", ""}};

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.encoded);
    EXPECT_EQ(DecodeGrpcMessage(c.encoded), c.decoded);
  }
}

TEST(GrpcWire, TimeoutsFitEightDigitsAndRoundUp) {
  EXPECT_EQ(EncodeGrpcTimeout(1), "1n");
  EXPECT_EQ(EncodeGrpcTimeout(5 * kNanosPerSecond), "5000000u");
  EXPECT_EQ(EncodeGrpcTimeout(100 * kNanosPerSecond), "100000m");
  EXPECT_EQ(EncodeGrpcTimeout(100 * kNanosPerSecond + 1), "100001m");
  EXPECT_EQ(EncodeGrpcTimeout(INT64_MAX), "2562048H");
}

TEST(GrpcWire, MakesAStatusOfWhateverEndedTheStream) {
  const struct {
    StreamOutcome outcome;
    absl::StatusCode code;
    std::string_view text;
  } kCases[] = {
      {{200, 0, "", http2::ErrorCode::kNoError}, absl::StatusCode::kOk, ""},
      {{200, 11, "etcdserver: mvcc: required revision has been compacted",
        http2::ErrorCode::kNoError},
       absl::StatusCode::kOutOfRange,
       "etcdserver: mvcc: required revision has been compacted"},
      {{503, -1, "", http2::ErrorCode::kNoError},
       absl::StatusCode::kUnavailable,
       "unexpected HTTP status 503"},
      {{404, -1, "", http2::ErrorCode::kNoError},
       absl::StatusCode::kUnimplemented,
       "unexpected HTTP status 404"},
      {{0, -1, "", http2::ErrorCode::kRefusedStream},
       absl::StatusCode::kUnavailable,
       "stream reset by the server: REFUSED_STREAM"},
      {{200, -1, "", http2::ErrorCode::kNoError},
       absl::StatusCode::kInternal,
       "the server closed the stream without sending trailers"},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text);
    const absl::Status status = StatusOf(c.outcome);
    EXPECT_EQ(status.code(), c.code);
    EXPECT_EQ(MessageOf(status), c.text);
  }
}

TEST(DeadlineWheel, HandsOutWhatIsDueAndNothingEarlier) {
  constexpr int64_t kTick = DeadlineWheel::kTickNanos;
  DeadlineWheel wheel(0);
  DeadlineLink early;
  DeadlineLink late;  // more than one turn of the wheel away
  DeadlineLink removed;
  wheel.Add(&early, 3 * kTick - 1);
  wheel.Add(&late, 5'000 * kTick);
  wheel.Add(&removed, 3 * kTick);
  wheel.Remove(&removed);
  std::vector<DeadlineLink*> expired;
  const auto collect = [&](DeadlineLink* link) { expired.push_back(link); };
  wheel.Expire(2 * kTick, collect);
  EXPECT_TRUE(expired.empty());
  wheel.Expire(3 * kTick, collect);
  EXPECT_THAT(expired, testing::ElementsAre(&early));
  for (int64_t tick = 4; tick < 5'000; tick += 100) {
    wheel.Expire(tick * kTick, collect);
  }
  EXPECT_EQ(expired.size(), 1U);
  wheel.Expire(9'000 * kTick, collect);  // a long stall
  EXPECT_THAT(expired, testing::ElementsAre(&early, &late));
  EXPECT_TRUE(wheel.empty());
}

TEST(DeadlineWheel, ExpiringOneMayRemoveAnother) {
  DeadlineWheel wheel(0);
  DeadlineLink a;
  DeadlineLink b;
  wheel.Add(&a, 1);
  wheel.Add(&b, 1);
  int count = 0;
  wheel.Expire(DeadlineWheel::kTickNanos, [&](DeadlineLink* link) {
    ++count;
    wheel.Remove(link == &a ? &b : &a);
  });
  EXPECT_EQ(count, 1);
  EXPECT_TRUE(wheel.empty());
}

TEST(Endpoint, AcceptsTheUsualSpellings) {
  const struct {
    std::string_view text;
    std::string_view authority;
  } kCases[] = {{"127.0.0.1:2379", "127.0.0.1:2379"},
                {"http://127.0.0.1:99", "127.0.0.1:99"},
                {"http://127.0.0.1/", "127.0.0.1:2379"},
                {"https://127.0.0.1:99", "127.0.0.1:99"},
                {"unix:///run/kv.sock", "localhost"},
                {"unixs://kv.sock", "localhost"},
                {"[::1]:5", "[::1]:5"}};

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.text);
    const auto endpoint = ResolveEndpoint(c.text);
    ASSERT_TRUE(endpoint.ok()) << endpoint.status();
    EXPECT_EQ(endpoint->authority, c.authority);
    const bool needs_tls = c.text.starts_with("https") || c.text.starts_with("unixs");
    EXPECT_EQ(endpoint->tls != nullptr, needs_tls);
    const auto with_tls = ResolveEndpoint(c.text, {.insecure_transport = false});
    ASSERT_TRUE(with_tls.ok()) << with_tls.status();
    EXPECT_EQ(with_tls->tls == nullptr, c.text.starts_with("http:"));
  }
}

TEST(Endpoint, RefusesWhatIsNotOneInOneLine) {
  for (const std::string_view text :
       {"", ":2379", "host:", "host:0", "host:65536", "host:12x", "ftp://host:1", "https://",
        "unix://", "[::1:5", "[::1]x", "a b:1"}) {
    SCOPED_TRACE(text);
    const auto endpoint = ResolveEndpoint(text);
    EXPECT_EQ(endpoint.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(MessageOf(endpoint.status())), testing::HasSubstr("endpoint \""));
  }
}

}  // namespace
}  // namespace socle::server
