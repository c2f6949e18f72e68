#include "bench/peer/limits.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include <fmt/format.h>

#include "bench/storage/disk.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "kv/env/env.h"

namespace socle::bench {
namespace {

constexpr int kAppends = 1'000;
constexpr int64_t kAppendNanosMax = kNanosPerSecond;  // a slow disk is known after fewer
constexpr int kRoundTrips = 20'000;
constexpr size_t kAppendBytes = 4'096;

// Logs are laid out before they are written to: a file that must grow for each write is another, slower thing.
absl::StatusOr<std::unique_ptr<File>> LaidOutFile(const std::string& path) {
  ASSIGN_OR_RETURN(std::unique_ptr<File> file,
                   Env::Posix()->Open(path, OpenMode::kReadWriteCreate));
  const std::string page(kAppendBytes, 'x');
  for (int i = 0; i < kAppends; ++i) {
    RETURN_IF_ERROR(file->WriteAt(static_cast<uint64_t>(i) * kAppendBytes, page));
  }
  RETURN_IF_ERROR(file->SyncData());
  return file;
}

// The i-th, over what was laid out.
absl::Status AppendDurably(File* file, int i) {
  static const std::string page(kAppendBytes, 'x');
  RETURN_IF_ERROR(file->WriteAt(static_cast<uint64_t>(i) * kAppendBytes, page));
  return file->SyncData();
}

absl::Status MeasureSync(File* file, Histogram* sync) {
  const int64_t end = Clock::Real()->MonotonicNanos() + kAppendNanosMax;
  for (int i = 0; i < kAppends && Clock::Real()->MonotonicNanos() < end; ++i) {
    const int64_t start = Clock::Real()->MonotonicNanos();
    RETURN_IF_ERROR(AppendDurably(file, i));
    sync->Record(Clock::Real()->MonotonicNanos() - start);
  }
  return absl::OkStatus();
}

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {
    const int one = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  }

  ~Socket() { ::close(fd_); }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }

 private:
  const int fd_;
};

// With a file each answer waits for an append.
absl::Status MeasureRoundTrips(File* file, int trips, Histogram* round_trip) {
  const Socket listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const Socket client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (::bind(listener.fd(), generic, size) != 0 || ::listen(listener.fd(), 1) != 0 ||
      ::getsockname(listener.fd(), generic, &size) != 0 ||
      ::connect(client.fd(), generic, size) != 0) {
    return absl::UnavailableError("no TCP connection over 127.0.0.1");
  }
  const Socket server(::accept4(listener.fd(), nullptr, nullptr, SOCK_CLOEXEC));
  const Thread echo("echo", [&server, file] {
    char byte = 0;
    for (int i = 0; ::recv(server.fd(), &byte, 1, 0) == 1; i = (i + 1) % kAppends) {
      if ((file != nullptr && !AppendDurably(file, i).ok()) ||
          ::send(server.fd(), &byte, 1, MSG_NOSIGNAL) != 1) {
        break;
      }
    }
    ::shutdown(server.fd(), SHUT_RDWR);
  });
  char byte = 'x';
  absl::Status status;
  const int64_t end = Clock::Real()->MonotonicNanos() + kAppendNanosMax;
  for (int i = 0; i < trips && status.ok(); ++i) {
    const int64_t start = Clock::Real()->MonotonicNanos();
    if (start > end) {
      break;
    }
    if (::send(client.fd(), &byte, 1, MSG_NOSIGNAL) != 1 || ::recv(client.fd(), &byte, 1, 0) != 1) {
      status = absl::UnavailableError("the connection over 127.0.0.1 broke");
    }
    round_trip->Record(Clock::Real()->MonotonicNanos() - start);
  }
  ::shutdown(client.fd(), SHUT_RDWR);  // ends the echo, which the thread's destructor waits for
  return status;
}

}  // namespace

absl::StatusOr<Limits> MeasureLimits(const std::string& dir) {
  if (::access(dir.c_str(), W_OK) != 0) {
    return absl::NotFoundError(fmt::format("--dir {} is no folder to write in", dir));
  }
  const ScratchDir scratch(dir, fmt::format("socle-bench.limits.{}", ::getpid()));
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, LaidOutFile(scratch.path() + "/append"));
  Limits limits;
  RETURN_IF_ERROR(MeasureSync(file.get(), &limits.sync));
  RETURN_IF_ERROR(MeasureRoundTrips(nullptr, kRoundTrips, &limits.round_trip));
  RETURN_IF_ERROR(MeasureRoundTrips(file.get(), kAppends, &limits.durable_trip));
  return limits;
}

}  // namespace socle::bench
