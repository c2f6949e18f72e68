#include "bench/peer/load_limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <fmt/format.h>

#include "bench/load/schedule.h"
#include "bench/storage/disk.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"

namespace socle::bench {
namespace {

constexpr size_t kBlockBytes = 4'096;
constexpr size_t kFileBytes = size_t{64} << 20U;  // written over from the start when it is used up
// A put of a short key and 256 bytes of value, over HTTP/2 and in the log alike, and its answer.
constexpr size_t kPutBytes = 320;
constexpr size_t kAnswerBytes = 64;

// Appends what has fallen due, again and again.
class Appender {
 public:
  Appender(File* file, Histogram* latency) : file_(file), latency_(latency) {
    thread_ = Thread("append", [this] { Loop(); });
  }

  void Add(int64_t due_nanos) {
    {
      MutexLock lock(&mu_);
      due_.push_back(due_nanos);
    }
    changed_.Signal();
  }

  // When everything is durable.
  absl::Status Finish() {
    {
      MutexLock lock(&mu_);
      is_over_ = true;
    }
    changed_.Signal();
    thread_.Join();
    return status_;
  }

 private:
  bool Take(std::vector<int64_t>* taken) {
    MutexLock lock(&mu_);
    while (due_.empty() && !is_over_) {
      changed_.Wait(&mu_);
    }
    std::swap(*taken, due_);
    return !taken->empty();
  }

  void Loop() {
    const std::string blocks(kFileBytes / 16, 'x');
    size_t at = 0;
    std::vector<int64_t> taken;
    while (status_.ok() && Take(&taken)) {
      const size_t wanted =
          (taken.size() * kPutBytes + kBlockBytes - 1) / kBlockBytes * kBlockBytes;
      const size_t bytes = std::min(wanted, blocks.size());
      at = at + bytes > kFileBytes ? 0 : at;
      status_ = file_->WriteAt(at, std::string_view(blocks).substr(0, bytes));
      if (status_.ok()) {
        status_ = file_->SyncData();
      }
      at += bytes;
      const int64_t now = Clock::Real()->MonotonicNanos();
      for (const int64_t due : taken) {
        latency_->Record(now - due);
      }
      taken.clear();
    }
  }

  File* const file_;
  Histogram* const latency_;
  absl::Status status_;  // of the thread, until it is joined
  Mutex mu_;
  CondVar changed_;
  std::vector<int64_t> due_ ABSL_GUARDED_BY(mu_);
  bool is_over_ ABSL_GUARDED_BY(mu_) = false;
  Thread thread_;
};

absl::Status MeasureSteadyAppends(const LoadLimitsOptions& options, Histogram* latency) {
  const ScratchDir scratch(options.dir, fmt::format("socle-bench.load_limits.{}", ::getpid()));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                   Env::Posix()->Open(scratch.path() + "/append", OpenMode::kReadWriteCreate));
  const std::string piece(size_t{1} << 20U, 'x');
  for (size_t at = 0; at < kFileBytes; at += piece.size()) {
    RETURN_IF_ERROR(file->WriteAt(at, piece));
  }
  RETURN_IF_ERROR(file->SyncData());
  Appender appender(file.get(), latency);
  const int64_t start = Clock::Real()->MonotonicNanos();
  const Schedule schedule(start, options.rate);
  int64_t due = start;
  for (uint64_t i = 0; due < start + options.nanos; due = schedule.DueNanos(++i)) {
    const int64_t wait = due - Clock::Real()->MonotonicNanos();
    if (wait > 0) {
      Clock::Real()->SleepFor(wait);
    }
    appender.Add(due);
  }
  return appender.Finish();
}

absl::Status Refused(const char* what) {
  return absl::UnavailableError(
      fmt::format("{}: {}", what, std::generic_category().message(errno)));
}

class Descriptors {
 public:
  ~Descriptors() {
    for (const int fd : fds_) {
      ::close(fd);
    }
  }

  // As it is; negative ones too.
  int Keep(int fd) {
    if (fd >= 0) {
      fds_.push_back(fd);
    }
    return fd;
  }

 private:
  std::vector<int> fds_;
};

// One of the two ends of all connections: sends `bytes` back whenever `awaited` have come.
class End {
 public:
  End(size_t awaited, size_t bytes) : awaited_(awaited), answer_(bytes, 'x') {}

  absl::Status Open(Descriptors* kept) {
    epoll_ = kept->Keep(::epoll_create1(EPOLL_CLOEXEC));
    return epoll_ < 0 ? Refused("epoll_create1") : absl::OkStatus();
  }

  absl::Status Add(int fd) {
    const int one = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    epoll_event event{.events = EPOLLIN, .data = {.u64 = peers_.size()}};
    peers_.push_back({.fd = fd});
    return ::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0 ? absl::OkStatus()
                                                               : Refused("epoll_ctl");
  }

  bool SendOn(size_t i) {
    return ::send(peers_[i].fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(answer_.size());
  }

  // Until `is_over`, or until a connection is no more. Returns how often it has sent.
  uint64_t Serve(const std::atomic<bool>& is_over) {
    std::array<epoll_event, 256> events;
    std::array<char, 1'024> in;
    uint64_t sent = 0;
    while (!is_over.load(std::memory_order_relaxed)) {
      const int count = ::epoll_wait(epoll_, events.data(), events.size(), 20);
      for (int i = 0; i < count; ++i) {
        Peer& peer = peers_[events[static_cast<size_t>(i)].data.u64];
        const ssize_t got = ::recv(peer.fd, in.data(), in.size(), MSG_DONTWAIT);
        if (got == 0 || (got < 0 && errno != EAGAIN)) {
          return sent;
        }
        peer.got += static_cast<size_t>(std::max<ssize_t>(got, 0));
        if (peer.got >= awaited_) {
          peer.got -= awaited_;
          if (!SendOn(events[static_cast<size_t>(i)].data.u64)) {
            return sent;
          }
          ++sent;
        }
      }
    }
    return sent;
  }

 private:
  struct Peer {
    int fd;
    size_t got = 0;
  };

  const size_t awaited_;
  const std::string answer_;
  int epoll_ = -1;
  std::vector<Peer> peers_;
};

absl::Status Connect(int count, End* client, End* server, Descriptors* kept) {
  RETURN_IF_ERROR(client->Open(kept));
  RETURN_IF_ERROR(server->Open(kept));
  const int listener = kept->Keep(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (listener < 0 || ::bind(listener, generic, size) != 0 || ::listen(listener, 16) != 0 ||
      ::getsockname(listener, generic, &size) != 0) {
    return Refused("a listener on 127.0.0.1");
  }
  for (int i = 0; i < count; ++i) {
    const int near = kept->Keep(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (near < 0 || ::connect(near, generic, size) != 0) {
      return Refused("a connection over 127.0.0.1");
    }
    const int far = kept->Keep(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
    if (far < 0) {
      return Refused("accept4");
    }
    RETURN_IF_ERROR(client->Add(near));
    RETURN_IF_ERROR(server->Add(far));
  }
  return absl::OkStatus();
}

absl::StatusOr<double> MeasureExchanges(const LoadLimitsOptions& options) {
  Descriptors kept;  // closed when both threads are gone
  End client(kAnswerBytes, kPutBytes);
  End server(kPutBytes, kAnswerBytes);
  RETURN_IF_ERROR(Connect(options.connections, &client, &server, &kept));
  std::atomic<bool> is_over{false};
  uint64_t answered = 0;
  const int64_t start = Clock::Real()->MonotonicNanos();
  {
    const Thread answering("answer", [&] { answered = server.Serve(is_over); });
    const Thread asking("ask", [&] {
      for (int i = 0; i < options.connections; ++i) {
        client.SendOn(static_cast<size_t>(i));
      }
      client.Serve(is_over);
    });
    Clock::Real()->SleepFor(options.nanos);
    is_over.store(true, std::memory_order_relaxed);
  }
  const int64_t took = Clock::Real()->MonotonicNanos() - start;
  return static_cast<double>(answered) * kNanosPerSecond / static_cast<double>(took);
}

}  // namespace

absl::StatusOr<LoadLimits> MeasureLoadLimits(const LoadLimitsOptions& options) {
  if (::access(options.dir.c_str(), W_OK) != 0) {
    return absl::NotFoundError(fmt::format("--dir {} is no folder to write in", options.dir));
  }
  LoadLimits limits;
  RETURN_IF_ERROR(MeasureSteadyAppends(options, &limits.steady_append));
  ASSIGN_OR_RETURN(limits.exchanges_per_second, MeasureExchanges(options));
  return limits;
}

}  // namespace socle::bench
