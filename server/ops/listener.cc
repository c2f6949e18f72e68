#include "server/ops/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <deque>
#include <string_view>
#include <system_error>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>
#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/descriptor_limit.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "server/ops/epoll.h"

namespace socle::server {
namespace {

constexpr std::string_view kHttp2Start = "PRI";
constexpr size_t kUndecidedMax = 1'024;

std::string ErrorText() {
  return std::generic_category().message(errno);
}

class PeekingListener final : public Listener {
 public:
  PeekingListener(std::unique_ptr<Epoll> epoll, std::vector<http::ListenSocket> sockets,
                  int64_t silence_nanos)
      : silence_nanos_(silence_nanos), epoll_(std::move(epoll)), sockets_(std::move(sockets)) {
    for (const http::ListenSocket& socket : sockets_) {
      listening_.insert(socket.fd());
    }
  }

  ~PeekingListener() override { Stop(); }

  void Start(Callbacks callbacks) override {
    callbacks_ = std::move(callbacks);
    for (const int fd : listening_) {
      epoll_->Add(fd, EPOLLIN);
    }
    thread_ = Thread("listener", [this] { Run(); });
  }

  void Stop() override {
    is_stopping_.store(true, std::memory_order_relaxed);
    epoll_->Wake();
    thread_.Join();
    for (const auto& [fd, since] : undecided_) {
      ::close(fd);
    }
    undecided_.clear();
  }

 private:
  void Run() {
    std::array<epoll_event, 128> events{};
    while (!is_stopping_.load(std::memory_order_relaxed)) {
      const auto tick_ms =
          static_cast<int>(std::clamp<int64_t>(silence_nanos_ / kNanosPerMilli, 1, 1'000));
      const size_t found = epoll_->Wait(events, undecided_.empty() ? -1 : tick_ms);
      for (size_t i = 0; i < found; ++i) {
        const int fd = events[i].data.fd;
        if (listening_.contains(fd)) {
          AcceptFrom(fd);
        } else if (undecided_.contains(fd)) {
          Decide(fd, (events[i].events & (EPOLLERR | EPOLLHUP | EPOLLRDHUP)) != 0);
        }
      }
      CloseSilent();
    }
  }

  void AcceptFrom(int socket) {
    constexpr int kAcceptedPerTurn = 256;
    for (int i = 0; i < kAcceptedPerTurn; ++i) {
      if (AreDescriptorsScarce(socket)) {
        Pause(fmt::format("of {} descriptors only those are left that are not for clients",
                          DescriptorLimit()));
        return;
      }
      const int fd = ::accept4(socket, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
      if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
          Pause(ErrorText());
        }
        return;
      }
      Greet(fd);
    }
  }

  // The backlog keeps the clients meanwhile.
  void Pause(const std::string& why) {
    PROBE("listener: out of descriptors");
    constexpr int64_t kPauseNanos = 50 * kNanosPerMilli;
    constexpr int64_t kTellNanos = 10 * kNanosPerSecond;
    const int64_t now = clock_->MonotonicNanos();
    if (told_nanos_ == INT64_MIN || now - told_nanos_ >= kTellNanos) {
      told_nanos_ = now;
      LogWarning("clients wait for others to leave", {{"reason", why}});
    }
    clock_->SleepFor(kPauseNanos);
  }

  void Greet(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    // Readable only when there is enough to decide on.
    const int enough = static_cast<int>(kHttp2Start.size());
    ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &enough, sizeof(enough));
    if (undecided_.size() >= kUndecidedMax || !epoll_->Add(fd, EPOLLIN | EPOLLRDHUP)) {
      ::close(fd);
      return;
    }
    const int64_t since = clock_->MonotonicNanos();
    undecided_[fd] = since;
    silent_since_.emplace_back(since, fd);
  }

  void Decide(int fd, bool is_over) {
    std::array<char, kHttp2Start.size()> bytes{};
    const ssize_t seen = ::recv(fd, bytes.data(), bytes.size(), MSG_PEEK);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR) && !is_over) {
      return;
    }
    if (seen <= 0) {
      Forget(fd);
      ::close(fd);
      return;
    }
    const std::string_view start(bytes.data(), static_cast<size_t>(seen));
    if (start.size() < kHttp2Start.size() && !is_over) {
      return;
    }
    Forget(fd);
    const int one = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
    const auto& take = start == kHttp2Start ? callbacks_.http2 : callbacks_.http1;
    if (take) {
      take(fd);
    } else {
      ::close(fd);
    }
  }

  void Forget(int fd) {
    epoll_->Remove(fd);
    undecided_.erase(fd);
  }

  void CloseSilent() {
    if (silent_since_.empty()) {
      return;
    }
    const int64_t now = clock_->MonotonicNanos();
    while (!silent_since_.empty()) {
      const auto [since, fd] = silent_since_.front();
      const auto found = undecided_.find(fd);
      const bool is_waiting = found != undecided_.end() && found->second == since;
      if (is_waiting && now - since < silence_nanos_) {
        return;
      }
      if (is_waiting) {
        PROBE("listener: a silent connection is closed");
        Forget(fd);
        ::close(fd);
      }
      silent_since_.pop_front();
    }
  }

  Clock* const clock_ = Clock::Real();
  const int64_t silence_nanos_;
  const std::unique_ptr<Epoll> epoll_;
  const std::vector<http::ListenSocket> sockets_;
  absl::flat_hash_set<int> listening_;  // their descriptors
  Callbacks callbacks_;                 // set by Start, before the thread
  // Of the thread, and of Stop after it.
  absl::flat_hash_map<int, int64_t> undecided_;       // socket → accepted at
  std::deque<std::pair<int64_t, int>> silent_since_;  // oldest first; decided ones are skipped
  int64_t told_nanos_ = INT64_MIN;                    // when the log last said that it pauses
  std::atomic<bool> is_stopping_{false};              // Stop → thread
  Thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Make(std::vector<http::ListenSocket> sockets,
                                                         int64_t silence_nanos) {
  ASSIGN_OR_RETURN(std::unique_ptr<Epoll> epoll, Epoll::Make());
  return std::make_unique<PeekingListener>(std::move(epoll), std::move(sockets), silence_nanos);
}

}  // namespace socle::server
