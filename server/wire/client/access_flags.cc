#include "server/wire/client/access_flags.h"

#include <CLI/CLI.hpp>

namespace socle::server {

void AddAccessFlags(CLI::App* app, ClientAccess* access, Environment environment) {
  const auto name = [environment](CLI::Option* option, const char* variable) {
    if (environment == Environment::kEtcdctl) {
      option->envname(variable);
    }
  };
  name(app->add_option("--cacert", access->cacert,
                       "verify the server by the authorities in this file (PEM)"),
       "ETCDCTL_CACERT");
  name(
      app->add_option("--cert", access->cert, "show the server the certificate in this file (PEM)"),
      "ETCDCTL_CERT");
  name(app->add_option("--key", access->key, "private key of --cert (PEM)"), "ETCDCTL_KEY");
  name(app->add_flag("--insecure-skip-tls-verify", access->insecure_skip_tls_verify,
                     "take any certificate of the server: for tests only"),
       "ETCDCTL_INSECURE_SKIP_TLS_VERIFY");
  name(app->add_flag("--insecure-transport", access->insecure_transport,
                     "=false: TLS to endpoints without a scheme even if no file of TLS is named"),
       "ETCDCTL_INSECURE_TRANSPORT");
  name(app->add_option("--user", access->user, "NAME:PASSWORD, or NAME with --password"),
       "ETCDCTL_USER");
  name(app->add_option("--password", access->password, "of --user NAME"), "ETCDCTL_PASSWORD");
}

}  // namespace socle::server
