#include "server/wire/client/http_get.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/tls_session.h"

namespace socle::server {
namespace {

constexpr size_t kAnswerBytesMax = 64UL * 1024 * 1024;

// A socket that is waited for, until the time is up.
class Socket {
 public:
  Socket(const Endpoint& endpoint, int64_t timeout_nanos)
      : endpoint_(endpoint), give_up_nanos_(Clock::Real()->MonotonicNanos() + timeout_nanos) {}

  ~Socket() {
    tls_.reset();
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  absl::Status Connect() {
    fd_ = ::socket(endpoint_.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const auto* const address = reinterpret_cast<const sockaddr*>(&endpoint_.address);
    if (fd_ < 0 || (::connect(fd_, address, endpoint_.address_size) != 0 && errno != EINPROGRESS)) {
      return Failed(::strerror(errno));
    }
    RETURN_IF_ERROR(Await(POLLOUT));
    int error = 0;
    socklen_t size = sizeof(error);
    if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0) {
      return Failed(::strerror(error));
    }
    if (endpoint_.tls == nullptr) {
      return absl::OkStatus();
    }
    tls_ = std::make_unique<TlsSession>(endpoint_.tls, endpoint_.host, fd_, kAlpnHttp1);
    while (true) {
      const TlsSession::State state = tls_->ShakeHands();
      if (state == TlsSession::State::kDone) {
        return absl::OkStatus();
      }
      RETURN_IF_ERROR(AwaitTls(state));
    }
  }

  absl::Status Write(std::string_view bytes) {
    while (!bytes.empty()) {
      if (tls_ != nullptr) {
        const TlsSession::Result result = tls_->Write(bytes);
        bytes.remove_prefix(result.bytes);
        RETURN_IF_ERROR(AwaitTls(result.state));
        continue;
      }
      const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        return Failed(::strerror(errno));
      }
      bytes.remove_prefix(static_cast<size_t>(std::max<ssize_t>(sent, 0)));
      RETURN_IF_ERROR(sent < 0 ? Await(POLLOUT) : absl::OkStatus());
    }
    return absl::OkStatus();
  }

  // Everything up to the end.
  absl::StatusOr<std::string> ReadAll() {
    std::string all;
    std::array<char, 16'384> part;
    while (all.size() <= kAnswerBytesMax) {
      if (tls_ != nullptr) {
        const TlsSession::Result result = tls_->Read(part);
        if (result.state == TlsSession::State::kEnded && !all.empty()) {
          return all;
        }
        RETURN_IF_ERROR(AwaitTls(result.state));
        all.append(part.data(), result.bytes);
        continue;
      }
      const ssize_t got = ::recv(fd_, part.data(), part.size(), 0);
      if (got == 0) {
        return all;
      }
      if (got < 0 && errno != EAGAIN && errno != EINTR) {
        return Failed(::strerror(errno));
      }
      all.append(part.data(), static_cast<size_t>(std::max<ssize_t>(got, 0)));
      RETURN_IF_ERROR(got < 0 ? Await(POLLIN) : absl::OkStatus());
    }
    return absl::InvalidArgumentError(
        fmt::format("{}: an answer of more than {} bytes", endpoint_.shown, kAnswerBytesMax));
  }

  absl::Status Failed(std::string_view why) const {
    return absl::UnavailableError(fmt::format("connection to {}: {}", endpoint_.shown, why));
  }

 private:
  absl::Status AwaitTls(TlsSession::State state) {
    switch (state) {
      case TlsSession::State::kDone:
        return absl::OkStatus();
      case TlsSession::State::kEnded:
        return Failed(tls_->why_ended());
      case TlsSession::State::kWantsRead:
        return Await(POLLIN);
      case TlsSession::State::kWantsWrite:
        return Await(POLLOUT);
    }
    return absl::OkStatus();
  }

  absl::Status Await(int16_t events) const {
    while (true) {
      const int64_t left = give_up_nanos_ - Clock::Real()->MonotonicNanos();
      if (left <= 0) {
        return Failed("no answer in time");
      }
      pollfd one{.fd = fd_, .events = events, .revents = 0};
      const int ready = ::poll(&one, 1, static_cast<int>(left / kNanosPerMilli) + 1);
      if (ready > 0) {
        return absl::OkStatus();
      }
      if (ready < 0 && errno != EINTR) {
        return Failed(::strerror(errno));
      }
    }
  }

  const Endpoint& endpoint_;
  const int64_t give_up_nanos_;
  int fd_ = -1;
  std::unique_ptr<TlsSession> tls_;
};

}  // namespace

absl::StatusOr<std::string> HttpGet(const Endpoint& endpoint, std::string_view path,
                                    int64_t timeout_nanos) {
  Socket socket(endpoint, timeout_nanos);
  RETURN_IF_ERROR(socket.Connect());
  RETURN_IF_ERROR(socket.Write(fmt::format(
      "GET {} HTTP/1.0\r\nHost: {}\r\nConnection: close\r\n\r\n", path, endpoint.authority)));
  ASSIGN_OR_RETURN(std::string answer, socket.ReadAll());
  const std::string_view head = std::string_view(answer).substr(0, answer.find("\r\n"));
  const size_t body = answer.find("\r\n\r\n");
  if (head.starts_with("HTTP/1.") && head.find(" 404") != std::string_view::npos) {
    return absl::NotFoundError(fmt::format("{} has no page {}", endpoint.shown, path));
  }
  if (!head.starts_with("HTTP/1.") || head.find(" 200") == std::string_view::npos ||
      body == std::string::npos) {
    return socket.Failed(fmt::format("{} is answered with \"{}\"", path, head.substr(0, 100)));
  }
  return answer.substr(body + 4);
}

}  // namespace socle::server
