#include "server/service/worker_pool.h"

#include <utility>

#include <fmt/format.h>

namespace socle::server {

WorkerPool::WorkerPool(Options options) : queue_max_(options.queue_max) {
  threads_.reserve(options.threads);
  for (size_t i = 0; i < options.threads; ++i) {
    threads_.emplace_back(fmt::format("worker-{}", i), [this] { Run(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.SignalAll();
  }
  for (Thread& thread : threads_) {
    thread.Join();
  }
}

bool WorkerPool::Submit(Task& task) {
  MutexLock lock(&mu_);
  if (stopping_ || queue_.size() >= queue_max_) {
    return false;
  }
  queue_.push_back(std::move(task));
  changed_.Signal();
  return true;
}

void WorkerPool::Run() {
  while (true) {
    Task task;
    {
      MutexLock lock(&mu_);
      while (queue_.empty() && !stopping_) {
        changed_.Wait(&mu_);
      }
      if (queue_.empty()) {
        return;
      }
      task = std::move(queue_.front());
      queue_.pop_front();
    }
    task();
  }
}

}  // namespace socle::server
