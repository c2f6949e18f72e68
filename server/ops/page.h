// Page: a request for something that an operator reads, and its answer, whatever carried them.
//
// Threads  values.
// Source   spec etcd 1.11.
#ifndef SOCLE_SERVER_OPS_PAGE_H_
#define SOCLE_SERVER_OPS_PAGE_H_

#include <string>
#include <string_view>
#include <vector>

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

// Values of a query parameter in order: "a=1&b&a=2" has {"1", "2"} for "a" and {""} for "b".
std::vector<std::string> QueryValues(std::string_view query, std::string_view name);

}  // namespace socle::server

#endif  // SOCLE_SERVER_OPS_PAGE_H_
