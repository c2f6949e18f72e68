// Streams that are answered before their requests have ended, frame by frame.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "server/wire/http/http2_session.h"
#include "server/wire/http/lingering_streams.h"
#include "server/wire/http/testing/silent_host.h"
#include "server/wire/http2/frame_reader.h"

namespace socle::server::http {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// What a server said, a word a frame; frames of the connection are left out.
class Words final : public http2::FrameSink {
 public:
  std::vector<std::string> Of(std::string_view bytes) {
    words_.clear();
    CHECK(reader_.Receive(bytes, this).ok());
    return words_;
  }

 private:
  using Error = http2::ConnectionError;

  Error OnData(uint32_t stream, std::string_view bytes, size_t /*flow*/, bool is_end) override {
    words_.push_back(fmt::format("data {} {}{}", stream, bytes, is_end ? " end" : ""));
    return {};
  }

  Error OnHead(uint32_t stream, std::string_view /*block*/, bool is_end) override {
    words_.push_back(fmt::format("head {}{}", stream, is_end ? " end" : ""));
    return {};
  }

  Error OnReset(uint32_t stream, http2::ErrorCode code) override {
    words_.push_back(fmt::format("reset {} {}", stream, http2::NameOf(code)));
    return {};
  }

  Error OnWindowUpdate(uint32_t stream, uint32_t bytes) override {
    if (stream != 0) {
      words_.push_back(fmt::format("window {} {}", stream, bytes));
    }
    return {};
  }

  Error OnSetting(const http2::Setting& /*setting*/) override { return {}; }

  Error OnSettingsEnd() override { return {}; }

  Error OnSettingsAck() override { return {}; }

  Error OnPing(std::string_view /*payload*/, bool /*is_ack*/) override { return {}; }

  void OnGoaway(uint32_t /*last*/, http2::ErrorCode /*code*/, std::string_view /*why*/) override {}

  http2::FrameReader reader_{/*expects_preface=*/false};
  std::vector<std::string> words_;
};

class RefuseAll final : public Handler {
 public:
  std::shared_ptr<Receiver> Begin(const Request& /*request*/,
                                  const std::shared_ptr<Exchange>& exchange) override {
    exchange->Respond(404, {}, "no");
    return nullptr;
  }
};

// A session and both directions of its connection.
class Talk {
 public:
  Talk(SessionHost* host, const Limits* limits) : session_(host, &handler_, limits) {
    std::string hello(http2::kPreface);
    http2::AppendSettings({}, &hello);
    http2::AppendSettingsAck(&hello);
    Say(hello);
  }

  std::vector<std::string> Say(std::string_view bytes) {
    CHECK(session_.Receive(bytes));
    return Hear();
  }

  std::vector<std::string> Hear() {
    std::string all;
    for (size_t before = SIZE_MAX; before != all.size();) {
      before = all.size();
      std::string out;
      CHECK(session_.CollectOutput(&out));
      all += out;
    }
    return words_.Of(all);
  }

  std::vector<std::string> WaitUntilItIsTime() {
    CHECK(session_.OnTime(session_.next_time_nanos()));
    return Hear();
  }

  Http2Session& session() { return session_; }

 private:
  RefuseAll handler_;
  Http2Session session_;
  Words words_;
};

std::string Frame(http2::FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  http2::AppendFrameHead({.size = static_cast<uint32_t>(payload.size()),
                          .type = type,
                          .flags = flags,
                          .stream = stream},
                         &frame);
  return frame.append(payload);
}

std::string Head(uint32_t stream, bool is_end = false) {
  return Frame(http2::FrameType::kHeaders,
               static_cast<uint8_t>(http2::kFlagEndHeaders | (is_end ? http2::kFlagEndStream : 0)),
               stream, "\x83\x84\x86\x41\x01x");
}

std::string Data(uint32_t stream, size_t bytes, bool is_end) {
  return Frame(http2::FrameType::kData, is_end ? http2::kFlagEndStream : 0, stream,
               std::string(bytes, 'b'));
}

std::string Reset(uint32_t stream) {
  std::string frame;
  http2::AppendReset(stream, http2::ErrorCode::kCancel, &frame);
  return frame;
}

std::string Flood(uint32_t stream, int64_t bytes) {
  std::string frames;
  for (; bytes > 0; bytes -= http2::kFrameBytesDefault) {
    frames += Data(stream, static_cast<size_t>(std::min<int64_t>(bytes, http2::kFrameBytesDefault)),
                   /*is_end=*/false);
  }
  return frames;
}

class Http2Linger : public ::testing::Test {
 protected:
  // With room for one stream, so that the next one tells whether the first is forgotten.
  void RunTalk(const std::function<void(Talk*)>& act) {
    host_.Run([&] {
      Talk talk(&host_, &limits_);
      act(&talk);
    });
  }

  SilentHost host_;
  Limits limits_ = {.streams_max = 1};
};

TEST_F(Http2Linger, AnAnswerIsNotFollowedByAResetAtOnce) {
  RunTalk([](Talk* talk) {
    EXPECT_THAT(talk->Say(Head(1)), ElementsAre("head 1", "data 1 no end"));
    EXPECT_FALSE(talk->session().has_exchanges()) << "the application is done with it";
  });
}

TEST_F(Http2Linger, StreamsAreForgottenWhenTheirClientsHaveEndedThem) {
  struct Case {
    const char* name;
    std::string said;
    std::vector<std::string> heard;
  };

  const std::string end_of_body = Data(1, 3, /*is_end=*/true);
  const std::vector<Case> cases = {
      {"the body ends", Data(1, 10'000, false) + end_of_body, {}},
      {"a body that takes all of the window",
       Flood(1, limits_.stream_window_bytes - 3) + end_of_body,
       {}},
      {"trailers", Frame(http2::FrameType::kHeaders, 5, 1, std::string("\0\1t\1v", 5)), {}},
      {"a reset", Reset(1), {}},
      {"a body that does not end", Flood(1, limits_.stream_window_bytes + 1), {"reset 1 NO_ERROR"}},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    RunTalk([&](Talk* talk) {
      talk->Say(Head(1));
      EXPECT_THAT(talk->Say(Head(3, true)), ElementsAre("reset 3 REFUSED_STREAM"))
          << "what lingers counts";
      EXPECT_EQ(talk->Say(c.said), c.heard);
      EXPECT_THAT(talk->Say(Head(5, true)), ElementsAre("head 5", "data 5 no end"));
      EXPECT_THAT(talk->Say(Data(1, 3, true) + Reset(1)), IsEmpty()) << "what was on its way";
    });
  }
}

TEST_F(Http2Linger, StreamsAreForgottenWhenTheirTimeIsOver) {
  RunTalk([](Talk* talk) {
    EXPECT_EQ(talk->session().next_time_nanos(), Loop::kNever);
    talk->Say(Head(1));
    EXPECT_THAT(talk->WaitUntilItIsTime(), ElementsAre("reset 1 NO_ERROR"));
    EXPECT_EQ(talk->session().next_time_nanos(), Loop::kNever);
    EXPECT_THAT(talk->Say(Head(3, true)), ElementsAre("head 3", "data 3 no end"));
  });
}

TEST_F(Http2Linger, OfTooManyStreamsTheOldestIsReset) {
  limits_.streams_max = 1'000'000;
  RunTalk([](Talk* talk) {
    const uint32_t newest = 2 * LingeringStreams::kStreamsMax + 1;
    for (uint32_t stream = 1; stream < newest; stream += 2) {
      EXPECT_EQ(talk->Say(Head(stream)).size(), 2U);
    }
    EXPECT_THAT(talk->Say(Head(newest)),
                ElementsAre(fmt::format("head {}", newest), fmt::format("data {} no end", newest),
                            "reset 1 NO_ERROR"));
  });
}

TEST_F(Http2Linger, AClientWithoutWindowGetsSome) {
  limits_.stream_window_bytes = 100;
  RunTalk([](Talk* talk) {
    EXPECT_THAT(talk->Say(Head(1)),
                ElementsAre("head 1", "data 1 no end",
                            fmt::format("window 1 {}", LingeringStreams::kWindowMin - 100)));
  });
}

TEST_F(Http2Linger, StoppingDoesNotWaitForIt) {
  RunTalk([](Talk* talk) {
    talk->Say(Head(1));
    talk->session().BeginStop();
    talk->Hear();
    EXPECT_TRUE(talk->session().wants_close());
  });
}

TEST_F(Http2Linger, KeepaliveGoesOnBesideIt) {
  limits_.keepalive_interval_nanos = 10 * kNanosPerSecond;
  limits_.linger_timeout_nanos = limits_.keepalive_timeout_nanos;
  RunTalk([&](Talk* talk) {
    talk->Say(Head(1));
    EXPECT_THAT(talk->WaitUntilItIsTime(), IsEmpty()) << "a ping";
    EXPECT_THAT(talk->WaitUntilItIsTime(), ElementsAre("reset 1 NO_ERROR"));
    EXPECT_FALSE(talk->session().OnTime(talk->session().next_time_nanos()))
        << "the ping was not answered";
  });
}

}  // namespace
}  // namespace socle::server::http
