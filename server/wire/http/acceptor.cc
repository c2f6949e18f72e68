#include "server/wire/http/acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "kv/base/clock.h"
#include "kv/base/log.h"

namespace socle::server::http {
namespace {

constexpr int kAcceptedPerTurn = 64;
constexpr int64_t kPauseNanos = 50 * kNanosPerMilli;

std::string ErrorText() {
  return std::generic_category().message(errno);
}

}  // namespace

void Acceptor::Start() {
  loop_->Watch(socket_.fd(), EPOLLIN, this);
}

void Acceptor::Stop() {
  loop_->Unwatch(socket_.fd());
  loop_->SetTimer(this, Loop::kNever);
}

void Acceptor::OnReady(uint32_t /*events*/) {
  for (int i = 0; i < kAcceptedPerTurn; ++i) {
    const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_accepted_(fd);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      LogWarning("a connection could not be accepted", {{"error", ErrorText()}});
      loop_->Unwatch(socket_.fd());
      loop_->SetTimer(this, loop_->now_nanos() + kPauseNanos);
    }
    return;
  }
}

void Acceptor::OnTime(int64_t /*now_nanos*/) {
  Start();
}

}  // namespace socle::server::http
