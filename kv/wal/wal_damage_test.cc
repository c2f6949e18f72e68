#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/fault_env.h"
#include "kv/testing/status_matchers.h"
#include "kv/wal/record.h"
#include "kv/wal/segment.h"
#include "kv/wal/testing/replayed_log.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A log of 40 entries in batches of two over several segments, and its files.
class WalDamageTest : public ::testing::Test {
 protected:
  static constexpr uint64_t kEntries = 40;
  static constexpr size_t kEntryBytes = 700;

  WalDamageTest() {
    auto log = OpenLog(&env_, "/wal", options_);
    EXPECT_THAT(log, IsOk());
    for (uint64_t i = 1; i <= kEntries; i += 2) {
      EXPECT_OK(
          AppendTexts(log->wal.get(), {EntryText(i, kEntryBytes), EntryText(i + 1, kEntryBytes)}));
    }
    log->wal.reset();
    const std::vector<std::string> names = *env_.List("/wal");
    for (const std::string& name : names) {
      if (ParseSegmentName(name)) {
        segments_.push_back("/wal/" + name);
        contents_.push_back(*env_.Contents(segments_.back()));
      }
    }
  }

  uint64_t FirstIndexOf(size_t segment) const {
    return Raw(ParseSegmentName(segments_[segment].substr(5))->first_index);
  }

  // Opens with these bytes in the segment; then puts things back.
  absl::StatusOr<ReplayedLog> OpenWith(size_t segment, std::string bytes) {
    env_.SetContents(segments_[segment], bytes);
    auto log = OpenLog(&env_, "/wal", options_);
    if (log.ok()) {
      log->wal.reset();
    } else {
      EXPECT_EQ(*env_.Contents(segments_[segment]), bytes) << "a refusal changes nothing";
    }
    for (size_t i = 0; i < segments_.size(); ++i) {
      env_.SetContents(segments_[i], contents_[i]);
    }
    return log;
  }

  static std::string Flip(std::string bytes, size_t at) {
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    return bytes;
  }

  FaultEnv env_{1};
  const WalOptions options_{.segment_bytes = 16'384, .store_id = 7, .prepare_in_background = false};
  std::vector<std::string> segments_;
  std::vector<std::string> contents_;
};

TEST_F(WalDamageTest, EveryFlippedByteBeforeTheLastBatchIsRefusedAndInItIsCut) {
  ASSERT_GE(segments_.size(), 3U);
  const uint64_t record_bytes = RecordBytes(kEntryBytes);
  for (size_t segment = 0; segment < segments_.size(); ++segment) {
    const bool is_last = segment + 1 == segments_.size();
    const uint64_t first = FirstIndexOf(segment);
    const uint64_t next = is_last ? kEntries + 1 : FirstIndexOf(segment + 1);
    for (uint64_t index = first; index < next; ++index) {
      for (uint64_t at = 0; at < record_bytes; at += at < 40 ? 1 : 37) {
        if (at >= sizeof(RecordHeader) + kEntryBytes) {
          continue;  // padding
        }
        SCOPED_TRACE(fmt::format("{} entry {} byte {}", segments_[segment], index, at));
        const size_t offset = kSegmentHeadBytes + (index - first) * record_bytes;
        const auto log = OpenWith(segment, Flip(contents_[segment], offset + at));
        if (index > kEntries - 2) {
          ASSERT_THAT(log, IsOk());
          ASSERT_THAT(log->entries, SizeIs(index - 1));
        } else {
          ASSERT_THAT(log, StatusIs(absl::StatusCode::kDataLoss,
                                    AllOf(HasSubstr(segments_[segment].substr(5)),
                                          HasSubstr(fmt::format("offset {}:", offset)),
                                          HasSubstr(fmt::format("entry {}", index)),
                                          HasSubstr("expected"), HasSubstr("found"))));
        }
      }
    }
  }
}

TEST_F(WalDamageTest, EveryFlippedByteOfAHeadIsRefused) {
  for (size_t segment = 0; segment < segments_.size(); ++segment) {
    for (size_t at = 0; at < sizeof(SegmentHead); ++at) {
      ASSERT_FALSE(OpenWith(segment, Flip(contents_[segment], at)).ok()) << at;
    }
  }
}

TEST_F(WalDamageTest, LostSectorsAndShortFilesAreRefusedUnlessInTheLastBatch) {
  const size_t last = segments_.size() - 1;
  const uint64_t first = FirstIndexOf(last);
  const uint64_t end = kSegmentHeadBytes + (kEntries + 1 - first) * RecordBytes(kEntryBytes);
  const uint64_t batch = end - 2 * RecordBytes(kEntryBytes);
  for (uint64_t at = 0; at < end; at += 512) {
    SCOPED_TRACE(at);
    std::string zeroed = contents_[last];
    const uint64_t size = std::min<uint64_t>(512, end - at);
    zeroed.replace(at, size, size, '\0');
    const auto log = OpenWith(last, zeroed);
    if (at >= batch) {
      ASSERT_THAT(log, IsOk());
      ASSERT_GE(log->entries.size(), kEntries - 2);
    } else if (at == 0 || at >= kSegmentHeadBytes) {
      ASSERT_FALSE(log.ok());
    }
  }
  for (uint64_t size = 0; size < kSegmentHeadBytes; size += 100) {
    ASSERT_FALSE(OpenWith(last, contents_[last].substr(0, size)).ok());
  }
  for (size_t segment = 0; segment < last; ++segment) {
    const std::string half = contents_[segment].substr(0, contents_[segment].size() / 2);
    ASSERT_THAT(OpenWith(segment, half), StatusIs(absl::StatusCode::kDataLoss));
  }
}

TEST_F(WalDamageTest, AMissingSegmentIsRefusedUnlessItsEntriesAreNotNeeded) {
  for (size_t segment = 0; segment + 1 < segments_.size(); ++segment) {
    SCOPED_TRACE(segment);
    ASSERT_OK(env_.Remove(segments_[segment]));
    const auto log = OpenLog(&env_, "/wal", options_);
    EXPECT_FALSE(log.ok());
    EXPECT_EQ(log.status().code(),
              segment == 0 ? absl::StatusCode::kFailedPrecondition : absl::StatusCode::kDataLoss);
    EXPECT_OK(OpenLog(&env_, "/wal", options_, FirstIndexOf(segment + 1) - 1));
    env_.SetContents(segments_[segment], contents_[segment]);
  }
}

TEST_F(WalDamageTest, WhatIsCutNeverComesBack) {
  const size_t last = segments_.size() - 1;
  const uint64_t first = FirstIndexOf(last);
  const uint64_t offset = kSegmentHeadBytes + (kEntries - 1 - first) * RecordBytes(kEntryBytes);
  env_.SetContents(segments_[last], Flip(contents_[last], offset + 100));
  {
    ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env_, "/wal", options_));
    ASSERT_THAT(log.entries, SizeIs(kEntries - 2));
    // Ends exactly where the second entry of the batch that was cut begins.
    ASSERT_OK(AppendTexts(log.wal.get(), {std::string(kEntryBytes, 'n')}));
  }
  ASSERT_OK_AND_ASSIGN(const ReplayedLog log, OpenLog(&env_, "/wal", options_));
  ASSERT_THAT(log.entries, SizeIs(kEntries - 1));
  EXPECT_EQ(log.entries.back().second, std::string(kEntryBytes, 'n'));
}

}  // namespace
}  // namespace socle::kv
