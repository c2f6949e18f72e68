#include "controllers/apiserver/api_server.h"

#include <utility>

#include <fmt/format.h>

#include "controllers/apiserver/api_handler.h"
#include "kv/base/status_macros.h"
#include "server/wire/http/server.h"

namespace socle::apiserver {
namespace {

namespace http = server::http;

constexpr int64_t kKeepaliveNanos = 30 * kNanosPerSecond;
constexpr uint32_t kStreamsMax = 10'000;  // of one HTTP/2 connection; each may be a watch

absl::Status CheckExposure(const ApiServerOptions& options, const Authentication& authentication) {
  if (options.tls.has_value() && options.tls->certificate_chain.empty()) {
    return absl::InvalidArgumentError("TLS needs a certificate and a private key");
  }
  if (IsLoopback(options.address)) {
    return absl::OkStatus();
  }
  if (!options.tls.has_value()) {
    return absl::InvalidArgumentError(fmt::format(
        "refusing to listen on {} without TLS: give a certificate and a private key, and a token "
        "file or the authorities of client certificates; or listen on 127.0.0.1",
        options.address));
  }
  if (authentication.is_open()) {
    return absl::InvalidArgumentError(fmt::format(
        "refusing to listen on {} without knowing who calls: give a token file or the authorities "
        "of client certificates; or listen on 127.0.0.1",
        options.address));
  }
  return absl::OkStatus();
}

// Who may call, if the options may be served at all.
absl::StatusOr<Authentication> AuthenticationFor(const ApiServerOptions& options) {
  const bool uses_certificates =
      options.tls.has_value() && !options.tls->client_authorities.empty();
  ASSIGN_OR_RETURN(Authentication authentication,
                   Authentication::Make(options.token_file_text, uses_certificates));
  RETURN_IF_ERROR(CheckExposure(options, authentication));
  return authentication;
}

http::Limits LimitsOf(const ApiServerOptions& options) {
  http::Limits limits = options.limits;
  limits.streams_max = std::min(limits.streams_max, kStreamsMax);
  if (limits.keepalive_interval_nanos == 0) {
    limits.keepalive_interval_nanos = kKeepaliveNanos;
  }
  return limits;
}

class HttpApiServer final : public ApiServer {
 public:
  HttpApiServer(ApiServerOptions options, Authentication authentication)
      : options_(std::move(options)),
        meter_(options_.registry->kinds(), options_.reads_max, options_.writes_max),
        discovery_(&options_.registry->kinds(),
                   options_.port == 0 ? options_.address
                                      : fmt::format("{}:{}", options_.address, options_.port)),
        handler_(&site_, std::move(authentication), &discovery_) {
    site_.registry = options_.registry;
    site_.options = &options_;
    site_.meter = &meter_;
    MutexLock lock(&site_.mu);
    site_.random = Random(options_.seed != 0 ? options_.seed : Random::FreshSeed());
  }

  ~HttpApiServer() override { Stop(0); }

  absl::Status Open() {
    http::ServerOptions http{.thread_name = "api", .loops = options_.loops};
    http.limits = LimitsOf(options_);
    if (options_.tls.has_value()) {
      http::TlsFiles files = *options_.tls;
      // Who has none may have a token; who has neither is told 401.
      files.may_lack_client_certificate = true;
      ASSIGN_OR_RETURN(http.tls, http::TlsContext::Make(files));
    }
    ASSIGN_OR_RETURN(server_, http::Server::Start(std::move(http), &handler_));
    ASSIGN_OR_RETURN(port_, server_->Listen(options_.address, options_.port));
    return absl::OkStatus();
  }

  uint16_t port() const override { return port_; }

  std::string url() const override {
    const bool is_v6 = options_.address.find(':') != std::string::npos;
    return fmt::format("{}://{}{}{}:{}", options_.tls.has_value() ? "https" : "http",
                       is_v6 ? "[" : "", options_.address, is_v6 ? "]" : "", port_);
  }

  size_t connections() const override { return server_->connections(); }

  void Stop(int64_t grace_nanos) override {
    if (server_ != nullptr && !std::exchange(is_stopped_, true)) {
      server_->Stop(grace_nanos);
    }
  }

 private:
  const ApiServerOptions options_;
  RequestMeter meter_;
  Discovery discovery_;
  Site site_;
  ApiHandler handler_;
  uint16_t port_ = 0;
  bool is_stopped_ = false;
  std::unique_ptr<http::Server> server_;  // ends first
};

}  // namespace

absl::Status CheckOptions(const ApiServerOptions& options) {
  return AuthenticationFor(options).status();
}

absl::StatusOr<std::unique_ptr<ApiServer>> ApiServer::Start(ApiServerOptions options) {
  if (options.registry == nullptr) {
    return absl::InvalidArgumentError("an API server needs a registry");
  }
  ASSIGN_OR_RETURN(Authentication authentication, AuthenticationFor(options));
  auto server = std::make_unique<HttpApiServer>(std::move(options), std::move(authentication));
  RETURN_IF_ERROR(server->Open());
  return server;
}

}  // namespace socle::apiserver
