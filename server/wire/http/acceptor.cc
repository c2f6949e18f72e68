#include "server/wire/http/acceptor.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/descriptor_limit.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"

namespace socle::server::http {
namespace {

constexpr int kAcceptedPerTurn = 64;
constexpr int64_t kPauseNanos = 50 * kNanosPerMilli;
constexpr int64_t kTellNanos = 10 * kNanosPerSecond;

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
    if (AreDescriptorsScarce(socket_.fd())) {
      Pause(fmt::format("of {} descriptors only those are left that are not for clients",
                        DescriptorLimit()));
      return;
    }
    const int fd = ::accept4(socket_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      on_accepted_(fd);
      continue;
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      Pause(std::generic_category().message(errno));
    }
    return;
  }
}

void Acceptor::Pause(const std::string& why) {
  PROBE("acceptor: out of descriptors");
  const int64_t now = loop_->now_nanos();
  if (told_nanos_ == INT64_MIN || now - told_nanos_ >= kTellNanos) {
    told_nanos_ = now;
    LogWarning("clients wait for others to leave", {{"reason", why}});
  }
  loop_->Unwatch(socket_.fd());
  loop_->SetTimer(this, now + kPauseNanos);
}

void Acceptor::OnTime(int64_t /*now_nanos*/) {
  Start();
}

}  // namespace socle::server::http
