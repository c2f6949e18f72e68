#include "kv/backend/pending_buffer.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/base/bytes.h"
#include "kv/base/thread.h"
#include "kv/testing/seed.h"

namespace socle::kv {
namespace {

constexpr BucketId kFirst{0};
constexpr BucketId kSecond{1};

TEST(PendingBuffer, FindsTheNewestChangeThatTheReaderMaySee) {
  PendingBuffer buffer(2);
  EXPECT_FALSE(buffer.Find(kFirst, "a", 9).has_value());
  buffer.Add(kFirst, {.key = "b", .value = "1", .seq = 1});
  buffer.Add(kFirst, {.key = "a", .value = "2", .seq = 2});
  buffer.Add(kFirst, {.key = "b", .value = {}, .seq = 3, .is_delete = true});
  buffer.Add(kFirst, {.key = "", .value = "empty", .seq = 4});
  EXPECT_FALSE(buffer.Find(kFirst, "a", 1).has_value());
  EXPECT_EQ(buffer.Find(kFirst, "b", 2)->value, "1");
  EXPECT_TRUE(buffer.Find(kFirst, "b", 3)->is_delete);
  EXPECT_EQ(buffer.Find(kFirst, "", 4)->value, "empty");
  EXPECT_FALSE(buffer.Find(kSecond, "a", 9).has_value());
  EXPECT_FALSE(buffer.Find(kFirst, "aa", 9).has_value());
  EXPECT_EQ(buffer.count(), 4U);
}

TEST(PendingBuffer, CountsEntriesByTheirBytesAndMemoryByItsBlocks) {
  PendingBuffer buffer(8);
  EXPECT_EQ(buffer.entry_bytes(), 0U);
  const std::string value(100'000, 'v');
  uint64_t content = 0;
  for (uint64_t seq = 1; seq <= 5; ++seq) {
    buffer.Add(kFirst, {.key = "key", .value = value, .seq = seq});
    content += 3 + value.size();
    EXPECT_GE(buffer.entry_bytes(), content);
    EXPECT_LT(buffer.entry_bytes(), content + seq * 100);
    EXPECT_GE(buffer.bytes(), buffer.entry_bytes());
  }
}

TEST(PendingBuffer, AgreesWithAModelAtEverySeq) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(seed);
  Random random(seed);
  PendingBuffer buffer(2);
  std::map<std::string, std::map<uint64_t, std::string>> model[2];  // key, seq, value ("-": delete)
  for (uint64_t seq = 1; seq <= 3000; ++seq) {
    const size_t bucket = random.Below(2);
    const bool is_ascending = random.OneIn(2);
    const std::string key =
        is_ascending ? fmt::format("{:08}", seq) : fmt::format("{:08}", random.Below(seq + 1));
    const bool is_delete = random.OneIn(4);
    const std::string value =
        is_delete ? "" : std::string(random.OneIn(50) ? 20'000 : random.Below(20), 'v');
    const PendingEntry stored =
        buffer.Add(BucketId{static_cast<uint8_t>(bucket)},
                   {.key = key, .value = value, .seq = seq, .is_delete = is_delete});
    ASSERT_EQ(stored.key, key);
    ASSERT_EQ(stored.value, value);
    model[bucket][key][seq] = is_delete ? "-" : value;
  }
  for (size_t bucket = 0; bucket < 2; ++bucket) {
    const BucketId id{static_cast<uint8_t>(bucket)};
    PendingBuffer::Iterator it(buffer, id);
    it.SeekToFirst();
    for (const auto& [key, changes] : model[bucket]) {
      for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
        ASSERT_TRUE(it.Valid());
        ASSERT_EQ(it.entry().key, key);
        ASSERT_EQ(it.entry().seq, change->first);
        it.Next();
        const auto found = buffer.Find(id, key, change->first + random.Below(2));
        ASSERT_TRUE(found.has_value());
        ASSERT_GE(found->seq, change->first);
      }
      ASSERT_FALSE(buffer.Find(id, key, changes.begin()->first - 1).has_value());
      PendingBuffer::Iterator seek(buffer, id);
      seek.Seek(key);
      ASSERT_EQ(seek.entry().key, key);
    }
    ASSERT_FALSE(it.Valid());
  }
  EXPECT_GT(buffer.bytes(), 0U);
}

// A reader looks for one key that is there while the writer puts others right before it, or newer
// changes of it.
void LookUpWhileInserting(bool inserts_same_key, int inserts) {
  PendingBuffer buffer(1);
  buffer.Add(kFirst, {.key = "x", .value = "old", .seq = 1});
  std::atomic<bool> is_reading{false};
  std::atomic<bool> is_done{false};
  const Thread reader("reader", [&] {
    while (!is_done.load(std::memory_order_relaxed)) {
      const auto found = buffer.Find(kFirst, "x", 1);
      ASSERT_TRUE(found.has_value());
      ASSERT_EQ(found->value, "old");
      PendingBuffer::Iterator it(buffer, kFirst);
      it.Seek("x");
      ASSERT_TRUE(it.Valid());
      ASSERT_EQ(it.entry().key, "x");
      is_reading.store(true, std::memory_order_relaxed);
    }
  });
  while (!is_reading.load(std::memory_order_relaxed)) {
  }
  for (uint64_t i = 0; i < static_cast<uint64_t>(inserts); ++i) {
    const std::string before = BigEndian64(i);  // Ascending, each right before "x".
    buffer.Add(kFirst, {.key = inserts_same_key ? "x" : before, .seq = i + 2});
  }
  is_done.store(true, std::memory_order_relaxed);
}

TEST(PendingBuffer, ReadersFindTheirEntryWhileOthersAreInsertedBeforeIt) {
  for (int round = 0; round < 150; ++round) {
    LookUpWhileInserting(/*inserts_same_key=*/false, 3000);
  }
}

TEST(PendingBuffer, ReadersFindTheirChangeWhileNewerOnesAreInsertedBeforeIt) {
  for (int round = 0; round < 30; ++round) {
    LookUpWhileInserting(/*inserts_same_key=*/true, 1000);
  }
}

}  // namespace
}  // namespace socle::kv
