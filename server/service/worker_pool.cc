#include "server/service/worker_pool.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::server {
namespace {

thread_local int64_t task_started_nanos = 0;

}  // namespace

int64_t WorkerPool::TaskStartedNanos() {
  return task_started_nanos;
}

WorkerPool::WorkerPool(Options options)
    : queue_max_(options.queue_max), long_max_(std::max<size_t>(options.threads, 2) - 1) {
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

bool WorkerPool::Submit(Task& task, Weight weight) {
  MutexLock lock(&mu_);
  std::deque<Task>& queue = QueueOf(weight);
  if (stopping_ || queue.size() >= queue_max_) {
    return false;
  }
  queue.push_back(std::move(task));
  changed_.Signal();
  return true;
}

void WorkerPool::Resume(Task task) {
  MutexLock lock(&mu_);
  if (!stopping_) {
    QueueOf(Weight::kShort).push_back(std::move(task));
    changed_.Signal();
  }
}

std::deque<WorkerPool::Task>* WorkerPool::Next() {
  constexpr uint64_t kLongEvery = 4;
  std::deque<Task>& short_ones = QueueOf(Weight::kShort);
  std::deque<Task>& long_ones = QueueOf(Weight::kLong);
  const bool may_be_long = !long_ones.empty() && long_running_ < long_max_;
  if (short_ones.empty()) {
    return may_be_long ? &long_ones : nullptr;
  }
  if (!may_be_long) {
    return &short_ones;
  }
  return ++turn_ % kLongEvery == 0 ? &long_ones : &short_ones;
}

void WorkerPool::Run() {
  bool is_long = false;  // the task before
  while (true) {
    Task task;
    {
      MutexLock lock(&mu_);
      if (is_long) {
        --long_running_;
        changed_.SignalAll();  // whoever found no room for the next one
      }
      std::deque<Task>* queue = Next();
      while (queue == nullptr) {
        if (stopping_ && QueueOf(Weight::kLong).empty()) {
          return;
        }
        changed_.Wait(&mu_);
        queue = Next();
      }
      is_long = queue == &QueueOf(Weight::kLong);
      long_running_ += is_long ? 1 : 0;
      task = std::move(queue->front());
      queue->pop_front();
    }
    task_started_nanos = Clock::Real()->MonotonicNanos();
    task();
    task_started_nanos = 0;
  }
}

}  // namespace socle::server
