#include "server/config/listen_rules.h"

#include <algorithm>
#include <map>
#include <string_view>

#include <fmt/format.h>

#include "kv/base/status_macros.h"
#include "server/config/url.h"

namespace socle::server {
namespace {

using Warnings = std::vector<std::string>;

absl::Status Refuse(const std::string& text) {
  return absl::InvalidArgumentError(text);
}

bool HasCertificate(const Settings& s) {
  return !s.cert_file.empty() || !s.key_file.empty();
}

bool AsksForCertificates(const Settings& s) {
  return s.client_cert_auth || !s.trusted_ca_file.empty();
}

// One flag's URLs, each by itself.
absl::Status CheckUrls(std::string_view flag, const std::vector<std::string>& urls,
                       const Settings& s, bool* has_secure, bool* has_plain) {
  for (const std::string& text : urls) {
    ASSIGN_OR_RETURN(const Url url, ParseUrl(text));
    (url.is_secure() ? *has_secure : *has_plain) = true;
    if (url.is_secure() && !HasCertificate(s) && !s.auto_tls) {
      return Refuse(
          fmt::format("--{}: '{}': a URL with TLS needs --cert-file and --key-file, or --auto-tls",
                      flag, text));
    }
    const bool is_address =
        url.is_unix() || url.host == "localhost" ||
        url.host.find_first_not_of("0123456789abcdefABCDEF:.") == std::string::npos;
    if (!is_address) {
      return Refuse(fmt::format(
          "--{}: '{}': the host to listen on must be an IP address or localhost", flag, text));
    }
  }
  return absl::OkStatus();
}

// Ports of 0 are never the same.
absl::Status CheckThatAddressesDiffer(const Settings& s) {
  std::map<std::string, std::string> url_of;
  for (const auto* urls :
       {&s.listen_client_urls, &s.listen_client_http_urls, &s.listen_metrics_urls}) {
    for (const std::string& text : *urls) {
      ASSIGN_OR_RETURN(const Url url, ParseUrl(text));
      const std::string place =
          url.is_unix() ? url.path : fmt::format("{} port {}", url.host, url.port);
      const auto [other, is_new] = url_of.emplace(place, text);
      if (!is_new && (url.is_unix() || url.port != 0)) {
        return Refuse(
            fmt::format("listen URLs '{}' and '{}' are at one address: give each a port of its own",
                        other->second, text));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFiles(const Settings& s) {
  if (s.cert_file.empty() != s.key_file.empty()) {
    const std::string_view missing = s.cert_file.empty() ? "--cert-file" : "--key-file";
    return Refuse(fmt::format("--cert-file and --key-file go together: {} is missing", missing));
  }
  if (!s.auto_tls || HasCertificate(s)) {
    return absl::OkStatus();
  }
  if (AsksForCertificates(s)) {
    return Refuse(
        "--auto-tls can't ask clients for certificates: with --client-cert-auth or "
        "--trusted-ca-file give --cert-file and --key-file");
  }
  return s.self_signed_cert_validity_years > 0
             ? absl::OkStatus()
             : Refuse("--self-signed-cert-validity: must be at least 1 year with --auto-tls");
}

absl::Status CheckPolicy(const Settings& s) {
  if (s.tls_min_version == "TLS1.3" && s.tls_max_version == "TLS1.2") {
    return Refuse("--tls-min-version=TLS1.3 is above --tls-max-version=TLS1.2");
  }
  if (s.tls_min_version == "TLS1.3" && !s.cipher_suites.empty()) {
    return Refuse(
        "--cipher-suites: can't be chosen when --tls-min-version=TLS1.3 leaves only TLS 1.3");
  }
  if (!s.client_cert_allowed_hostnames.empty() && !AsksForCertificates(s)) {
    return Refuse(
        "--client-cert-allowed-hostname would let nobody in: no certificate is asked for without "
        "--client-cert-auth or --trusted-ca-file");
  }
  return absl::OkStatus();
}

void WarnOfUnused(const Settings& s, bool has_secure, bool has_plain, Warnings* warnings) {
  const bool has_tls = HasCertificate(s) || s.auto_tls;
  if (has_tls && !has_secure) {
    warnings->push_back("no listen URL is https:// or unixs://: the certificate is not used");
  }
  if (s.auto_tls && HasCertificate(s)) {
    warnings->push_back("--auto-tls has no effect: --cert-file and --key-file are given");
  }
  if (AsksForCertificates(s) && has_plain) {
    warnings->push_back(
        "clients of http:// and unix:// URLs are not asked for certificates, whatever "
        "--client-cert-auth and --trusted-ca-file say");
  }
  if (s.client_cert_auth && s.trusted_ca_file.empty() && has_secure) {
    warnings->push_back(
        "--client-cert-auth without --trusted-ca-file: a certificate of any authority that this "
        "machine trusts is accepted");
  }
  if (!s.client_crl_file.empty() && !AsksForCertificates(s)) {
    warnings->push_back(
        "--client-crl-file has no effect: no certificate is asked for without --client-cert-auth "
        "or --trusted-ca-file");
  }
}

}  // namespace

absl::Status CheckListening(const Settings& s, Warnings* warnings) {
  bool has_secure = false;
  bool has_plain = false;
  RETURN_IF_ERROR(CheckFiles(s));
  RETURN_IF_ERROR(
      CheckUrls("listen-client-urls", s.listen_client_urls, s, &has_secure, &has_plain));
  if (has_secure && s.transport == "grpc") {
    return Refuse(
        "--experimental-transport=grpc serves no TLS: use http:// or unix:// client URLs, or the "
        "default transport");
  }
  RETURN_IF_ERROR(
      CheckUrls("listen-client-http-urls", s.listen_client_http_urls, s, &has_secure, &has_plain));
  for (const std::string& url : s.listen_client_http_urls) {
    const auto& others = s.listen_client_urls;
    if (std::find(others.begin(), others.end(), url) != others.end()) {
      return Refuse(fmt::format(
          "cannot bind both --listen-client-urls and --listen-client-http-urls on the same url {}",
          url));
    }
  }
  // Probes and scrapers mostly have no certificate: these URLs are often plain on purpose.
  bool may_be_plain = false;
  RETURN_IF_ERROR(
      CheckUrls("listen-metrics-urls", s.listen_metrics_urls, s, &has_secure, &may_be_plain));
  RETURN_IF_ERROR(CheckThatAddressesDiffer(s));
  RETURN_IF_ERROR(CheckPolicy(s));
  WarnOfUnused(s, has_secure, has_plain, warnings);
  return absl::OkStatus();
}

}  // namespace socle::server
