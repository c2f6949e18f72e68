#include "kv/wal/record.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/random.h"
#include "kv/testing/seed.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/crc32c.h"
#include "kv/wal/segment.h"

namespace socle::kv {
namespace {

using ::testing::HasSubstr;

std::string RandomBytes(Random* random, size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) {
    c = static_cast<char>(random->Next());
  }
  return bytes;
}

TEST(Crc32c, GivesThePublishedChecksums) {
  std::string ascending;
  for (char c = 0; c < 32; ++c) {
    ascending.push_back(c);
  }

  const struct {
    const char* name;
    std::string bytes;
    uint32_t crc;
  } kCases[] = {
      {"nothing", "", 0},
      {"digits", "123456789", 0xE3069283},
      {"zeros", std::string(32, '\0'), 0x8A9136AA},
      {"ones", std::string(32, '\xFF'), 0x62A8AB43},
      {"ascending", ascending, 0x46DD794E},
  };

  for (const auto& c : kCases) {
    SCOPED_TRACE(c.name);
    EXPECT_EQ(Crc32c(c.bytes), c.crc);
    EXPECT_EQ(Crc32cByTable(c.bytes), c.crc);
  }
}

TEST(Crc32c, GoesOnFromASeedAndAgreesWithTheTableAtEveryLengthAndPlace) {
  Random random(TestSeed());
  const std::string bytes = RandomBytes(&random, 300);
  for (size_t from = 0; from < 16; ++from) {
    for (size_t size = 0; size < 100; ++size) {
      const std::string_view part = std::string_view(bytes).substr(from, size);
      ASSERT_EQ(Crc32c(part, 77), Crc32cByTable(part, 77));
      ASSERT_EQ(Crc32c(part.substr(size / 3), Crc32c(part.substr(0, size / 3))), Crc32c(part));
    }
  }
}

TEST(Record, ReadsBackEveryEntryOfABatch) {
  Random random(TestSeed());
  std::vector<std::string> texts;
  for (size_t size = 0; size < 40; ++size) {
    texts.push_back(RandomBytes(&random, size));
  }
  const std::vector<std::string_view> entries(texts.begin(), texts.end());
  const RecordSalt salt = MakeRecordSalt(7, 9);
  std::string bytes;
  AppendBatch(salt, LogIndex{5}, entries, &bytes);
  EXPECT_EQ(bytes.size(), BatchBytes(entries));
  uint64_t offset = 0;
  for (size_t i = 0; i < texts.size(); ++i) {
    const Record record = ReadRecord(salt, bytes, offset);
    ASSERT_EQ(record.state, RecordState::kIntact);
    EXPECT_EQ(record.payload, texts[i]);
    EXPECT_EQ(record.header.index, 5 + i);
    EXPECT_EQ(record.header.batch_index, 5U);
    EXPECT_EQ(record.header.flags, i + 1 == texts.size() ? kEndsBatch : 0U);
    offset += RecordBytes(record.header.length);
  }
  EXPECT_EQ(offset, bytes.size());
}

TEST(Record, IsNotIntactAfterAnyFlipOfABitNorCutAnywhere) {
  const RecordSalt salt = MakeRecordSalt(7, 9);
  const std::vector<std::string_view> entries = {"some entry of the log"};
  std::string bytes;
  AppendBatch(salt, LogIndex{1}, entries, &bytes);
  const size_t used = sizeof(RecordHeader) + entries[0].size();
  for (size_t bit = 0; bit < used * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    ASSERT_NE(ReadRecord(salt, flipped, 0).state, RecordState::kIntact) << bit;
  }
  for (size_t size = 0; size < used; ++size) {
    ASSERT_NE(ReadRecord(salt, std::string_view(bytes).substr(0, size), 0).state,
              RecordState::kIntact)
        << size;
  }
  EXPECT_EQ(ReadRecord(salt, bytes, UINT64_MAX).state, RecordState::kNoHeader);
}

TEST(Record, OfAnotherStoreOrAnEarlierUseOfTheSegmentIsNoRecord) {
  const std::vector<std::string_view> entries = {"x"};
  std::string bytes;
  AppendBatch(MakeRecordSalt(7, 9), LogIndex{1}, entries, &bytes);
  for (uint64_t sequence = 0; sequence < 9; ++sequence) {
    EXPECT_EQ(ReadRecord(MakeRecordSalt(7, sequence), bytes, 0).state, RecordState::kNoHeader);
  }
  EXPECT_EQ(ReadRecord(MakeRecordSalt(8, 9), bytes, 0).state, RecordState::kNoHeader);
  EXPECT_EQ(ReadRecord(MakeRecordSalt(7, 9), bytes, 0).state, RecordState::kIntact);
}

TEST(Segment, NameIsParsedOnlyAsItIsWritten) {
  const std::string name = SegmentName(0x1f, LogIndex{0xabcdef});
  EXPECT_EQ(name, "000000000000001f-0000000000abcdef.wal");
  const auto segment = ParseSegmentName(name);
  ASSERT_TRUE(segment.has_value());
  EXPECT_EQ(segment->sequence, 0x1fU);
  EXPECT_EQ(segment->first_index, LogIndex{0xabcdef});
  for (const char* other :
       {"", "x.wal", "000000000000001F-0000000000abcdef.wal",
        "000000000000001f-0000000000abcdef.spare", "00000000000000-1f-000000000abcdef.wal",
        "000000000000001f-0000000000abcdeg.wal"}) {
    EXPECT_FALSE(ParseSegmentName(other).has_value()) << other;
  }
}

TEST(Segment, HeadIsRefusedUnlessItAgreesWithNameAndStore) {
  const Segment segment = {3, LogIndex{10}, SegmentName(3, LogIndex{10}), 0};
  const Segment other = {4, LogIndex{10}, SegmentName(4, LogIndex{10}), 0};
  const std::string head = EncodeSegmentHead(segment, 7);
  EXPECT_OK(CheckSegmentHead(segment, 7, head));
  EXPECT_THAT(CheckSegmentHead(segment, 8, head),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("another store")));
  EXPECT_THAT(CheckSegmentHead(other, 7, head), StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(CheckSegmentHead(segment, 7, head.substr(0, 100)),
              StatusIs(absl::StatusCode::kDataLoss));
  for (size_t at = 0; at < sizeof(SegmentHead); ++at) {
    std::string flipped = head;
    flipped[at] = static_cast<char>(flipped[at] ^ 1);
    ASSERT_FALSE(CheckSegmentHead(segment, 7, flipped).ok()) << at;
  }
  std::string newer = head;
  newer[offsetof(SegmentHead, version)] = 2;
  EXPECT_THAT(CheckSegmentHead(segment, 7, newer),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("format version 2 is newer than this program knows (1)")));
}

}  // namespace
}  // namespace socle::kv
