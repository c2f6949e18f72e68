#include "server/wire/client/endpoint.h"

#include <netdb.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <cstring>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/wire/client/tls_session.h"

namespace socle::server {
namespace {

constexpr std::string_view kDefaultPort = "2379";
// Of a Unix socket: what its server's certificate is made out to, and a name for :authority.
constexpr std::string_view kLocalHost = "localhost";

enum class Security { kPlain, kOptional, kTls };

struct Parts {
  Security security = Security::kOptional;
  std::string host;
  std::string port;
  std::string path;  // of a Unix socket; then no host and port
};

absl::Status Bad(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format(
      "endpoint \"{}\": {}; expected host:port, http://host:port, https://host:port or unix://path",
      text, why));
}

absl::StatusOr<Parts> SplitHostPort(std::string_view text, std::string_view rest) {
  while (!rest.empty() && rest.back() == '/') {
    rest.remove_suffix(1);
  }
  std::string_view host = rest;
  std::string_view port = kDefaultPort;
  const size_t bracket = rest.find(']');
  const size_t colon = rest.rfind(':');
  if (!rest.empty() && rest.front() == '[') {
    if (bracket == std::string_view::npos) {
      return Bad(text, "\"[\" without \"]\"");
    }
    host = rest.substr(1, bracket - 1);
    if (bracket + 1 < rest.size()) {
      if (rest[bracket + 1] != ':') {
        return Bad(text, "junk after \"]\"");
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
    return Bad(text, fmt::format("\"{}\" is not a port", port));
  }
  if (host.empty() || host.find_first_of("/ \t") != std::string_view::npos) {
    return Bad(text, "no usable host");
  }
  return Parts{.host = std::string(host), .port = std::string(port)};
}

absl::StatusOr<Parts> Split(std::string_view text) {
  if (text.find(',') != std::string_view::npos) {
    return Bad(text, "these are several, one is wanted here");
  }
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) {
    return SplitHostPort(text, text);
  }
  const std::string_view scheme = text.substr(0, scheme_end);
  const std::string_view rest = text.substr(scheme_end + 3);
  if (scheme == "unix" || scheme == "unixs") {
    return Parts{.security = scheme == "unixs" ? Security::kTls : Security::kOptional,
                 .path = std::string(rest)};
  }
  if (scheme != "http" && scheme != "https") {
    return Bad(text, fmt::format("unknown scheme \"{}\"", scheme));
  }
  ASSIGN_OR_RETURN(Parts parts, SplitHostPort(text, rest));
  parts.security = scheme == "https" ? Security::kTls : Security::kPlain;
  return parts;
}

absl::StatusOr<Endpoint> UnixEndpoint(std::string_view text, const std::string& path) {
  Endpoint endpoint;
  auto* const name = reinterpret_cast<sockaddr_un*>(&endpoint.address);
  if (path.empty() || path.size() >= sizeof(name->sun_path)) {
    return Bad(text, fmt::format("the path of a Unix socket has 1 to {} bytes",
                                 sizeof(name->sun_path) - 1));
  }
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, path.data(), path.size());
  endpoint.address_size = sizeof(*name);
  endpoint.host = kLocalHost;
  endpoint.authority = kLocalHost;
  endpoint.shown = "unix:" + path;
  return endpoint;
}

absl::StatusOr<Endpoint> TcpEndpoint(std::string_view text, const Parts& parts) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(parts.host.c_str(), parts.port.c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        fmt::format("endpoint \"{}\": can't resolve the host: {}", text, ::gai_strerror(error)));
  }
  Endpoint endpoint;
  const bool is_v6 = parts.host.find(':') != std::string::npos;
  endpoint.authority = is_v6 ? fmt::format("[{}]:{}", parts.host, parts.port)
                             : fmt::format("{}:{}", parts.host, parts.port);
  endpoint.shown = endpoint.authority;
  endpoint.host = parts.host;
  endpoint.address_size =
      std::min(found->ai_addrlen, static_cast<socklen_t>(sizeof(endpoint.address)));
  std::memcpy(&endpoint.address, found->ai_addr, endpoint.address_size);
  ::freeaddrinfo(found);
  return endpoint;
}

}  // namespace

absl::StatusOr<Endpoint> ResolveEndpoint(std::string_view text, const ClientAccess& access) {
  ASSIGN_OR_RETURN(const Parts parts, Split(text));
  ASSIGN_OR_RETURN(Endpoint endpoint,
                   parts.host.empty() ? UnixEndpoint(text, parts.path) : TcpEndpoint(text, parts));
  if (parts.security == Security::kTls ||
      (parts.security == Security::kOptional && access.wants_tls())) {
    ASSIGN_OR_RETURN(endpoint.tls, ClientTls::Load(access));
  }
  return endpoint;
}

}  // namespace socle::server
