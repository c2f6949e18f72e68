#include "server/cmd/ports.h"

#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "kv/base/log.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"
#include "server/wire/http/self_signed.h"

namespace socle::server {
namespace {

void WarnIfExposed(const Url& url) {
  const bool is_near = url.is_unix() || url.host == "localhost" || url.host == "::1" ||
                       std::string_view(url.host).starts_with("127.");
  if (!url.is_secure() && !is_near) {
    LogWarning("serving without TLS on an address that others may reach",
               {{"url", url.ToString()}});
  }
}

absl::StatusOr<std::vector<Port>> Bind(const std::vector<std::string>& texts) {
  std::vector<Port> ports;
  for (const std::string& text : texts) {
    ASSIGN_OR_RETURN(Url url, ParseUrl(text));
    WarnIfExposed(url);
    absl::StatusOr<http::ListenSocket> socket =
        url.is_unix()
            ? http::ListenSocket::OpenUnix(url.path)
            : http::ListenSocket::OpenTcp(
                  url.host == "localhost" ? std::string("127.0.0.1") : url.host, url.port);
    if (!socket.ok()) {
      return Annotate(socket.status(), url.ToString());
    }
    url.port = socket->port();
    ports.push_back({std::move(url), *std::move(socket)});
  }
  return ports;
}

bool HasSecureUrl(const Settings& settings) {
  for (const auto* urls : {&settings.listen_client_urls, &settings.listen_client_http_urls,
                           &settings.listen_metrics_urls}) {
    for (const std::string& text : *urls) {
      if (const auto url = ParseUrl(text); url.ok() && url->is_secure()) {
        return true;
      }
    }
  }
  return false;
}

absl::StatusOr<std::shared_ptr<http::TlsContext>> MakeTls(const Settings& settings,
                                                          const std::string& certificate,
                                                          const std::string& private_key) {
  const auto version = [](std::string_view text, http::TlsVersion otherwise) {
    return text == "TLS1.2"   ? http::TlsVersion::kTls12
           : text == "TLS1.3" ? http::TlsVersion::kTls13
                              : otherwise;
  };
  return http::TlsContext::Make(
      {.certificate_chain = certificate,
       .private_key = private_key,
       .client_authorities = settings.trusted_ca_file,
       .revoked = settings.client_crl_file},
      {.min_version = version(settings.tls_min_version, http::TlsVersion::kTls12),
       .max_version = version(settings.tls_max_version, http::TlsVersion::kTls13),
       .cipher_suites = settings.cipher_suites,
       .client_hostnames = settings.client_cert_allowed_hostnames,
       .trusts_system_authorities = settings.client_cert_auth});
}

absl::Status WriteFile(Env* env, const std::string& path, std::string_view bytes) {
  ASSIGN_OR_RETURN(const std::unique_ptr<File> file, env->Open(path, OpenMode::kReadWriteCreate));
  RETURN_IF_ERROR(file->Truncate(0));
  RETURN_IF_ERROR(file->WriteAt(0, bytes));
  return file->SyncData();
}

// Where etcd keeps them, and kept over restarts as there: clients may have pinned the certificate.
absl::StatusOr<std::shared_ptr<http::TlsContext>> MakeSelfSignedTls(const Settings& settings,
                                                                    const Ports& ports) {
  Env* const env = Env::Posix();
  const std::string folder = settings.data_dir + "/fixtures/client";
  const std::string certificate = folder + "/cert.pem";
  const std::string private_key = folder + "/key.pem";
  ASSIGN_OR_RETURN(const bool has_certificate, env->Exists(certificate));
  ASSIGN_OR_RETURN(const bool has_key, env->Exists(private_key));
  if (!has_certificate || !has_key) {
    std::vector<std::string> hosts;
    for (const auto* list : {&ports.client, &ports.client_http, &ports.metrics}) {
      for (const Port& port : *list) {
        hosts.push_back(port.url.is_unix() ? "localhost" : port.url.host);
      }
    }
    ASSIGN_OR_RETURN(
        const http::PemPair made,
        http::MakeSelfSigned(hosts, static_cast<int>(settings.self_signed_cert_validity_years)));
    RETURN_IF_ERROR(env->CreateDirs(folder));
    RETURN_IF_ERROR(WriteFile(env, private_key, made.private_key));
    RETURN_IF_ERROR(WriteFile(env, certificate, made.certificate));
    LogWarning("a self-signed certificate was made: clients can't know that it is this server's",
               {{"file", certificate}, {"years", settings.self_signed_cert_validity_years}});
  }
  return MakeTls(settings, certificate, private_key);
}

}  // namespace

absl::StatusOr<Ports> Ports::Open(const Settings& settings) {
  Ports ports;
  const bool has_tls = HasSecureUrl(settings);
  if (has_tls && !settings.cert_file.empty()) {
    ASSIGN_OR_RETURN(ports.tls, MakeTls(settings, settings.cert_file, settings.key_file));
  }
  ASSIGN_OR_RETURN(ports.client, Bind(settings.listen_client_urls));
  ASSIGN_OR_RETURN(ports.client_http, Bind(settings.listen_client_http_urls));
  ASSIGN_OR_RETURN(ports.metrics, Bind(settings.listen_metrics_urls));
  if (has_tls && settings.cert_file.empty()) {
    ASSIGN_OR_RETURN(ports.tls, MakeSelfSignedTls(settings, ports));
  }
  return ports;
}

}  // namespace socle::server
