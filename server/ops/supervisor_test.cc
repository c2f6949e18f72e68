#include "server/ops/supervisor.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstring>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "kv/testing/status_matchers.h"
#include "kv/testing/temp_dir.h"

namespace socle::server {
namespace {

// What systemd has: a datagram socket that is bound to a path, or to @name.
class Socket {
 public:
  explicit Socket(const std::string& name) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address = {.sun_family = AF_UNIX};
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name.front() == '@') {
      address.sun_path[0] = '\0';
    }
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), length), 0);
  }

  ~Socket() { ::close(fd_); }

  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  // Empty when nothing came: a datagram on this machine is there when it has been sent.
  std::string Received() const {
    std::array<char, 100> text{};
    const ssize_t bytes = ::recv(fd_, text.data(), text.size(), MSG_DONTWAIT);
    return {text.data(), bytes > 0 ? static_cast<size_t>(bytes) : 0};
  }

 private:
  const int fd_;
};

TEST(Supervisor, IsToldAtAPath) {
  const TempDir scratch;
  const std::string path = scratch.path() + "/notify";
  const Socket socket(path);
  EXPECT_OK(Notify(path, "READY=1"));
  EXPECT_EQ(socket.Received(), "READY=1");
  EXPECT_EQ(socket.Received(), "");
}

TEST(Supervisor, IsToldAtANameWithoutAFile) {
  const std::string name = fmt::format("@socle-supervisor-test-{}", ::getpid());
  const Socket socket(name);
  EXPECT_OK(Notify(name, "STOPPING=1"));
  EXPECT_EQ(socket.Received(), "STOPPING=1");
}

TEST(Supervisor, IsNotLookedForWhenNobodyWaits) {
  EXPECT_OK(Notify("", "READY=1"));
}

TEST(Supervisor, ThatDoesNotListenIsNamed) {
  const absl::Status gone = Notify("/nonexistent/notify", "READY=1");
  EXPECT_NE(gone.message().find("/nonexistent/notify"), std::string::npos);
}

TEST(Supervisor, WithANameThatCannotBeIsRefused) {
  for (const std::string& name :
       {std::string("relative"), std::string("@"), std::string("/"), "/" + std::string(200, 'x')}) {
    EXPECT_TRUE(absl::IsInvalidArgument(Notify(name, "READY=1"))) << name;
  }
}

}  // namespace
}  // namespace socle::server
