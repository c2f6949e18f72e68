#include "server/wire/http/acceptor.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

constexpr int kBacklog = 1'024;
constexpr int kAcceptedPerTurn = 64;
constexpr int64_t kPauseNanos = 50 * kNanosPerMilli;

std::string ErrorText() {
  return std::generic_category().message(errno);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Open(Loop* loop, std::string_view address,
                                                         uint16_t port,
                                                         std::function<void(int)> on_accepted) {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const std::string text(address);
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    size = sizeof(*v4);
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    size = sizeof(*v6);
  } else {
    return absl::InvalidArgumentError(
        fmt::format("cannot listen on '{}': it is not an IP address", address));
  }
  const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int on = 1;
  if (fd >= 0) {
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  }
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&storage), size) != 0 ||
      ::listen(fd, kBacklog) != 0) {
    const absl::Status status = absl::UnavailableError(
        fmt::format("cannot listen on {} port {}: {}", address, port, ErrorText()));
    if (fd >= 0) {
      ::close(fd);
    }
    return status;
  }
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  const uint16_t bound = ntohs(storage.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
  return std::unique_ptr<Acceptor>(new Acceptor(loop, fd, bound, std::move(on_accepted)));
}

Acceptor::~Acceptor() {
  ::close(fd_);
}

void Acceptor::Start() {
  loop_->Watch(fd_, EPOLLIN, this);
}

void Acceptor::Stop() {
  loop_->Unwatch(fd_);
  loop_->SetTimer(this, Loop::kNever);
}

void Acceptor::OnReady(uint32_t /*events*/) {
  for (int i = 0; i < kAcceptedPerTurn; ++i) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_accepted_(fd);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      LogWarning("a connection could not be accepted", {{"error", ErrorText()}});
      loop_->Unwatch(fd_);
      loop_->SetTimer(this, loop_->now_nanos() + kPauseNanos);
    }
    return;
  }
}

void Acceptor::OnTime(int64_t /*now_nanos*/) {
  Start();
}

}  // namespace socle::server::http
