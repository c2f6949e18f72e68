#include "server/wire/client/testing/etcd_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "server/wire/client/etcd_client.h"

namespace socle::server {

absl::StatusOr<int> FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    return absl::ResourceExhaustedError(fmt::format("socket: {}", ::strerror(errno)));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound =
      ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const int error = errno;
  ::close(fd);
  if (!bound) {
    return absl::ResourceExhaustedError(fmt::format("bind: {}", ::strerror(error)));
  }
  return static_cast<int>(ntohs(address.sin_port));
}

std::string FindProgram(std::string_view name) {
  const char* path = ::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return "";
}

absl::StatusOr<std::unique_ptr<ChildServer>> ChildServer::Start(
    const std::vector<std::string>& command, const std::string& log_path) {
  std::vector<char*> argv;
  for (const std::string& word : command) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) {
    return absl::ResourceExhaustedError(fmt::format("fork: {}", ::strerror(errno)));
  }
  if (pid == 0) {
    // Only async-signal-safe calls between fork and exec.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(126);
    }
    const int fd = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
      ::dup2(fd, STDOUT_FILENO);
      ::dup2(fd, STDERR_FILENO);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return std::unique_ptr<ChildServer>(new ChildServer(pid));
}

ChildServer::~ChildServer() {
  Kill();
}

void ChildServer::Signal(int signal) const {
  if (pid_ > 0) {
    ::kill(pid_, signal);
  }
}

bool ChildServer::HasEnded() {
  if (pid_ == 0) {
    return true;
  }
  int status = 0;
  if (::waitpid(pid_, &status, WNOHANG) == pid_) {
    pid_ = 0;
  }
  return pid_ == 0;
}

void ChildServer::Stop(int64_t grace_nanos) {
  Signal(SIGTERM);
  const int64_t give_up = Clock::Real()->MonotonicNanos() + grace_nanos;
  while (!HasEnded() && Clock::Real()->MonotonicNanos() < give_up) {
    Clock::Real()->SleepFor(5 * kNanosPerMilli);
  }
  Kill();
}

void ChildServer::Kill() {
  if (pid_ == 0) {
    return;
  }
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = 0;
}

absl::Status WaitUntilServing(const std::string& endpoint, int64_t timeout_nanos) {
  EtcdClientOptions options;
  options.timeout_nanos = kNanosPerSecond;
  ASSIGN_OR_RETURN(const std::unique_ptr<EtcdClient> client, EtcdClient::Open(endpoint, options));
  const int64_t give_up = Clock::Real()->MonotonicNanos() + timeout_nanos;
  while (true) {
    const auto status = client->Status();
    if (status.ok() && status->leader() != 0) {
      return absl::OkStatus();
    }
    if (Clock::Real()->MonotonicNanos() >= give_up) {
      return absl::DeadlineExceededError(
          fmt::format("{} does not serve: {}", endpoint,
                      status.ok() ? "no leader" : MessageOf(status.status())));
    }
    Clock::Real()->SleepFor(20 * kNanosPerMilli);
  }
}

absl::StatusOr<std::unique_ptr<EtcdServer>> EtcdServer::Start(const std::string& dir) {
  const std::string binary = FindProgram("etcd");
  if (binary.empty()) {
    return absl::NotFoundError("etcd is not installed (Debian package etcd-server)");
  }
  ASSIGN_OR_RETURN(const int client_port, FreePort());
  ASSIGN_OR_RETURN(const int peer_port, FreePort());
  std::unique_ptr<EtcdServer> server(new EtcdServer);
  server->endpoint_ = fmt::format("http://127.0.0.1:{}", client_port);
  const std::string peer = fmt::format("http://127.0.0.1:{}", peer_port);
  server->log_path_ = dir + "/etcd.log";
  server->command_ = {binary,
                      "--name=default",
                      fmt::format("--data-dir={}/etcd", dir),
                      fmt::format("--listen-client-urls={}", server->endpoint_),
                      fmt::format("--advertise-client-urls={}", server->endpoint_),
                      fmt::format("--listen-peer-urls={}", peer),
                      fmt::format("--initial-advertise-peer-urls={}", peer),
                      fmt::format("--initial-cluster=default={}", peer),
                      "--log-level=error",
                      "--logger=zap"};
  RETURN_IF_ERROR(server->Restart());
  return server;
}

absl::Status EtcdServer::Restart() {
  ASSIGN_OR_RETURN(child_, ChildServer::Start(command_, log_path_));
  return WaitUntilServing(endpoint_, 30 * kNanosPerSecond);
}

}  // namespace socle::server
