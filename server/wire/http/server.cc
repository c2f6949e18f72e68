#include "server/wire/http/server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <fmt/format.h>

#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/acceptor.h"
#include "server/wire/http/byte_stream.h"
#include "server/wire/http/connection.h"
#include "server/wire/http/tls.h"

namespace socle::server::http {
namespace {

// Counts the shards that still have connections while the server stops.
class Drain {
 public:
  void Done() {
    MutexLock lock(&mu_);
    --left_;
    changed_.SignalAll();
  }

  void Expect(size_t shards) {
    MutexLock lock(&mu_);
    left_ = shards;
  }

  void WaitUntil(int64_t deadline_nanos) {
    MutexLock lock(&mu_);
    while (left_ > 0) {
      const int64_t left_nanos = deadline_nanos - Clock::Real()->MonotonicNanos();
      if (left_nanos <= 0) {
        return;
      }
      changed_.WaitFor(&mu_, std::chrono::nanoseconds(left_nanos));
    }
  }

 private:
  Mutex mu_;
  CondVar changed_;
  size_t left_ ABSL_GUARDED_BY(mu_) = 0;
};

// The connections of one loop. Confined to it, but for its birth and what comes after the loop.
class Shard final : public ConnectionOwner {
 public:
  Shard(std::shared_ptr<Loop> loop, const Limits* limits, std::atomic<size_t>* count, Drain* drain)
      : loop_(std::move(loop)), limits_(limits), count_(count), drain_(drain) {}

  Loop* loop() const { return loop_.get(); }

  // Connections that are there or on their way. Any thread.
  size_t load() const { return load_.load(std::memory_order_relaxed); }

  void NoteComing() { load_.fetch_add(1, std::memory_order_relaxed); }

  void Add(std::unique_ptr<ByteStream> stream, Handler* handler) {
    if (is_stopping_) {
      NoteGone();
      return;
    }
    auto connection =
        std::make_unique<Connection>(loop_, this, handler, limits_, std::move(stream));
    Connection* const raw = connection.get();
    if (!raw->Open()) {
      NoteGone();
      return;
    }
    connections_[raw] = std::move(connection);
  }

  void BeginStop() {
    is_stopping_ = true;
    for (Connection* const connection : All()) {
      connection->BeginStop();
    }
    ReportIfEmpty();
  }

  void KillAll() {
    is_stopping_ = true;
    for (Connection* const connection : All()) {
      connection->Kill();
    }
  }

  void OnDead(Connection* connection) override {
    const auto found = connections_.find(connection);
    loop_->Bury(std::move(found->second));
    connections_.erase(found);
    NoteGone();
    ReportIfEmpty();
  }

 private:
  void NoteGone() {
    load_.fetch_sub(1, std::memory_order_relaxed);
    count_->fetch_sub(1, std::memory_order_relaxed);
  }

  std::vector<Connection*> All() const {
    std::vector<Connection*> all;
    all.reserve(connections_.size());
    for (const auto& [raw, connection] : connections_) {
      all.push_back(raw);
    }
    return all;
  }

  void ReportIfEmpty() {
    if (is_stopping_ && connections_.empty() && !std::exchange(has_reported_, true)) {
      drain_->Done();
    }
  }

  const std::shared_ptr<Loop> loop_;
  const Limits* const limits_;
  std::atomic<size_t>* const count_;
  std::atomic<size_t> load_{0};
  Drain* const drain_;
  absl::flat_hash_map<Connection*, std::unique_ptr<Connection>> connections_;
  bool is_stopping_ = false;
  bool has_reported_ = false;
};

class ShardedServer final : public Server {
 public:
  ShardedServer(ServerOptions options, Handler* handler)
      : options_(std::move(options)), site_{.handler = handler, .tls = options_.tls} {}

  ~ShardedServer() override { Stop(0); }

  absl::Status StartLoops() {
    const size_t loops = options_.loops > 0
                             ? options_.loops
                             : static_cast<size_t>(std::max(1L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    for (size_t i = 0; i < loops; ++i) {
      ASSIGN_OR_RETURN(std::shared_ptr<Loop> loop,
                       Loop::Start(fmt::format("{}-{}", options_.thread_name, i)));
      shards_.push_back(
          std::make_unique<Shard>(std::move(loop), &options_.limits, &connections_, &drain_));
    }
    return absl::OkStatus();
  }

  void Adopt(int fd) override { Take(fd, site_); }

  absl::StatusOr<uint16_t> Listen(std::string_view address, uint16_t port) override {
    ASSIGN_OR_RETURN(ListenSocket socket, ListenSocket::OpenTcp(address, port));
    const uint16_t bound = socket.port();
    Accept(std::move(socket), site_);
    return bound;
  }

  void Accept(ListenSocket socket, Site site) override {
    Loop* const loop = shards_.front()->loop();
    auto acceptor = std::make_unique<Acceptor>(
        loop, std::move(socket), [this, site = std::move(site)](int fd) { Take(fd, site); });
    loop->Post([loop, raw = acceptor.get()] {
      loop->ChangeUsers(+1);  // whoever wants to connect
      raw->Start();
    });
    MutexLock lock(&mu_);
    acceptors_.push_back(std::move(acceptor));
  }

  size_t connections() const override { return connections_.load(std::memory_order_relaxed); }

  void Stop(int64_t grace_nanos) override {
    if (std::exchange(is_stopped_, true) || shards_.empty()) {
      return;
    }
    std::vector<std::unique_ptr<Acceptor>> acceptors;
    {
      MutexLock lock(&mu_);
      acceptors.swap(acceptors_);
    }
    // On the first loop, before its shard hears of the end.
    shards_.front()->loop()->Post([acceptors = std::move(acceptors)]() mutable {
      for (const auto& acceptor : acceptors) {
        acceptor->Stop();
      }
      acceptors.clear();
    });
    drain_.Expect(shards_.size());
    for (const auto& shard : shards_) {
      shard->loop()->Post([raw = shard.get()] { raw->BeginStop(); });
    }
    drain_.WaitUntil(Clock::Real()->MonotonicNanos() + grace_nanos);
    for (const auto& shard : shards_) {
      shard->loop()->Stop([raw = shard.get()] { raw->KillAll(); });
    }
  }

 private:
  // Of equals the last: the first one accepts as well. One that waits is the last choice.
  Shard* LeastBusy() const {
    Shard* best = shards_.back().get();
    for (const auto& shard : shards_) {
      const std::pair mine(shard->loop()->waits(), shard->load());
      best = mine < std::pair(best->loop()->waits(), best->load()) ? shard.get() : best;
    }
    return best;
  }

  void Take(int fd, const Site& site) {
    if (connections_.fetch_add(1, std::memory_order_relaxed) >= options_.limits.connections_max) {
      PROBE("http: too many connections");
      connections_.fetch_sub(1, std::memory_order_relaxed);
      ::close(fd);
      return;
    }
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));  // means nothing to a Unix socket
    ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    Shard* const shard = LeastBusy();
    shard->NoteComing();
    std::unique_ptr<ByteStream> stream =
        site.tls != nullptr ? MakeTlsStream(site.tls.get(), fd) : MakePlainStream(fd);
    shard->loop()->Post([shard, handler = site.handler, stream = std::move(stream)]() mutable {
      shard->Add(std::move(stream), handler);
    });
  }

  const ServerOptions options_;
  const Site site_;
  std::atomic<size_t> connections_{0};  // accepted and not closed; all threads
  Drain drain_;
  std::vector<std::unique_ptr<Shard>> shards_;  // immutable after Start
  bool is_stopped_ = false;                     // of whoever stops it
  Mutex mu_;
  std::vector<std::unique_ptr<Acceptor>> acceptors_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(ServerOptions options, Handler* handler) {
  auto server = std::make_unique<ShardedServer>(std::move(options), handler);
  if (absl::Status started = server->StartLoops(); !started.ok()) {
    return started;
  }
  return server;
}

}  // namespace socle::server::http
