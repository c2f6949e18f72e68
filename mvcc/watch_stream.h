// StreamQueue: the bounded response queue between the hub and one consumer.
//
// Laws     1. on_ready is called when the queue turns from empty to not empty and when commands may
//             be given again, and never after Close returned.
//          2. The hub adds events when the queue is below its bounds; one revision, or one piece of
//             history, may exceed them. Events shared with other deliveries are counted as if they
//             were not, once for all watchers of a delivery.
//          3. A command is outstanding until its answer was taken, or it was found to have none;
//             beyond kCommandsMax the owner is asked to hold back.
//          4. Close waits for an on_ready that runs on another thread; one that closes its own stream is the last.
// Threads  thread-safe. on_ready runs on the hub thread, under the queue's callback lock.
#ifndef SOCLE_MVCC_WATCH_STREAM_H_
#define SOCLE_MVCC_WATCH_STREAM_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "kv/base/mutex.h"
#include "mvcc/watch.h"

namespace socle::mvcc {

class StreamQueue {
 public:
  static constexpr int64_t kCommandsMax = 1024;

  // `pending_events`: of all queues, the owner's; may be null.
  explicit StreamQueue(std::function<void()> on_ready, const WatchLimits& limits = {},
                       std::shared_ptr<std::atomic<int64_t>> pending_events = nullptr)
      : limits_(limits),
        pending_events_(std::move(pending_events)),
        on_ready_(std::move(on_ready)) {}

  // Any thread: a command was given.
  void Commanded() { commands_.fetch_add(1, std::memory_order_relaxed); }

  bool TakesCommands() const { return commands_.load(std::memory_order_relaxed) < kCommandsMax; }

  // The hub's: the answer of a command, full or not.
  void Answer(WatchResponse response);
  // The command has no answer.
  void AnswerNothing();
  // A response of the hub's own.
  void Push(WatchResponse response);
  // The same events for each of the watchers; becomes one response each.
  void PushShared(WatchResponse response, std::vector<int64_t> watch_ids);

  // True when events may be added. seq_cst, as the hub's count of laggards: a consumer that makes
  // room sees the laggard, or the hub sees the room.
  bool HasRoom() const { return !is_full_.load(std::memory_order_seq_cst); }

  // The consumer's: takes the oldest response. `was_freed` is set when the queue had no room before
  // and has now.
  std::optional<WatchResponse> Pop(bool* was_freed);
  // The oldest delivery as a whole, or what Pop left of it.
  std::optional<SharedWatchResponse> PopShared(bool* was_freed);

  // No call of on_ready after it returned; later responses are dropped.
  void Close();

  // What the queue counts itself to hold.
  size_t bytes() const {
    MutexLock lock(&mu_);
    return bytes_;
  }

 private:
  struct Delivery {
    WatchResponse response;
    std::vector<int64_t> watch_ids;
    size_t next = 0;  // of watch_ids
    size_t bytes = 0;
    int64_t events = 0;  // times watch_ids
    bool is_answer = false;
  };

  void Add(Delivery delivery);
  void Ring() ABSL_EXCLUSIVE_LOCKS_REQUIRED(callback_mu_);
  // Removes the front; true when there was no room before and is now.
  bool RemoveFront() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void NoteFull() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  void CountPending(int64_t events);

  const WatchLimits limits_;
  const std::shared_ptr<std::atomic<int64_t>> pending_events_;
  std::atomic<int64_t> commands_{0};
  std::atomic<bool> is_full_{false};  // written under mu_

  mutable Mutex mu_;
  std::deque<Delivery> deliveries_ ABSL_GUARDED_BY(mu_);
  size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;

  Mutex callback_mu_;  // before mu_
  std::function<void()> on_ready_ ABSL_GUARDED_BY(callback_mu_);
  bool is_closed_by_ring_ = false;  // by on_ready itself: the thread's that holds callback_mu_
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCH_STREAM_H_