#include "bench/load/slots.h"

namespace socle::bench {
namespace {

constexpr int64_t kSlotNanos = kNanosPerSecond;
constexpr size_t kSlotsMax = 1'000'000;  // eleven days

}  // namespace

void SlotRecorder::Count(int64_t since_start, bool is_success, int64_t latency_nanos) {
  CloseUpTo(since_start);
  if (is_success) {
    ++slot_.succeeded;
    latency_.Record(latency_nanos);
  } else {
    ++slot_.failed;
  }
}

std::vector<LoadSlot> SlotRecorder::Finish(int64_t since_start) {
  CloseUpTo(since_start);
  Close(since_start);
  return std::move(closed_);
}

void SlotRecorder::CloseUpTo(int64_t since_start) {
  while (since_start >= slot_.end_nanos) {
    Close(slot_.end_nanos);
  }
}

void SlotRecorder::Close(int64_t end_nanos) {
  LoadSlot closed = slot_;
  closed.end_nanos = end_nanos;
  closed.p50_nanos = latency_.Percentile(50);
  closed.p99_nanos = latency_.Percentile(99);
  closed.p999_nanos = latency_.Percentile(99.9);
  closed.max_nanos = latency_.max();
  if (closed_.size() < kSlotsMax) {
    closed_.push_back(closed);
  }
  if (closed.succeeded > 0) {
    recent_p99_nanos_ = closed.p99_nanos;
    latency_ = Histogram();
  }
  slot_ = LoadSlot();
  slot_.end_nanos = end_nanos + kSlotNanos;
}

}  // namespace socle::bench
