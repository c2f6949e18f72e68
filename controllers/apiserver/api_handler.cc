#include "controllers/apiserver/api_handler.h"

#include <algorithm>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "controllers/apiserver/delete_collection_call.h"
#include "controllers/apiserver/list_call.h"
#include "controllers/apiserver/responses.h"
#include "controllers/apiserver/watch_call.h"
#include "controllers/apiserver/write_call.h"
#include "kv/base/clock.h"
#include "kv/base/status_macros.h"

namespace socle::apiserver {
namespace {

namespace http = server::http;
using Endpoint = ResourceRequest::Endpoint;

// Not as it is asked for: Go's reader of media types refuses the @.
constexpr std::string_view kOpenApiProtobufType =
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

absl::Status TooManyRequests() {
  return registry::MakeStatus({.reason = registry::Reason::kTooManyRequests,
                               .message = "too many requests, please try again later",
                               .retry_after_seconds = 1});
}

// A path that goes as deep as a resource.
bool IsDeep(std::string_view path) {
  const bool is_core = path.starts_with("/api/");
  if (!is_core && !path.starts_with("/apis/")) {
    return false;
  }
  const auto slashes = std::count(path.begin(), path.end() - (path.ends_with('/') ? 1 : 0), '/');
  return slashes >= (is_core ? 3 : 4);
}

// A get of an object or a list with watch=true is a watch.
void BecomeWatch(CallHead* head) {
  const bool is_plain = head->asked.endpoint == Endpoint::kObjects;
  const bool is_read = head->asked.verb == Verb::kList || head->asked.verb == Verb::kGet;
  if (head->options.is_watch && is_plain && is_read) {
    head->asked.verb = Verb::kWatch;
  }
}

}  // namespace

ApiHandler::ReceiverRef ApiHandler::Begin(const http::Request& request,
                                          const ExchangeRef& exchange) {
  if (AnswerHealth(request, exchange.get())) {
    return nullptr;
  }
  const absl::StatusOr<std::string_view> user =
      authentication_.Identify(request, exchange->peer_name());
  if (!user.ok()) {
    RespondError(exchange.get(), user.status());
    return nullptr;
  }
  if (http::Handler* const extension = ExtensionFor(request.path()); extension != nullptr) {
    return extension->Begin(request, exchange);
  }
  if (!IsDeep(request.path())) {
    return BeginPage(request, exchange);
  }
  const int64_t began_nanos = Clock::Real()->MonotonicNanos();
  absl::StatusOr<CallHead> head = ReadHead(request);
  if (!head.ok()) {
    return Refuse(request, exchange, head.status());
  }
  head->user = *user;
  head->began_nanos = began_nanos;
  head->permit = site_->meter->Admit(head->asked.verb);
  if (!head->permit.is_given()) {
    NoteAnswer(site_, *head, RespondError(exchange.get(), TooManyRequests()));
    return nullptr;
  }
  return BeginCall(*std::move(head), request, exchange);
}

ApiHandler::ReceiverRef ApiHandler::Refuse(const http::Request& request,
                                           const ExchangeRef& exchange,
                                           const absl::Status& error) const {
  if (request.method() == "GET") {
    RespondError(exchange.get(), error);
    return nullptr;
  }
  return std::make_shared<RefusalReceiver>(error, site_->options->body_bytes_max, exchange);
}

ApiHandler::ReceiverRef ApiHandler::BeginPage(const http::Request& request,
                                              const ExchangeRef& exchange) const {
  if (request.method() != "GET") {
    const bool is_known = discovery_->Find(request.path()) != nullptr;
    return Refuse(request, exchange, is_known ? MethodNotAllowed() : ResourceNotFound());
  }
  if (!AnswerDiscovery(request, exchange.get()) && !AnswerPage(request, exchange.get())) {
    return Refuse(request, exchange, ResourceNotFound());
  }
  return nullptr;
}

http::Handler* ApiHandler::ExtensionFor(std::string_view path) const {
  const Extension* best = nullptr;
  for (const Extension& extension : site_->options->extensions) {
    const std::string& prefix = extension.prefix;
    const bool is_below =
        path.starts_with(prefix) &&
        (path.size() == prefix.size() || prefix.ends_with('/') || path[prefix.size()] == '/');
    if (is_below && (best == nullptr || best->prefix.size() < prefix.size())) {
      best = &extension;
    }
  }
  return best == nullptr ? nullptr : best->handler;
}

bool ApiHandler::AnswerHealth(const http::Request& request, http::Exchange* exchange) const {
  const std::string_view path = request.path();
  if (path == "/healthz" || path == "/livez") {
    RespondText(exchange, 200, "ok");
    return true;
  }
  if (path != "/readyz") {
    return false;
  }
  const auto& readiness = site_->options->readiness;
  const absl::Status ready = readiness == nullptr ? absl::OkStatus() : readiness();
  RespondText(exchange, ready.ok() ? 200 : 503,
              ready.ok() ? "ok" : fmt::format("not ready: {}\n", MessageOf(ready)));
  return true;
}

bool ApiHandler::AnswerPage(const http::Request& request, http::Exchange* exchange) const {
  const std::string_view path = request.path();
  const bool is_protobuf_path = path == "/swagger-2.0.0.pb-v1";
  if (path != "/openapi/v2" && path != "/metrics" && !is_protobuf_path) {
    return false;
  }
  if (path == "/metrics") {
    std::string text;
    site_->meter->Render(&text);
    for (const auto& append : site_->options->metrics) {
      append(&text);
    }
    RespondBytes(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", std::move(text));
  } else {
    AnswerOpenApi(request, exchange, is_protobuf_path);
  }
  return true;
}

void ApiHandler::AnswerOpenApi(const http::Request& request, http::Exchange* exchange,
                               bool is_protobuf_path) const {
  absl::StatusOr<OpenApiForm> form = OpenApiForm::kProtobuf;
  if (!is_protobuf_path) {
    form = NegotiateOpenApi(request.Find("accept"));
  }
  if (!form.ok()) {
    RespondError(exchange, form.status());
    return;
  }
  const bool is_protobuf = *form == OpenApiForm::kProtobuf;
  RespondBytes(exchange, 200, is_protobuf ? kOpenApiProtobufType : kJsonType,
               discovery_->OpenApi(*form));
}

bool ApiHandler::AnswerDiscovery(const http::Request& request, http::Exchange* exchange) const {
  const std::string* document = discovery_->Find(request.path());
  if (document == nullptr) {
    return false;
  }
  const absl::StatusOr<DiscoveryForm> form = NegotiateDiscovery(request.Find("accept"));
  if (!form.ok()) {
    RespondError(exchange, form.status());
    return true;
  }
  std::string_view type = kJsonType;
  if (const std::string* const aggregated = discovery_->FindAggregated(request.path(), *form);
      aggregated != nullptr) {
    document = aggregated;
    type = *form == DiscoveryForm::kAggregatedV2
               ? "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
               : "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";
  }
  RespondBytes(exchange, 200, type, *document);
  return true;
}

absl::StatusOr<CallHead> ApiHandler::ReadHead(const http::Request& request) const {
  CallHead head;
  ASSIGN_OR_RETURN(head.asked,
                   ParsePath(site_->registry->kinds(), request.method(), request.path()));
  ASSIGN_OR_RETURN(head.options, ParseQuery(request.query()));
  // Log lines are text, whatever else the client would take.
  if (head.asked.endpoint != Endpoint::kLog && head.asked.endpoint != Endpoint::kStream) {
    ASSIGN_OR_RETURN(head.form, NegotiateForm(request.Find("accept"), head.options.include_object));
  }
  BecomeWatch(&head);
  return head;
}

ApiHandler::ReceiverRef ApiHandler::BeginCall(CallHead head, const http::Request& request,
                                              const ExchangeRef& exchange) const {
  if (head.asked.endpoint == Endpoint::kLog) {
    AnswerLog(head, exchange.get());
    return nullptr;
  }
  if (head.asked.endpoint == Endpoint::kStream) {
    NoteAnswer(site_, head,
               RespondNotImplemented(exchange.get(),
                                     "pods of this plane are hollow: there is nothing to run "
                                     "commands in or to connect to"));
    return nullptr;
  }
  switch (head.asked.verb) {
    case Verb::kGet:
      AnswerGet(head, exchange.get());
      return nullptr;
    case Verb::kList: {
      absl::StatusOr<registry::ListRequest> list = ListRequestOf(head.asked, head.options);
      if (!list.ok()) {
        NoteAnswer(site_, head, RespondError(exchange.get(), list.status()));
        return nullptr;
      }
      auto call = std::make_shared<ListCall>(site_, std::move(head), exchange);
      call->Begin(*std::move(list));
      return call;
    }
    case Verb::kWatch: {
      auto call = std::make_shared<WatchCall>(site_, std::move(head), exchange);
      call->Begin();
      return call;
    }
    case Verb::kDeleteCollection:
      return std::make_shared<DeleteCollectionCall>(site_, std::move(head), exchange,
                                                    request.Find("content-type"));
    default:
      return std::make_shared<WriteCall>(site_, std::move(head), exchange,
                                         request.Find("content-type"));
  }
}

void ApiHandler::AnswerGet(const CallHead& head, http::Exchange* exchange) const {
  const ResourceRequest& asked = head.asked;
  const absl::StatusOr<registry::ObjectRef> object =
      site_->registry->Get({.served = asked.served, .ns = asked.ns, .name = asked.name});
  if (!object.ok()) {
    NoteAnswer(site_, head, RespondError(exchange, object.status()));
    return;
  }
  if (asked.subresource_name() == "scale") {
    const absl::StatusOr<api::Json> scale = registry::ScaleOf(*asked.served, **object);
    if (!scale.ok()) {
      NoteAnswer(site_, head, RespondError(exchange, scale.status()));
      return;
    }
    RespondJson(exchange, 200, api::Dump(*scale));
  } else {
    SendJsonHead(exchange, 200);
    std::string* const out = exchange->buffer();
    const size_t before = out->size();
    ObjectForm(asked.served, head.form)
        .AppendOne((*object)->document, (*object)->mod_revision, site_->WallNanos(), out);
    exchange->DataAdded(out->size() - before);
    exchange->Finish();
  }
  NoteAnswer(site_, head, 200);
}

void ApiHandler::AnswerLog(const CallHead& head, http::Exchange* exchange) const {
  const ResourceRequest& asked = head.asked;
  const absl::StatusOr<registry::ObjectRef> pod =
      site_->registry->Get({.served = asked.served, .ns = asked.ns, .name = asked.name});
  if (!pod.ok()) {
    NoteAnswer(site_, head, RespondError(exchange, pod.status()));
    return;
  }
  RespondText(exchange, 200, fmt::format("{} is a hollow pod: it has no output\n", asked.name));
  NoteAnswer(site_, head, 200);
}

}  // namespace socle::apiserver
