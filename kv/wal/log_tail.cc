#include "kv/wal/log_tail.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/segment.h"

namespace socle::kv {

absl::Status LogTail::Gone() const {
  return absl::NotFoundError(fmt::format("log {}: entry {} is not there any more", dir_, next_));
}

absl::Status LogTail::OpenSegment() {
  file_.reset();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, env_->List(dir_));
  std::optional<Segment> found;
  for (const std::string& name : names) {
    const std::optional<Segment> segment = ParseSegmentName(name);
    if (segment && Raw(segment->first_index) <= next_ &&
        (!found || segment->sequence > found->sequence)) {
      found = segment;
    }
  }
  if (!found) {
    return Gone();
  }
  ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                   env_->Open(fmt::format("{}/{}", dir_, found->name), OpenMode::kReadOnly));
  std::string head(kSegmentHeadBytes, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, head));
  if (const absl::Status intact = CheckSegmentHead(*found, store_id_, head); !intact.ok()) {
    ASSIGN_OR_RETURN(const std::vector<std::string> now, env_->List(dir_));
    if (std::find(now.begin(), now.end(), found->name) == now.end()) {
      PROBE("log tail: a segment is recycled while it is being opened");
      return Gone();
    }
    return intact;
  }
  file_ = std::move(file);
  name_ = found->name;
  salt_ = MakeRecordSalt(store_id_, found->sequence);
  index_ = Raw(found->first_index);
  offset_ = kSegmentHeadBytes;
  window_.clear();
  return absl::OkStatus();
}

absl::Status LogTail::Fill(uint64_t bytes) {
  if (offset_ >= window_offset_ && offset_ + bytes <= window_offset_ + window_.size()) {
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const uint64_t size, file_->Size());
  window_offset_ = std::min(offset_, size);
  window_.resize(std::min(std::max(bytes, kPieceBytes), size - window_offset_));
  return file_->ReadAt(window_offset_, window_);
}

absl::StatusOr<Record> LogTail::Look() {
  RETURN_IF_ERROR(Fill(sizeof(RecordHeader)));
  Record record = ReadRecord(salt_, window_, offset_ - window_offset_);
  if (record.state == RecordState::kTornPayload) {  // or only cut by the window
    RETURN_IF_ERROR(Fill(RecordBytes(record.header.length)));
    record = ReadRecord(salt_, window_, offset_ - window_offset_);
  }
  return record;
}

absl::Status LogTail::ReadNext(Record* record) {
  if (file_ != nullptr) {
    ASSIGN_OR_RETURN(*record, Look());
  }
  if (file_ != nullptr && record->state == RecordState::kIntact && record->header.index == index_) {
    return absl::OkStatus();
  }
  // The segment has ended, and the next one begins with this entry; or the entry is gone.
  const std::string before = file_ != nullptr ? name_ : "";
  RETURN_IF_ERROR(OpenSegment());
  if (name_ != before) {
    ASSIGN_OR_RETURN(*record, Look());
    if (record->state == RecordState::kIntact && record->header.index == index_) {
      return absl::OkStatus();
    }
  }
  file_.reset();
  return absl::NotFoundError(
      fmt::format("log {}: entry {} is not there any more (segment {}, offset {})", dir_, next_,
                  name_, offset_));
}

absl::Status LogTail::Read(LogIndex until, uint64_t bytes_max,
                           const std::function<absl::Status(LogIndex, std::string_view)>& visit) {
  window_.clear();  // what lay behind the end then may be entries now
  uint64_t bytes = 0;
  while (next_ <= Raw(until) && bytes < std::max<uint64_t>(bytes_max, 1)) {
    Record record;
    RETURN_IF_ERROR(ReadNext(&record));
    if (index_ >= next_) {
      RETURN_IF_ERROR(visit(LogIndex{index_}, record.payload));
      ++next_;
      bytes += sizeof(RecordHeader) + record.payload.size();
    }
    ++index_;
    offset_ += RecordBytes(record.header.length);
  }
  if (window_.capacity() > 4 * kPieceBytes) {
    window_ = std::string();
  }
  return absl::OkStatus();
}

}  // namespace socle::kv
