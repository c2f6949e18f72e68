// ApiServer: the registry over HTTP, as the Kubernetes clients expect it; kubectl and curl are its test.
//
//   ASSIGN_OR_RETURN(auto server, ApiServer::Start({.registry = registry, .port = 8080}));
//
// Laws     1. What it adds to the registry is only HTTP: no rule about a kind stands here.
//          2. Beyond loopback it listens with TLS and knows its callers by token or certificate, or not
//             at all.
//          3. Bodies, lists, watches and requests under way are bounded; a slow client costs itself.
// Threads  Start and Stop from one thread, not a loop of the server; the rest is thread-safe.
// Memory   the registry, the extensions and what the metrics read outlive Stop.
// Errors   Start: InvalidArgument for options that contradict each other or bad TLS files, Unavailable
//          when the port can't be bound.
// Source   spec controllers 9.
#ifndef SOCLE_CONTROLLERS_APISERVER_API_SERVER_H_
#define SOCLE_CONTROLLERS_APISERVER_API_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/registry/registry.h"
#include "kv/base/clock.h"
#include "server/wire/http/exchange.h"
#include "server/wire/http/limits.h"
#include "server/wire/http/tls.h"

namespace socle::apiserver {

// Pages of others on the same port, behind the same authentication: the console, the load tests.
// `/console` serves that path and all below it; the longest prefix wins, before the API's own paths.
struct Extension {
  std::string prefix;
  server::http::Handler* handler = nullptr;
};

struct ApiServerOptions {
  registry::Registry* registry = nullptr;
  std::string address = "127.0.0.1";  // an IP address
  uint16_t port = 0;                  // 0: a free one, see ApiServer::port
  std::optional<server::http::TlsFiles> tls = {};
  // The text of a token file, `token,user,uid,"group1,group2"` per line; empty: no tokens.
  std::string token_file_text = {};

  std::vector<Extension> extensions = {};
  // Called for GET /readyz; OK means ready. Empty: ready from the start.
  std::function<absl::Status()> readiness = {};
  // Each appends its part of GET /metrics in the Prometheus text format.
  std::vector<std::function<void(std::string* out)>> metrics = {};

  size_t loops = 0;                  // 0: one per core
  server::http::Limits limits = {};  // of connections
  int reads_max = 400;
  int writes_max = 200;
  size_t body_bytes_max = size_t{3} << 20U;
  int64_t bookmark_interval_nanos = 60 * kNanosPerSecond;
  int64_t watch_timeout_nanos = 1'800 * kNanosPerSecond;  // at least, and up to twice that
  int64_t list_timeout_nanos = 300 * kNanosPerSecond;     // a list that its client takes too slowly
  uint64_t seed = 0;                                      // of the watch timeouts; 0: fresh
};

// What Start refuses of the options whatever the registry: for those who have much to do before it.
absl::Status CheckOptions(const ApiServerOptions& options);

class ApiServer {
 public:
  virtual ~ApiServer() = default;  // stops without grace

  static absl::StatusOr<std::unique_ptr<ApiServer>> Start(ApiServerOptions options);

  virtual uint16_t port() const = 0;
  // http://127.0.0.1:8080
  virtual std::string url() const = 0;
  virtual size_t connections() const = 0;
  // Watches end, requests under way are answered, after the grace all connections are closed.
  virtual void Stop(int64_t grace_nanos) = 0;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_API_SERVER_H_
