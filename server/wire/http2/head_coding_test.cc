#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include "kv/base/random.h"
#include "server/wire/http2/head_decoder.h"
#include "server/wire/http2/head_encoder.h"

namespace socle::server::http2 {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

using Head = std::vector<std::pair<std::string, std::string>>;

// What a decoder makes of a block; ends the test when it can't.
Head Decoded(HeadDecoder* decoder, std::string_view block) {
  Head head;
  EXPECT_TRUE(decoder->Decode(block, [&head](std::string_view name, std::string_view value) {
    head.emplace_back(name, value);
  }));
  return head;
}

// The other implementation.
class Deflater {
 public:
  explicit Deflater(size_t table_bytes = 4'096) {
    EXPECT_EQ(nghttp2_hd_deflate_new(&deflater_, table_bytes), 0);
  }

  ~Deflater() { nghttp2_hd_deflate_del(deflater_); }

  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  std::string Encode(Head head) {
    std::vector<nghttp2_nv> fields;
    for (auto& [name, value] : head) {
      fields.push_back({reinterpret_cast<uint8_t*>(name.data()),
                        reinterpret_cast<uint8_t*>(value.data()), name.size(), value.size(),
                        NGHTTP2_NV_FLAG_NONE});
    }
    std::string out(nghttp2_hd_deflate_bound(deflater_, fields.data(), fields.size()), '\0');
    const ssize_t size = nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()),
                                               out.size(), fields.data(), fields.size());
    EXPECT_GE(size, 0);
    out.resize(static_cast<size_t>(size));
    return out;
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

Head RandomHead(Random* random) {
  Head head = {{":method", "POST"}};
  for (uint64_t i = random->Below(12); i > 0; --i) {
    // Few names and values, so that some are in the table; some larger than it.
    head.emplace_back("name-" + std::to_string(random->Below(8)),
                      std::string(static_cast<size_t>(random->Below(4) == 0 ? random->Below(6'000)
                                                                            : random->Below(9)),
                                  static_cast<char>('a' + random->Below(3))));
  }
  return head;
}

TEST(HeadDecoder, UnderstandsWhatAnotherEncoderSays) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Deflater deflater;
    HeadDecoder decoder;
    for (int i = 0; i < 60; ++i) {
      const Head head = RandomHead(&random);
      ASSERT_EQ(Decoded(&decoder, deflater.Encode(head)), head);
    }
  }
}

TEST(HeadDecoder, WhatItTakesForARepetitionSaysTheSame) {
  int repeated = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    Deflater deflater;
    HeadDecoder decoder;
    std::vector<Head> heads;
    for (int i = 0; i < 3; ++i) {
      heads.push_back(RandomHead(&random));
    }
    std::array<Head, HeadDecoder::kSlots> remembered;
    for (int i = 0; i < 200; ++i) {
      // Sometimes something new pushes old entries out of the table.
      const Head head = random.Below(20) == 0 ? RandomHead(&random) : heads[random.Below(3)];
      const std::string block = deflater.Encode(head);
      const auto slot = static_cast<size_t>(random.Below(HeadDecoder::kSlots));
      if (decoder.Repeats(slot, block)) {
        ++repeated;
        ASSERT_EQ(remembered[slot], head);
        continue;
      }
      remembered[slot] = Decoded(&decoder, block);
      ASSERT_EQ(remembered[slot], head);
      decoder.Remember(slot, block);
    }
  }
  EXPECT_GT(repeated, 500);
}

TEST(HeadDecoder, RefusesWhatMeansNothing) {
  for (const std::string_view block :
       {std::string_view("\x80"), std::string_view("\xff\xff\xff\x7f"), std::string_view("\xbe"),
        std::string_view("\x00\x01", 2), std::string_view("\x3f\xe1\xff\x03\x82")}) {
    SCOPED_TRACE(::testing::PrintToString(block));
    EXPECT_FALSE(HeadDecoder().Decode(block, [](std::string_view, std::string_view) {}));
  }
  EXPECT_TRUE(HeadDecoder().Decode({}, [](std::string_view, std::string_view) {})) << "no fields";
}

TEST(HeadEncoder, SaysConstantFieldsInOneByteFromTheSecondTimeOn) {
  HeadEncoder encoder;
  HeadDecoder decoder;
  const auto encode = [&encoder] {
    std::string block;
    encoder.Begin(&block);
    encoder.Add(StaticField::kStatus200, &block);
    encoder.Add("content-type", "application/grpc", true, &block);
    encoder.Add("grpc-status", "0", true, &block);
    return block;
  };
  const auto wanted = ElementsAre(Pair(":status", "200"), Pair("content-type", "application/grpc"),
                                  Pair("grpc-status", "0"));
  const std::string first = encode();
  const std::string second = encode();
  EXPECT_GT(first.size(), 20U);
  EXPECT_EQ(second.size(), 3U);
  EXPECT_THAT(Decoded(&decoder, first), wanted);
  EXPECT_THAT(Decoded(&decoder, second), wanted);
}

TEST(HeadEncoder, IsUnderstoodWhateverItSays) {
  // Live for ever, as constant fields must.
  static const std::vector<Head> heads = [] {
    std::vector<Head> some;
    Random random(7);
    for (int i = 0; i < 30; ++i) {
      some.push_back(RandomHead(&random));
    }
    return some;
  }();
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    HeadEncoder encoder;
    HeadDecoder decoder;
    for (int i = 0; i < 100; ++i) {
      if (random.Below(50) == 0) {
        encoder.LimitTable(static_cast<uint32_t>(random.Below(8'192)));
      }
      const Head& head = heads[random.Below(heads.size())];
      std::string block;
      encoder.Begin(&block);
      for (const auto& [name, value] : head) {
        encoder.Add(name, value, random.Below(2) == 0, &block);
      }
      ASSERT_EQ(Decoded(&decoder, block), head);
    }
  }
}

TEST(HeadEncoder, LeavesATableThatIsToBeSmallerAtOnce) {
  HeadEncoder encoder;
  std::string block;
  encoder.Begin(&block);
  encoder.Add("a", "b", true, &block);
  encoder.LimitTable(0);
  encoder.LimitTable(4'096);
  block.clear();
  encoder.Begin(&block);
  encoder.Add("a", "b", true, &block);
  EXPECT_EQ(block, std::string_view("\x20\x00\x01"
                                    "a\x01"
                                    "b",
                                    6));
  block.clear();
  encoder.Begin(&block);
  EXPECT_EQ(block, "") << "said once";
}

}  // namespace
}  // namespace socle::server::http2
