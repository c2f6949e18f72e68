// Url: the http(s) addresses that etcd's flags and members speak of.
//
// Laws     1. Scheme, host and port must all be there; a path, a query or credentials are refused.
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
  std::string scheme;  // "http" or "https"
  std::string host;    // without the brackets of an IPv6 address
  uint16_t port = 0;

  std::string ToString() const;
};

absl::StatusOr<Url> ParseUrl(std::string_view text);

}  // namespace socle::server

#endif  // SOCLE_SERVER_CONFIG_URL_H_
