#include "server/wire/client/client_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/call.h"
#include "server/wire/client/channel.h"
#include "server/wire/client/connection.h"

namespace socle::server {
namespace {

constexpr size_t kReadBufferBytes = 256 * 1024;
constexpr int64_t kForever = -1;

thread_local const ClientLoop* current_loop = nullptr;

}  // namespace

absl::StatusOr<std::unique_ptr<ClientLoop>> ClientLoop::Start(const std::string& thread_name) {
  const int epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd < 0) {
    return absl::ResourceExhaustedError(fmt::format("epoll_create1: {}", ::strerror(errno)));
  }
  const int event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (event_fd < 0) {
    const int error = errno;
    ::close(epoll_fd);
    return absl::ResourceExhaustedError(fmt::format("eventfd: {}", ::strerror(error)));
  }
  std::unique_ptr<ClientLoop> loop(new ClientLoop(epoll_fd, event_fd));
  CHECK(loop->Watch(event_fd, EPOLLIN, nullptr));
  ASSIGN_OR_RETURN(loop->thread_, Thread::Start(thread_name, [raw = loop.get()] { raw->Run(); }));
  return loop;
}

ClientLoop::ClientLoop(int epoll_fd, int event_fd)
    : epoll_fd_(epoll_fd),
      event_fd_(event_fd),
      turn_nanos_(Clock::Real()->MonotonicNanos()),
      deadlines_(turn_nanos_),
      read_buffer_(kReadBufferBytes) {}

ClientLoop::~ClientLoop() {
  {
    MutexLock lock(&mu_);
    stop_requested_ = true;
  }
  const uint64_t one = 1;
  CHECK_EQ(::write(event_fd_, &one, sizeof(one)), ssize_t{sizeof(one)});
  thread_.Join();
  ::close(event_fd_);
  ::close(epoll_fd_);
}

Channel* ClientLoop::AddChannel(const Endpoint& endpoint) {
  auto channel = std::make_unique<Channel>(this, endpoint);
  Channel* raw = channel.get();
  MutexLock lock(&mu_);
  channels_.push_back(std::move(channel));
  return raw;
}

void ClientLoop::Post(Task task) {
  bool was_empty = false;
  {
    MutexLock lock(&mu_);
    if (stop_requested_) {
      return;
    }
    was_empty = posted_.empty();
    posted_.push_back(std::move(task));
  }
  if (was_empty) {
    const uint64_t one = 1;
    CHECK_EQ(::write(event_fd_, &one, sizeof(one)), ssize_t{sizeof(one)});
  }
}

void ClientLoop::RunAt(int64_t monotonic_nanos, Task task) {
  DCHECK(IsLoopThread());
  timers_.push(Timer{monotonic_nanos, timer_order_++, std::move(task)});
}

bool ClientLoop::IsLoopThread() const {
  return current_loop == this;
}

void ClientLoop::Run() {
  current_loop = this;
  while (true) {
    {
      MutexLock lock(&mu_);
      if (stop_requested_) {
        break;
      }
    }
    Turn(NextTimeout());
  }
  StopAll();
}

int64_t ClientLoop::NextTimeout() const {
  int64_t wake = INT64_MAX;
  if (!timers_.empty()) {
    wake = timers_.top().when_nanos;
  }
  if (!deadlines_.empty()) {
    wake = std::min(wake, deadlines_.next_tick_nanos());
  }
  if (wake == INT64_MAX) {
    return kForever;
  }
  return std::max<int64_t>(0, wake - Clock::Real()->MonotonicNanos());
}

void ClientLoop::Turn(int64_t timeout_nanos) {
  std::array<epoll_event, 128> events;
  const timespec timeout{timeout_nanos / kNanosPerSecond, timeout_nanos % kNanosPerSecond};
  const int count = ::epoll_pwait2(epoll_fd_, events.data(), static_cast<int>(events.size()),
                                   timeout_nanos == kForever ? nullptr : &timeout, nullptr);
  CHECK(count >= 0 || errno == EINTR);
  turn_nanos_ = Clock::Real()->MonotonicNanos();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    if (event.data.ptr == nullptr) {
      uint64_t wakeups = 0;
      // Nothing to read is fine: a wake-up may have been taken together with an earlier one.
      [[maybe_unused]] const ssize_t got = ::read(event_fd_, &wakeups, sizeof(wakeups));
      RunPosted();
    } else {
      static_cast<Connection*>(event.data.ptr)->OnReady(event.events);
    }
  }
  RunDue();
  FlushDirty();
  dead_.clear();
}

void ClientLoop::RunPosted() {
  {
    MutexLock lock(&mu_);
    running_.swap(posted_);
  }
  for (Task& task : running_) {
    task();
  }
  running_.clear();
}

void ClientLoop::RunDue() {
  deadlines_.Expire(turn_nanos_,
                    [](DeadlineLink* link) { static_cast<Call*>(link)->OnDeadline(); });
  while (!timers_.empty() && timers_.top().when_nanos <= turn_nanos_) {
    Task task = std::move(timers_.top().task);
    timers_.pop();
    task();
  }
}

void ClientLoop::FlushDirty() {
  // Flushing may run callbacks that dirty other connections, or this one again.
  while (!dirty_.empty()) {
    flushing_.swap(dirty_);
    for (Connection* connection : flushing_) {
      connection->Flush();
    }
    flushing_.clear();
  }
}

void ClientLoop::StopAll() {
  is_stopping_ = true;
  std::vector<std::unique_ptr<Channel>> channels;
  {
    MutexLock lock(&mu_);
    channels.swap(channels_);
    posted_.clear();
  }
  for (const auto& channel : channels) {
    channel->Stop(absl::CancelledError("the client is being closed"));
  }
  dirty_.clear();
  dead_.clear();
}

bool ClientLoop::Watch(int fd, uint32_t events, Connection* connection) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = connection;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void ClientLoop::ChangeWatch(int fd, uint32_t events, Connection* connection) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = connection;
  CHECK_EQ(::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event), 0);
}

void ClientLoop::Unwatch(int fd) {
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

void ClientLoop::MarkDirty(Connection* connection) {
  dirty_.push_back(connection);
}

void ClientLoop::DeleteLater(std::unique_ptr<Connection> connection) {
  dead_.push_back(std::move(connection));
}

}  // namespace socle::server
