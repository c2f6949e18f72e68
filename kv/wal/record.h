// Record: one entry of the log in a segment; a header with checksums of its own, then the entry,
// padded to 8 bytes.
//
// Laws     1. Both checksums are salted with the store and the segment's sequence number, so that
//             bytes left in a recycled segment by an earlier use are never a record of this one.
//          2. A record names the batch it was written with (by the batch's first index): a record
//             of a batch that begins after entry n proves that n had been synced before.
// Threads  pure functions.
// Source   FORMAT.md.
#ifndef SOCLE_KV_WAL_RECORD_H_
#define SOCLE_KV_WAL_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "kv/wal/wal.h"

namespace socle::kv {

struct RecordHeader {
  uint32_t header_crc;   // of the 28 bytes that follow
  uint32_t payload_crc;  // of the entry
  uint32_t length;       // of the entry, without padding
  uint32_t flags;        // kEndsBatch or 0
  uint64_t index;
  uint64_t batch_index;  // index of the first entry of the batch
};

static_assert(sizeof(RecordHeader) == 32);
static_assert(offsetof(RecordHeader, payload_crc) == 4);
static_assert(offsetof(RecordHeader, index) == 16);
static_assert(offsetof(RecordHeader, batch_index) == 24);

inline constexpr uint32_t kEndsBatch = 1;
inline constexpr uint64_t kRecordAlignment = 8;
inline constexpr uint64_t kEntryBytesMax = (uint64_t{1} << 30U) - 1;

struct RecordSalt {
  uint32_t crc;
};

RecordSalt MakeRecordSalt(uint64_t store_id, uint64_t sequence);

// Bytes that an entry of this length takes in a segment.
constexpr uint64_t RecordBytes(uint64_t length) {
  return (sizeof(RecordHeader) + length + kRecordAlignment - 1) / kRecordAlignment *
         kRecordAlignment;
}

uint64_t BatchBytes(std::span<const std::string_view> entries);

// Appends the records of one batch whose first entry has index `first`.
void AppendBatch(RecordSalt salt, LogIndex first, std::span<const std::string_view> entries,
                 std::string* out);

enum class RecordState {
  kIntact,
  kNoHeader,    // the checksum of the header is wrong, or the bytes end: nothing, or something torn
  kTornPayload  // the header is intact, the entry is not
};

struct Record {
  RecordState state = RecordState::kNoHeader;
  RecordHeader header{};     // as found, meaningful only when its checksum was right
  std::string_view payload;  // of the bytes it was read from
  uint32_t expected_crc = 0;
  uint32_t found_crc = 0;
};

// Reads the record at `offset` of a segment's bytes; they may hold anything.
Record ReadRecord(RecordSalt salt, std::string_view bytes, uint64_t offset);

}  // namespace socle::kv

#endif  // SOCLE_KV_WAL_RECORD_H_
