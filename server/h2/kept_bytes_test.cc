// What requests that have not come whole may take of the server: here 100 kB.
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/h2/testing/h2_fixture.h"
#include "server/wire/http/testing/clients.h"

namespace socle::server {
namespace {

constexpr size_t kKeptBytesMaxHere = 100'000;
constexpr size_t kValueBytes = 50'000;
constexpr size_t kPartBytes = 40'000;

std::string Large() {
  pb::PutRequest put;
  put.set_key("large");
  put.set_value(std::string(kValueBytes, 'v'));
  return Framed(put.SerializeAsString());
}

class KeptRequests : public H2ServerTest {
 protected:
  explicit KeptRequests(int64_t patience_nanos = h2::kKeptPatienceNanos)
      : H2ServerTest(&EchoHead, {.loops = 1,
                                 .kept_bytes_max = kKeptBytesMaxHere,
                                 .kept_patience_nanos = patience_nanos}),
        http_(port()) {}

  // Two of them are kept, a third is not.
  int32_t SendPart() {
    return http_.Request("POST", "/etcdserverpb.KV/Put", Large().substr(0, kPartBytes),
                         {{"content-type", "application/grpc"}}, /*has_more=*/true);
  }

  // The server has seen what was sent before.
  void PutSmall() {
    pb::PutRequest put;
    put.set_key("small");
    const auto& answer =
        http_.Await(http_.Request("POST", "/etcdserverpb.KV/Put", Framed(put.SerializeAsString()),
                                  {{"content-type", "application/grpc"}}));
    EXPECT_EQ(answer.fields.at("grpc-status"), "0");
  }

  http::Http2Client http_;
};

TEST_F(KeptRequests, AreRefusedBeyondTheBoundAndSmallOnesServed) {
  SendPart();
  SendPart();
  PutSmall();
  const auto& refused = http_.Await(SendPart());
  EXPECT_EQ(refused.fields.at("grpc-status"), "2");
  EXPECT_EQ(refused.fields.at("grpc-message"), "etcdserver: too many requests");
  PutSmall();
}

TEST_F(KeptRequests, GiveTheirRoomBackWhenTheyAreWhole) {
  for (int round = 0; round < 3; ++round) {
    const std::vector<int32_t> ids = {SendPart(), SendPart()};
    PutSmall();
    for (const int32_t id : ids) {
      http_.SendBody(id, Large().substr(kPartBytes), /*is_end=*/true);
      EXPECT_EQ(http_.Await(id).fields.at("grpc-status"), "0");
    }
  }
}

TEST_F(KeptRequests, GiveTheirRoomBackWhenTheirClientIsGone) {
  for (int round = 0; round < 3; ++round) {
    const std::vector<int32_t> ids = {SendPart(), SendPart()};
    PutSmall();
    for (const int32_t id : ids) {
      http_.Reset(id, 8);
    }
    PutSmall();
  }
  const auto whole = http_.Request("POST", "/etcdserverpb.KV/Put", Large(),
                                   {{"content-type", "application/grpc"}});
  EXPECT_EQ(http_.Await(whole).fields.at("grpc-status"), "0");
}

class LateRequests : public KeptRequests {
 protected:
  static constexpr int64_t kPatienceNanos = 20 * kNanosPerMilli;

  LateRequests() : KeptRequests(kPatienceNanos) {}

  bool IsEnded(int32_t id) { return http_.stream(id).fields.contains("grpc-status"); }
};

TEST_F(LateRequests, GiveTheirRoomUpWhenThereIsLittle) {
  const int32_t first = SendPart();
  PutSmall();
  Clock::Real()->SleepFor(3 * kPatienceNanos);
  PutSmall();
  EXPECT_FALSE(IsEnded(first)) << "there is room enough";
  const int32_t second = SendPart();
  ASSERT_TRUE(http_.RunUntil([&] { return IsEnded(first) || IsEnded(second); }));
  EXPECT_NE(IsEnded(first), IsEnded(second)) << "with the room of one there is enough";
  const int32_t ended = IsEnded(first) ? first : second;
  EXPECT_EQ(http_.stream(ended).fields.at("grpc-message"), "etcdserver: too many requests");
  http_.SendBody(ended == first ? second : first, Large().substr(kPartBytes), /*is_end=*/true);
  EXPECT_EQ(http_.Await(ended == first ? second : first).fields.at("grpc-status"), "0");
}

TEST_F(KeptRequests, OfAStreamAreItsNextMessages) {
  pb::WatchRequest watch;
  watch.mutable_create_request()->set_key(std::string(kPartBytes, 'k'));
  const std::string message = Framed(watch.SerializeAsString());
  const int32_t id =
      http_.Request("POST", "/etcdserverpb.Watch/Watch", message + message.substr(0, 100),
                    {{"content-type", "application/grpc"}}, /*has_more=*/true);
  for (int i = 0; i < 5; ++i) {  // five times two fifths of the room
    http_.SendBody(id, message.substr(100) + message.substr(0, 100), /*is_end=*/false);
    PutSmall();
  }
  EXPECT_FALSE(http_.stream(id).fields.contains("grpc-status"));
}

}  // namespace
}  // namespace socle::server
