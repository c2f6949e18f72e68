// Logs of etcd, record by record: what is read of them, what is cut off, and what is refused and how it is named.
#include "server/migrate/etcd_log.h"

#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"
#include "server/migrate/testing/log_bytes.h"

namespace socle::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<EtcdLog> Read(const std::vector<LogBytes>& logs) {
  std::vector<EtcdSegment> segments;
  for (const LogBytes& log : logs) {
    segments.push_back({.name = "seg" + std::to_string(segments.size()), .bytes = log.bytes()});
  }
  return ReadEtcdLog(segments);
}

LogBytes Begun() {
  LogBytes log;
  log.Head().Marker(0, 0).Entry(1, 1, ConfChangeMessage(0, LogBytes::kMember), 1).HardState(2, 1);
  return log;
}

std::vector<std::string> Payloads(const EtcdLog& log) {
  std::vector<std::string> payloads;
  for (const EtcdEntry& entry : log.entries) {
    payloads.push_back(
        std::to_string(entry.index) + "." + std::to_string(entry.term) + " " +
        std::string(entry.type == EtcdEntryType::kNormal ? entry.payload : "member"));
  }
  return payloads;
}

TEST(EtcdLog, IsReadOverSegmentsUpToThePreallocatedZeros) {
  LogBytes first = Begun();
  first.Entry(2, 2, "a").Marker(2, 2, {LogBytes::kMember}).HardState(3, 2);
  LogBytes second;
  second.Head(&first).HardState(3, 2).Entry(3, 3, "").Entry(4, 3, "b").HardState(3, 3);
  second.Raw(std::string(5000, '\0'));
  const auto log = Read({first, second});
  ASSERT_OK(log);
  EXPECT_EQ(log->member_id, LogBytes::kMember);
  EXPECT_EQ(log->cluster_id, LogBytes::kCluster);
  EXPECT_EQ(log->term, 3);
  EXPECT_EQ(log->commit, 3);
  EXPECT_THAT(Payloads(*log), ElementsAre("1.1 member", "2.2 a", "3.3 ", "4.3 b"));
  ASSERT_EQ(log->markers.size(), 2);
  EXPECT_EQ(log->markers[0].voters, std::nullopt);
  EXPECT_THAT(log->markers[1].voters->voters, ElementsAre(LogBytes::kMember));
  EXPECT_EQ(log->torn, std::nullopt);
  EXPECT_EQ(log->entries[3].place.segment, 1);
  EXPECT_EQ(log->entries[3].place.record, 4);
}

TEST(EtcdLog, LetsEntriesOfALaterTermTakeThePlaceOfOlderOnes) {
  LogBytes log = Begun();
  log.Entry(2, 2, "a").Entry(3, 2, "b").Entry(4, 2, "c").Entry(3, 5, "d").Entry(4, 5, "e");
  const auto read = Read({log});
  ASSERT_OK(read);
  EXPECT_THAT(Payloads(*read), ElementsAre("1.1 member", "2.2 a", "3.5 d", "4.5 e"));
}

TEST(EtcdLog, GoesOnBehindASnapshotThatTheLeaderHadSent) {
  LogBytes log = Begun();
  log.Entry(2, 2, "a").Marker(50, 4, {LogBytes::kMember}).Entry(51, 4, "b").Entry(52, 4, "c");
  const auto read = Read({log});
  ASSERT_OK(read);
  EXPECT_THAT(Payloads(*read), ElementsAre("51.4 b", "52.4 c"));
}

struct Damage {
  const char* name;
  std::function<void(std::vector<LogBytes>*)> plant;
  const char* says;  // nullptr: the tail is cut
  uint64_t last_index = 0;
};

// Two segments whose last record, entry 4, is over a sector long.
std::vector<LogBytes> TwoSegments() {
  LogBytes first = Begun();
  first.Entry(2, 2, "a");
  LogBytes second;
  second.Head(&first).HardState(2, 2).Entry(3, 2, "b").Entry(4, 2, std::string(2000, 'x'));
  return {first, second};
}

TEST(EtcdLog, TellsATornTailFromDamageAndNamesThePlace) {
  const Damage damages[] = {
      {"the last record is longer than the file",
       [](auto* logs) { logs->back().bytes().resize(logs->back().bytes().size() - 9); }, nullptr,
       3},
      {"the file ends in a length",
       [](auto* logs) { logs->back().Raw(std::string("\x11\0\0", 3)); }, nullptr, 4},
      {"a sector of the last record was never written",
       [](auto* logs) {
         std::string& bytes = logs->back().bytes();
         const size_t sector = (bytes.size() - 600) / 512 * 512;
         bytes.replace(sector, 512, std::string(512, '\0'));
       },
       nullptr, 3},
      {"the beginning of the last record was never written, and is no record",
       [](auto* logs) {
         LogBytes& last = logs->back();
         last.Raw(std::string("\x00\x06\x00\x00\x00\x00\x00\x00", 8)).Raw(std::string(1536, '\0'));
       },
       nullptr, 4},
      {"a byte of the last record flipped",
       [](auto* logs) { logs->back().bytes().rbegin()[700] ^= 1; },
       "seg1: record 4 at offset 128: the record's checksum is"},
      {"a byte of the first segment flipped",
       [](auto* logs) { logs->front().bytes().rbegin()[10] ^= 1; }, "seg0: record 5 at offset"},
      {"the first segment is cut short",
       [](auto* logs) { logs->front().bytes().resize(logs->front().bytes().size() - 3); },
       "only 21 are left in the file"},
      {"the second segment is another log's",
       [](auto* logs) {
         LogBytes stranger;
         stranger.Head(&logs->back());
         logs->back() = stranger;
       },
       "seg1: record 0 at offset 0: the segment follows one with checksum"},
      {"the length is none",
       [](auto* logs) {
         logs->back().Raw(std::string("\x08\0\0\0\0\0\0\x41", 8)).Raw(std::string(16, 'x'));
       },
       "is no length of a record"},
      {"a record of a kind that is not known", [](auto* logs) { logs->back().Record(6, "new"); },
       "records of kind 6 are not known here"},
      {"a field of a record that is not known",
       [](auto* logs) {
         std::string record = LogBytes::RecordBytes(2, 0, "x");
         AppendNumberField(9, 1, &record);
         logs->back().Frame(record);
       },
       "the bytes are no record"},
      {"an entry that is none", [](auto* logs) { logs->back().Record(2, "\x99"); },
       "the entry is none"},
      {"an entry without a number", [](auto* logs) { logs->back().Entry(0, 2, "x"); },
       "the entry is none"},
      {"an entry too far ahead", [](auto* logs) { logs->back().Entry(9, 2, "x"); },
       "entry 9 follows entry 4"},
      {"a hard state that is none", [](auto* logs) { logs->back().Record(3, "\x99"); },
       "the hard state is none"},
      {"a marker that is none", [](auto* logs) { logs->back().Record(5, "\x1a\x01\xff"); },
       "the snapshot record is none"},
      {"metadata of another member",
       [](auto* logs) {
         logs->back().Record(1, NumbersMessage({7, 8}));
       },
       "the segment is of member 7, the ones before of 8e9e05c52164694d"},
      {"nothing at all",
       [](auto* logs) {
         logs->clear();
         logs->emplace_back();
       },
       "no record that says whose it is"},
  };
  for (const Damage& damage : damages) {
    SCOPED_TRACE(damage.name);
    std::vector<LogBytes> logs = TwoSegments();
    damage.plant(&logs);
    const auto log = Read(logs);
    if (damage.says == nullptr) {
      ASSERT_OK(log);
      EXPECT_TRUE(log->torn.has_value());
      EXPECT_THAT(log->torn.value_or(""), HasSubstr("seg1: record "));
      EXPECT_EQ(log->last_index(), damage.last_index);
    } else {
      ASSERT_FALSE(log.ok());
      EXPECT_TRUE(absl::IsDataLoss(log.status()));
      EXPECT_THAT(std::string(log.status().message()), HasSubstr(damage.says));
    }
  }
}

TEST(EtcdLog, NoticesEachByteThatIsFlippedInTheFirstSegment) {
  const std::vector<LogBytes> whole = TwoSegments();
  const auto expected = Read(whole);
  ASSERT_OK(expected);
  uint64_t unnoticed = 0;
  for (size_t i = 0; i < whole.front().bytes().size(); ++i) {
    std::vector<LogBytes> logs = whole;
    logs.front().bytes()[i] = static_cast<char>(logs.front().bytes()[i] ^ 0x10);
    const auto log = Read(logs);
    if (log.ok()) {
      ++unnoticed;
      EXPECT_EQ(Payloads(*log), Payloads(*expected)) << "byte " << i;
    }
  }
  // Only padding means nothing.
  EXPECT_LT(unnoticed, 32);
}

}  // namespace
}  // namespace socle::server
