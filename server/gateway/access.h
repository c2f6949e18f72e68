// Access: which web pages may ask (CORS), and under which host names (a guard against DNS rebinding).
//
// Laws     1. "*" in a list means all, and so does an empty list of hosts.
//          2. Host names are compared to the letter, without the port; connections of TLS are not asked for theirs.
// Threads  immutable.
// Source   spec etcd 1.11; CVE-2018-5702.
#ifndef SOCLE_SERVER_GATEWAY_ACCESS_H_
#define SOCLE_SERVER_GATEWAY_ACCESS_H_

#include <string>
#include <string_view>
#include <vector>

#include "server/wire/http/message.h"

namespace socle::server::gateway {

// What an answer says about the origins that may read it.
class CorsOrigin {
 public:
  CorsOrigin() = default;  // none

  explicit CorsOrigin(std::string_view origin) : origin_(origin) {}

  // The fields end with this.
  void AddTo(std::vector<http::Field>* fields) const;

 private:
  std::string origin_;
};

class Access {
 public:
  // `origins`: URLs, as --cors; `hosts`: names, as --host-whitelist.
  Access(std::vector<std::string> origins, std::vector<std::string> hosts);

  CorsOrigin OriginOf(const http::Request& request) const;

  bool TakesHost(std::string_view host) const;

  // What a request for another host is told.
  static std::string HostRefusal(std::string_view host);

 private:
  const std::vector<std::string> origins_;
  const std::vector<std::string> hosts_;
  const bool takes_all_origins_;
  const bool takes_all_hosts_;
};

// Without the port and the brackets of an IPv6 address.
std::string_view HostNameOf(std::string_view authority);

}  // namespace socle::server::gateway

#endif  // SOCLE_SERVER_GATEWAY_ACCESS_H_
