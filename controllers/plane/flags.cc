#include "controllers/plane/flags.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/plane/parts.h"
#include "kv/base/bytes.h"

namespace socle::plane {
namespace {

constexpr std::string_view kFooter =
    "Try it:\n"
    "  socle-plane --hollow-nodes 1000 --kubeconfig-out plane.kubeconfig\n"
    "  kubectl --kubeconfig plane.kubeconfig get nodes";

void AddStoreFlags(CLI::App* app, Settings* settings, double* history_minutes) {
  app->add_option("--store", settings->store, "where objects are kept")
      ->check(CLI::IsMember({"embedded", "etcd"}))
      ->capture_default_str();
  app->add_option("--data-dir", settings->data_dir, "directory of the embedded store")
      ->capture_default_str();
  app->add_flag("--unsafe-no-sync", settings->unsafe_no_sync,
                "do not wait for the disk: a power cut loses what was acknowledged");
  app->add_option("--etcd-endpoints", settings->etcd_endpoints,
                  "members of the etcd cluster, for --store=etcd")
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--history-minutes", *history_minutes,
                  "how far back watches and chunked lists may go")
      ->check(CLI::Range(1.0, 1440.0))
      ->capture_default_str();
}

void AddFrontFlags(CLI::App* app, Settings* settings) {
  app->add_option("--listen", settings->listen,
                  "address and port of the REST API; beyond loopback only with TLS and clients "
                  "that prove who they are")
      ->capture_default_str();
  CLI::Option* cert = app->add_option("--tls-cert-file", settings->tls_cert_file,
                                      "certificate chain (PEM); makes the API speak TLS");
  CLI::Option* key =
      app->add_option("--tls-private-key-file", settings->tls_key_file, "its key (PEM)");
  cert->needs(key);
  key->needs(cert);
  app->add_option("--client-ca-file", settings->client_ca_file,
                  "clients with a certificate of this authority (PEM) are let in")
      ->needs(cert);
  app->add_option("--token-auth-file", settings->token_file,
                  "lines of token,user,uid: clients with one of these bearer tokens are let in");
  app->add_option("--kubeconfig-out", settings->kubeconfig_out,
                  "writes a kubeconfig for this plane to the file");
}

void AddInsideFlags(CLI::App* app, Settings* settings) {
  app->add_option("--hollow-nodes", settings->hollow_nodes, "simulated nodes to run")
      ->check(CLI::Range(0, 100'000))
      ->capture_default_str();
  app->add_option("--hollow-prefix", settings->hollow_prefix, "their names begin with this")
      ->capture_default_str();
  app->add_option("--controllers", settings->controllers,
                  fmt::format("which parts run: '*' for all, names to choose, -name to leave out; "
                              "there are {}",
                              fmt::join(PartNames(), ", ")))
      ->delimiter(',')
      ->capture_default_str();
  app->add_option("--seed", settings->seed, "of names, delays and placement; 0: fresh")
      ->capture_default_str();
  app->add_option("--log-level", settings->log_level, "what is logged: this and what is worse")
      ->check(CLI::IsMember({"debug", "info", "warn", "error"}))
      ->capture_default_str();
  app->add_option("--log-format", settings->log_format, "lines for people, or for programs")
      ->check(CLI::IsMember({"text", "json"}))
      ->capture_default_str();
}

absl::Status CheckControllers(const Settings& settings) {
  for (const std::string& wanted : settings.controllers) {
    const std::string_view name = std::string_view(wanted).substr(wanted.starts_with('-') ? 1 : 0);
    const std::vector<std::string_view> names = PartNames();
    if (name != "*" && std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::InvalidArgumentError(fmt::format("--controllers: there is no '{}'; there are {}",
                                                    name, fmt::join(names, ", ")));
    }
  }
  return absl::OkStatus();
}

void AddAllFlags(CLI::App* app, ParsedFlags* parsed, double* history_minutes) {
  app->footer(std::string(kFooter));
  app->add_flag("--version", parsed->wants_version, "prints the version");
  AddStoreFlags(app, &parsed->settings, history_minutes);
  AddFrontFlags(app, &parsed->settings);
  AddInsideFlags(app, &parsed->settings);
}

constexpr const char* kAbout = "A Kubernetes-style control plane in one process.";
constexpr const char* kProgram = "socle-plane";
constexpr double kHistoryMinutes = 5;

}  // namespace

absl::StatusOr<ParsedFlags> ParseFlags(std::vector<std::string> arguments) {
  ParsedFlags parsed;
  double history_minutes = kHistoryMinutes;
  CLI::App app(kAbout, kProgram);
  AddAllFlags(&app, &parsed, &history_minutes);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    parsed.help = app.help();
    return parsed;
  } catch (const CLI::ParseError& error) {
    return absl::InvalidArgumentError(
        fmt::format("{} (socle-plane --help lists the flags)", error.what()));
  }
  parsed.settings.history_nanos =
      static_cast<int64_t>(history_minutes * 60.0 * static_cast<double>(kNanosPerSecond));
  const absl::Status controllers = CheckControllers(parsed.settings);
  if (!controllers.ok()) {
    return controllers;
  }
  return parsed;
}

void ShowCommandLine(const std::function<void(const CLI::App&)>& show) {
  ParsedFlags parsed;
  double history_minutes = kHistoryMinutes;
  CLI::App app(kAbout, kProgram);
  AddAllFlags(&app, &parsed, &history_minutes);
  show(app);
}

}  // namespace socle::plane
