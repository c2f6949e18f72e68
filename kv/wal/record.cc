#include "kv/wal/record.h"

#include <cstring>

#include "kv/base/bytes.h"
#include "kv/base/check.h"
#include "kv/wal/crc32c.h"

namespace socle::kv {
namespace {

constexpr size_t kCrcBytes = sizeof(RecordHeader::header_crc);

uint32_t HeaderCrc(RecordSalt salt, const RecordHeader& header) {
  char bytes[sizeof(RecordHeader)];
  std::memcpy(bytes, &header, sizeof(header));
  return Crc32c({bytes + kCrcBytes, sizeof(header) - kCrcBytes}, salt.crc);
}

}  // namespace

RecordSalt MakeRecordSalt(uint64_t store_id, uint64_t sequence) {
  char bytes[16];
  std::memcpy(bytes, &store_id, 8);
  std::memcpy(bytes + 8, &sequence, 8);
  return {Crc32c({bytes, sizeof(bytes)})};
}

uint64_t BatchBytes(std::span<const std::string_view> entries) {
  uint64_t bytes = 0;
  for (const std::string_view entry : entries) {
    bytes += RecordBytes(entry.size());
  }
  return bytes;
}

void AppendBatch(RecordSalt salt, LogIndex first, std::span<const std::string_view> entries,
                 std::string* out) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const std::string_view entry = entries[i];
    CHECK_LE(entry.size(), kEntryBytesMax);
    RecordHeader header{};
    header.payload_crc = Crc32c(entry, salt.crc);
    header.length = static_cast<uint32_t>(entry.size());
    header.flags = i + 1 == entries.size() ? kEndsBatch : 0;
    header.index = Raw(first) + i;
    header.batch_index = Raw(first);
    header.header_crc = HeaderCrc(salt, header);
    char bytes[sizeof(header)];
    std::memcpy(bytes, &header, sizeof(header));
    out->append(bytes, sizeof(bytes));
    out->append(entry);
    out->append(RecordBytes(entry.size()) - sizeof(header) - entry.size(), '\0');
  }
}

Record ReadRecord(RecordSalt salt, std::string_view bytes, uint64_t offset) {
  Record record;
  if (offset > bytes.size() || bytes.size() - offset < sizeof(RecordHeader)) {
    return record;
  }
  std::memcpy(&record.header, bytes.data() + offset, sizeof(RecordHeader));
  const RecordHeader& header = record.header;
  record.found_crc = header.header_crc;
  record.expected_crc = HeaderCrc(salt, header);
  // The checksum is of 32 bits: the fields must make sense besides.
  if (record.found_crc != record.expected_crc || header.flags > kEndsBatch || header.index == 0 ||
      header.batch_index == 0 || header.batch_index > header.index ||
      header.length > kEntryBytesMax) {
    return record;
  }
  record.state = RecordState::kTornPayload;
  record.found_crc = header.payload_crc;
  const uint64_t rest = bytes.size() - offset - sizeof(RecordHeader);
  record.payload = bytes.substr(offset + sizeof(RecordHeader), header.length);
  record.expected_crc = Crc32c(record.payload, salt.crc);
  if (header.length <= rest && record.expected_crc == record.found_crc) {
    record.state = RecordState::kIntact;
  }
  return record;
}

}  // namespace socle::kv
