// H2Site: a store, the services and the fast transport on a port of loopback, in this process.
//
// Threads  confined to one thread; what serves has its own.
#ifndef SOCLE_SERVER_H2_TESTING_H2_SITE_H_
#define SOCLE_SERVER_H2_TESTING_H2_SITE_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "kv/base/status_macros.h"
#include "kv/testing/temp_dir.h"
#include "server/auth/auth_store.h"
#include "server/h2/h2_server.h"
#include "server/wire/client/etcd_client.h"

namespace socle::server {

namespace pb = etcdserverpb;

// A message in its gRPC frame.
inline std::string Framed(const std::string& message, char flag = 0) {
  const auto size = static_cast<uint32_t>(message.size());
  std::string framed = {flag, static_cast<char>(size >> 24U), static_cast<char>(size >> 16U),
                        static_cast<char>(size >> 8U), static_cast<char>(size)};
  return framed + message;
}

class H2Site {
 public:
  H2Site() : H2Site(&EchoHead) {}

  explicit H2Site(H2Server::Web web, const H2Options& options = {}) : web_(std::move(web)) {
    Start(options);
  }

  // Answers what it was asked.
  static std::shared_ptr<http::Receiver> EchoHead(h2::Services* /*services*/,
                                                  const http::Request& request,
                                                  const std::shared_ptr<http::Exchange>& exchange) {
    exchange->Respond(200, {},
                      fmt::format("{} {} {}", request.method(), request.path(), request.query()));
    return nullptr;
  }

  ~H2Site() { Stop(); }

  H2Site(const H2Site&) = delete;
  H2Site& operator=(const H2Site&) = delete;

  void Start(const H2Options& options) {
    mvcc::StoreOptions store_options;
    store_options.directory = dir_.path() + "/data";
    store_options.lease_hook = &lessor_;
    auto store = mvcc::Store::Open(store_options, {});
    CHECK_OK(store.status());
    store_ = *std::move(store);
    lessor_.StartDeadlines();
    lease_log_.emplace(store_.get());
    leases_.emplace(&lessor_, &*lease_log_);
    auto identity = BootIdentity({}, store_.get());
    CHECK_OK(identity.status());
    alarms_.emplace(store_.get());
    CHECK_OK(alarms_->Load());
    quota_.emplace(store_.get(), 0);
    auth_.emplace(store_.get(),
                  std::make_unique<SimpleTokens>(300 * kNanosPerSecond, Clock::Real()),
                  kBcryptCostMin);
    CHECK_OK(auth_->Load());
    workers_ = std::make_unique<WorkerPool>(WorkerPool::Options{.threads = 2});
    node_.emplace(Node::Parts{.store = store_.get(),
                              .leases = &*leases_,
                              .alarms = &*alarms_,
                              .quota = &*quota_,
                              .workers = workers_.get(),
                              .identity = *identity,
                              .auth = &*auth_});
    auto server = H2Server::Start(&*node_, &meter_, web_, options);
    CHECK_OK(server.status());
    server_ = *std::move(server);
    auto socket = http::ListenSocket::OpenTcp("127.0.0.1", 0);
    CHECK_OK(socket.status());
    port_ = socket->port();
    server_->Listen(*std::move(socket), {.web = web_});
    client_ = Open();
  }

  void Stop() {
    if (server_ == nullptr) {
      return;
    }
    server_->Stop();
    workers_.reset();
    lessor_.Close();
    store_.reset();
    server_.reset();
  }

  uint16_t port() const { return port_; }

  std::unique_ptr<EtcdClient> Open() const {
    auto client = EtcdClient::Open(fmt::format("http://127.0.0.1:{}", port()));
    CHECK_OK(client.status());
    return *std::move(client);
  }

  const H2Server::Web web_;
  TempDir dir_;
  lease::Lessor lessor_;
  RpcMeter meter_;
  std::unique_ptr<mvcc::Store> store_;
  std::optional<lease::StoreLeaseLog> lease_log_;
  std::optional<lease::LeaseStore> leases_;
  std::optional<Alarms> alarms_;
  std::optional<Quota> quota_;
  std::optional<AuthStore> auth_;
  std::unique_ptr<WorkerPool> workers_;
  std::optional<Node> node_;
  std::unique_ptr<H2Server> server_;
  uint16_t port_ = 0;
  std::unique_ptr<EtcdClient> client_;
};

}  // namespace socle::server

#endif  // SOCLE_SERVER_H2_TESTING_H2_SITE_H_
