// Any bytes as the log of an etcd server: refused, or read; what was read is contiguous, and each entry is a request,
// or refused, without a crash.
//
// Input    flags, split, then records. 1: checksums are made right; 2: two segments, cut at split / 256 of the bytes; 4: the
//          bytes are one payload of an entry instead; 8: of a change of members; 16: a .snap file.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/stubs/logging.h>

#include "kv/base/check.h"
#include "kv/wal/crc32c.h"
#include "server/migrate/etcd_log.h"
#include "server/migrate/log_request.h"
#include "server/migrate/membership.h"
#include "server/migrate/wire_field.h"

namespace socle::server {
namespace {

// Makes the checksum of every record right that lengths lead to, as long as its number has five bytes to stand in.
void FixChecksums(std::string* bytes, uint32_t* crc) {
  size_t at = 0;
  while (at + 8 <= bytes->size()) {
    uint64_t length = 0;
    std::memcpy(&length, bytes->data() + at, sizeof(length));
    const uint64_t size = length & 0xFFFFFF;
    if (size == 0 || at + 8 + size > bytes->size()) {
      return;
    }
    std::string_view record(bytes->data() + at + 8, size);
    size_t crc_at = 0;
    uint64_t kind = 0;
    std::string_view payload;
    WireField field;
    while (!record.empty() && ConsumeField(&record, &field)) {
      if (field.number == 2 && !field.is_bytes) {
        crc_at = static_cast<size_t>(record.data() - bytes->data());
      } else if (field.number == 3) {
        payload = field.bytes;
      } else if (field.number == 1) {
        kind = field.varint;
      }
    }
    if (kind != 4) {
      *crc = kv::Crc32c(payload, *crc);
    }
    std::string number;
    AppendVarint(*crc, &number);
    while (number.size() < 5) {  // a varint may be longer than it needs to be
      number.back() = static_cast<char>(number.back() | '\x80');
      number.push_back('\0');
    }
    if (crc_at >= at + 8 + 5) {
      bytes->replace(crc_at - 5, 5, number);
    }
    at += 8 + size + ((length >> 56U) & 7U);
  }
}

void UseEntry(const EtcdEntry& entry) {
  DecodeLogRequest(entry).status().IgnoreError();
}

int RunInput(std::string_view input) {
  // Names that are no UTF-8 are one more reason to refuse, and not worth a line each.
  static const bool was_loud = google::protobuf::SetLogHandler(nullptr) != nullptr;
  (void)was_loud;
  if (input.size() < 2 || input.size() > (size_t{1} << 17U)) {
    return 0;
  }
  const auto flags = static_cast<uint8_t>(input[0]);
  const auto split = static_cast<uint8_t>(input[1]);
  input.remove_prefix(2);
  if ((flags & 16U) != 0) {
    const auto snap = ParseSnapFile("fuzz.snap", input);
    ExpectNoV2Keys("fuzz.snap", snap.ok() ? snap->v2_store : input).IgnoreError();
    return 0;
  }
  if ((flags & 12U) != 0) {
    UseEntry({.index = 1,
              .type = (flags & 4U) != 0 ? EtcdEntryType::kNormal : EtcdEntryType::kConfChange,
              .payload = input});
    return 0;
  }
  std::vector<std::string> bytes = {std::string(input)};
  if ((flags & 2U) != 0) {
    const size_t cut = input.size() * split / 256 / 8 * 8;
    bytes = {std::string(input.substr(0, cut)), std::string(input.substr(cut))};
  }
  std::vector<EtcdSegment> segments;
  uint32_t crc = 0;
  for (std::string& segment : bytes) {
    if ((flags & 1U) != 0) {
      FixChecksums(&segment, &crc);
    }
    segments.push_back({.name = "segment", .bytes = segment});
  }
  const auto log = ReadEtcdLog(segments);
  if (!log.ok()) {
    return 0;
  }
  for (size_t i = 0; i < log->entries.size(); ++i) {
    CHECK_EQ(log->entries[i].index, log->entries.front().index + i);
    UseEntry(log->entries[i]);
  }
  // What was cut off is cut off again, and nothing else.
  const auto again = ReadEtcdLog(segments);
  CHECK(again.ok());
  CHECK_EQ(again->records, log->records);
  return 0;
}

}  // namespace
}  // namespace socle::server

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return socle::server::RunInput({reinterpret_cast<const char*>(bytes), size});
}
