#include "server/ops/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace socle::server {

std::string SupervisorSocket() {
  const char* const name = std::getenv("NOTIFY_SOCKET");  // NOLINT(concurrency-mt-unsafe)
  return name == nullptr ? "" : name;
}

absl::Status Notify(std::string_view socket, std::string_view state) {
  if (socket.empty()) {
    return absl::OkStatus();
  }
  sockaddr_un address = {.sun_family = AF_UNIX};
  if ((socket.front() != '/' && socket.front() != '@') || socket.size() < 2 ||
      socket.size() >= sizeof(address.sun_path)) {
    return absl::InvalidArgumentError(
        fmt::format("NOTIFY_SOCKET: '{}' is neither a path nor @name", socket));
  }
  std::memcpy(address.sun_path, socket.data(), socket.size());
  if (socket.front() == '@') {
    address.sun_path[0] = '\0';
  }
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return absl::ErrnoToStatus(errno, "socket");
  }
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket.size());
  // The system's own way of looking at an address of a family.
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const ssize_t sent = ::sendto(fd, state.data(), state.size(), MSG_NOSIGNAL, generic, length);
  const int error = errno;
  ::close(fd);
  if (sent != static_cast<ssize_t>(state.size())) {
    return absl::ErrnoToStatus(error, fmt::format("NOTIFY_SOCKET {}", socket));
  }
  return absl::OkStatus();
}

}  // namespace socle::server
