#include "server/config/url.h"

#include <charconv>

#include <fmt/format.h>

namespace socle::server {

std::string Url::ToString() const {
  if (is_unix()) {
    return fmt::format("{}://{}", scheme, path);
  }
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("{}://[{}]:{}", scheme, host, port)
               : fmt::format("{}://{}:{}", scheme, host, port);
}

absl::StatusOr<Url> ParseUrl(std::string_view text) {
  const auto bad = [text](std::string_view why) {
    return absl::InvalidArgumentError(fmt::format("'{}' {}", text, why));
  };
  Url url;
  const size_t scheme_end = text.find("://");
  if (scheme_end == std::string_view::npos) {
    return bad("is not a URL: it needs the form http://host:port");
  }
  url.scheme = std::string(text.substr(0, scheme_end));
  if (url.is_unix()) {
    url.path = std::string(text.substr(scheme_end + 3));
    if (url.path.empty() || url.path.find_first_of("?#") != std::string::npos) {
      return bad("has no path of a socket: it needs the form unix:///run/socle.sock");
    }
    return url;
  }
  if (url.scheme != "http" && url.scheme != "https") {
    return bad("has an unknown scheme: use http, https, unix or unixs");
  }
  std::string_view rest = text.substr(scheme_end + 3);
  if (rest.ends_with('/')) {
    rest.remove_suffix(1);
  }
  if (rest.find_first_of("/?#@ ") != std::string_view::npos) {
    return bad("must be only scheme, host and port");
  }
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos || colon + 1 == rest.size()) {
    return bad("has no port");
  }
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad("has an IPv6 address without brackets");
  }
  if (host.empty()) {
    return bad("has no host");
  }
  url.host = std::string(host);
  const std::string_view port = rest.substr(colon + 1);
  const auto parsed = std::from_chars(port.data(), port.data() + port.size(), url.port);
  if (parsed.ec != std::errc() || parsed.ptr != port.data() + port.size()) {
    return bad("has a port that is not a number up to 65535");
  }
  return url;
}

}  // namespace socle::server
