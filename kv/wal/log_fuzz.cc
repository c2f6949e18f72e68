// Any bytes as the log's segments: refused, or replayed and appended to without a crash; what was
// replayed once is replayed again, and an appended entry follows it.
//
// Input    flags, split, then records. 1: checksums are made right; 2: two segments, cut at split / 256 of the
//          bytes; 4: the bytes are the whole of a segment, head included.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/testing/fault_env.h"
#include "kv/wal/record.h"
#include "kv/wal/segment.h"
#include "kv/wal/testing/replayed_log.h"
#include "kv/wal/wal.h"

namespace socle::kv {
namespace {

constexpr WalOptions kOptions = {
    .segment_bytes = 12'288, .store_id = 7, .prepare_in_background = false};

void StoreNumber(uint32_t number, size_t at, std::string* bytes) {
  std::memcpy(bytes->data() + at, &number, sizeof(number));
}

// As far as lengths lead from one record to the next.
void FixChecksums(RecordSalt salt, std::string* bytes) {
  for (size_t at = kSegmentHeadBytes; at + sizeof(RecordHeader) <= bytes->size();) {
    // The first checksum covers the second.
    for (int round = 0; round < 3; ++round) {
      const Record record = ReadRecord(salt, *bytes, at);
      if (record.state == RecordState::kNoHeader) {
        StoreNumber(record.expected_crc, at, bytes);
      } else if (record.state == RecordState::kTornPayload) {
        StoreNumber(record.expected_crc, at + offsetof(RecordHeader, payload_crc), bytes);
        StoreNumber(ReadRecord(salt, *bytes, at).expected_crc, at, bytes);
      }
    }
    uint32_t length = 0;
    std::memcpy(&length, bytes->data() + at + offsetof(RecordHeader, length), sizeof(length));
    at += RecordBytes(length);
  }
}

void AddSegment(FaultEnv* env, uint64_t sequence, uint64_t first, std::string_view records,
                bool fixes) {
  Segment segment;
  segment.sequence = sequence;
  segment.first_index = LogIndex{first};
  segment.name = SegmentName(sequence, segment.first_index);
  std::string bytes = EncodeSegmentHead(segment, kOptions.store_id);
  bytes.append(records);
  if (fixes) {
    FixChecksums(MakeRecordSalt(kOptions.store_id, sequence), &bytes);
  }
  env->SetContents("/wal/" + segment.name, std::move(bytes));
}

int RunInput(std::string_view input) {
  LogOptions quiet;
  quiet.level = LogLevel::kError;
  static const bool is_quiet = InitLog(quiet).ok();
  CHECK(is_quiet);
  if (input.size() < 2 || input.size() > (size_t{1} << 17U)) {
    return 0;
  }
  const auto flags = static_cast<uint8_t>(input[0]);
  const auto split = static_cast<uint8_t>(input[1]);
  input.remove_prefix(2);
  FaultEnv env(1);
  CHECK(env.CreateDirs("/wal").ok());
  if ((flags & 4U) != 0) {
    env.SetContents("/wal/" + SegmentName(1, LogIndex{1}), std::string(input));
  } else if ((flags & 2U) != 0) {
    const size_t cut = input.size() * split / 256 / kRecordAlignment * kRecordAlignment;
    AddSegment(&env, 1, 1, input.substr(0, cut), (flags & 1U) != 0);
    AddSegment(&env, 2, 1 + split % 16, input.substr(cut), (flags & 1U) != 0);
  } else {
    AddSegment(&env, 1, 1, input, (flags & 1U) != 0);
  }
  std::vector<std::pair<uint64_t, std::string>> expected;
  {
    const auto log = OpenLog(&env, "/wal", kOptions);
    if (!log.ok()) {
      return 0;
    }
    expected = log->entries;
    const auto appended = AppendTexts(log->wal.get(), {"appended"});
    CHECK(appended.ok());
    expected.emplace_back(Raw(*appended), "appended");
  }
  const auto log = OpenLog(&env, "/wal", kOptions);
  CHECK(log.ok());
  CHECK(log->entries == expected);
  return 0;
}

}  // namespace
}  // namespace socle::kv

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  return socle::kv::RunInput({reinterpret_cast<const char*>(bytes), size});
}
