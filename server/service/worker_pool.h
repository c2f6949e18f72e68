// WorkerPool: a few threads for requests too long for a transport thread (large ranges, hashes,
// commits).
//
// Laws     1. The queues are bounded: beyond it Submit refuses, and the client is told "too many
//             requests".
//          2. Long tasks leave a thread free for short ones (of several threads), so that a short one waits for short
//             ones only; while both wait, every fourth task is a long one.
//          3. What goes on with a call that was taken in before is not refused: it came in under a bound of its own.
//          4. The destructor runs what was accepted, then joins.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_SERVICE_WORKER_POOL_H_
#define SOCLE_SERVER_SERVICE_WORKER_POOL_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::server {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  enum class Weight : size_t {
    kShort,
    kLong,  // its work grows with the store: a list of everything, a hash
  };

  struct Options {
    size_t threads = 2;
    size_t queue_max =
        4'096;  // of each weight; etcd's bound on requests in flight is of this order (5000)
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Moves from `task` only when it returns true.
  bool Submit(Task& task, Weight weight = Weight::kShort);

  // A short one of law 3. Dropped while the pool stops: then whoever made the call is told by its transport.
  void Resume(Task task);

  // When the task that the calling thread runs left its queue, in monotonic time; 0 on every other thread.
  static int64_t TaskStartedNanos();

 private:
  void Run();
  // Which queue a thread that is free takes from; null when there is nothing for it.
  std::deque<Task>* Next() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  std::deque<Task>& QueueOf(Weight weight) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return queues_[static_cast<size_t>(weight)];
  }

  const size_t queue_max_;
  const size_t long_max_;  // that run at a time
  Mutex mu_;
  CondVar changed_;
  std::array<std::deque<Task>, 2> queues_ ABSL_GUARDED_BY(mu_);
  size_t long_running_ ABSL_GUARDED_BY(mu_) = 0;
  uint64_t turn_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Thread> threads_;  // written by the constructor, joined by the destructor
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WORKER_POOL_H_
