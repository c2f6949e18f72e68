#include "kv/wal/preparation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv {
namespace {

// A step and its sync stand in the way of the appender's own: small while the log grows slowly, larger
// as zeros fall behind, so that a fast log has few of them.
constexpr uint64_t kStepBytesMin = uint64_t{256} << 10U;
constexpr uint64_t kStepBytesMax = uint64_t{1} << 20U;
// Zeros kept ahead of the appender.
constexpr uint64_t kAheadBytes = uint64_t{4} << 20U;
// What a segment that is needed at once begins with. Small: somebody waits for it.
constexpr uint64_t kFirstBytes = uint64_t{256} << 10U;
constexpr std::string_view kFreshName = "fresh.spare";
constexpr std::string_view kUrgentName = "urgent.spare";

}  // namespace

Preparation::Preparation(Env* env, const std::string& dir, const WalOptions& options)
    : env_(env), dir_(dir), options_(options) {
  if (options_.prepare_in_background) {
    thread_ = Thread("wal-prepare", [this] { RunThread(); });
  }
}

Preparation::~Preparation() {
  {
    MutexLock lock(&mu_);
    stops_ = true;
    work_.SignalAll();
  }
  thread_.Join();
}

void Preparation::Follow(std::unique_ptr<File> file, uint64_t written_bytes,
                         uint64_t filled_bytes) {
  MutexLock lock(&mu_);
  while (fills_segment_now_) {
    step_done_.Wait(&mu_);
  }
  file_ = std::move(file);
  written_bytes_ = written_bytes;
  filled_bytes_ = std::max(filled_bytes, written_bytes);
  gave_up_segment_ = false;
  gave_up_spare_ = false;
  work_.Signal();
}

void Preparation::Reserve(uint64_t end) {
  MutexLock lock(&mu_);
  while (fills_segment_now_ && end > filled_bytes_) {
    PROBE("wal: append waited for zeros");
    step_done_.Wait(&mu_);
  }
  filled_bytes_ = std::max(filled_bytes_, end);
}

void Preparation::Advance(uint64_t written_bytes) {
  MutexLock lock(&mu_);
  written_bytes_ = written_bytes;
  if (options_.prepare_in_background) {
    if (NextStep() != Step::kNone) {
      work_.Signal();
    }
    return;
  }
  for (Step step = NextStep(); step != Step::kNone; step = NextStep()) {
    RunStep(step);
  }
}

absl::StatusOr<SpareFile> Preparation::TakeSpare() {
  {
    MutexLock lock(&mu_);
    if (!spares_.empty()) {
      SpareFile spare = std::move(spares_.back());
      spares_.pop_back();
      return spare;
    }
  }
  SpareFile spare = {std::string(kUrgentName), std::min(kFirstBytes, options_.segment_bytes)};
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   env_->Open(fmt::format("{}/{}", dir_, spare.name), OpenMode::kReadWriteCreate));
  // Synced together with the head that comes next.
  RETURN_IF_ERROR(FillWithZeros(file.get(), 0, spare.size_bytes, /*sync=*/false));
  return spare;
}

bool Preparation::WantsSpare(uint64_t size_bytes) {
  MutexLock lock(&mu_);
  // Larger ones held a batch larger than a segment; much smaller ones were cut short by one.
  return spares_.size() < kSparesMax && size_bytes <= options_.segment_bytes &&
         size_bytes >= options_.segment_bytes / 2;
}

void Preparation::AddSpare(SpareFile spare) {
  MutexLock lock(&mu_);
  spares_.push_back(std::move(spare));
}

void Preparation::RunThread() {
  MutexLock lock(&mu_);
  while (!stops_) {
    const Step step = NextStep();
    if (step == Step::kNone) {
      work_.Wait(&mu_);
    } else {
      RunStep(step);
    }
  }
}

Preparation::Step Preparation::NextStep() const {
  if (file_ != nullptr && !gave_up_segment_ && StepEnd(filled_bytes_, SegmentGoal()) > 0) {
    return Step::kFillSegment;
  }
  if (spares_.empty() && !gave_up_spare_ && StepEnd(fresh_bytes_, SpareGoal()) > 0) {
    return Step::kFillSpare;
  }
  return Step::kNone;
}

uint64_t Preparation::SegmentGoal() const {
  return std::min(written_bytes_ + kAheadBytes, options_.segment_bytes);
}

// Begun at the middle of the segment, complete at three quarters of it.
uint64_t Preparation::SpareGoal() const {
  const uint64_t middle = options_.segment_bytes / 2;
  return written_bytes_ <= middle
             ? 0
             : std::min(4 * (written_bytes_ - middle) + kStepBytesMin, options_.segment_bytes);
}

uint64_t Preparation::StepEnd(uint64_t filled, uint64_t goal) const {
  const bool is_due =
      filled + kStepBytesMin <= goal || (filled < goal && goal == options_.segment_bytes);
  return is_due ? std::min(filled + kStepBytesMax, goal) : 0;
}

// Gives the mutex up while it writes.
void Preparation::RunStep(Step step) {
  absl::Status status;
  if (step == Step::kFillSegment) {
    const std::shared_ptr<File> file = file_;
    const uint64_t from = filled_bytes_;
    const uint64_t to = StepEnd(from, SegmentGoal());
    fills_segment_now_ = true;
    mu_.Unlock();
    status = FillWithZeros(file.get(), from, to, !options_.unsafe_no_sync);
    mu_.Lock();
    fills_segment_now_ = false;
    filled_bytes_ = status.ok() ? to : from;
    gave_up_segment_ = !status.ok();
    step_done_.SignalAll();
  } else {
    const uint64_t from = fresh_bytes_;
    const uint64_t to = StepEnd(from, SpareGoal());
    mu_.Unlock();
    status = FillSpare(from, to);
    const bool is_complete = status.ok() && to == options_.segment_bytes;
    if (is_complete || !status.ok()) {
      fresh_file_.reset();
    }
    mu_.Lock();
    gave_up_spare_ = !status.ok();
    fresh_bytes_ = is_complete || !status.ok() ? 0 : to;
    if (is_complete) {
      spares_.push_back({std::string(kFreshName), to});
    }
  }
  if (!status.ok()) {
    PROBE("wal: preparation failed");
    LogWarning("wal: writing zeros ahead failed, appends will grow the file", {{"error", status}});
  }
}

// One step of the spare.
absl::Status Preparation::FillSpare(uint64_t from, uint64_t to) {
  const std::string path = fmt::format("{}/{}", dir_, kFreshName);
  if (fresh_file_ == nullptr) {
    ASSIGN_OR_RETURN(fresh_file_, env_->Open(path, OpenMode::kReadWriteCreate));
  }
  RETURN_IF_ERROR(FillWithZeros(fresh_file_.get(), from, to, !options_.unsafe_no_sync));
  if (to == options_.segment_bytes && !options_.unsafe_no_sync) {
    return env_->SyncDir(dir_);
  }
  return absl::OkStatus();
}

}  // namespace socle::kv
