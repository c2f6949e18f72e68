#include "server/wire/http/listen_socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::server::http {
namespace {

constexpr int kBacklog = 1'024;

std::string ErrorText(int error) {
  return std::generic_category().message(error);
}

absl::Status CannotListen(const std::string& where, std::string_view why) {
  return absl::UnavailableError(fmt::format("cannot listen on {}: {}", where, why));
}

// Any kind of address, and how much of it counts.
struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

absl::StatusOr<Address> TcpAddress(const std::string& text, uint16_t port) {
  Address address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (::inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    address.size = sizeof(*v4);
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    address.size = sizeof(*v6);
  } else {
    return absl::InvalidArgumentError(
        fmt::format("cannot listen on '{}': it is not an IP address", text));
  }
  return address;
}

absl::StatusOr<Address> UnixAddress(const std::string& path) {
  Address address;
  auto* const name = reinterpret_cast<sockaddr_un*>(&address.storage);
  if (path.empty() || path.size() >= sizeof(name->sun_path)) {
    return absl::InvalidArgumentError(
        fmt::format("cannot listen on '{}': the path of a Unix socket has 1 to {} bytes", path,
                    sizeof(name->sun_path) - 1));
  }
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, path.data(), path.size());
  address.size = sizeof(*name);
  return address;
}

absl::StatusOr<int> BoundSocket(const Address& address, const std::string& where) {
  const int family = address.storage.ss_family;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return CannotListen(where, ErrorText(errno));
  }
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage);
    const int is_v6_only = IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr) ? 0 : 1;  // law 2
    ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, sizeof(is_v6_only));
  }
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, kBacklog) != 0) {
    absl::Status status = CannotListen(where, ErrorText(errno));
    ::close(fd);
    return status;
  }
  return fd;
}

uint16_t BoundPort(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof(storage);
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) {
    return 0;
  }
  return ntohs(storage.ss_family == AF_INET
                   ? reinterpret_cast<const sockaddr_in*>(&storage)->sin_port
                   : reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port);
}

bool AnswersAt(const Address& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int connected = fd >= 0 ? ::connect(fd, address.get(), address.size) : -1;
  const int error = errno;
  ::close(fd);
  return connected == 0 || error == EAGAIN;  // EAGAIN: its backlog is full
}

// Law 1.
absl::Status RemoveStale(const Address& address, const std::string& path) {
  struct stat found {};

  if (::lstat(path.c_str(), &found) != 0) {
    return absl::OkStatus();  // bind says what else is wrong
  }
  if (!S_ISSOCK(found.st_mode)) {
    return CannotListen(path, "there is a file of this name that is not a socket");
  }
  if (AnswersAt(address)) {
    return CannotListen(path, ErrorText(EADDRINUSE));
  }
  PROBE("listen: the socket file of a server that is gone");
  if (::unlink(path.c_str()) != 0) {
    return CannotListen(path, ErrorText(errno));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListenSocket> ListenSocket::OpenTcp(std::string_view address, uint16_t port) {
  const std::string text(address);
  ASSIGN_OR_RETURN(const Address tcp, TcpAddress(text, port));
  ASSIGN_OR_RETURN(const int fd, BoundSocket(tcp, fmt::format("{} port {}", text, port)));
  return ListenSocket(fd, BoundPort(fd), {});
}

absl::StatusOr<ListenSocket> ListenSocket::OpenUnix(std::string_view path) {
  std::string text(path);
  ASSIGN_OR_RETURN(const Address address, UnixAddress(text));
  RETURN_IF_ERROR(RemoveStale(address, text));
  ASSIGN_OR_RETURN(const int fd, BoundSocket(address, text));
  return ListenSocket(fd, 0, std::move(text));
}

ListenSocket::~ListenSocket() {
  if (fd_ < 0) {
    return;
  }
  if (!path_.empty()) {
    ::unlink(path_.c_str());  // while it still answers: afterwards it may be somebody else's
  }
  ::close(fd_);
}

}  // namespace socle::server::http
