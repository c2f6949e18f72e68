// WorkerPool: a few threads for requests too long for a transport thread (large ranges, hashes,
// commits).
//
// Laws     1. The queue is bounded: beyond it Submit refuses, and the client is told "too many
//             requests".
//          2. The destructor runs what was accepted, then joins.
// Threads  thread-safe.
#ifndef SOCLE_SERVER_SERVICE_WORKER_POOL_H_
#define SOCLE_SERVER_SERVICE_WORKER_POOL_H_

#include <cstddef>
#include <deque>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::server {

class WorkerPool {
 public:
  using Task = absl::AnyInvocable<void()>;

  struct Options {
    size_t threads = 2;
    size_t queue_max = 4'096;  // etcd's own bound on requests in flight is of this order (5000)
  };

  explicit WorkerPool(Options options);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Moves from `task` only when it returns true.
  bool Submit(Task& task);

 private:
  void Run();

  const size_t queue_max_;
  Mutex mu_;
  CondVar changed_;
  std::deque<Task> queue_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<Thread> threads_;  // written by the constructor, joined by the destructor
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_SERVICE_WORKER_POOL_H_
