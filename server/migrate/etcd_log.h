// EtcdLog: the write-ahead log of an etcd server, read and verified, whatever its bytes.
//
//   segment: frames until a length of 0 (preallocated) or the end
//   frame:   8 bytes little-endian: bits 0..55 size of the record; top byte 0x80 | padding, or 0
//            then the record, then 0..7 bytes of padding up to a multiple of 8
//   record:  protobuf {1 kind, 2 checksum, 3 bytes}; kinds below
//   checksum: CRC-32C over the bytes of all records since the log began; a kCrc record at the head of each
//            segment says where it stands
//
// Laws     1. An entry takes the place of every earlier one with its index or a higher one.
//          2. Only the end of the last segment may be torn (a record longer than the file, or one with a sector of
//             zeros in it): it was never answered for, is cut, and `torn` says where. All else that is wrong is
//             DataLoss and names segment, record and offset.
//          3. Entries are contiguous; where a member was sent a snapshot by its leader, those before it are left out.
// Threads  pure function.
// Memory   40 bytes per entry; its bytes are views into the segment.
// Source   spec etcd 2.6.
#ifndef SOCLE_SERVER_MIGRATE_ETCD_LOG_H_
#define SOCLE_SERVER_MIGRATE_ETCD_LOG_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace socle::server {

enum class EtcdRecordKind : uint64_t {
  kMetadata = 1,
  kEntry = 2,
  kHardState = 3,
  kCrc = 4,
  kSnapshot = 5,
};

enum class EtcdEntryType : uint64_t { kNormal = 0, kConfChange = 1, kConfChangeV2 = 2 };

// One file of the log, in memory.
struct EtcdSegment {
  std::string name;  // for messages
  std::string_view bytes;
};

// Where a record stands.
struct EtcdPlace {
  uint32_t segment = 0;  // position in the list of segments
  uint32_t record = 0;   // in the segment, from 0
  uint64_t offset = 0;   // of its frame
};

struct EtcdEntry {
  uint64_t index = 0;
  uint64_t term = 0;
  EtcdEntryType type = EtcdEntryType::kNormal;
  std::string_view payload;
  EtcdPlace place;
};

// Who votes, as of a snapshot of the log.
struct EtcdVoters {
  std::vector<uint64_t> voters;
  std::vector<uint64_t> learners;
  bool is_joint = false;  // in the middle of a change of several members
};

// A point up to which a server had saved its state elsewhere.
struct EtcdMarker {
  uint64_t index = 0;
  uint64_t term = 0;
  std::optional<EtcdVoters> voters;  // 3.5 and later
  EtcdPlace place;
};

struct EtcdLog {
  uint64_t member_id = 0;
  uint64_t cluster_id = 0;
  // The last hard state; recorded commit may lag behind what was applied.
  uint64_t term = 0;
  uint64_t commit = 0;
  std::vector<EtcdMarker> markers;
  std::vector<EtcdEntry> entries;
  uint64_t records = 0;
  std::optional<std::string> torn;  // what was cut off at the end, and where
  std::vector<std::string> names;   // of the segments

  uint64_t last_index() const { return entries.empty() ? 0 : entries.back().index; }

  // "…/0000000000000000-0000000000000000.wal: record 17 at offset 4096"
  std::string Text(const EtcdPlace& place) const;
};

// `progress` is told how many bytes were read; may be null.
absl::StatusOr<EtcdLog> ReadEtcdLog(std::span<const EtcdSegment> segments,
                                    const std::function<void(uint64_t)>& progress = nullptr);

// {voters 1, learners 2, voters_outgoing 3, learners_next 4, auto_leave 5}; nullopt when it is not that.
std::optional<EtcdVoters> ParseConfState(std::string_view bytes);

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_ETCD_LOG_H_
