#include "kv/backend/shrink_schedule.h"

#include <algorithm>

namespace socle::kv {
namespace {

uint64_t FreeBytes(const EngineSize& size) {
  return size.total_bytes - size.in_use_bytes;
}

}  // namespace

void ShrinkSchedule::Ask(int64_t now) {
  is_running_ = true;
  blocked_ = 0;
  due_ = std::min(due_.value_or(now), now);
}

void ShrinkSchedule::NoteCommit(const EngineSize& size, int64_t now) {
  last_commit_ = now;
  if (is_running_) {
    due_ = due_.value_or(now);
    return;
  }
  const uint64_t free = FreeBytes(size);
  const bool is_too_much =
      free_ratio_ > 0 &&
      static_cast<double>(free) > free_ratio_ * static_cast<double>(size.total_bytes);
  if (is_too_much && free >= free_left_ + free_left_ / 4 + kFreeBytesMin) {
    is_running_ = true;
    blocked_ = 0;
    due_ = now;
  }
}

void ShrinkSchedule::NoteStep(const ShrinkProgress& progress, const EngineSize& size, int64_t begin,
                              int64_t end) {
  switch (progress.state) {
    case ShrinkProgress::State::kMore:
      blocked_ = 0;
      due_ = last_commit_.has_value() && begin - *last_commit_ < kIdleAfter
                 ? end + kPauses * (end - begin)
                 : end;
      break;
    case ShrinkProgress::State::kBlocked:
      ++blocked_;
      due_ = blocked_ < kBlockedLooks ? std::optional(end + kBlockedPause) : std::nullopt;
      break;
    case ShrinkProgress::State::kDone:
      is_running_ = false;
      due_.reset();
      free_left_ = FreeBytes(size);
      break;
  }
}

void ShrinkSchedule::NoteFailure() {
  is_running_ = false;
  due_.reset();
  free_left_ = ~uint64_t{0} / 2;  // never by itself again
}

}  // namespace socle::kv
