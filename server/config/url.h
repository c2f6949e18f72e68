// Url: the addresses that etcd's flags and members speak of: http(s) and Unix sockets.
//
// Laws     1. http and https: scheme, host and port must all be there; a path, a query or credentials are refused.
//          2. unix and unixs: what follows the two slashes is the path of the socket.
// Threads  pure functions.
// Source   spec etcd 1.12 (listen).
#ifndef SOCLE_SERVER_CONFIG_URL_H_
#define SOCLE_SERVER_CONFIG_URL_H_

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/status/statusor.h>

namespace socle::server {

struct Url {
  std::string scheme;  // "http", "https", "unix" or "unixs"
  std::string host;    // without the brackets of an IPv6 address
  uint16_t port = 0;
  std::string path = {};  // of a Unix socket; then there is no host and no port

  bool is_unix() const { return scheme == "unix" || scheme == "unixs"; }

  bool is_secure() const { return scheme == "https" || scheme == "unixs"; }

  std::string ToString() const;
};

absl::StatusOr<Url> ParseUrl(std::string_view text);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_URL_H_
