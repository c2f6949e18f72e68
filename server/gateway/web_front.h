// WebFront: everything that a client port answers but gRPC: the JSON gateway under /v3/, and the operator's pages.
//
//   request ─► host whitelist ─► CORS ─┬─ OPTIONS: 200
//                                      ├─ /v3/…, /v3beta/…  ─► the call that the path names, in JSON
//                                      └─ else              ─► the pages
//
// Laws     1. A call through the gateway is the very call that gRPC makes, with the same checks; who made it is said by its
//             token alone, never by a certificate.
//          2. Bodies of pages are read and thrown away, to 64 KiB.
// Threads  as http::Handler.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_GATEWAY_WEB_FRONT_H_
#define SOCLE_SERVER_GATEWAY_WEB_FRONT_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "server/gateway/access.h"
#include "server/h2/services.h"
#include "server/ops/page.h"
#include "server/wire/http/exchange.h"

namespace socle::server::gateway {

struct WebOptions {
  bool has_gateway = true;
  std::vector<std::string> cors = {"*"};
  std::vector<std::string> host_whitelist = {"*"};
};

class WebFront {
 public:
  // Runs on a loop: it must be quick.
  using Pages = std::function<HttpResponse(const HttpRequest&)>;

  WebFront(Pages pages, WebOptions options);

  std::shared_ptr<http::Receiver> Begin(h2::Services* services, const http::Request& request,
                                        const std::shared_ptr<http::Exchange>& exchange) const;

 private:
  std::shared_ptr<http::Receiver> BeginCall(h2::Services* services, const http::Request& request,
                                            std::string_view path, const CorsOrigin& cors,
                                            const std::shared_ptr<http::Exchange>& exchange) const;
  std::shared_ptr<http::Receiver> BeginPage(const http::Request& request, const CorsOrigin& cors,
                                            const std::shared_ptr<http::Exchange>& exchange) const;

  const Pages pages_;
  const bool has_gateway_;
  const Access access_;
};

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_WEB_FRONT_H_
