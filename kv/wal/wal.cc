#include "kv/wal/wal.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <utility>

#include <absl/base/thread_annotations.h>
#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/log.h"
#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/wal/preparation.h"
#include "kv/wal/record.h"
#include "kv/wal/recovery.h"
#include "kv/wal/segment.h"

namespace socle::kv {
namespace {

// A buffer that grew for one large batch is given back.
constexpr size_t kBufferBytesKept = size_t{8} << 20U;

class SegmentedWal final : public Wal {
 public:
  SegmentedWal(Env* env, const std::string& dir, const WalOptions& options)
      : env_(env), dir_(dir), options_(options), preparation_(env, dir, options) {}

  // Takes over what recovery found; called once, before all else.
  absl::Status Start(RecoveredLog log, LogIndex after);

  absl::StatusOr<LogIndex> Append(std::span<const std::string_view> entries,
                                  absl::FunctionRef<void()> meanwhile) override;
  absl::Status TruncateBefore(LogIndex index) override;

  LogIndex last_index() const override { return LogIndex{last_index_.load()}; }

  uint64_t written_bytes() const override { return written_bytes_.load(); }

  uint64_t segment_bytes() const override {
    MutexLock lock(&mu_);
    uint64_t bytes = 0;
    for (const Segment& segment : segments_) {
      bytes += segment.size_bytes;
    }
    const uint64_t last = segments_.empty() ? 0 : segments_.back().size_bytes;
    return bytes - last + std::max(last, end_of_last_.load(std::memory_order_relaxed));
  }

 private:
  absl::Status StartSegment() ABSL_EXCLUSIVE_LOCKS_REQUIRED(appender_);
  absl::Status OpenLastSegment(const Segment& segment, uint64_t end_offset)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(appender_);
  absl::Status KeepSpares(const RecoveredLog& log);
  absl::Status WriteBatch(std::span<const std::string_view> entries,
                          absl::FunctionRef<void()> meanwhile)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(appender_);
  absl::Status FirstError() const ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Fail(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  std::string PathOf(std::string_view name) const { return fmt::format("{}/{}", dir_, name); }

  absl::Status SyncDir() {
    return options_.unsafe_no_sync ? absl::OkStatus() : env_->SyncDir(dir_);
  }

  Env* const env_;
  const std::string dir_;
  const WalOptions options_;

  // Written by the appender, read by anybody; nothing else is published through them.
  std::atomic<uint64_t> last_index_ = 0;
  std::atomic<uint64_t> written_bytes_ = 0;

  ThreadRole appender_;
  std::unique_ptr<File> file_ ABSL_GUARDED_BY(appender_);
  RecordSalt salt_ ABSL_GUARDED_BY(appender_){};
  uint64_t position_ ABSL_GUARDED_BY(appender_) = 0;
  std::atomic<uint64_t> end_of_last_{0};  // position_, for whoever asks how much there is
  uint64_t next_sequence_ ABSL_GUARDED_BY(appender_) = 1;
  std::string buffer_ ABSL_GUARDED_BY(appender_);

  mutable Mutex mu_;
  std::deque<Segment> segments_ ABSL_GUARDED_BY(mu_);  // the last one is appended to
  absl::Status first_error_ ABSL_GUARDED_BY(mu_);      // law 4

  Preparation preparation_;  // last: its thread ends first
};

absl::Status SegmentedWal::Start(RecoveredLog log, LogIndex after) {
  appender_.AssertHeld();
  next_sequence_ = log.next_sequence;
  RETURN_IF_ERROR(KeepSpares(log));
  const bool continues = !log.segments.empty() && log.next_index > after;
  if (!log.segments.empty() && !continues) {
    // All it holds is in the store already; its numbers go on after the store's.
    PROBE("wal: log ends before the store");
    LogWarning("wal: the log ends before the store, a new segment begins",
               {{"log_next", Raw(log.next_index)}, {"store_last", Raw(after)}});
  }
  last_index_ = continues ? Raw(log.next_index) - 1 : Raw(after);
  {
    MutexLock lock(&mu_);
    segments_.assign(log.segments.begin(), log.segments.end());
  }
  if (!continues) {
    return StartSegment();
  }
  const Segment& last = log.segments.back();
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   env_->Open(PathOf(last.name), OpenMode::kReadWrite));
  RETURN_IF_ERROR(RepairTail(file.get(), log, !options_.unsafe_no_sync));
  RETURN_IF_ERROR(SyncDir());  // its name may have come to be just before the restart
  return OpenLastSegment(last, log.end_offset);
}

// Removes the spares that are too many or of no use.
absl::Status SegmentedWal::KeepSpares(const RecoveredLog& log) {
  for (const SpareFile& spare : log.spares) {
    if (!log.segments.empty() && preparation_.WantsSpare(spare.size_bytes)) {
      preparation_.AddSpare(spare);
    } else {
      RETURN_IF_ERROR(env_->Remove(PathOf(spare.name)));
    }
  }
  return absl::OkStatus();
}

absl::Status SegmentedWal::StartSegment() {
  preparation_.Follow(nullptr, 0, 0);
  ASSIGN_OR_RETURN(const SpareFile spare, preparation_.TakeSpare());
  Segment segment;
  segment.sequence = next_sequence_++;
  segment.first_index = LogIndex{last_index_ + 1};
  segment.name = SegmentName(segment.sequence, segment.first_index);
  segment.size_bytes = spare.size_bytes;
  RETURN_IF_ERROR(ActivateSegment(env_, dir_, spare.name, segment, options_));
  const uint64_t end_of_before = position_;
  RETURN_IF_ERROR(OpenLastSegment(segment, kSegmentHeadBytes));
  MutexLock lock(&mu_);
  if (!segments_.empty()) {
    // It may have begun small, or have been given a batch larger than a segment.
    Segment& before = segments_.back();
    before.size_bytes = std::max(before.size_bytes, end_of_before);
  }
  segments_.push_back(std::move(segment));
  return absl::OkStatus();
}

absl::Status SegmentedWal::OpenLastSegment(const Segment& segment, uint64_t end_offset) {
  ASSIGN_OR_RETURN(file_, env_->Open(PathOf(segment.name), OpenMode::kReadWrite));
  ASSIGN_OR_RETURN(std::unique_ptr<File> second,
                   env_->Open(PathOf(segment.name), OpenMode::kReadWrite));
  salt_ = MakeRecordSalt(options_.store_id, segment.sequence);
  position_ = end_offset;
  end_of_last_.store(position_, std::memory_order_relaxed);
  preparation_.Follow(std::move(second), end_offset, segment.size_bytes);
  return absl::OkStatus();
}

absl::Status SegmentedWal::FirstError() const {
  MutexLock lock(&mu_);
  return first_error_;
}

absl::Status SegmentedWal::Fail(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (first_error_.ok()) {
    first_error_ = Annotate(status, fmt::format("wal {} failed", dir_));
    LogError("wal: failed for good", {{"error", first_error_}});
  }
  return first_error_;
}

absl::StatusOr<LogIndex> SegmentedWal::Append(std::span<const std::string_view> entries,
                                              absl::FunctionRef<void()> meanwhile) {
  appender_.AssertHeld();
  CHECK(!entries.empty());
  RETURN_IF_ERROR(FirstError());
  if (const absl::Status status = WriteBatch(entries, meanwhile); !status.ok()) {
    return Fail(status);
  }
  // TruncateBefore may have failed meanwhile; this batch is durable nevertheless.
  preparation_.Advance(position_);
  return LogIndex{last_index_.load()};
}

absl::Status SegmentedWal::WriteBatch(std::span<const std::string_view> entries,
                                      absl::FunctionRef<void()> meanwhile) {
  const uint64_t bytes = BatchBytes(entries);
  // A batch is never split: one that no segment can hold makes its segment longer.
  if (position_ > kSegmentHeadBytes && position_ + bytes > options_.segment_bytes) {
    RETURN_IF_ERROR(StartSegment());
  }
  buffer_.clear();
  buffer_.reserve(bytes);
  AppendBatch(salt_, LogIndex{last_index_ + 1}, entries, &buffer_);
  preparation_.Reserve(position_ + bytes);
  RETURN_IF_ERROR(file_->WriteAt(position_, buffer_));
  if (!options_.unsafe_no_sync) {
    file_->StartWriting(position_, bytes);
  }
  meanwhile();
  if (!options_.unsafe_no_sync) {
    RETURN_IF_ERROR(file_->SyncData());
  }
  position_ += bytes;
  end_of_last_.store(position_, std::memory_order_relaxed);
  last_index_ += entries.size();
  written_bytes_ += bytes;
  if (buffer_.capacity() > kBufferBytesKept) {
    buffer_ = std::string();
  }
  return absl::OkStatus();
}

absl::Status SegmentedWal::TruncateBefore(LogIndex index) {
  RETURN_IF_ERROR(FirstError());
  std::vector<Segment> obsolete;
  {
    MutexLock lock(&mu_);
    while (segments_.size() > 1 && Raw(segments_[1].first_index) - 1 <= Raw(index)) {
      obsolete.push_back(std::move(segments_.front()));
      segments_.pop_front();
    }
  }
  if (obsolete.empty()) {
    return absl::OkStatus();
  }
  std::vector<SpareFile> spares;
  for (const Segment& segment : obsolete) {
    const std::string path = PathOf(segment.name);
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env_->Open(path, OpenMode::kReadOnly));
    ASSIGN_OR_RETURN(const uint64_t size, file->Size());
    if (spares.size() < Preparation::kSparesMax && preparation_.WantsSpare(size)) {
      SpareFile spare = {SpareName(segment.sequence), size};
      RETURN_IF_ERROR(env_->Rename(path, PathOf(spare.name)));
      spares.push_back(std::move(spare));
    } else {
      RETURN_IF_ERROR(env_->Remove(path));
    }
  }
  // Before a spare gets a new head: under the name of a segment that would be damage.
  if (const absl::Status status = SyncDir(); !status.ok()) {
    return Fail(status);
  }
  for (SpareFile& spare : spares) {
    preparation_.AddSpare(std::move(spare));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Wal>> Wal::Open(
    Env* env, const std::string& dir, const WalOptions& options, LogIndex after,
    const std::function<absl::Status(LogIndex, std::string_view)>& replay) {
  if (options.segment_bytes < 2 * kSegmentHeadBytes) {
    return absl::InvalidArgumentError(
        fmt::format("wal {}: segments of {} bytes, at least {} needed", dir, options.segment_bytes,
                    2 * kSegmentHeadBytes));
  }
  RETURN_IF_ERROR(env->CreateDirs(dir));
  auto log = RecoverLog(env, dir, options, after, replay);
  if (!log.ok()) {
    return Annotate(log.status(), fmt::format("wal {}", dir));
  }
  auto wal = std::make_unique<SegmentedWal>(env, dir, options);
  RETURN_IF_ERROR(wal->Start(*std::move(log), after));
  return wal;
}

}  // namespace socle::kv
