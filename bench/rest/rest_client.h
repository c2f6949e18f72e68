// RestClient: one kept-alive HTTP/1.1 connection to a REST API, used by one worker.
//
// Laws     1. One request at a time; a broken connection is made again for the next request, never within
//             one: what was sent is not sent twice.
// Threads  thread-compatible.
// Errors   Unavailable: no connection, or it broke; the answer's status code is not an error here.
#ifndef SOCLE_BENCH_REST_REST_CLIENT_H_
#define SOCLE_BENCH_REST_REST_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::bench {

struct RestAddress {
  std::string host = "127.0.0.1";
  uint16_t port = 0;
};

// `http://127.0.0.1:8080`; plain HTTP only. InvalidArgument for anything else.
absl::StatusOr<RestAddress> ParseRestUrl(std::string_view url);

struct RestRequest {
  std::string_view method = "GET";
  std::string_view target;
  std::string_view body = {};
  std::string_view content_type = "application/json";
};

struct RestResponse {
  int status = 0;
  std::string body;
};

class RestClient {
 public:
  explicit RestClient(RestAddress address);
  ~RestClient();

  absl::StatusOr<RestResponse> Send(const RestRequest& request);

 private:
  struct Connection;
  const RestAddress address_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace socle::bench

#endif  // SOCLE_BENCH_REST_REST_CLIENT_H_
