// LogBytes: the bytes of an etcd log, written record by record, right or wrong.
//
// Threads  thread-compatible.
#ifndef SOCLE_SERVER_MIGRATE_TESTING_LOG_BYTES_H_
#define SOCLE_SERVER_MIGRATE_TESTING_LOG_BYTES_H_

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>

#include "kv/base/bytes.h"
#include "kv/wal/crc32c.h"
#include "server/migrate/etcd_log.h"

namespace socle::server {

inline void AppendNumberField(uint32_t number, uint64_t value, std::string* out) {
  AppendVarint(number << 3U, out);
  AppendVarint(value, out);
}

inline void AppendBytesField(uint32_t number, std::string_view bytes, std::string* out) {
  AppendVarint(number << 3U | 2U, out);
  AppendLengthPrefixed(bytes, out);
}

inline std::string NumbersMessage(std::initializer_list<uint64_t> numbers) {
  std::string message;
  uint32_t field = 0;
  for (const uint64_t number : numbers) {
    AppendNumberField(++field, number, &message);
  }
  return message;
}

// raftpb.ConfChange {id, kind, member, context}.
inline std::string ConfChangeMessage(uint64_t kind, uint64_t member, std::string_view json = {}) {
  std::string message = NumbersMessage({1, kind, member});
  AppendBytesField(4, json, &message);
  return message;
}

class LogBytes {
 public:
  static constexpr uint64_t kMember = 0x8e9e05c52164694d;
  static constexpr uint64_t kCluster = 0xcdf818194e3a8c32;

  // As a record of the kind, framed and padded.
  LogBytes& Record(uint64_t kind, std::string_view payload) {
    crc_ = kv::Crc32c(payload, crc_);
    return Frame(RecordBytes(kind, crc_, payload));
  }

  // The head of a segment; carries the checksum on from `previous`.
  LogBytes& Head(const LogBytes* previous = nullptr) {
    crc_ = previous != nullptr ? previous->crc_ : 0;
    Frame(RecordBytes(4, crc_, {}));
    return Record(1, NumbersMessage({kMember, kCluster}));
  }

  LogBytes& Marker(uint64_t index, uint64_t term, std::initializer_list<uint64_t> voters = {}) {
    std::string message = NumbersMessage({index, term});
    if (voters.size() > 0) {
      std::string state;
      for (const uint64_t voter : voters) {
        AppendNumberField(1, voter, &state);
      }
      AppendBytesField(3, state, &message);
    }
    return Record(5, message);
  }

  LogBytes& HardState(uint64_t term, uint64_t commit) {
    return Record(3, NumbersMessage({term, kMember, commit}));
  }

  LogBytes& Entry(uint64_t index, uint64_t term, std::string_view payload, uint64_t type = 0) {
    std::string message = NumbersMessage({type, term, index});
    if (!payload.empty()) {
      AppendBytesField(4, payload, &message);
    }
    return Record(2, message);
  }

  LogBytes& Frame(std::string_view record) {
    const uint64_t padding = (8 - record.size() % 8) % 8;
    const uint64_t length = record.size() | (padding > 0 ? (0x80 | padding) << 56U : 0);
    bytes_.append(reinterpret_cast<const char*>(&length), sizeof(length));
    bytes_.append(record);
    bytes_.append(padding, '\0');
    return *this;
  }

  LogBytes& Raw(std::string_view bytes) {
    bytes_.append(bytes);
    return *this;
  }

  std::string& bytes() { return bytes_; }

  const std::string& bytes() const { return bytes_; }

  uint32_t crc() const { return crc_; }

  static std::string RecordBytes(uint64_t kind, uint32_t crc, std::string_view payload) {
    std::string record = NumbersMessage({kind, crc});
    if (!payload.empty()) {
      AppendBytesField(3, payload, &record);
    }
    return record;
  }

 private:
  std::string bytes_;
  uint32_t crc_ = 0;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_MIGRATE_TESTING_LOG_BYTES_H_
