#include "controllers/plane/plane.h"

#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/apiserver/api_server.h"
#include "controllers/apiserver/authentication.h"
#include "controllers/plane/history_keeper.h"
#include "controllers/plane/kubeconfig.h"
#include "controllers/plane/parts.h"
#include "controllers/registry/object_cache.h"
#include "controllers/registry/registry.h"
#include "controllers/runtime/runtime.h"
#include "controllers/sidecarset/injection_plugin.h"
#include "controllers/storage/embedded_store.h"
#include "controllers/storage/etcd_store.h"
#include "kv/base/log.h"
#include "kv/base/random.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"

namespace socle::plane {
namespace {

constexpr int64_t kStopGrace = 5 * kNanosPerSecond;
constexpr int64_t kObjectBytesMax = int64_t{8} << 20U;  // a body of 3 MiB, defaulted

struct Address {
  std::string host;
  uint16_t port = 0;
};

absl::StatusOr<Address> ParseListen(const std::string& listen) {
  Address address;
  const size_t colon = listen.rfind(':');
  const std::string_view port =
      colon == std::string::npos ? "" : std::string_view(listen).substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), address.port);
  if (error != std::errc() || port.empty() || end != port.data() + port.size()) {
    return absl::InvalidArgumentError(
        fmt::format("--listen={}: write an IP address and a port, as 127.0.0.1:8080", listen));
  }
  address.host = listen.substr(0, colon);
  if (address.host.starts_with('[') && address.host.ends_with(']')) {
    address.host = address.host.substr(1, address.host.size() - 2);
  }
  return address;
}

absl::StatusOr<std::unique_ptr<storage::StateStore>> OpenStore(const Settings& settings) {
  if (settings.store == "etcd") {
    return storage::EtcdStore::Open({.endpoints = settings.etcd_endpoints});
  }
  return storage::EmbeddedStore::Open({.directory = settings.data_dir,
                                       .unsafe_no_sync = settings.unsafe_no_sync,
                                       .request_bytes_max = kObjectBytesMax});
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, Env::Posix()->Open(path, OpenMode::kReadOnly));
  ASSIGN_OR_RETURN(const uint64_t size, file->Size());
  std::string text(size, '\0');
  RETURN_IF_ERROR(file->ReadAt(0, text));
  return text;
}

// What the front is started with, but for the registry.
absl::StatusOr<apiserver::ApiServerOptions> FrontOptions(const Settings& settings) {
  ASSIGN_OR_RETURN(const Address address, ParseListen(settings.listen));
  apiserver::ApiServerOptions options{.address = address.host, .port = address.port};
  if (!settings.token_file.empty()) {
    ASSIGN_OR_RETURN(options.token_file_text, ReadFile(settings.token_file));
  }
  if (!settings.tls_cert_file.empty()) {
    options.tls = server::http::TlsFiles{.certificate_chain = settings.tls_cert_file,
                                         .private_key = settings.tls_key_file,
                                         .client_authorities = settings.client_ca_file};
  }
  RETURN_IF_ERROR(apiserver::CheckOptions(options));
  return options;
}

class RunningPlane final : public Plane {
 public:
  absl::Status Start(const Settings& settings);
  ~RunningPlane() override;

  std::string url() const override { return front_->url(); }

 private:
  absl::Status OpenRegistry(const Settings& settings);
  absl::Status PointKubectlHere(const Settings& settings, const std::string& tokens);
  std::string Metrics() const;

  // In the order in which they may go, last first.
  std::unique_ptr<storage::StateStore> store_;
  std::unique_ptr<registry::ObjectCache> cache_;
  std::unique_ptr<registry::Registry> registry_;
  std::unique_ptr<runtime::Timers> timers_;
  std::unique_ptr<runtime::EventRecorder> events_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<HistoryKeeper> history_;
  std::vector<std::unique_ptr<runtime::Controller>> parts_;
  std::unique_ptr<apiserver::ApiServer> front_;
  sidecarset::InjectionPlugin* injection_ = nullptr;  // of the registry
};

absl::Status RunningPlane::OpenRegistry(const Settings& settings) {
  ASSIGN_OR_RETURN(store_, OpenStore(settings));
  ASSIGN_OR_RETURN(cache_,
                   registry::ObjectCache::Open(store_.get(), &api::KindRegistry::Builtin()));
  AdmissionChain chain = MakeAdmissionChain(Clock::Real());
  injection_ = chain.injection;
  registry_ = registry::Registry::Make({.store = store_.get(),
                                        .kinds = &api::KindRegistry::Builtin(),
                                        .cache = cache_.get(),
                                        .clock = Clock::Real(),
                                        .admission = std::move(chain.plugins),
                                        .seed = settings.seed});
  injection_->Attach(cache_.get());
  timers_ = runtime::Timers::Start(Clock::Real(), /*has_thread=*/true);
  events_ = runtime::EventRecorder::Make(registry_.get());
  runtime_ = std::make_unique<runtime::Runtime>(registry_.get(), timers_.get(), events_.get());
  return registry::EnsureSystemNamespaces(registry_.get());
}

std::string RunningPlane::Metrics() const {
  std::string text =
      "# TYPE socle_reconciles_total counter\n# TYPE socle_reconcile_failures_total counter\n"
      "# TYPE socle_reconcile_seconds_total counter\n# TYPE socle_queue_length gauge\n";
  for (const auto& part : parts_) {
    const runtime::LoopStats stats = part->stats();
    const std::string_view name = part->name();
    text += fmt::format("socle_reconciles_total{{part=\"{}\"}} {}\n", name, stats.reconciles);
    text += fmt::format("socle_reconcile_failures_total{{part=\"{}\"}} {}\n", name, stats.failures);
    text += fmt::format("socle_reconcile_seconds_total{{part=\"{}\"}} {:.6f}\n", name,
                        static_cast<double>(stats.nanos) / 1e9);
    text += fmt::format("socle_queue_length{{part=\"{}\"}} {}\n", name, stats.waiting);
  }
  text += fmt::format("# TYPE socle_events_dropped_total counter\nsocle_events_dropped_total {}\n",
                      events_->dropped());
  text += "# TYPE socle_objects gauge\n";
  for (const api::Kind& kind : api::KindRegistry::Builtin().kinds()) {
    if (kind.resource == kind.storage_resource) {
      text +=
          fmt::format("socle_objects{{resource=\"{}\"}} {}\n", kind.resource, cache_->Count(kind));
    }
  }
  return text;
}

absl::Status RunningPlane::PointKubectlHere(const Settings& settings, const std::string& tokens) {
  if (settings.kubeconfig_out.empty()) {
    return absl::OkStatus();
  }
  std::string authority;
  if (!settings.tls_cert_file.empty()) {
    ASSIGN_OR_RETURN(authority, ReadFile(settings.tls_cert_file));
  }
  ASSIGN_OR_RETURN(const apiserver::Authentication authentication,
                   apiserver::Authentication::Make(tokens, /*uses_certificates=*/false));
  return WriteKubeconfig(settings.kubeconfig_out,
                         {.server = url(),
                          .authority_pem = std::move(authority),
                          .token = std::string(authentication.first_token())});
}

absl::Status RunningPlane::Start(const Settings& settings) {
  const int64_t begun = Clock::Real()->MonotonicNanos();
  // First: options that are refused leave the store alone.
  ASSIGN_OR_RETURN(apiserver::ApiServerOptions front, FrontOptions(settings));
  const std::string tokens = front.token_file_text;
  RETURN_IF_ERROR(OpenRegistry(settings));
  history_ = std::make_unique<HistoryKeeper>(runtime_.get(), store_.get(), settings.history_nanos);
  parts_ = StartParts(runtime_.get(), settings);
  front.registry = registry_.get();
  front.metrics.emplace_back([this](std::string* out) { *out += Metrics(); });
  ASSIGN_OR_RETURN(front_, apiserver::ApiServer::Start(std::move(front)));
  RETURN_IF_ERROR(PointKubectlHere(settings, tokens));
  LogInfo("serving", {{"url", url()},
                      {"store", settings.store},
                      {"hollow nodes", settings.hollow_nodes},
                      {"took ms", (Clock::Real()->MonotonicNanos() - begun) / kNanosPerMilli}});
  return absl::OkStatus();
}

RunningPlane::~RunningPlane() {
  if (front_ != nullptr) {
    front_->Stop(kStopGrace);
  }
  while (!parts_.empty()) {
    parts_.pop_back();
  }
  history_.reset();
  if (injection_ != nullptr) {
    injection_->Detach();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Plane>> Plane::Start(const Settings& settings) {
  auto plane = std::make_unique<RunningPlane>();
  RETURN_IF_ERROR(plane->Start(settings));
  return plane;
}

}  // namespace socle::plane
