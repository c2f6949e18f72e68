#include "server/cmd/kv_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "lease/expirer.h"
#include "lease/lease_store.h"
#include "lease/lessor.h"
#include "mvcc/store.h"
#include "server/auth/auth_store.h"
#include "server/auth/tokens.h"
#include "server/backup/backup_service.h"
#include "server/cmd/extensions.h"
#include "server/cmd/ports.h"
#include "server/gateway/web_front.h"
#include "server/grpc/grpc_server.h"
#include "server/h2/h2_server.h"
#include "server/ops/listener.h"
#include "server/ops/metrics.h"
#include "server/ops/ops_pages.h"
#include "server/service/alarms.h"
#include "server/service/auto_compactor.h"
#include "server/service/corruption_monitor.h"
#include "server/service/identity.h"
#include "server/service/node.h"
#include "server/service/space_recovery.h"
#include "server/service/worker_pool.h"

namespace socle::server {
namespace {

mvcc::StoreOptions StoreOptionsOf(const Settings& settings, lease::Lessor* lessor) {
  mvcc::StoreOptions options;
  options.directory = settings.data_dir;
  options.wal_directory = settings.wal_dir;
  options.lease_hook = lessor;
  options.batch_interval_nanos = settings.backend_batch_interval_nanos > 0
                                     ? settings.backend_batch_interval_nanos
                                     : options.batch_interval_nanos;
  options.batch_limit =
      settings.backend_batch_limit > 0 ? settings.backend_batch_limit : options.batch_limit;
  options.freelist_type = settings.backend_freelist_type == "array"
                              ? freelist::FreelistType::kArray
                              : freelist::FreelistType::kHashmap;
  options.shrink_free_ratio = settings.auto_shrink_free_ratio;
  if (const auto engine = kv::EngineKindOf(settings.backend); engine.ok()) {
    options.engine = *engine;
  }
  options.prefix_quotas.emplace();
  for (const PrefixLimit& limit : settings.prefix_quotas) {
    options.prefix_quotas->push_back({.prefix = limit.prefix, .limit_bytes = limit.bytes});
  }
  options.page_checksums = settings.page_checksums;
  options.unsafe_no_sync = settings.unsafe_no_fsync;
  options.hold_log = !settings.backup_dir.empty();
  options.txn_ops_max = settings.max_txn_ops;
  // The services judge by the encoded message, as etcd does; the store only has to be no stricter.
  options.request_bytes_max = settings.max_request_bytes + 2 * kGrpcOverheadBytes;
  options.compaction_batch_limit = settings.compaction_batch_limit;
  options.compaction_sleep_nanos = settings.compaction_sleep_nanos;
  options.progress_notify_interval_nanos = settings.watch_progress_notify_interval_nanos;
  return options;
}

std::vector<Url> UrlsOf(const std::vector<Port>& ports) {
  std::vector<Url> urls;
  urls.reserve(ports.size());
  for (const Port& port : ports) {
    urls.push_back(port.url);
  }
  return urls;
}

std::string Joined(const std::vector<Url>& urls) {
  std::string text;
  for (const Url& url : urls) {
    text += text.empty() ? "" : ",";
    text += url.ToString();
  }
  return text;
}

class SingleKvServer final : public KvServer {
 public:
  explicit SingleKvServer(const Settings& settings) : settings_(settings) {}

  ~SingleKvServer() override {
    if (store_ != nullptr) {
      store_->StopShrinking();  // a Defragment may take long; whoever asked is told
    }
    if (listener_ != nullptr) {
      listener_->Stop();
    }
    if (h2_ != nullptr) {
      h2_->Stop();
    }
    if (grpc_ != nullptr) {
      grpc_->Stop();
    }
    compactor_.reset();
    corruption_monitor_.reset();
    if (recovery_.has_value()) {
      recovery_->Stop();
    }
    auth_workers_.reset();
    workers_.reset();
    if (expirer_ != nullptr) {
      expirer_->NoteAllDeadlines();
    }
    expirer_.reset();
    backup_.reset();  // saves what was written last
    lessor_.Close();
    grpc_.reset();
    quota_seen_.store(nullptr, std::memory_order_release);
    store_.reset();
    h2_.reset();  // the store may have answered its calls until now
  }

  absl::Status Start() {
    ASSIGN_OR_RETURN(
        const std::optional<CompactionPlan> plan,
        CompactionPlan::Make(settings_.auto_compaction_mode, settings_.auto_compaction_retention));
    absl::StatusOr<std::unique_ptr<TokenSource>> tokens =
        MakeTokenSource({.kind = settings_.auth_token,
                         .simple_ttl_nanos = settings_.auth_token_ttl_seconds * kNanosPerSecond});
    if (!tokens.ok()) {
      return Annotate(tokens.status(), "--auth-token");
    }
    ASSIGN_OR_RETURN(Ports ports, Ports::Open(settings_));
    client_urls_ = UrlsOf(ports.client);
    client_http_urls_ = UrlsOf(ports.client_http);
    metrics_urls_ = UrlsOf(ports.metrics);
    ASSIGN_OR_RETURN(extensions_, Extensions::Open(settings_));
    RETURN_IF_ERROR(OpenStore());
    RETURN_IF_ERROR(LoadUsers(*std::move(tokens)));
    RETURN_IF_ERROR(MakeNode());
    RETURN_IF_ERROR(StartBackup());
    if (plan.has_value()) {
      compactor_ = std::make_unique<AutoCompactor>(*plan, store_.get());
    }
    return Serve(std::move(ports));
  }

  std::vector<Url> client_urls() const override { return client_urls_; }

  std::vector<Url> client_http_urls() const override { return client_http_urls_; }

  std::vector<Url> metrics_urls() const override { return metrics_urls_; }

  std::string Summary() const override {
    const mvcc::StoreStats stats = store_->Stats();
    const Identity& identity = node_->identity();
    return fmt::format(
        "socle-kv (etcd API {}) is serving {}\n"
        "  data     {}: revision {}, {} keys, {:.1f} MiB\n"
        "  member   {} {:x} in cluster {:x}\n"
        "  try      ETCDCTL_API=3 etcdctl --endpoints={} put hello world\n",
        kServerVersion, Joined(client_urls_), settings_.data_dir, stats.current_revision,
        stats.keys, static_cast<double>(stats.db_size_bytes) / (1024.0 * 1024.0),
        identity.member.name, identity.member.id, identity.cluster_id,
        client_urls_.front().ToString());
  }

 private:
  absl::Status OpenStore() {
    absl::StatusOr<std::unique_ptr<mvcc::Store>> store =
        mvcc::Store::Open(StoreOptionsOf(settings_, &lessor_), metrics_.Observer([this] {
          if (Quota* quota = quota_seen_.load(std::memory_order_acquire)) {
            quota->NoteCommit();
          }
          if (SpaceRecovery* recovery = recovery_seen_.load(std::memory_order_acquire)) {
            recovery->NoteCommit();
          }
        }));
    if (!store.ok()) {
      return Annotate(store.status(), fmt::format("data directory {}", settings_.data_dir));
    }
    store_ = *std::move(store);
    lessor_.StartDeadlines();
    lease_log_.emplace(store_.get());
    leases_.emplace(&lessor_, &*lease_log_);
    return absl::OkStatus();
  }

  absl::Status LoadUsers(std::unique_ptr<TokenSource> tokens) {
    auth_.emplace(store_.get(), std::move(tokens), static_cast<int>(settings_.bcrypt_cost));
    return Annotate(auth_->Load(), fmt::format("data directory {}", settings_.data_dir));
  }

  absl::Status MakeNode() {
    absl::StatusOr<Identity> identity =
        BootIdentity({.name = settings_.name,
                      .cluster_token = settings_.initial_cluster_token,
                      .peer_urls = settings_.initial_advertise_peer_urls,
                      .client_urls = settings_.advertise_client_urls},
                     store_.get());
    if (!identity.ok()) {
      return Annotate(identity.status(), fmt::format("data directory {}", settings_.data_dir));
    }
    expirer_ = std::make_unique<lease::Expirer>(&lessor_, &*lease_log_);
    expirer_->Start();
    alarms_.emplace(store_.get());
    RETURN_IF_ERROR(alarms_->Load());
    quota_.emplace(store_.get(), settings_.quota_backend_bytes, settings_.quota_recover);
    quota_seen_.store(&*quota_, std::memory_order_release);
    if (settings_.quota_recover) {
      recovery_.emplace(&*alarms_, &*quota_);
      recovery_seen_.store(&*recovery_, std::memory_order_release);
    }
    const auto cores = static_cast<size_t>(std::max(2L, ::sysconf(_SC_NPROCESSORS_ONLN)));
    workers_ = std::make_unique<WorkerPool>(WorkerPool::Options{.threads = cores});
    auth_workers_ = std::make_unique<WorkerPool>(WorkerPool::Options{.threads = cores});
    node_.emplace(Node::Parts{.store = store_.get(),
                              .leases = &*leases_,
                              .alarms = &*alarms_,
                              .quota = &*quota_,
                              .workers = workers_.get(),
                              .identity = *std::move(identity),
                              .request_bytes_max = settings_.max_request_bytes,
                              .txn_ops_max = settings_.max_txn_ops,
                              .auth = &*auth_,
                              .auth_workers = auth_workers_.get(),
                              .key_ttl = settings_.key_ttl,
                              .hot = extensions_->hot()});
    extensions_->Observe(&*node_);
    metrics_.AddMore([this] { return extensions_->Metrics(); });
    corruption_monitor_.emplace(store_.get(), &*alarms_, node_->identity().member.id,
                                settings_.corrupt_check_nanos);
    return absl::OkStatus();
  }

  absl::Status StartBackup() {
    if (settings_.backup_dir.empty()) {
      return absl::OkStatus();
    }
    absl::StatusOr<std::unique_ptr<BackupService>> backup = BackupService::Start(
        store_.get(),
        {.backup = {.directory = settings_.backup_dir,
                    .cluster_id = node_->identity().cluster_id,
                    .snapshot_interval_nanos = settings_.backup_snapshot_interval_nanos,
                    .retention_nanos = settings_.backup_retention_nanos},
         .save_interval_nanos = settings_.backup_interval_nanos});
    if (!backup.ok()) {
      return Annotate(backup.status(), "--backup-dir");
    }
    backup_ = *std::move(backup);
    metrics_.AddMore([this] { return backup_->Metrics(); });
    return absl::OkStatus();
  }

  absl::Status Serve(Ports ports) {
    if (settings_.metrics == "extensive") {
      metrics_.meter()->TimeCalls();
    }
    pages_.emplace(&*node_, &lessor_, &metrics_, extensions_->Pages());
    const auto answer_page = [this](const HttpRequest& request) { return pages_->Answer(request); };
    web_.emplace(answer_page, gateway::WebOptions{.has_gateway = settings_.enable_grpc_gateway,
                                                  .cors = settings_.cors,
                                                  .host_whitelist = settings_.host_whitelist});
    metrics_web_.emplace(answer_page, gateway::WebOptions{.has_gateway = false});
    ASSIGN_OR_RETURN(
        h2_, H2Server::Start(&*node_, metrics_.meter(), WebOf(&*web_),
                             {.max_concurrent_streams = settings_.max_concurrent_streams,
                              .keepalive_min_time_nanos = settings_.keepalive_min_time_nanos,
                              .keepalive_interval_nanos = settings_.keepalive_interval_nanos,
                              .keepalive_timeout_nanos = settings_.keepalive_timeout_nanos,
                              .certificate_names_user = settings_.client_cert_auth,
                              .observer = extensions_->observer()}));
    const bool has_web = ports.client_http.empty();
    const auto listen = [&](std::vector<Port>* list, H2Server::Site site) {
      for (Port& port : *list) {
        site.tls = port.url.is_secure() ? ports.tls : nullptr;
        h2_->Listen(std::move(port.socket), site);
      }
    };
    listen(&ports.metrics, {.has_calls = false, .web = WebOf(&*metrics_web_)});
    listen(&ports.client_http, {.has_calls = false, .web = WebOf(&*web_)});
    if (settings_.transport == "h2") {
      listen(&ports.client, {.web = has_web ? WebOf(&*web_) : nullptr});
    } else {
      RETURN_IF_ERROR(ServeStock(std::move(ports.client), has_web));
    }
    LogInfo("ready to serve client requests",
            {{"urls", Joined(client_urls_)},
             {"data-dir", settings_.data_dir},
             {"member-id", fmt::format("{:x}", node_->identity().member.id)},
             {"cluster-id", fmt::format("{:x}", node_->identity().cluster_id)},
             {"revision", store_->current_revision()}});
    return absl::OkStatus();
  }

  // The stock gRPC server takes what begins as HTTP/2; our own the rest.
  absl::Status ServeStock(std::vector<Port> ports, bool has_web) {
    ASSIGN_OR_RETURN(
        grpc_, GrpcServer::Start(&*node_, metrics_.meter(),
                                 {.max_concurrent_streams = settings_.max_concurrent_streams,
                                  .keepalive_min_time_nanos = settings_.keepalive_min_time_nanos,
                                  .keepalive_interval_nanos = settings_.keepalive_interval_nanos,
                                  .keepalive_timeout_nanos = settings_.keepalive_timeout_nanos}));
    std::vector<http::ListenSocket> sockets;
    sockets.reserve(ports.size());
    for (Port& port : ports) {
      sockets.push_back(std::move(port.socket));
    }
    ASSIGN_OR_RETURN(listener_, Listener::Make(std::move(sockets)));
    Listener::Callbacks callbacks{.http2 = [this](int fd) { grpc_->Adopt(fd); }, .http1 = {}};
    if (has_web) {
      callbacks.http1 = [this](int fd) { h2_->Adopt(fd); };
    }
    listener_->Start(std::move(callbacks));
    return absl::OkStatus();
  }

  static H2Server::Web WebOf(const gateway::WebFront* front) {
    return [front](h2::Services* services, const http::Request& request,
                   const std::shared_ptr<http::Exchange>& exchange) {
      return front->Begin(services, request, exchange);
    };
  }

  const Settings settings_;
  std::unique_ptr<Extensions> extensions_;  // outlives every call
  Metrics metrics_;
  lease::Lessor lessor_;
  std::atomic<Quota*> quota_seen_{nullptr};             // Start → the store's committer
  std::atomic<SpaceRecovery*> recovery_seen_{nullptr};  // the same
  std::optional<lease::StoreLeaseLog> lease_log_;
  std::optional<lease::LeaseStore> leases_;
  std::unique_ptr<mvcc::Store> store_;
  std::optional<Alarms> alarms_;
  std::optional<Quota> quota_;
  std::optional<SpaceRecovery> recovery_;
  std::optional<AuthStore> auth_;
  std::unique_ptr<WorkerPool> workers_;
  std::unique_ptr<WorkerPool> auth_workers_;
  std::unique_ptr<lease::Expirer> expirer_;
  std::optional<Node> node_;
  std::unique_ptr<AutoCompactor> compactor_;
  std::optional<CorruptionMonitor> corruption_monitor_;
  std::unique_ptr<BackupService> backup_;  // null: none
  std::unique_ptr<GrpcServer> grpc_;
  std::optional<gateway::WebFront> web_;          // of client URLs
  std::optional<gateway::WebFront> metrics_web_;  // pages alone
  std::unique_ptr<H2Server> h2_;
  std::optional<OpsPages> pages_;
  std::unique_ptr<Listener> listener_;  // of the stock gRPC server
  std::vector<Url> client_urls_;
  std::vector<Url> client_http_urls_;
  std::vector<Url> metrics_urls_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<KvServer>> KvServer::Start(const Settings& settings) {
  auto server = std::make_unique<SingleKvServer>(settings);
  if (absl::Status started = server->Start(); !started.ok()) {
    return started;
  }
  return server;
}

}  // namespace socle::server
