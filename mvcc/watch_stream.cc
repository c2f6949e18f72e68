#include "mvcc/watch_stream.h"

#include <utility>

#include "kv/base/probe.h"

namespace socle::mvcc {
namespace {

// Whose on_ready this thread runs.
thread_local const StreamQueue* ringing = nullptr;

}  // namespace

void StreamQueue::Answer(WatchResponse response) {
  const int64_t id = response.watch_id;
  Add({.response = std::move(response), .watch_ids = {id}, .is_answer = true});
}

void StreamQueue::AnswerNothing() {
  if (commands_.fetch_sub(1, std::memory_order_relaxed) != kCommandsMax) {
    return;
  }
  PROBE("watch: commands without answers held their stream back");
  MutexLock callback_lock(&callback_mu_);
  Ring();
}

void StreamQueue::Ring() {
  if (!on_ready_) {
    return;  // Closed.
  }
  const StreamQueue* const before = std::exchange(ringing, this);
  on_ready_();
  ringing = before;
  if (is_closed_by_ring_) {
    PROBE("watch: a stream closed by its own callback");
    on_ready_ = nullptr;
  }
}

void StreamQueue::Push(WatchResponse response) {
  const int64_t id = response.watch_id;
  Add({.response = std::move(response), .watch_ids = {id}});
}

void StreamQueue::PushShared(WatchResponse response, std::vector<int64_t> watch_ids) {
  Add({.response = std::move(response), .watch_ids = std::move(watch_ids)});
}

void StreamQueue::Add(Delivery delivery) {
  delivery.bytes = sizeof(Delivery) + delivery.response.events.memory_bytes() +
                   delivery.watch_ids.size() * sizeof(int64_t);
  delivery.events =
      static_cast<int64_t>(delivery.response.events.size() * delivery.watch_ids.size());
  MutexLock callback_lock(&callback_mu_);
  if (!on_ready_) {
    return;  // Closed.
  }
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    was_empty = deliveries_.empty();
    bytes_ += delivery.bytes;
    CountPending(delivery.events);
    deliveries_.push_back(std::move(delivery));
    NoteFull();
  }
  if (was_empty) {
    Ring();
  }
}

std::optional<WatchResponse> StreamQueue::Pop(bool* was_freed) {
  MutexLock lock(&mu_);
  *was_freed = false;
  if (deliveries_.empty()) {
    return std::nullopt;
  }
  Delivery& first = deliveries_.front();
  const int64_t id = first.watch_ids[first.next++];
  const bool is_last = first.next == first.watch_ids.size();
  WatchResponse response = is_last ? std::move(first.response) : first.response;
  response.watch_id = id;
  if (is_last) {
    *was_freed = RemoveFront();
  }
  return response;
}

std::optional<SharedWatchResponse> StreamQueue::PopShared(bool* was_freed) {
  MutexLock lock(&mu_);
  *was_freed = false;
  if (deliveries_.empty()) {
    return std::nullopt;
  }
  Delivery& first = deliveries_.front();
  SharedWatchResponse shared{.response = std::move(first.response),
                             .watch_ids = std::move(first.watch_ids)};
  shared.watch_ids.erase(shared.watch_ids.begin(),
                         shared.watch_ids.begin() + static_cast<std::ptrdiff_t>(first.next));
  shared.response.watch_id = shared.watch_ids.front();
  *was_freed = RemoveFront();
  return shared;
}

bool StreamQueue::RemoveFront() {
  if (deliveries_.front().is_answer) {
    commands_.fetch_sub(1, std::memory_order_relaxed);
  }
  bytes_ -= deliveries_.front().bytes;
  CountPending(-deliveries_.front().events);
  deliveries_.pop_front();
  const bool was_full = is_full_.load(std::memory_order_relaxed);
  NoteFull();
  return was_full && !is_full_.load(std::memory_order_relaxed);
}

void StreamQueue::CountPending(int64_t events) {
  if (pending_events_ != nullptr && events != 0) {
    pending_events_->fetch_add(events, std::memory_order_relaxed);
  }
}

void StreamQueue::NoteFull() {
  is_full_.store(
      bytes_ >= limits_.stream_bytes_max || deliveries_.size() >= limits_.stream_deliveries_max,
      std::memory_order_seq_cst);
}

void StreamQueue::Close() {
  if (ringing == this) {
    is_closed_by_ring_ = true;
  } else {
    MutexLock callback_lock(&callback_mu_);
    on_ready_ = nullptr;
  }
  MutexLock lock(&mu_);
  for (const Delivery& delivery : deliveries_) {
    CountPending(-delivery.events);
  }
  deliveries_.clear();
  bytes_ = 0;
  NoteFull();
}

}  // namespace socle::mvcc
