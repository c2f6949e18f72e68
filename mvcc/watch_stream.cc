#include "mvcc/watch_stream.h"

namespace socle::mvcc {

size_t StreamQueue::BytesOf(const WatchResponse& response) {
  size_t bytes = sizeof(WatchResponse);
  for (const WatchEvent& event : response.events) {
    bytes += sizeof(WatchEvent) + event.kv.key.size() + event.kv.value.size();
    bytes += event.prev_kv ? event.prev_kv->key.size() + event.prev_kv->value.size() : 0;
  }
  return bytes;
}

bool StreamQueue::IsFull() const {
  return bytes_ >= kBytesMax || responses_.size() >= kResponsesMax;
}

bool StreamQueue::HasRoom() const {
  MutexLock lock(&mu_);
  return !IsFull();
}

void StreamQueue::Push(WatchResponse response) {
  MutexLock callback_lock(&callback_mu_);
  if (!on_ready_) {
    return;  // Closed.
  }
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    was_empty = responses_.empty();
    bytes_ += BytesOf(response);
    responses_.push_back(std::move(response));
  }
  if (was_empty) {
    on_ready_();
  }
}

std::optional<WatchResponse> StreamQueue::Pop(bool* was_freed) {
  MutexLock lock(&mu_);
  *was_freed = false;
  if (responses_.empty()) {
    return std::nullopt;
  }
  const bool was_full = IsFull();
  WatchResponse response = std::move(responses_.front());
  responses_.pop_front();
  bytes_ -= BytesOf(response);
  *was_freed = was_full && !IsFull();
  return response;
}

void StreamQueue::Close() {
  {
    MutexLock callback_lock(&callback_mu_);
    on_ready_ = nullptr;
  }
  MutexLock lock(&mu_);
  responses_.clear();
  bytes_ = 0;
}

}  // namespace socle::mvcc
