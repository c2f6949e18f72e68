#include "bench/peer/local_server.h"

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

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "kv/base/clock.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"
#include "server/wire/client/etcd_client.h"

namespace socle::bench {
namespace {

constexpr int64_t kReadyNanos = 120 * kNanosPerSecond;
constexpr int64_t kStopNanos = 30 * kNanosPerSecond;
constexpr uint64_t kLogTailBytes = 1'000;

absl::StatusOr<int> FreePort() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  const bool bound =
      fd >= 0 && ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0 &&
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  if (fd >= 0) {
    ::close(fd);
  }
  if (!bound) {
    return absl::ResourceExhaustedError("no free port of 127.0.0.1");
  }
  return static_cast<int>(ntohs(address.sin_port));
}

std::string FolderOfThisProgram() {
  std::array<char, 4096> path;
  const ssize_t size = ::readlink("/proc/self/exe", path.data(), path.size());
  const std::string_view all(path.data(), size > 0 ? static_cast<size_t>(size) : 0);
  return std::string(all.substr(0, all.rfind('/')));
}

std::string FindProgram(const std::string& name) {
  const char* const path = ::getenv("PATH");
  std::string_view rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    std::string candidate = fmt::format("{}/{}", rest.substr(0, colon), name);
    if (::access(candidate.c_str(), X_OK) == 0) {
      return candidate;
    }
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
  }
  return "";
}

std::string TailOf(const std::string& path) {
  const auto file = Env::Posix()->Open(path, OpenMode::kReadOnly);
  const absl::StatusOr<uint64_t> size = file.ok() ? (*file)->Size() : file.status();
  if (!size.ok()) {
    return "";
  }
  std::string tail(std::min(*size, kLogTailBytes), '\0');
  return (*file)->ReadAt(*size - tail.size(), tail).ok() ? tail : "";
}

}  // namespace

absl::StatusOr<Peer> ParsePeer(std::string_view text) {
  Peer peer;
  const size_t equals = text.find('=');
  const std::string_view name = text.substr(0, equals);
  const size_t colon = name.find(':');
  const std::string_view kind = name.substr(0, colon);
  peer.name = std::string(name);
  peer.is_etcd = kind == "etcd";
  if ((kind != "etcd" && kind != "socle") ||
      (colon != std::string_view::npos && (peer.is_etcd || colon + 1 == name.size()))) {
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is no peer: say etcd, socle or socle:BACKEND, and =PATH behind it for another "
        "program than the usual one",
        text));
  }
  if (colon != std::string_view::npos) {
    peer.flags.push_back(fmt::format("--backend={}", name.substr(colon + 1)));
  }
  if (equals != std::string_view::npos) {
    peer.binary = std::string(text.substr(equals + 1));
  } else if (peer.is_etcd) {
    peer.binary = FindProgram("etcd");
  } else {
    peer.binary = FolderOfThisProgram() + "/socle-kv";
    if (::access(peer.binary.c_str(), X_OK) != 0) {
      peer.binary = FindProgram("socle-kv");
    }
  }
  if (peer.binary.empty() || ::access(peer.binary.c_str(), X_OK) != 0) {
    return absl::NotFoundError(fmt::format(
        "the program of peer {} is not there{}{}", peer.name, peer.binary.empty() ? "" : ": ",
        peer.binary.empty() ? (peer.is_etcd ? " (Debian package etcd-server)" : "") : peer.binary));
  }
  return peer;
}

LocalServer::LocalServer(const Peer& peer, const std::string& dir)
    : peer_(peer),
      scratch_(dir,
               [] {
                 static std::atomic<int> number{0};
                 return fmt::format("socle-bench.{}.{}", ::getpid(), number.fetch_add(1));
               }()),
      log_path_(scratch_.path() + "/server.log") {}

LocalServer::~LocalServer() {
  Kill();
}

absl::StatusOr<std::unique_ptr<LocalServer>> LocalServer::Start(const Peer& peer,
                                                                const std::string& dir) {
  if (::access(dir.c_str(), W_OK) != 0) {
    return absl::InvalidArgumentError(fmt::format("--dir {} is no folder to write in", dir));
  }
  std::unique_ptr<LocalServer> server(new LocalServer(peer, dir));
  ASSIGN_OR_RETURN(const int port, FreePort());
  server->endpoint_ = fmt::format("127.0.0.1:{}", port);
  const std::string url = "http://" + server->endpoint_;
  server->command_ = {peer.binary, fmt::format("--data-dir={}/data", server->scratch_.path()),
                      "--listen-client-urls=" + url, "--advertise-client-urls=" + url,
                      "--log-level=error"};
  if (peer.is_etcd) {
    ASSIGN_OR_RETURN(const int peer_port, FreePort());
    const std::string peer_url = fmt::format("http://127.0.0.1:{}", peer_port);
    server->command_.insert(
        server->command_.end(),
        {"--logger=zap", "--listen-peer-urls=" + peer_url,
         "--initial-advertise-peer-urls=" + peer_url, "--initial-cluster=default=" + peer_url});
  }
  server->command_.insert(server->command_.end(), peer.flags.begin(), peer.flags.end());
  RETURN_IF_ERROR(server->StartAgain());
  return server;
}

absl::Status LocalServer::StartAgain() {
  RETURN_IF_ERROR(Launch());
  return AwaitServing();
}

absl::Status LocalServer::Launch() {
  std::vector<char*> argv;
  for (const std::string& word : command_) {
    argv.push_back(const_cast<char*>(word.c_str()));
  }
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  pid_ = ::fork();
  if (pid_ < 0) {
    pid_ = 0;
    return absl::ResourceExhaustedError(fmt::format("no process for {}", peer_.name));
  }
  if (pid_ == 0) {
    // Only async-signal-safe calls between fork and exec.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) {
      ::_exit(126);
    }
    // tidy: allow file because Env allocates, which a child between fork and exec must not
    const int fd = ::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (fd >= 0) {
      ::dup2(fd, STDOUT_FILENO);
      ::dup2(fd, STDERR_FILENO);
    }
    ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  return absl::OkStatus();
}

absl::Status LocalServer::AwaitServing() {
  server::EtcdClientOptions options;
  options.timeout_nanos = kNanosPerSecond;
  ASSIGN_OR_RETURN(const std::unique_ptr<server::EtcdClient> client,
                   server::EtcdClient::Open(endpoint_, options));
  const int64_t give_up = Clock::Real()->MonotonicNanos() + kReadyNanos;
  // A linearizable read is answered only when there is a leader and everything was applied.
  while (!client->Get("socle-bench/is-it-there").ok()) {
    if (HasEnded()) {
      return Failed("ended at once");
    }
    if (Clock::Real()->MonotonicNanos() > give_up) {
      return Failed("does not serve");
    }
    Clock::Real()->SleepFor(2 * kNanosPerMilli);
  }
  return absl::OkStatus();
}

absl::Status LocalServer::Stop() {
  if (pid_ == 0) {
    return absl::OkStatus();
  }
  ::kill(pid_, SIGTERM);
  const int64_t give_up = Clock::Real()->MonotonicNanos() + kStopNanos;
  while (!HasEnded()) {
    if (Clock::Real()->MonotonicNanos() > give_up) {
      Kill();
      return Failed("did not stop within 30 s");
    }
    Clock::Real()->SleepFor(2 * kNanosPerMilli);
  }
  return absl::OkStatus();
}

void LocalServer::Kill() {
  if (pid_ == 0) {
    return;
  }
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

bool LocalServer::HasEnded() {
  if (pid_ != 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) {
    pid_ = 0;
  }
  return pid_ == 0;
}

absl::Status LocalServer::Failed(std::string_view what) const {
  return absl::UnavailableError(
      fmt::format("{} {}; its log ends with: {}", peer_.binary, what, TailOf(log_path_)));
}

}  // namespace socle::bench
