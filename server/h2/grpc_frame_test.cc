#include "server/h2/grpc_frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"

namespace socle::server::h2 {
namespace {

TEST(GrpcFrame, TakesMessagesOneByOneAndWaitsForTheRest) {
  std::string bytes;
  EXPECT_EQ(AppendFramed(std::string_view("one"), 5, &bytes).value(), 8U);
  EXPECT_EQ(AppendFramed(std::string_view(""), 5, &bytes).value(), 5U);
  EXPECT_EQ(AppendFramed(std::string_view("three"), 5, &bytes).value(), 10U);
  for (size_t cut = 0; cut < 8; ++cut) {
    std::string_view part = std::string_view(bytes).substr(0, cut);
    EXPECT_EQ(TakeMessage(&part, 10, "").value(), std::nullopt) << cut;
    EXPECT_EQ(part.size(), cut);
  }
  std::string_view rest = bytes;
  EXPECT_EQ(TakeMessage(&rest, 10, "").value(), "one");
  EXPECT_EQ(TakeMessage(&rest, 10, "").value(), "");
  EXPECT_EQ(TakeMessage(&rest, 10, "").value(), "three");
  EXPECT_TRUE(rest.empty());
}

TEST(GrpcFrame, RefusesALargeMessageBeforeItHasArrived) {
  std::string_view head("\0\0\0\0\x0b", 5);
  EXPECT_TRUE(absl::IsResourceExhausted(TakeMessage(&head, 10, "").status()));
  std::string_view huge("\0\xff\xff\xff\xff", 5);
  EXPECT_TRUE(absl::IsResourceExhausted(TakeMessage(&huge, 10, "").status()));
}

TEST(GrpcFrame, AppendsNothingOfAMessageThatIsTooLargeToSend) {
  constexpr std::string_view kText = "trying to send message larger than max (6 vs. 5)";
  std::string bytes = "before";
  const auto appended = AppendFramed(std::string_view("sixsix"), 5, &bytes);
  EXPECT_EQ(appended.status(), absl::ResourceExhaustedError(AbslView(kText)));
  EXPECT_EQ(bytes, "before");
  AppendPrefixRoom(&bytes);
  bytes += "sixsix";
  EXPECT_EQ(FrameInPlace(6, 5, &bytes), absl::ResourceExhaustedError(AbslView(kText)));
  EXPECT_EQ(bytes, "before");
}

TEST(GrpcFrame, EscapesWhatAHeaderCannotCarry) {
  EXPECT_EQ(EncodeStatusText("plain text: 1!"), "plain text: 1!");
  EXPECT_EQ(EncodeStatusText("100%\n\xc3\xa4"), "100%25%0A%C3%A4");
}

TEST(GrpcFrame, ReadsTimeouts) {
  struct Case {
    const char* text;
    std::optional<int64_t> nanos;
  };

  constexpr Case kCases[] = {
      {"1n", 1},
      {"20u", 20 * kNanosPerMicro},
      {"300m", 300 * kNanosPerMilli},
      {"4S", 4 * kNanosPerSecond},
      {"5M", 300 * kNanosPerSecond},
      {"1H", 3'600 * kNanosPerSecond},
      {"0S", 0},
      {"99999999H", INT64_MAX / 4},
      {"", std::nullopt},
      {"S", std::nullopt},
      {"1", std::nullopt},
      {"1x", std::nullopt},
      {"-1S", std::nullopt},
      {"1 S", std::nullopt},
      {"123456789S", std::nullopt},
  };
  for (const Case& c : kCases) {
    EXPECT_EQ(ParseTimeoutNanos(c.text), c.nanos) << c.text;
  }
}

}  // namespace
}  // namespace socle::server::h2
