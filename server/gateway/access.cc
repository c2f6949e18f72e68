#include "server/gateway/access.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "server/gateway/json_scanner.h"

namespace socle::server::gateway {
namespace {

constexpr std::string_view kAll = "*";

bool Has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

void CorsOrigin::AddTo(std::vector<http::Field>* fields) const {
  if (origin_.empty()) {
    return;
  }
  fields->push_back({"access-control-allow-headers", "accept, content-type, authorization", true});
  fields->push_back({"access-control-allow-methods", "POST, GET, OPTIONS, PUT, DELETE", true});
  fields->push_back({"access-control-allow-origin", origin_});
}

Access::Access(std::vector<std::string> origins, std::vector<std::string> hosts)
    : origins_(std::move(origins)),
      hosts_(std::move(hosts)),
      takes_all_origins_(Has(origins_, kAll)),
      takes_all_hosts_(hosts_.empty() || Has(hosts_, kAll)) {}

CorsOrigin Access::OriginOf(const http::Request& request) const {
  if (takes_all_origins_) {
    return CorsOrigin(kAll);
  }
  const std::string_view origin = request.Find("origin");
  return !origin.empty() && Has(origins_, origin) ? CorsOrigin(origin) : CorsOrigin();
}

bool Access::TakesHost(std::string_view host) const {
  return takes_all_hosts_ || Has(hosts_, host);
}

std::string Access::HostRefusal(std::string_view host) {
  return fmt::format(
      "\n"
      "etcd received your request, but the Host header was unrecognized.\n"
      "\n"
      "To fix this, choose one of the following options:\n"
      "- Enable TLS, then any HTTPS request will be allowed.\n"
      "- Add the hostname you want to use to the whitelist in settings.\n"
      "  - e.g. etcd --host-whitelist \"{}\"\n"
      "\n"
      "This requirement has been added to help prevent \"DNS Rebinding\" attacks (CVE-2018-5702).\n"
      "\n",
      GoQuoted(host));
}

std::string_view HostNameOf(std::string_view authority) {
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    return end == std::string_view::npos ? authority : authority.substr(1, end - 1);
  }
  const size_t colon = authority.rfind(':');
  const bool is_bare_ipv6 = colon != std::string_view::npos && authority.find(':') != colon;
  return is_bare_ipv6 ? authority : authority.substr(0, colon);
}

}  // namespace socle::server::gateway
