#include "server/h2/h2_server.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/base/mutex.h"
#include "kv/base/probe.h"
#include "server/h2/grpc_frame.h"
#include "server/h2/method_table.h"
#include "server/wire/http/server.h"

namespace socle::server {
namespace {

constexpr int64_t kStopGraceNanos = 500 * kNanosPerMilli;
constexpr std::string_view kGrpc = "application/grpc";

bool IsGrpc(const http::Request& request) {
  const std::string_view type = request.Find("content-type");
  return type.starts_with(kGrpc) &&
         (type.size() == kGrpc.size() || type[kGrpc.size()] == '+' || type[kGrpc.size()] == ';');
}

// One look at the fields: every call pays for it.
std::optional<std::string> TokenOfRequest(const http::Request& request) {
  std::optional<std::string_view> token;
  std::optional<std::string_view> authorization;
  for (size_t i = 0; i < request.field_count(); ++i) {
    const http::Field field = request.field(i);
    if (field.name == kTokenField && !token.has_value()) {
      token = field.value;
    } else if (field.name == kAuthorizationField && !authorization.has_value()) {
      authorization = field.value;
    }
  }
  return TokenOf(token, authorization);
}

class EtcdHandler final : public http::Handler {
 public:
  EtcdHandler(h2::Services* services, const H2Server::Site& site, bool certificate_names_user)
      : services_(services),
        web_(site.web),
        has_calls_(site.has_calls),
        certificate_names_user_(certificate_names_user) {}

  std::shared_ptr<http::Receiver> Begin(const http::Request& request,
                                        const std::shared_ptr<http::Exchange>& exchange) override {
    const bool is_call = IsGrpc(request);
    if (is_call ? !has_calls_ : web_ == nullptr) {
      PROBE("h2: a request that belongs to another URL");
      exchange->Respond(421, {},
                        is_call ? "no gRPC here: see --listen-client-urls\n"
                                : "only gRPC here: see --listen-client-http-urls\n");
      return nullptr;
    }
    return is_call ? BeginCall(request, exchange) : web_(services_, request, exchange);
  }

 private:
  Caller CallerOf(const http::Request& request, const http::Exchange& exchange) const {
    Caller caller{.token = TokenOfRequest(request)};
    if (certificate_names_user_) {
      caller.certificate_name = std::string(exchange.peer_name());
      // etcd's gateway sends this with its own certificate, which speaks for nobody.
      caller.is_gateway = !request.Find("grpcgateway-accept").empty();
    }
    return caller;
  }

  std::shared_ptr<http::Receiver> BeginCall(const http::Request& request,
                                            const std::shared_ptr<http::Exchange>& exchange) {
    if (request.version() != http::Version::kHttp2) {
      exchange->Respond(505, {}, "gRPC needs HTTP/2\n");
      return nullptr;
    }
    if (request.method() != "POST") {
      const std::array allow = {http::Field{"allow", "POST", true}};
      exchange->Respond(405, allow, {});
      return nullptr;
    }
    const h2::MethodRow* const row = h2::FindMethod(request.target());
    if (row == nullptr) {
      PROBE("grpc: unknown method");
      h2::RefuseCall(exchange.get(), h2::UnknownMethod(request.target()));
      return nullptr;
    }
    int64_t deadline_nanos = http::Loop::kNever;
    if (const std::string_view text = request.Find("grpc-timeout"); !text.empty()) {
      const std::optional<int64_t> timeout_nanos = h2::ParseTimeoutNanos(text);
      if (!timeout_nanos.has_value()) {
        h2::RefuseCall(exchange.get(), absl::InternalError("malformed grpc-timeout"));
        return nullptr;
      }
      if (*timeout_nanos == 0) {
        h2::RefuseCall(exchange.get(), absl::DeadlineExceededError("context deadline exceeded"));
        return nullptr;
      }
      deadline_nanos = exchange->loop()->now_nanos() + *timeout_nanos;
    }
    std::shared_ptr<h2::GrpcCall> call = row->make(services_, exchange);
    if (!call->CountClient(request.Find("client-api-version"))) {
      return nullptr;
    }
    call->Begin(CallerOf(request, *exchange), request.Find("grpc-encoding"), deadline_nanos);
    return call;
  }

  h2::Services* const services_;
  const H2Server::Web web_;
  const bool has_calls_;
  const bool certificate_names_user_;
};

class FastServer final : public H2Server {
 public:
  FastServer(Node* node, RpcMeter* meter, Web web, const H2Options& options)
      : services_(node, meter, options.observer, options.sent_bytes_max, options.kept_bytes_max,
                  options.kept_patience_nanos),
        certificate_names_user_(options.certificate_names_user),
        everything_(&services_, {.web = std::move(web)}, options.certificate_names_user) {}

  ~FastServer() override { Stop(); }

  absl::Status Open(const H2Options& options) {
    http::ServerOptions http;
    http.thread_name = "h2";
    http.loops = options.loops;
    http.limits.streams_max = static_cast<uint32_t>(std::clamp<int64_t>(
        options.max_concurrent_streams, 1, std::numeric_limits<uint32_t>::max()));
    http.limits.keepalive_interval_nanos = options.keepalive_interval_nanos;
    if (options.keepalive_timeout_nanos > 0) {
      http.limits.keepalive_timeout_nanos = options.keepalive_timeout_nanos;
    }
    http.limits.pings.min_interval_nanos = options.keepalive_min_time_nanos;
    absl::StatusOr<std::unique_ptr<http::Server>> server =
        http::Server::Start(std::move(http), &everything_);
    if (!server.ok()) {
      return server.status();
    }
    server_ = *std::move(server);
    return absl::OkStatus();
  }

  void Listen(http::ListenSocket socket, Site site) override {
    auto handler = std::make_unique<EtcdHandler>(&services_, site, certificate_names_user_);
    server_->Accept(std::move(socket), {.handler = handler.get(), .tls = std::move(site.tls)});
    MutexLock lock(&mu_);
    handlers_.push_back(std::move(handler));
  }

  void Adopt(int fd) override { server_->Adopt(fd); }

  void Stop() override {
    if (server_ != nullptr) {
      server_->Stop(kStopGraceNanos);
    }
  }

 private:
  h2::Services services_;
  const bool certificate_names_user_;
  EtcdHandler everything_;  // of Adopt
  Mutex mu_;
  std::vector<std::unique_ptr<EtcdHandler>> handlers_ ABSL_GUARDED_BY(mu_);  // one for each socket
  std::unique_ptr<http::Server> server_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<H2Server>> H2Server::Start(Node* node, RpcMeter* meter, Web web,
                                                          const H2Options& options) {
  auto server = std::make_unique<FastServer>(node, meter, std::move(web), options);
  if (absl::Status opened = server->Open(options); !opened.ok()) {
    return opened;
  }
  return server;
}

}  // namespace socle::server
