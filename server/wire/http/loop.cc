#include "server/wire/http/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/exchange.h"

namespace socle::server::http {
namespace {

constexpr size_t kReadBufferBytes = 128 * 1024;

thread_local const Loop* current_loop = nullptr;

absl::Status Failed(const char* call) {
  return absl::ResourceExhaustedError(
      fmt::format("{}: {}", call, std::generic_category().message(errno)));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Loop>> Loop::Start(const std::string& thread_name) {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) {
    return Failed("epoll_create1");
  }
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) {
    const absl::Status status = Failed("eventfd");
    ::close(epoll_fd);
    return status;
  }
  std::shared_ptr<Loop> loop(new Loop(epoll_fd, event_fd));
  // Edge-triggered: a wake-up needs no read.
  CHECK(loop->Watch(event_fd, EPOLLIN | EPOLLET, nullptr));
  ASSIGN_OR_RETURN(loop->thread_, Thread::Start(thread_name, [raw = loop.get()] { raw->Run(); }));
  return loop;
}

Loop::Loop(int epoll_fd, int event_fd)
    : epoll_fd_(epoll_fd),
      event_fd_(event_fd),
      now_nanos_(Clock::Real()->MonotonicNanos()),
      read_buffer_(kReadBufferBytes) {}

Loop::~Loop() {
  Stop([] {});
  ::close(event_fd_);
  ::close(epoll_fd_);
}

void Loop::Post(Task task) {
  bool wakes = false;
  {
    MutexLock lock(&mu_);
    if (is_over_) {
      return;
    }
    tasks_.push_back(std::move(task));
    wakes = is_sleeping_;
    is_sleeping_ = false;
  }
  if (wakes) {
    WakeThread();
  }
}

void Loop::PostReady(std::shared_ptr<Exchange> exchange) {
  bool wakes = false;
  {
    MutexLock lock(&mu_);
    if (is_over_) {
      return;
    }
    ready_.push_back(std::move(exchange));
    wakes = is_sleeping_;
    is_sleeping_ = false;
  }
  if (wakes) {
    WakeThread();
  }
}

void Loop::WakeThread() {
  const uint64_t one = 1;
  CHECK_EQ(::write(event_fd_, &one, sizeof(one)), ssize_t{sizeof(one)});
}

void Loop::Stop(Task last) {
  DCHECK(!IsLoopThread());
  Post([this, last = std::move(last)]() mutable {
    last();
    is_stopping_ = true;
  });
  thread_.Join();
  std::vector<Task> tasks;
  std::vector<std::shared_ptr<Exchange>> ready;
  {
    MutexLock lock(&mu_);
    is_over_ = true;
    tasks.swap(tasks_);
    ready.swap(ready_);
  }
}

bool Loop::IsLoopThread() const {
  return current_loop == this;
}

void Loop::Run() {
  current_loop = this;
  while (!is_stopping_) {
    Turn();
  }
  current_loop = nullptr;
}

int64_t Loop::SleepNanos() {
  FileTimers();
  {
    MutexLock lock(&mu_);
    if (!tasks_.empty() || !ready_.empty() || !dirty_.empty()) {
      return 0;
    }
    is_sleeping_ = true;
  }
  if (timers_.empty()) {
    return kNever;
  }
  return std::max<int64_t>(0, timers_.begin()->first - Clock::Real()->MonotonicNanos());
}

void Loop::Turn() {
  std::array<epoll_event, 256> events;
  const int64_t sleep_nanos = SleepNanos();
  const timespec timeout{sleep_nanos / kNanosPerSecond, sleep_nanos % kNanosPerSecond};
  const int count = ::epoll_pwait2(epoll_fd_, events.data(), static_cast<int>(events.size()),
                                   sleep_nanos == kNever ? nullptr : &timeout, nullptr);
  CHECK(count >= 0 || errno == EINTR);
  {
    MutexLock lock(&mu_);
    is_sleeping_ = false;
  }
  now_nanos_ = Clock::Real()->MonotonicNanos();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.ptr != nullptr) {
      static_cast<Pollable*>(event.data.ptr)->OnReady(event.events);
    }
  }
  {
    MutexLock lock(&mu_);
    running_.swap(tasks_);
    woken_.swap(ready_);
  }
  for (Task& task : running_) {
    task();
  }
  running_.clear();
  for (const std::shared_ptr<Exchange>& exchange : woken_) {
    exchange->RunReady();
  }
  woken_.clear();
  RunTimers();
  FlushDirty();
  if (!dead_.empty()) {
    std::erase_if(dirty_, [this](const Pollable* pollable) {
      return std::any_of(dead_.begin(), dead_.end(),
                         [pollable](const auto& dead) { return dead.get() == pollable; });
    });
    dead_.clear();
  }
}

void Loop::FileTimers() {
  for (Timed* const timed : unfiled_) {
    if (timed != nullptr) {
      timed->unfiled_place_ = 0;
      timed->is_filed_ = true;
      timers_.insert({timed->due_nanos_, timed});
    }
  }
  unfiled_.clear();
}

void Loop::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first <= now_nanos_) {
    Timed* const timed = timers_.begin()->second;
    timers_.erase(timers_.begin());
    timed->is_filed_ = false;
    timed->due_nanos_ = kNever;
    timed->OnTime(now_nanos_);
  }
}

void Loop::FlushDirty() {
  // One round: who is marked again meanwhile has its turn after the others' sockets.
  flushing_.swap(dirty_);
  for (Pollable* const pollable : flushing_) {
    pollable->Flush();
  }
  flushing_.clear();
}

bool Loop::Watch(int fd, uint32_t events, Pollable* pollable) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = pollable;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Loop::ChangeWatch(int fd, uint32_t events, Pollable* pollable) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = pollable;
  CHECK_EQ(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event), 0);
}

void Loop::Unwatch(int fd) {
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::SetTimer(Timed* timed, int64_t due_nanos) {
  if (timed->due_nanos_ == due_nanos) {
    return;
  }
  if (timed->is_filed_) {
    timers_.erase({timed->due_nanos_, timed});
    timed->is_filed_ = false;
  }
  timed->due_nanos_ = due_nanos;
  if (due_nanos == kNever) {
    if (timed->unfiled_place_ != 0) {
      unfiled_[timed->unfiled_place_ - 1] = nullptr;
      timed->unfiled_place_ = 0;
    }
  } else if (timed->unfiled_place_ == 0) {
    unfiled_.push_back(timed);
    timed->unfiled_place_ = unfiled_.size();
  }
}

}  // namespace socle::server::http
