#include "server/ops/epoll.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fmt/format.h>

namespace socle::server {
namespace {

absl::Status Failed(const char* call) {
  return absl::InternalError(fmt::format("{}: {}", call, std::generic_category().message(errno)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Epoll>> Epoll::Make() {
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
  std::unique_ptr<Epoll> epoll(new Epoll(epoll_fd, event_fd));
  if (!epoll->Add(event_fd, EPOLLIN)) {
    return Failed("epoll_ctl");
  }
  return epoll;
}

Epoll::~Epoll() {
  ::close(event_fd_);
  ::close(epoll_fd_);
}

bool Epoll::Add(int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0;
}

void Epoll::Remove(int fd) {
  ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr);
}

size_t Epoll::Wait(std::span<epoll_event> events, int timeout_ms) {
  const int found =
      ::epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), timeout_ms);
  const auto first = events.begin();
  const auto last =
      std::remove_if(first, first + std::max(found, 0), [this](const epoll_event& event) {
        if (event.data.fd != event_fd_) {
          return false;
        }
        uint64_t count = 0;
        [[maybe_unused]] const ssize_t drained = ::read(event_fd_, &count, sizeof(count));
        return true;
      });
  return static_cast<size_t>(last - first);
}

void Epoll::Wake() {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(event_fd_, &one, sizeof(one));
}

}  // namespace socle::server
