#include "kv/wal/recovery.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/bytes.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/record.h"

namespace socle::kv {
namespace {

struct FileBytes {
  std::string text;
};

absl::StatusOr<FileBytes> ReadWhole(Env* env, const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  FileBytes bytes;
  bytes.text.resize(size);
  RETURN_IF_ERROR(file->ReadAt(0, bytes.text));
  return bytes;
}

// What lies behind the end of the intact records of a segment.
struct Remains {
  uint64_t end = 0;                         // after the last record of this segment's use, or 0
  std::optional<uint64_t> offset_of_later;  // a record of a batch that begins after the torn entry
  uint64_t index_of_later = 0;
  ByteRange cut_header;
};

class SegmentReader {
 public:
  SegmentReader(const Segment& segment, const WalOptions& options, std::string_view bytes)
      : segment_(segment),
        bytes_(bytes),
        salt_(MakeRecordSalt(options.store_id, segment.sequence)),
        next_index_(Raw(segment.first_index)) {}

  // Hands out the intact records up to the index before `limit`.
  absl::Status ReadRecords(LogIndex after, uint64_t limit, const ReplayFunction& replay) {
    while (next_index_ < limit) {
      const Record record = ReadRecord(salt_, bytes_, offset_);
      const RecordHeader& header = record.header;
      // A batch begins, or the one before goes on. It may begin where the other had not ended: a
      // torn one was cut.
      if (record.state != RecordState::kIntact || header.index != next_index_ ||
          (header.batch_index != header.index && header.batch_index != batch_index_)) {
        return absl::OkStatus();
      }
      if (next_index_ > Raw(after)) {
        RETURN_IF_ERROR(replay(LogIndex{next_index_}, record.payload));
      }
      if (header.batch_index != batch_index_) {
        batch_index_ = header.batch_index;
        batch_offset_ = offset_;
      }
      ends_batch_ = (header.flags & kEndsBatch) != 0;
      offset_ += RecordBytes(header.length);
      ++next_index_;
    }
    return absl::OkStatus();
  }

  // Looks for records of this use of the segment behind the end, at every place where one may
  // begin.
  Remains FindRemains() const {
    Remains remains;
    for (uint64_t at = offset_; at + sizeof(RecordHeader) <= bytes_.size();
         at += kRecordAlignment) {
      uint64_t index = 0;
      std::memcpy(&index, bytes_.data() + at + offsetof(RecordHeader, index), sizeof(index));
      // No more records fit before this place. The bound must not depend on the length of the file,
      // which changes: what one open passes over, a later one must not find.
      const uint64_t index_max =
          Raw(segment_.first_index) + (at - kSegmentHeadBytes) / sizeof(RecordHeader);
      if (index < next_index_ || index > index_max) {
        continue;  // cheap, and true of zeros and of records of earlier uses
      }
      const Record record = ReadRecord(salt_, bytes_, at);
      if (record.state == RecordState::kNoHeader) {
        continue;
      }
      remains.end = std::max(remains.end, at + RecordBytes(record.header.length));
      if (record.header.batch_index > next_index_ && !remains.offset_of_later) {
        remains.offset_of_later = at;
        remains.index_of_later = record.header.index;
      }
      if (record.state == RecordState::kIntact) {
        at += RecordBytes(record.header.length) - kRecordAlignment;  // an entry may hold anything
      }
    }
    remains.cut_header = FindCutHeader();
    remains.end = std::min<uint64_t>(remains.end, bytes_.size());
    return remains;
  }

  // Where zeros must go so that no header is completed by the zeros that will follow the file, nor by
  // these.
  ByteRange FindCutHeader() const {
    uint64_t begin = bytes_.size();
    for (uint64_t at = begin / kRecordAlignment * kRecordAlignment;
         at >= offset_ && begin - at < sizeof(RecordHeader); at -= kRecordAlignment) {
      std::string header(bytes_.substr(at, begin - at));
      header.resize(sizeof(RecordHeader));
      if (ReadRecord(salt_, header, 0).state != RecordState::kNoHeader) {
        PROBE("wal: header cut by the end of the file");
        begin = at;
      }
    }
    return {begin, bytes_.size()};
  }

  // The refusal of what stands at the end of the intact records.
  absl::Status Damage(std::string_view why) const {
    const Record record = ReadRecord(salt_, bytes_, offset_);
    std::string what;
    if (record.state == RecordState::kIntact) {
      what = fmt::format("expected entry {}, found entry {} of batch {}", next_index_,
                         record.header.index, record.header.batch_index);
    } else {
      what = fmt::format("entry {}: {} checksum expected {:#010x}, found {:#010x}", next_index_,
                         record.state == RecordState::kNoHeader ? "header" : "payload",
                         record.expected_crc, record.found_crc);
    }
    return absl::DataLossError(
        fmt::format("segment {} offset {}: {}; {}", segment_.name, offset_, what, why));
  }

  uint64_t next_index() const { return next_index_; }

  uint64_t offset() const { return offset_; }

  uint64_t batch_offset() const { return batch_offset_; }

  bool ends_batch() const { return ends_batch_; }

 private:
  const Segment& segment_;
  const std::string_view bytes_;
  const RecordSalt salt_;
  uint64_t next_index_;
  uint64_t offset_ = kSegmentHeadBytes;
  uint64_t batch_index_ = 0;
  uint64_t batch_offset_ = kSegmentHeadBytes;
  bool ends_batch_ = true;
};

// Fills segments, spares and next_sequence from the names and, for spares, heads in the directory.
absl::Status ListFiles(Env* env, const std::string& dir, const WalOptions& options,
                       RecoveredLog* log) {
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env->List(dir));
  for (const std::string& name : names) {
    const bool is_spare = name.ends_with(kSpareSuffix);
    std::optional<Segment> segment = ParseSegmentName(name);
    if (!is_spare && !segment) {
      continue;
    }
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     env->Open(fmt::format("{}/{}", dir, name), OpenMode::kReadOnly));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    uint64_t sequence = 0;
    if (segment) {
      segment->size_bytes = size;
      sequence = segment->sequence;
      log->segments.push_back(*std::move(segment));
    } else {
      std::string head(std::min<uint64_t>(size, sizeof(SegmentHead)), '\0');
      RETURN_IF_ERROR(file->ReadAt(0, head));
      sequence = SequenceOfSpare(head, options.store_id);
      log->spares.push_back({name, size});
    }
    log->next_sequence = std::max(log->next_sequence, sequence + 1);
  }
  std::sort(log->segments.begin(), log->segments.end(),
            [](const Segment& a, const Segment& b) { return a.sequence < b.sequence; });
  return absl::OkStatus();
}

// The first segment to read: the last that begins at or before the entry after `after`.
absl::StatusOr<size_t> FirstToRead(const std::vector<Segment>& segments, LogIndex after) {
  size_t first = segments.size();
  for (size_t i = 0; i < segments.size(); ++i) {
    if (i > 0 && segments[i].first_index <= segments[i - 1].first_index) {
      return absl::DataLossError(fmt::format("segment {} begins before segment {}, which is older",
                                             segments[i].name, segments[i - 1].name));
    }
    if (Raw(segments[i].first_index) - 1 <= Raw(after)) {
      first = i;
    }
  }
  if (first == segments.size()) {
    return absl::FailedPreconditionError(
        fmt::format("the log begins with entry {}, entry {} is needed and gone",
                    Raw(segments.front().first_index), Raw(after) + 1));
  }
  return first;
}

absl::Status FinishTail(const Segment& segment, const WalOptions& options,
                        const SegmentReader& reader, std::string_view bytes, RecoveredLog* log) {
  const Remains remains = reader.FindRemains();
  if (remains.offset_of_later) {
    if (!options.unsafe_no_sync) {
      PROBE("wal: damage in the last segment refused");
      return reader.Damage(fmt::format("entry {} at offset {} was written later",
                                       remains.index_of_later, *remains.offset_of_later));
    }
    PROBE("wal: unsynced log cut at a hole");
  }
  log->next_index = LogIndex{reader.next_index()};
  log->end_offset = reader.offset();
  log->remains_end = std::max(remains.end, reader.offset());
  log->cut_header = remains.cut_header;
  log->last_batch_offset = reader.batch_offset();
  log->last_batch = bytes.substr(reader.batch_offset(), reader.offset() - reader.batch_offset());
  if (!reader.ends_batch() || remains.end > 0) {
    PROBE("wal: torn tail cut");
    LogWarning("wal: unfinished batch cut", {{"segment", segment.name},
                                             {"offset", reader.offset()},
                                             {"next_index", reader.next_index()}});
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RecoveredLog> RecoverLog(Env* env, const std::string& dir, const WalOptions& options,
                                        LogIndex after, const ReplayFunction& replay) {
  RecoveredLog log;
  RETURN_IF_ERROR(ListFiles(env, dir, options, &log));
  if (log.segments.empty()) {
    log.next_index = LogIndex{Raw(after) + 1};
    return log;
  }
  ASSIGN_OR_RETURN(const size_t first, FirstToRead(log.segments, after));
  for (size_t i = first; i < log.segments.size(); ++i) {
    const Segment& segment = log.segments[i];
    ASSIGN_OR_RETURN(const FileBytes bytes,
                     ReadWhole(env, fmt::format("{}/{}", dir, segment.name)));
    RETURN_IF_ERROR(CheckSegmentHead(segment, options.store_id, bytes.text));
    SegmentReader reader(segment, options, bytes.text);
    const bool is_last = i + 1 == log.segments.size();
    const uint64_t limit = is_last ? UINT64_MAX : Raw(log.segments[i + 1].first_index);
    RETURN_IF_ERROR(reader.ReadRecords(after, limit, replay));
    if (is_last) {
      RETURN_IF_ERROR(FinishTail(segment, options, reader, bytes.text, &log));
    } else if (reader.next_index() != limit) {
      PROBE("wal: damage before the last segment refused");
      return reader.Damage(fmt::format("the next segment, {}, begins with entry {}",
                                       log.segments[i + 1].name, limit));
    }
  }
  return log;
}

absl::Status RepairTail(File* last_segment, const RecoveredLog& log, bool sync) {
  if (log.remains_end > log.end_offset) {
    RETURN_IF_ERROR(FillWithZeros(last_segment, log.end_offset, log.remains_end, /*sync=*/false));
  }
  if (log.cut_header.end > log.cut_header.begin) {
    RETURN_IF_ERROR(
        FillWithZeros(last_segment, log.cut_header.begin, log.cut_header.end, /*sync=*/false));
  }
  if (!log.last_batch.empty()) {
    RETURN_IF_ERROR(last_segment->WriteAt(log.last_batch_offset, log.last_batch));
  }
  return sync ? last_segment->SyncData() : absl::OkStatus();
}

}  // namespace socle::kv
