#include "kv/wal/preparation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::kv {
namespace {

constexpr uint64_t kStepBytes = uint64_t{4} << 20U;
// Zeros kept ahead of the appender: two steps, so that one is there while the other is written.
constexpr uint64_t kAheadBytes = 2 * kStepBytes;
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
  if (file_ != nullptr && !gave_up_segment_ && filled_bytes_ < options_.segment_bytes &&
      filled_bytes_ < written_bytes_ + kAheadBytes) {
    return Step::kFillSegment;
  }
  if (spares_.empty() && !gave_up_spare_ && written_bytes_ > options_.segment_bytes / 2) {
    return Step::kFillSpare;
  }
  return Step::kNone;
}

// Gives the mutex up while it writes.
void Preparation::RunStep(Step step) {
  absl::Status status;
  if (step == Step::kFillSegment) {
    const std::shared_ptr<File> file = file_;
    const uint64_t from = filled_bytes_;
    const uint64_t to = std::min(from + kStepBytes, options_.segment_bytes);
    fills_segment_now_ = true;
    mu_.Unlock();
    status = FillWithZeros(file.get(), from, to, !options_.unsafe_no_sync);
    mu_.Lock();
    fills_segment_now_ = false;
    filled_bytes_ = status.ok() ? to : from;
    gave_up_segment_ = !status.ok();
    step_done_.SignalAll();
  } else {
    mu_.Unlock();
    status = FillSpare();
    const bool is_complete = status.ok() && fresh_bytes_ == options_.segment_bytes;
    if (is_complete || !status.ok()) {
      fresh_file_.reset();
    }
    mu_.Lock();
    gave_up_spare_ = !status.ok();
    if (is_complete) {
      spares_.push_back({std::string(kFreshName), fresh_bytes_});
    }
  }
  if (!status.ok()) {
    PROBE("wal: preparation failed");
    LogWarning("wal: writing zeros ahead failed, appends will grow the file", {{"error", status}});
  }
}

// One step of the spare.
absl::Status Preparation::FillSpare() {
  const std::string path = fmt::format("{}/{}", dir_, kFreshName);
  if (fresh_file_ == nullptr) {
    ASSIGN_OR_RETURN(fresh_file_, env_->Open(path, OpenMode::kReadWriteCreate));
    fresh_bytes_ = 0;
  }
  const uint64_t to = std::min(fresh_bytes_ + kStepBytes, options_.segment_bytes);
  RETURN_IF_ERROR(FillWithZeros(fresh_file_.get(), fresh_bytes_, to, !options_.unsafe_no_sync));
  fresh_bytes_ = to;
  if (to == options_.segment_bytes && !options_.unsafe_no_sync) {
    return env_->SyncDir(dir_);
  }
  return absl::OkStatus();
}

}  // namespace socle::kv
