#include "server/wire/http2/frame_reader.h"

#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"

namespace socle::server::http2 {
namespace {

using ::testing::ElementsAre;

// Writes down what it is told.
class Journal final : public FrameSink {
 public:
  ConnectionError OnData(uint32_t stream, std::string_view bytes, size_t flow_bytes,
                         bool is_end) override {
    return Note(fmt::format("data {} {} {}{}", stream, bytes, flow_bytes, is_end ? " end" : ""));
  }

  ConnectionError OnHead(uint32_t stream, std::string_view block, bool is_end) override {
    return Note(fmt::format("head {} {}{}", stream, block, is_end ? " end" : ""));
  }

  ConnectionError OnReset(uint32_t stream, ErrorCode code) override {
    return Note(fmt::format("reset {} {}", stream, NameOf(code)));
  }

  ConnectionError OnSetting(const Setting& setting) override {
    return Note(fmt::format("setting {} {}", static_cast<int>(setting.id), setting.value));
  }

  ConnectionError OnSettingsEnd() override { return Note("settings"); }

  ConnectionError OnSettingsAck() override { return Note("settings ack"); }

  ConnectionError OnPing(std::string_view payload, bool is_ack) override {
    return Note(fmt::format("ping {}{}", payload, is_ack ? " ack" : ""));
  }

  void OnGoaway(uint32_t last_stream, ErrorCode code, std::string_view why) override {
    Note(fmt::format("goaway {} {} {}", last_stream, NameOf(code), why));
  }

  ConnectionError OnWindowUpdate(uint32_t stream, uint32_t bytes) override {
    return Note(fmt::format("window {} {}", stream, bytes));
  }

  const std::vector<std::string>& notes() const { return notes_; }

 private:
  ConnectionError Note(std::string note) {
    notes_.push_back(std::move(note));
    return {};
  }

  std::vector<std::string> notes_;
};

std::string Frame(FrameType type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string frame;
  AppendFrameHead({.size = static_cast<uint32_t>(payload.size()),
                   .type = type,
                   .flags = flags,
                   .stream = stream},
                  &frame);
  return frame.append(payload);
}

std::string Uint32(uint32_t number) {
  return {static_cast<char>(number >> 24U), static_cast<char>(number >> 16U),
          static_cast<char>(number >> 8U), static_cast<char>(number)};
}

std::string Greeting() {
  std::string bytes(kPreface);
  AppendSettings({}, &bytes);
  return bytes;
}

// A bit of everything.
std::string Talk() {
  std::string bytes(kPreface);
  const std::vector<Setting> settings = {{SettingId::kInitialWindowSize, 100},
                                         {SettingId::kMaxFrameSize, 20'000}};
  AppendSettings(settings, &bytes);
  AppendSettingsAck(&bytes);
  bytes += Frame(FrameType::kHeaders, kFlagEndHeaders | kFlagPriority, 1, Uint32(7) + "w" + "abc");
  bytes += Frame(FrameType::kData, kFlagPadded, 1, std::string("\2hello\0\0", 8));
  bytes += Frame(FrameType::kData, kFlagEndStream, 1, "");
  bytes += Frame(FrameType::kHeaders, kFlagEndStream, 3, "one ");
  bytes += Frame(FrameType::kContinuation, 0, 3, "two ");
  bytes += Frame(FrameType::kContinuation, kFlagEndHeaders, 3, "three");
  bytes += Frame(FrameType::kPriority, 0, 9, Uint32(0) + "w");
  bytes += Frame(static_cast<FrameType>(77), 0xff, 5, "nobody knows");
  AppendReset(3, ErrorCode::kCancel, &bytes);
  AppendPing("12345678", false, &bytes);
  AppendPing("87654321", true, &bytes);
  AppendWindowUpdate(0, 500, &bytes);
  AppendWindowUpdate(1, kWindowMax, &bytes);
  AppendGoaway(3, ErrorCode::kEnhanceYourCalm, "enough", &bytes);
  return bytes;
}

TEST(FrameReader, TellsWhatWasSaidHoweverItIsCut) {
  const std::string talk = Talk();
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    FrameReader reader(/*expects_preface=*/true);
    Journal journal;
    std::string_view bytes = talk;
    while (!bytes.empty()) {
      const auto piece = static_cast<size_t>(1 + random.Below(seed == 1 ? 1 : 60));
      ASSERT_TRUE(reader.Receive(bytes.substr(0, piece), &journal).ok());
      bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    EXPECT_THAT(
        journal.notes(),
        ElementsAre("setting 4 100", "setting 5 20000", "settings", "settings ack", "head 1 abc",
                    "data 1 hello 8", "data 1  0 end", "head 3 one two three end", "reset 3 CANCEL",
                    "ping 12345678", "ping 87654321 ack", "window 0 500", "window 1 2147483647",
                    "goaway 3 ENHANCE_YOUR_CALM enough"));
    EXPECT_FALSE(reader.is_inside_head());
  }
}

TEST(FrameReader, RefusesWhatNoFrameMayBe) {
  struct Case {
    const char* name;
    std::string bytes;
    ErrorCode code;
  };

  const std::string head = Frame(FrameType::kHeaders, 0, 1, "x");
  const auto setting = [](SettingId id, uint32_t value) {
    std::string bytes = Greeting();
    const std::vector<Setting> settings = {{id, value}};
    AppendSettings(settings, &bytes);
    return bytes;
  };
  const auto after = [](const std::string& bytes) { return Greeting() + bytes; };
  const std::vector<Case> cases = {
      {"another preface", "PRI * HTTP/3.0\r\n", ErrorCode::kProtocolError},
      {"no settings", std::string(kPreface) + head, ErrorCode::kProtocolError},
      {"an acknowledgement first",
       std::string(kPreface) + Frame(FrameType::kSettings, kFlagAck, 0, ""),
       ErrorCode::kProtocolError},
      {"too long, told by its head alone",
       after(Frame(FrameType::kData, 0, 1, std::string(16'385, 'x')).substr(0, 9)),
       ErrorCode::kFrameSizeError},
      {"data of no stream", after(Frame(FrameType::kData, 0, 0, "x")), ErrorCode::kProtocolError},
      {"a head of no stream", after(Frame(FrameType::kHeaders, 4, 0, "x")),
       ErrorCode::kProtocolError},
      {"a priority of no stream", after(Frame(FrameType::kPriority, 0, 0, "12345")),
       ErrorCode::kProtocolError},
      {"a short priority", after(Frame(FrameType::kPriority, 0, 1, "1234")),
       ErrorCode::kFrameSizeError},
      {"a priority on itself", after(Frame(FrameType::kPriority, 0, 5, Uint32(5) + "w")),
       ErrorCode::kProtocolError},
      {"a head that depends on itself", after(Frame(FrameType::kHeaders, 0x24, 5, Uint32(5) + "w")),
       ErrorCode::kProtocolError},
      {"a head without its priority", after(Frame(FrameType::kHeaders, 0x24, 5, "123")),
       ErrorCode::kFrameSizeError},
      {"a reset of no stream", after(Frame(FrameType::kRstStream, 0, 0, "1234")),
       ErrorCode::kProtocolError},
      {"a long reset", after(Frame(FrameType::kRstStream, 0, 1, "12345")),
       ErrorCode::kFrameSizeError},
      {"settings of a stream", after(Frame(FrameType::kSettings, 0, 1, "")),
       ErrorCode::kProtocolError},
      {"settings of five bytes", after(Frame(FrameType::kSettings, 0, 0, "12345")),
       ErrorCode::kFrameSizeError},
      {"an acknowledgement that says something",
       after(Frame(FrameType::kSettings, kFlagAck, 0, "123456")), ErrorCode::kFrameSizeError},
      {"push neither on nor off", setting(SettingId::kEnablePush, 2), ErrorCode::kProtocolError},
      {"a window too large", setting(SettingId::kInitialWindowSize, 1U << 31U),
       ErrorCode::kFlowControlError},
      {"a frame size too small", setting(SettingId::kMaxFrameSize, 16'383),
       ErrorCode::kProtocolError},
      {"a frame size too large", setting(SettingId::kMaxFrameSize, 1U << 24U),
       ErrorCode::kProtocolError},
      {"a promise", after(Frame(FrameType::kPushPromise, 4, 1, "1234")), ErrorCode::kProtocolError},
      {"a ping of a stream", after(Frame(FrameType::kPing, 0, 1, "12345678")),
       ErrorCode::kProtocolError},
      {"a short ping", after(Frame(FrameType::kPing, 0, 0, "1234567")), ErrorCode::kFrameSizeError},
      {"a farewell of a stream", after(Frame(FrameType::kGoaway, 0, 1, "12345678")),
       ErrorCode::kProtocolError},
      {"a short farewell", after(Frame(FrameType::kGoaway, 0, 0, "1234567")),
       ErrorCode::kFrameSizeError},
      {"a long window update", after(Frame(FrameType::kWindowUpdate, 0, 0, "12345")),
       ErrorCode::kFrameSizeError},
      {"a continuation of nothing", after(Frame(FrameType::kContinuation, 4, 1, "x")),
       ErrorCode::kProtocolError},
      {"a head within a head", after(head + head), ErrorCode::kProtocolError},
      {"a ping within a head", after(head + Frame(FrameType::kPing, 0, 0, "12345678")),
       ErrorCode::kProtocolError},
      {"another stream's continuation", after(head + Frame(FrameType::kContinuation, 4, 3, "x")),
       ErrorCode::kProtocolError},
      {"a frame of nobody knows what within a head",
       after(head + Frame(static_cast<FrameType>(77), 0, 1, "x")), ErrorCode::kProtocolError},
      {"more padding than data", after(Frame(FrameType::kData, kFlagPadded, 1, "\3ab")),
       ErrorCode::kProtocolError},
      {"padding without its length", after(Frame(FrameType::kData, kFlagPadded, 1, "")),
       ErrorCode::kProtocolError},
      {"more padding than head", after(Frame(FrameType::kHeaders, 4 | kFlagPadded, 1, "\4ab")),
       ErrorCode::kProtocolError},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Journal journal;
    const ConnectionError error = FrameReader(true).Receive(c.bytes, &journal);
    EXPECT_EQ(NameOf(error.code), NameOf(c.code)) << error.why;
    EXPECT_FALSE(error.why.empty());
  }
}

TEST(FrameReader, CutsOffAHeaderBlockWithoutEnd) {
  FrameReader reader(true);
  Journal journal;
  ASSERT_TRUE(reader.Receive(Greeting() + Frame(FrameType::kHeaders, 0, 1, "x"), &journal).ok());
  for (int i = 0; i < FrameReader::kContinuationsMax; ++i) {
    ASSERT_TRUE(reader.Receive(Frame(FrameType::kContinuation, 0, 1, ""), &journal).ok());
    EXPECT_TRUE(reader.is_inside_head());
  }
  const ConnectionError error = reader.Receive(Frame(FrameType::kContinuation, 0, 1, ""), &journal);
  EXPECT_EQ(NameOf(error.code), "ENHANCE_YOUR_CALM");
}

TEST(FrameReader, KnowsWhetherAHeadOrOnlyDataIsMissing) {
  FrameReader reader(true);
  Journal journal;
  const auto is_inside_after = [&](std::string_view bytes) {
    EXPECT_TRUE(reader.Receive(bytes, &journal).ok());
    return reader.is_inside_head();
  };
  EXPECT_TRUE(is_inside_after(kPreface.substr(0, 5)));
  EXPECT_FALSE(is_inside_after(Greeting().substr(5)));
  const std::string data = Frame(FrameType::kData, 0, 1, "abc");
  EXPECT_TRUE(is_inside_after(data.substr(0, 8))) << "of what type can't be known";
  EXPECT_FALSE(is_inside_after(data.substr(8, 2)));
  const uint64_t units = reader.units();
  EXPECT_FALSE(is_inside_after(data.substr(10)));
  EXPECT_EQ(reader.units(), units + 1);
  const std::string head = Frame(FrameType::kHeaders, 0, 1, "abc");
  EXPECT_TRUE(is_inside_after(head.substr(0, 10)));
  EXPECT_TRUE(is_inside_after(head.substr(10)));
  EXPECT_EQ(reader.units(), units + 1) << "a head that goes on is the same head";
  EXPECT_FALSE(is_inside_after(Frame(FrameType::kContinuation, kFlagEndHeaders, 1, "d")));
  EXPECT_EQ(reader.units(), units + 2);
}

TEST(Frames, AHeadTooLongForAFrameGoesOnInContinuations) {
  for (const size_t size : {0U, 1U, 99U, 100U, 101U, 200U, 1'000U}) {
    SCOPED_TRACE(size);
    std::string bytes = Greeting();
    const size_t begun_at = BeginHead(&bytes);
    const std::string block(size, 'h');
    bytes += block;
    EndHead(begun_at, 5, /*is_end=*/true, /*frame_bytes_max=*/100, &bytes);
    Journal journal;
    ASSERT_TRUE(FrameReader(true).Receive(bytes, &journal).ok());
    EXPECT_EQ(journal.notes().back(), fmt::format("head 5 {} end", block));
    EXPECT_EQ(bytes.size(),
              Greeting().size() + size + kFrameHeadBytes * std::max<size_t>(1, (size + 99) / 100));
  }
}

}  // namespace
}  // namespace socle::server::http2
