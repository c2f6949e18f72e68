#include "bench/rest/watch_swarm.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/clock.h"

namespace socle::bench {
namespace {

constexpr std::string_view kMark = "\"bench-sent\":\"";
constexpr int kWaitMillis = 50;
constexpr size_t kLineMax = 1 << 20;

absl::StatusOr<int> OpenWatch(const RestAddress& address, const std::string& target) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(address.port);
  ::inet_pton(AF_INET, address.host.c_str(), &to.sin_addr);
  // The socket API's own way to pass addresses of any family.
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) {
    if (fd >= 0) {
      ::close(fd);
    }
    return absl::UnavailableError(fmt::format("connecting a watch: {}", std::strerror(errno)));
  }
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n\r\n", target, address.host);
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    ::close(fd);
    return absl::UnavailableError("a watch's request was not taken");
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<WatchSwarm>> WatchSwarm::Start(const RestAddress& address,
                                                              const std::string& target,
                                                              size_t watches) {
  std::unique_ptr<WatchSwarm> swarm(new WatchSwarm);
  swarm->poll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
  swarm->watches_.resize(watches);
  for (size_t i = 0; i < watches; ++i) {
    absl::StatusOr<int> fd = OpenWatch(address, target);
    if (!fd.ok()) {
      return fd.status();
    }
    swarm->watches_[i].fd = *fd;
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.u64 = i;
    ::epoll_ctl(swarm->poll_fd_, EPOLL_CTL_ADD, *fd, &wanted);
  }
  swarm->reader_ = Thread("watch-swarm", [self = swarm.get()] { self->Read(); });
  return swarm;
}

WatchSwarm::~WatchSwarm() {
  Stop();
  for (const Watch& watch : watches_) {
    if (watch.fd >= 0) {
      ::close(watch.fd);
    }
  }
  if (poll_fd_ >= 0) {
    ::close(poll_fd_);
  }
}

void WatchSwarm::Stop() {
  is_stopping_ = true;
  reader_.Join();
}

void WatchSwarm::Read() {
  std::array<epoll_event, 256> ready{};
  std::string bytes(256 * 1024, '\0');
  while (!is_stopping_) {
    const int count =
        ::epoll_wait(poll_fd_, ready.data(), static_cast<int>(ready.size()), kWaitMillis);
    for (int i = 0; i < count; ++i) {
      Watch* watch = &watches_[ready.at(static_cast<size_t>(i)).data.u64];
      const ssize_t got = ::recv(watch->fd, bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        ::epoll_ctl(poll_fd_, EPOLL_CTL_DEL, watch->fd, nullptr);
        ended_.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
      Take(watch, std::string_view(bytes).substr(0, static_cast<size_t>(got)));
    }
  }
}

// Framing of chunks stands between events, never inside the mark of one unless a read was cut there:
// what follows the last newline is kept for the next read.
void WatchSwarm::Take(Watch* watch, std::string_view bytes) {
  std::string joined;
  if (!watch->line.empty()) {
    joined = watch->line;
    joined += bytes;
    bytes = joined;
  }
  const int64_t now = Clock::Real()->MonotonicNanos();
  size_t at = 0;
  for (size_t end = bytes.find('\n'); end != std::string_view::npos; end = bytes.find('\n', at)) {
    const std::string_view line = bytes.substr(at, end - at);
    at = end + 1;
    const size_t mark = line.find(kMark);
    int64_t sent = 0;
    if (mark != std::string_view::npos) {
      const std::string_view digits = line.substr(mark + kMark.size());
      std::from_chars(digits.data(), digits.data() + digits.size(), sent);
    }
    if (sent > 0) {
      delays_.Record(now - sent);
      delivered_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  const std::string_view left = bytes.substr(at);
  watch->line = std::string(left.substr(0, kLineMax));
}

}  // namespace socle::bench
