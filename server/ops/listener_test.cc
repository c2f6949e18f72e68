#include "server/ops/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kv/base/check.h"
#include "kv/base/descriptor_limit.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"
#include "server/ops/page.h"

namespace socle::server {
namespace {

// A client socket that is closed at the end of its scope.
class Client {
 public:
  explicit Client(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    is_connected_ =
        ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  ~Client() { ::close(fd_); }

  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool is_connected() const { return is_connected_; }

  void Send(std::string_view bytes) const {
    ASSERT_EQ(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  void CloseSending() const { ::shutdown(fd_, SHUT_WR); }

  // Reads until `text` was seen, the peer closed, or 5 s passed.
  std::string ReadUntil(std::string_view text) const {
    std::string all;
    while (all.find(text) == std::string::npos) {
      pollfd ready{.fd = fd_, .events = POLLIN, .revents = 0};
      std::array<char, 4096> bytes{};
      if (::poll(&ready, 1, 5'000) <= 0) {
        return all + "<timeout>";
      }
      const ssize_t got = ::recv(fd_, bytes.data(), bytes.size(), 0);
      if (got <= 0) {
        return all + "<closed>";
      }
      all.append(bytes.data(), static_cast<size_t>(got));
    }
    return all;
  }

 private:
  const int fd_;
  bool is_connected_ = false;
};

// What the listener decided, in order; the sockets are closed.
class Decisions {
 public:
  Listener::Callbacks callbacks() {
    return {.http2 = [this](int fd) { Note("http2", fd); },
            .http1 = [this](int fd) { Note("http1", fd); }};
  }

  // What was decided and what the taker of the socket could still read.
  std::pair<std::string, std::string> Wait() {
    MutexLock lock(&mu_);
    while (decisions_.empty()) {
      if (!decided_.WaitFor(&mu_, std::chrono::seconds(5))) {
        return {"nothing", ""};
      }
    }
    auto first = decisions_.front();
    decisions_.erase(decisions_.begin());
    return first;
  }

 private:
  void Note(std::string kind, int fd) {
    std::array<char, 64> bytes{};
    const ssize_t got = ::recv(fd, bytes.data(), bytes.size(), 0);
    ::close(fd);
    MutexLock lock(&mu_);
    decisions_.emplace_back(
        std::move(kind), std::string(bytes.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))));
    decided_.Signal();
  }

  Mutex mu_;
  CondVar decided_;
  std::vector<std::pair<std::string, std::string>> decisions_ ABSL_GUARDED_BY(mu_);
};

// A listener on a free port of loopback.
class Loopback {
 public:
  explicit Loopback(int64_t silence_nanos = 10 * kNanosPerSecond) {
    auto socket = http::ListenSocket::OpenTcp("127.0.0.1", 0);
    CHECK_OK(socket.status());
    port_ = socket->port();
    std::vector<http::ListenSocket> sockets;
    sockets.push_back(*std::move(socket));
    auto listener = Listener::Make(std::move(sockets), silence_nanos);
    CHECK_OK(listener.status());
    listener_ = *std::move(listener);
  }

  uint16_t port() const { return port_; }

  Listener* operator->() const { return listener_.get(); }

 private:
  std::unique_ptr<Listener> listener_;
  uint16_t port_ = 0;
};

TEST(Listener, ClosesAConnectionThatSaysNothing) {
  Decisions decisions;
  const Loopback listener(/*silence_nanos=*/20 * kNanosPerMilli);
  listener->Start(decisions.callbacks());
  const Client client(listener.port());
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.ReadUntil("never"), "<closed>");
}

TEST(Listener, ServesAgainWhenDescriptorsAreBack) {
  Decisions decisions;
  const Loopback listener;
  listener->Start(decisions.callbacks());
  // The lowest free descriptor becomes the client's, and the last that is not reserved.
  const int lowest = ::dup(STDERR_FILENO);
  ::close(lowest);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = static_cast<rlim_t>(lowest) + 1 + kReservedDescriptors;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &tight), 0);
  const Client client(listener.port());
  client.Send("GET");
  Clock::Real()->SleepFor(30 * kNanosPerMilli);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(decisions.Wait().first, "http1");
}

TEST(Listener, SortsConnectionsByTheirFirstBytesWithoutTakingThem) {
  Decisions decisions;
  const Loopback listener;
  listener->Start(decisions.callbacks());
  const uint16_t port = listener.port();

  struct Case {
    const char* bytes;
    const char* kind;
  };

  constexpr Case kCases[] = {
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"},
      {"GET /health HTTP/1.1\r\n\r\n", "http1"},
      {"PUT / HTTP/1.1\r\n\r\n", "http1"},
      {"\x16\x03\x01 hello", "http1"},  // TLS: the HTTP/1 side answers that it is no request
  };
  for (const Case& c : kCases) {
    SCOPED_TRACE(c.bytes);
    const Client client(port);
    ASSERT_TRUE(client.is_connected());
    client.Send(c.bytes);
    const auto [kind, bytes] = decisions.Wait();
    EXPECT_EQ(kind, c.kind);
    EXPECT_EQ(bytes, c.bytes);
  }
}

TEST(Listener, WaitsForEnoughBytesToDecide) {
  Decisions decisions;
  const Loopback listener;
  listener->Start(decisions.callbacks());
  const uint16_t port = listener.port();
  const Client slow(port);
  slow.Send("P");
  const Client fast(port);
  fast.Send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(decisions.Wait().first, "http1");
  slow.Send("RI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_EQ(decisions.Wait().first, "http2");
}

TEST(Listener, ClosesConnectionsThatEndBeforeTheySaySomething) {
  Decisions decisions;
  const Loopback listener;
  listener->Start(decisions.callbacks());
  const Client client(listener.port());
  client.CloseSending();
  EXPECT_EQ(client.ReadUntil("x"), "<closed>");
}

TEST(QueryValues, ReadsRepeatedAndBareNames) {
  EXPECT_THAT(QueryValues("exclude=A&verbose&exclude=B", "exclude"),
              ::testing::ElementsAre("A", "B"));
  EXPECT_THAT(QueryValues("exclude=A&verbose", "verbose"), ::testing::ElementsAre(""));
  EXPECT_THAT(QueryValues("", "verbose"), ::testing::IsEmpty());
}

}  // namespace
}  // namespace socle::server
