#include "server/wire/client/endpoint.h"

#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

namespace socle::server {
namespace {

constexpr std::string_view kDefaultPort = "2379";

struct HostPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostPort> SplitHostPort(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("endpoint \"{}\": {}; expected host:port or http://host:port", text, why));
  };
  std::string_view rest = text;
  const size_t scheme_end = rest.find("://");
  if (scheme_end != std::string_view::npos) {
    const std::string_view scheme = rest.substr(0, scheme_end);
    if (scheme == "https") {
      return bad("TLS is not supported by this client");
    }
    if (scheme != "http") {
      return bad(fmt::format("unknown scheme \"{}\"", scheme));
    }
    rest.remove_prefix(scheme_end + 3);
  }
  while (!rest.empty() && rest.back() == '/') {
    rest.remove_suffix(1);
  }
  std::string_view host = rest;
  std::string_view port = kDefaultPort;
  const size_t bracket = rest.find(']');
  const size_t colon = rest.rfind(':');
  if (!rest.empty() && rest.front() == '[') {
    if (bracket == std::string_view::npos) {
      return bad("\"[\" without \"]\"");
    }
    host = rest.substr(1, bracket - 1);
    if (bracket + 1 < rest.size()) {
      if (rest[bracket + 1] != ':') {
        return bad("junk after \"]\"");
      }
      port = rest.substr(bracket + 2);
    }
  } else if (colon != std::string_view::npos) {
    host = rest.substr(0, colon);
    port = rest.substr(colon + 1);
  }
  unsigned number = 0;
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), number);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size() || number == 0 ||
      number > 65535) {
    return bad(fmt::format("\"{}\" is not a port", port));
  }
  if (host.empty() || host.find_first_of("/ \t") != std::string_view::npos) {
    return bad("no usable host");
  }
  return HostPort{std::string(host), std::string(port)};
}

}  // namespace

absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text) {
  const absl::StatusOr<HostPort> parts = SplitHostPort(text);
  if (!parts.ok()) {
    return parts.status();
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(parts->host.c_str(), parts->port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        fmt::format("endpoint \"{}\": can't resolve the host: {}", text, ::gai_strerror(error)));
  }
  Endpoint endpoint;
  const bool is_v6 = parts->host.find(':') != std::string::npos;
  endpoint.authority = is_v6 ? fmt::format("[{}]:{}", parts->host, parts->port)
                             : fmt::format("{}:{}", parts->host, parts->port);
  endpoint.address_size =
      std::min(found->ai_addrlen, static_cast<socklen_t>(sizeof(endpoint.address)));
  std::memcpy(&endpoint.address, found->ai_addr, endpoint.address_size);
  ::freeaddrinfo(found);
  return endpoint;
}

}  // namespace socle::server
