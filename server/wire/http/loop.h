// Loop: one thread with epoll that drives connections.
//
//   a turn:  wait · ready sockets · posted tasks · woken exchanges · due timers · flush · bury
//
// Laws     1. The loop sleeps only when nobody posted anything; who posts while it is awake makes no
//             system call, and who posts while it sleeps wakes it once.
//          2. Sockets written in a turn are flushed at its end, once each.
//          3. After Stop returned nothing runs any more; what is posted then is dropped.
// Threads  Post, PostReady, Stop: any thread; the rest: the loop's own.
// Errors   Start: what the kernel said about epoll or eventfd.
#ifndef SOCLE_SERVER_WIRE_HTTP_LOOP_H_
#define SOCLE_SERVER_WIRE_HTTP_LOOP_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::server::http {

class Exchange;

class Loop {
 public:
  static constexpr int64_t kNever = INT64_MAX;
  using Task = absl::AnyInvocable<void()>;

  // A descriptor in the epoll set.
  class Pollable {
   public:
    virtual ~Pollable() = default;
    virtual void OnReady(uint32_t events) = 0;

    // At the end of a turn in which it was marked.
    virtual void Flush() {}
  };

  // Something with a time; in the loop's timers at most once.
  class Timed {
   public:
    virtual ~Timed() = default;

   private:
    friend class Loop;
    virtual void OnTime(int64_t now_nanos) = 0;
    int64_t due_nanos_ = kNever;
    bool is_filed_ = false;     // in timers_, under due_nanos_
    size_t unfiled_place_ = 0;  // in unfiled_, from 1; 0: not there
  };

  static absl::StatusOr<std::shared_ptr<Loop>> Start(const std::string& thread_name);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs the task on the loop's thread, in order of posting.
  void Post(Task task);
  void PostReady(std::shared_ptr<Exchange> exchange);
  // Runs `last` on the loop's thread, then ends it. Not from the loop's thread.
  void Stop(Task last);

  bool IsLoopThread() const;

  // Monotonic time at the start of this turn.
  int64_t now_nanos() const { return now_nanos_; }

  // Who is served on it: connections, and those who wait for an acceptor.
  void ChangeUsers(int by) { users_ += by; }

  int users() const { return users_; }

  // While one lives, on the loop's thread, nobody new should be given to the loop: it waits for something.
  class Waits {
   public:
    explicit Waits(Loop* loop) : loop_(loop) { Set(true); }

    ~Waits() { Set(false); }

    Waits(const Waits&) = delete;
    Waits& operator=(const Waits&) = delete;

   private:
    void Set(bool waits) {
      if (loop_ != nullptr) {
        loop_->waits_.store(waits, std::memory_order_relaxed);
      }
    }

    Loop* const loop_;  // null: it does not wait
  };

  // Any thread.
  bool waits() const { return waits_.load(std::memory_order_relaxed); }

  bool Watch(int fd, uint32_t events, Pollable* pollable);
  void ChangeWatch(int fd, uint32_t events, Pollable* pollable);
  void Unwatch(int fd);
  // When a timer is set again it moves; kNever takes it out. One that is set and taken out in the same turn, as a call's
  // deadline that is answered at once, costs next to nothing: timers are put in order before the loop sleeps.
  void SetTimer(Timed* timed, int64_t due_nanos);

  int64_t due_nanos(const Timed& timed) const { return timed.due_nanos_; }

  void FlushLater(Pollable* pollable) { dirty_.push_back(pollable); }

  // Deletes it at the end of the turn: it may still be in this turn's lists.
  void Bury(std::unique_ptr<Pollable> pollable) { dead_.push_back(std::move(pollable)); }

  std::vector<char>& read_buffer() { return read_buffer_; }

  // Bytes of answers that wait to be sent, on all of its connections.
  size_t backlog_bytes() const { return backlog_bytes_; }

  void AddBacklog(size_t bytes) { backlog_bytes_ += bytes; }

  void TakeBacklog(size_t bytes) { backlog_bytes_ -= bytes; }

 private:
  Loop(int epoll_fd, int event_fd);

  void Run();
  void Turn();
  int64_t SleepNanos();
  void WakeThread();
  void FileTimers();
  void RunTimers();
  void FlushDirty();

  const int epoll_fd_;
  const int event_fd_;

  Mutex mu_;
  std::vector<Task> tasks_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<Exchange>> ready_ ABSL_GUARDED_BY(mu_);
  bool is_sleeping_ ABSL_GUARDED_BY(mu_) = false;
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;

  // Of the loop's thread.
  bool is_stopping_ = false;
  int64_t now_nanos_;
  absl::btree_set<std::pair<int64_t, Timed*>> timers_;
  std::vector<Timed*> unfiled_;  // set since; null where taken out again
  std::vector<Task> running_;
  std::vector<std::shared_ptr<Exchange>> woken_;
  std::vector<Pollable*> dirty_;
  std::vector<Pollable*> flushing_;
  std::vector<std::unique_ptr<Pollable>> dead_;
  std::vector<char> read_buffer_;
  size_t backlog_bytes_ = 0;
  int users_ = 0;
  std::atomic<bool> waits_{false};

  Thread thread_;
};

}  // namespace socle::server::http

#endif  // SOCLE_SERVER_WIRE_HTTP_LOOP_H_
