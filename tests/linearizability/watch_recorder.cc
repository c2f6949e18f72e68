#include "tests/linearizability/watch_recorder.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "mvcc/testing/watch_collector.h"

namespace socle::linearizability {
namespace {

constexpr int kWatcherClient = 99;
constexpr int kTriesMax = 2'000;  // of ten milliseconds each

}  // namespace

WatchRecorder::WatchRecorder(mvcc::Store* store, HistoryClock* clock, int64_t start)
    : clock_(clock), log_(kWatcherClient, clock), last_tick_(clock->Tick()) {
  watch_.key = std::string(1, '\0');
  watch_.range_end = watch_.key;
  watch_.start = start;
  watch_.through = start - 1;
  stream_ = store->NewWatchStream([this] {
    const MutexLock lock(&mu_);
    is_ready_ = true;
    changed_.SignalAll();
  });
  stream_->Create({.key = watch_.key, .range_end = watch_.range_end, .start_revision = start});
  thread_ = Thread("watcher", [this] { Loop(); });
}

WatchRecorder::~WatchRecorder() {
  const bool is_open = stream_ != nullptr;
  if (is_open) {
    Finish(0);
  }
}

bool WatchRecorder::Finish(int64_t revision) {
  bool is_complete = false;
  for (int i = 0; i < kTriesMax && !is_complete; ++i) {
    stream_->RequestProgress();
    const MutexLock lock(&mu_);
    if (through_ < revision && !is_over_) {
      changed_.WaitFor(&mu_, std::chrono::milliseconds(10));
    }
    is_complete = through_ >= revision || is_over_;
  }
  {
    const MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
  stream_.reset();
  return is_complete;
}

bool WatchRecorder::AwaitResponses() {
  const MutexLock lock(&mu_);
  while (!is_ready_ && !is_stopping_) {
    changed_.Wait(&mu_);
  }
  is_ready_ = false;
  return !is_stopping_;
}

void WatchRecorder::Loop() {
  do {
    while (const std::optional<mvcc::WatchResponse> response = stream_->Next()) {
      Take(*response);
      const MutexLock lock(&mu_);
      through_ = watch_.through;
      is_over_ = is_cancelled_;
      changed_.SignalAll();
    }
  } while (AwaitResponses());
}

void WatchRecorder::Take(const mvcc::WatchResponse& response) {
  if (is_cancelled_) {
    return;  // Progress of the stream is no longer about this watch.
  }
  is_cancelled_ = response.canceled;
  int64_t through = watch_.through;
  for (const mvcc::WatchEvent& event : response.events) {
    watch_.events.push_back({.revision = event.kv.mod_revision,
                             .key = std::string(event.kv.key),
                             .text = mvcc::Describe(event)});
    through = std::max(through, event.kv.mod_revision);
  }
  if (response.events.empty() && !response.created && !response.canceled) {
    through = std::max(through, response.revision);
  }
  if (through > watch_.through) {
    watch_.through = through;
    log_.Note(std::exchange(last_tick_, clock_->Tick()), RevisionSeen{through},
              {.text = "told", .revision = through, .accesses = {}, .pairs = {}});
  }
}

}  // namespace socle::linearizability
