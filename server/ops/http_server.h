// HttpServer: a small HTTP/1.1 server for health checks, version and metrics on accepted sockets.
//
// Laws     1. Limits on everything a stranger sends: 8 KiB of headers, 64 KiB of body, 256
//             connections, 10 s for a request to come or an answer to go, 60 s of idleness; beyond
//             each the connection is closed.
//          2. The answer runs on the server's one thread: it must be quick.
// Threads  Adopt is thread-safe; the handler is called on the server's thread.
// Errors   a bad request is answered 400 and closed.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_OPS_HTTP_SERVER_H_
#define SOCLE_SERVER_OPS_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/status/statusor.h>

namespace socle::server {

struct HttpRequest {
  std::string method;
  std::string path;   // before '?'
  std::string query;  // after it
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::string allow = {};  // methods, for 405
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  virtual ~HttpServer() = default;
  // Takes over a connected non-blocking socket.
  virtual void Adopt(int fd) = 0;

  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(Handler handler);
};

// Values of a query parameter in order: "a=1&b&a=2" has {"1", "2"} for "a" and {""} for "b".
std::vector<std::string> QueryValues(std::string_view query, std::string_view name);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_HTTP_SERVER_H_
