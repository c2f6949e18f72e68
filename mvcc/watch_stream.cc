#include "mvcc/watch_stream.h"

#include "kv/base/probe.h"

namespace socle::mvcc {

void StreamQueue::Answer(WatchResponse response) {
  Add({.response = std::move(response), .watch_ids = {}, .is_answer = true});
}

void StreamQueue::AnswerNothing() {
  if (commands_.fetch_sub(1, std::memory_order_relaxed) != kCommandsMax) {
    return;
  }
  PROBE("watch: commands without answers held their stream back");
  MutexLock callback_lock(&callback_mu_);
  if (on_ready_) {
    on_ready_();
  }
}

void StreamQueue::Push(WatchResponse response) {
  Add({.response = std::move(response), .watch_ids = {}});
}

void StreamQueue::PushShared(WatchResponse response, std::vector<int64_t> watch_ids) {
  Add({.response = std::move(response), .watch_ids = std::move(watch_ids)});
}

void StreamQueue::Add(Delivery delivery) {
  delivery.bytes = sizeof(Delivery) + delivery.response.events.memory_bytes() +
                   delivery.watch_ids.size() * sizeof(int64_t);
  MutexLock callback_lock(&callback_mu_);
  if (!on_ready_) {
    return;  // Closed.
  }
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    was_empty = deliveries_.empty();
    bytes_ += delivery.bytes;
    deliveries_.push_back(std::move(delivery));
    NoteFull();
  }
  if (was_empty) {
    on_ready_();
  }
}

std::optional<WatchResponse> StreamQueue::Pop(bool* was_freed) {
  MutexLock lock(&mu_);
  *was_freed = false;
  if (deliveries_.empty()) {
    return std::nullopt;
  }
  Delivery& first = deliveries_.front();
  if (first.next + 1 < first.watch_ids.size()) {
    WatchResponse copy = first.response;
    copy.watch_id = first.watch_ids[first.next++];
    return copy;
  }
  WatchResponse response = std::move(first.response);
  if (!first.watch_ids.empty()) {
    response.watch_id = first.watch_ids.back();
  }
  if (first.is_answer) {
    commands_.fetch_sub(1, std::memory_order_relaxed);
  }
  bytes_ -= first.bytes;
  deliveries_.pop_front();
  const bool was_full = is_full_.load(std::memory_order_relaxed);
  NoteFull();
  *was_freed = was_full && !is_full_.load(std::memory_order_relaxed);
  return response;
}

void StreamQueue::NoteFull() {
  is_full_.store(
      bytes_ >= limits_.stream_bytes_max || deliveries_.size() >= limits_.stream_deliveries_max,
      std::memory_order_seq_cst);
}

void StreamQueue::Close() {
  {
    MutexLock callback_lock(&callback_mu_);
    on_ready_ = nullptr;
  }
  MutexLock lock(&mu_);
  deliveries_.clear();
  bytes_ = 0;
  NoteFull();
}

}  // namespace socle::mvcc
