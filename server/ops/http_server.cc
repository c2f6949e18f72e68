#include "server/ops/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "kv/base/thread.h"
#include "server/ops/epoll.h"

namespace socle::server {
namespace {

namespace http = boost::beast::http;

constexpr size_t kConnectionsMax = 256;
constexpr uint32_t kHeaderBytesMax = 8 * 1024;
constexpr uint64_t kBodyBytesMax = 64 * 1024;
constexpr int64_t kBusyNanos = 10 * kNanosPerSecond;
constexpr int64_t kIdleNanos = 60 * kNanosPerSecond;

std::string_view ReasonOf(int status) {
  const auto reason = http::obsolete_reason(static_cast<http::status>(status));
  return {reason.data(), reason.size()};
}

struct Connection {
  using Parser = http::request_parser<http::string_body>;

  Connection() { ResetParser(); }

  void ResetParser() {
    parser = std::make_unique<Parser>();
    parser->eager(true);
    parser->header_limit(kHeaderBytesMax);
    parser->body_limit(kBodyBytesMax);
  }

  std::unique_ptr<Parser> parser;
  std::string input;   // received, not parsed yet
  std::string output;  // to be sent
  int64_t deadline = 0;
  bool closes_after_output = false;
};

class EpollHttpServer final : public HttpServer {
 public:
  EpollHttpServer(std::unique_ptr<Epoll> epoll, Handler handler)
      : epoll_(std::move(epoll)),
        handler_(std::move(handler)),
        thread_("http-ops", [this] { Run(); }) {}

  ~EpollHttpServer() override {
    {
      MutexLock lock(&mu_);
      is_stopping_ = true;
    }
    epoll_->Wake();
    thread_.Join();
    for (const auto& [fd, connection] : connections_) {
      ::close(fd);
    }
    MutexLock lock(&mu_);
    for (const int fd : adopted_) {
      ::close(fd);
    }
  }

  void Adopt(int fd) override {
    {
      MutexLock lock(&mu_);
      if (is_stopping_ || adopted_.size() >= kConnectionsMax) {
        ::close(fd);
        return;
      }
      adopted_.push_back(fd);
    }
    epoll_->Wake();
  }

 private:
  void Run() {
    std::array<epoll_event, 64> events{};
    while (TakeAdopted()) {
      constexpr int kTickMs = 1'000;
      const size_t found = epoll_->Wait(events, connections_.empty() ? -1 : kTickMs);
      for (size_t i = 0; i < found; ++i) {
        Serve(events[i].data.fd, events[i].events);
      }
      CloseOverdue();
    }
  }

  // False when the server stops.
  bool TakeAdopted() {
    std::vector<int> adopted;
    {
      MutexLock lock(&mu_);
      if (is_stopping_) {
        return false;
      }
      adopted.swap(adopted_);
    }
    for (const int fd : adopted) {
      if (connections_.size() >= kConnectionsMax || !epoll_->Add(fd, EPOLLIN)) {
        PROBE("http: too many connections");
        ::close(fd);
        continue;
      }
      connections_[fd] = std::make_unique<Connection>();
      connections_[fd]->deadline = clock_->MonotonicNanos() + kBusyNanos;
    }
    return true;
  }

  void CloseOverdue() {
    if (connections_.empty()) {
      return;
    }
    const int64_t now = clock_->MonotonicNanos();
    std::vector<int> overdue;
    for (const auto& [fd, connection] : connections_) {
      if (connection->deadline < now) {
        overdue.push_back(fd);
      }
    }
    for (const int fd : overdue) {
      Close(fd);
    }
  }

  void Close(int fd) {
    epoll_->Remove(fd);
    connections_.erase(fd);
    ::close(fd);
  }

  void Serve(int fd, uint32_t events) {
    const auto found = connections_.find(fd);
    if (found == connections_.end()) {
      return;
    }
    Connection& connection = *found->second;
    const bool stays = (events & (EPOLLERR | EPOLLHUP)) == 0 &&
                       ((events & EPOLLIN) == 0 || Receive(fd, &connection)) &&
                       Advance(fd, &connection);
    if (!stays) {
      Close(fd);
    }
  }

  bool Receive(int fd, Connection* connection) {
    std::array<char, 16 * 1024> bytes;
    const ssize_t received = ::recv(fd, bytes.data(), bytes.size(), 0);
    if (received < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    connection->input.append(bytes.data(), static_cast<size_t>(received));
    return received > 0;
  }

  // Sends what is to be sent, then answers what has come whole. False when the connection is over.
  bool Advance(int fd, Connection* connection) {
    while (true) {
      if (!connection->output.empty()) {
        const ssize_t sent =
            ::send(fd, connection->output.data(), connection->output.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
          return false;
        }
        connection->output.erase(0, static_cast<size_t>(std::max<ssize_t>(sent, 0)));
        if (!connection->output.empty()) {
          // No reading before the answer is gone: a client that doesn't take it gets no second one.
          epoll_->Change(fd, EPOLLOUT);
          return true;
        }
        if (connection->closes_after_output) {
          return false;
        }
        connection->deadline = clock_->MonotonicNanos() + kIdleNanos;
        epoll_->Change(fd, EPOLLIN);
      }
      if (!Parse(connection)) {
        return true;
      }
    }
  }

  // True when there is an answer to send.
  bool Parse(Connection* connection) {
    if (connection->input.empty()) {
      return false;
    }
    if (!connection->parser->got_some()) {
      connection->deadline = clock_->MonotonicNanos() + kBusyNanos;
    }
    boost::beast::error_code error;
    const size_t used = connection->parser->put(
        boost::asio::buffer(connection->input.data(), connection->input.size()), error);
    connection->input.erase(0, used);
    if (error == http::error::need_more) {
      if (connection->input.size() <= kHeaderBytesMax) {
        return false;
      }
      error = http::error::header_limit;
    }
    if (error) {
      PROBE("http: bad request");
      const bool is_large = error == http::error::header_limit || error == http::error::body_limit;
      Answer({.status = is_large ? 413 : 400, .body = "400 Bad Request\n"}, false, connection);
      return true;
    }
    if (!connection->parser->is_done()) {
      return false;
    }
    const auto& message = connection->parser->get();
    HttpRequest request;
    request.method = std::string(message.method_string());
    const std::string target(message.target());
    const size_t question = target.find('?');
    request.path = target.substr(0, question);
    request.query = question == std::string::npos ? "" : target.substr(question + 1);
    const bool keeps_alive = message.keep_alive();
    const bool is_head = message.method() == http::verb::head;
    Answer(handler_(request), keeps_alive, connection, is_head);
    connection->ResetParser();
    return true;
  }

  static void Answer(const HttpResponse& response, bool keeps_alive, Connection* connection,
                     bool is_head = false) {
    std::string& out = connection->output;
    out =
        fmt::format("HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n", response.status,
                    ReasonOf(response.status), response.content_type, response.body.size());
    if (!response.allow.empty()) {
      out += fmt::format("Allow: {}\r\n", response.allow);
    }
    out += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
    if (!is_head) {
      out += response.body;
    }
    connection->closes_after_output = !keeps_alive;
  }

  Clock* const clock_ = Clock::Real();
  const std::unique_ptr<Epoll> epoll_;
  const Handler handler_;
  absl::flat_hash_map<int, std::unique_ptr<Connection>> connections_;  // of the thread
  Mutex mu_;
  std::vector<int> adopted_ ABSL_GUARDED_BY(mu_);
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  Thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(Handler handler) {
  ASSIGN_OR_RETURN(std::unique_ptr<Epoll> epoll, Epoll::Make());
  return std::make_unique<EpollHttpServer>(std::move(epoll), std::move(handler));
}

std::vector<std::string> QueryValues(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  while (!query.empty()) {
    const std::string_view pair = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(pair.size() + 1, query.size()));
    const size_t equals = pair.find('=');
    if (pair.substr(0, equals) == name) {
      values.emplace_back(equals == std::string_view::npos ? "" : pair.substr(equals + 1));
    }
  }
  return values;
}

}  // namespace socle::server
