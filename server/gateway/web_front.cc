#include "server/gateway/web_front.h"

#include <optional>
#include <utility>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "server/gateway/json_dialect.h"
#include "server/gateway/paths.h"
#include "server/gateway/range_json.h"
#include "server/h2/grpc_frame.h"
#include "server/wire/http/collect_body.h"

namespace socle::server::gateway {
namespace {

constexpr size_t kPageBodyBytesMax = 64 * 1024;
constexpr std::string_view kPrefix = "/v3/";
constexpr std::string_view kBetaPrefix = "/v3beta/";
constexpr http::Field kPlainText = {"content-type", "text/plain; charset=utf-8", true};
constexpr http::Field kNoSniff = {"x-content-type-options", "nosniff", true};

// As Go's http.Error.
void RespondText(int status, std::string text, const CorsOrigin& cors, http::Exchange* exchange) {
  std::vector<http::Field> fields = {kPlainText, kNoSniff};
  cors.AddTo(&fields);
  exchange->Respond(status, fields, std::move(text));
}

// Fields of HTTP become metadata as in etcd's gateway: Authorization as it is, others with a prefix.
Caller CallerOf(const http::Request& request) {
  std::optional<std::string_view> token;
  std::optional<std::string_view> authorization;
  for (size_t i = 0; i < request.field_count(); ++i) {
    const http::Field field = request.field(i);
    if (field.name == "grpc-metadata-token" && !token.has_value()) {
      token = field.value;
    } else if ((field.name == kAuthorizationField || field.name == "grpc-metadata-authorization") &&
               !authorization.has_value()) {
      authorization = field.value;
    }
  }
  return {.token = TokenOf(token, authorization), .certificate_name = {}, .is_gateway = true};
}

}  // namespace

WebFront::WebFront(Pages pages, WebOptions options)
    : pages_(std::move(pages)),
      has_gateway_(options.has_gateway),
      access_(std::move(options.cors), std::move(options.host_whitelist)) {}

std::shared_ptr<http::Receiver> WebFront::Begin(
    h2::Services* services, const http::Request& request,
    const std::shared_ptr<http::Exchange>& exchange) const {
  const std::string_view path = request.path();
  const bool is_beta = path.starts_with(kBetaPrefix);
  const bool is_call = has_gateway_ && (is_beta || path.starts_with(kPrefix));
  if (!exchange->is_encrypted()) {
    const std::string_view host = HostNameOf(request.authority());
    if (!access_.TakesHost(host)) {
      PROBE("web: a host that is not on the whitelist");
      RespondText(421, Access::HostRefusal(host), {}, exchange.get());
      return nullptr;
    }
  } else if (is_call && !exchange->peer_name().empty() && services->node->guard().is_on()) {
    RespondText(400,
                "CommonName of client sending a request against gateway will be ignored and not "
                "used as expected\n",
                {}, exchange.get());
    return nullptr;
  }
  const CorsOrigin cors = access_.OriginOf(request);
  if (request.method() == "OPTIONS") {
    std::vector<http::Field> fields;
    cors.AddTo(&fields);
    exchange->Respond(200, fields, {});
    return nullptr;
  }
  if (is_call) {
    const std::string_view rest = path.substr((is_beta ? kBetaPrefix : kPrefix).size());
    return BeginCall(services, request, rest, cors, exchange);
  }
  if (has_gateway_ && path == "/v3") {
    std::vector<http::Field> fields = {{"location", kPrefix, true}};
    cors.AddTo(&fields);
    exchange->Respond(301, fields, {});
    return nullptr;
  }
  return BeginPage(request, cors, exchange);
}

std::shared_ptr<http::Receiver> WebFront::BeginCall(
    h2::Services* services, const http::Request& request, std::string_view path,
    const CorsOrigin& cors, const std::shared_ptr<http::Exchange>& exchange) const {
  const GatewayMethod* const method = FindGatewayMethod(path);
  if (method == nullptr) {
    RespondText(404, "Not Found\n", cors, exchange.get());
    return nullptr;
  }
  if (request.method() != "POST") {
    RespondText(405, "Method Not Allowed\n", cors, exchange.get());
    return nullptr;
  }
  int64_t deadline_nanos = http::Loop::kNever;
  if (const std::string_view text = request.Find("grpc-timeout"); !text.empty()) {
    const std::optional<int64_t> timeout_nanos = h2::ParseTimeoutNanos(text);
    if (!timeout_nanos.has_value()) {
      RefuseInJson(absl::InvalidArgumentError(fmt::format("invalid grpc-timeout: {}", text)), cors,
                   exchange.get());
      return nullptr;
    }
    deadline_nanos = exchange->loop()->now_nanos() + *timeout_nanos;
  }
  std::shared_ptr<h2::GrpcCall> call = method->row->make(services, exchange);
  call->CountClient({});  // etcd's gateway says none
  call->Begin(CallerOf(request), {}, deadline_nanos,
              std::make_unique<JsonDialect>(method->types, services->message_bytes_max, cors,
                                            MakeRangeJson));
  return call;
}

std::shared_ptr<http::Receiver> WebFront::BeginPage(
    const http::Request& request, const CorsOrigin& cors,
    const std::shared_ptr<http::Exchange>& exchange) const {
  HttpRequest page{.method = std::string(request.method()),
                   .path = std::string(request.path()),
                   .query = std::string(request.query())};
  return http::CollectBody(
      exchange, kPageBodyBytesMax,
      [this, exchange, cors, page = std::move(page)](const std::string&) {
        HttpResponse answer = pages_(page);
        std::vector<http::Field> fields = {{"content-type", answer.content_type}};
        constexpr int kFirstError = 400;
        if (answer.status >= kFirstError && answer.content_type == kPlainText.value) {
          fields.push_back(kNoSniff);
        }
        if (!answer.allow.empty()) {
          fields.push_back({"allow", answer.allow});
        }
        cors.AddTo(&fields);
        exchange->Respond(answer.status, fields, std::move(answer.body));
      });
}

}  // namespace socle::server::gateway
