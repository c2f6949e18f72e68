// ApiHandler: where each request goes: pages, extensions, discovery, or the calls of the registry.
//
//   health pages ─► who is it? ─► extensions ─► discovery, metrics ─► path ─► query ─► form ─► room? ─► call
//
// Threads  Begin runs on any loop; immutable but for what the Site guards.
// Memory   the options and the Site outlive it.
#ifndef SOCLE_CONTROLLERS_APISERVER_API_HANDLER_H_
#define SOCLE_CONTROLLERS_APISERVER_API_HANDLER_H_

#include <memory>
#include <string_view>

#include "controllers/apiserver/authentication.h"
#include "controllers/apiserver/call.h"
#include "controllers/apiserver/discovery.h"
#include "server/wire/http/exchange.h"

namespace socle::apiserver {

class ApiHandler final : public server::http::Handler {
 public:
  ApiHandler(Site* site, Authentication authentication, Discovery* discovery)
      : site_(site), authentication_(std::move(authentication)), discovery_(discovery) {}

  std::shared_ptr<server::http::Receiver> Begin(
      const server::http::Request& request,
      const std::shared_ptr<server::http::Exchange>& exchange) override;

 private:
  using ReceiverRef = std::shared_ptr<server::http::Receiver>;
  using ExchangeRef = std::shared_ptr<server::http::Exchange>;

  server::http::Handler* ExtensionFor(std::string_view path) const;
  // False: no such page.
  bool AnswerHealth(const server::http::Request& request, server::http::Exchange* exchange) const;
  bool AnswerPage(const server::http::Request& request, server::http::Exchange* exchange) const;
  void AnswerOpenApi(const server::http::Request& request, server::http::Exchange* exchange,
                     bool is_protobuf_path) const;
  bool AnswerDiscovery(const server::http::Request& request,
                       server::http::Exchange* exchange) const;

  ReceiverRef BeginPage(const server::http::Request& request, const ExchangeRef& exchange) const;
  ReceiverRef Refuse(const server::http::Request& request, const ExchangeRef& exchange,
                     const absl::Status& error) const;
  absl::StatusOr<CallHead> ReadHead(const server::http::Request& request) const;
  ReceiverRef BeginCall(CallHead head, const server::http::Request& request,
                        const ExchangeRef& exchange) const;
  void AnswerGet(const CallHead& head, server::http::Exchange* exchange) const;
  void AnswerLog(const CallHead& head, server::http::Exchange* exchange) const;

  Site* const site_;
  const Authentication authentication_;
  Discovery* const discovery_;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_API_HANDLER_H_
