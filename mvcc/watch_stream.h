// StreamQueue: the bounded response queue between the hub and one consumer.
//
// Laws     1. on_ready is called when the queue turns from empty to not empty, and never after
//             Close returned.
//          2. The queue takes a response whenever it is below its bound before it: one response may
//             exceed it.
// Threads  thread-safe. on_ready runs on the hub thread, under the queue's callback lock: it must
//          not close the stream.
#ifndef SOCLE_MVCC_WATCH_STREAM_H_
#define SOCLE_MVCC_WATCH_STREAM_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>

#include "kv/base/mutex.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

class StreamQueue {
 public:
  explicit StreamQueue(std::function<void()> on_ready) : on_ready_(std::move(on_ready)) {}

  // Adds the response, full or not: for answers to commands, which are few.
  void Push(WatchResponse response);

  // True when event responses may be added.
  bool HasRoom() const;

  // Takes the oldest response. `was_freed` is set when the queue had no room before and has now.
  std::optional<WatchResponse> Pop(bool* was_freed);

  // No call of on_ready after it returned; later responses are dropped.
  void Close();

 private:
  static constexpr size_t kBytesMax = size_t{4} << 20U;
  static constexpr size_t kResponsesMax = 1024;

  static size_t BytesOf(const WatchResponse& response);
  bool IsFull() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  mutable Mutex mu_;
  std::deque<WatchResponse> responses_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;

  Mutex callback_mu_;  // before mu_
  std::function<void()> on_ready_ ABSL_GUARDED_BY(callback_mu_);
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCH_STREAM_H_
