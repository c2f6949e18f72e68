#include "server/cmd/soclectl_fetch.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/endpoint.h"

namespace socle::server {
namespace {

absl::Status NobodyAt(const Endpoint& endpoint) {
  return absl::UnavailableError(
      fmt::format("{}: {}", endpoint.authority, std::generic_category().message(errno)));
}

struct Descriptor {
  explicit Descriptor(int fd_in) : fd(fd_in) {}

  ~Descriptor() { ::close(fd); }

  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  const int fd;
};

// Sends the request and reads until the server closes.
absl::StatusOr<std::string> Converse(const Endpoint& endpoint, std::string_view path) {
  const int fd = ::socket(endpoint.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return NobodyAt(endpoint);
  }
  const Descriptor closed_at_the_end{fd};
  const timeval limit{.tv_sec = kFetchNanos / kNanosPerSecond, .tv_usec = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&endpoint.address), endpoint.address_size) !=
      0) {
    return NobodyAt(endpoint);
  }
  const std::string request = fmt::format(
      "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", path, endpoint.authority);
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return NobodyAt(endpoint);
  }
  std::string answer;
  std::array<char, 16 * 1024> piece{};
  while (answer.size() < kPageBytesMax) {
    const ssize_t size = ::recv(fd, piece.data(), piece.size(), 0);
    if (size < 0) {
      return NobodyAt(endpoint);
    }
    if (size == 0) {
      return answer;
    }
    answer.append(piece.data(), static_cast<size_t>(size));
  }
  return absl::ResourceExhaustedError(
      fmt::format("{}{} is longer than {} bytes", endpoint.authority, path, kPageBytesMax));
}

}  // namespace

absl::StatusOr<std::string> FetchPage(std::string_view endpoint, std::string_view path) {
  ASSIGN_OR_RETURN(const Endpoint resolved, ResolveEndpoint(endpoint));
  ASSIGN_OR_RETURN(const std::string answer, Converse(resolved, path));
  constexpr std::string_view kStart = "HTTP/1.1 ";
  int status = 0;
  const size_t head_end = answer.find("\r\n\r\n");
  if (!answer.starts_with(kStart) || head_end == std::string::npos ||
      std::from_chars(answer.data() + kStart.size(), answer.data() + answer.size(), status).ec !=
          std::errc()) {
    return absl::InternalError(
        fmt::format("{} answers no HTTP: is that a URL of socle-kv?", resolved.authority));
  }
  constexpr int kOk = 200;
  constexpr int kNotFound = 404;
  if (status == kNotFound) {
    return absl::NotFoundError(fmt::format("{} has no page {}", resolved.authority, path));
  }
  if (status != kOk) {
    return absl::InternalError(
        fmt::format("{} answers {} to {}", resolved.authority, status, path));
  }
  return answer.substr(head_end + 4);
}

}  // namespace socle::server
