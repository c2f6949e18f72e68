#include "controllers/plane/kubeconfig.h"

#include <memory>

#include <absl/strings/escaping.h>

#include "controllers/api/json.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"
#include "kv/env/env.h"

namespace socle::plane {
namespace {

constexpr std::string_view kName = "socle-plane";

api::Json Named(std::string_view member, api::Json value) {
  api::JsonObject entry;
  api::Set(&entry, "name", api::JsonView(kName));
  api::Set(&entry, member, std::move(value));
  return api::JsonArray{std::move(entry)};
}

}  // namespace

std::string Kubeconfig(const KubeconfigOptions& options) {
  api::JsonObject cluster;
  api::Set(&cluster, "server", api::JsonView(options.server));
  if (!options.authority_pem.empty()) {
    const std::string encoded = absl::Base64Escape(AbslView(options.authority_pem));
    api::Set(&cluster, "certificate-authority-data", api::JsonView(encoded));
  }
  api::JsonObject user;
  if (!options.token.empty()) {
    api::Set(&user, "token", api::JsonView(options.token));
  }
  api::JsonObject context;
  api::Set(&context, "cluster", api::JsonView(kName));
  api::Set(&context, "user", api::JsonView(kName));

  api::JsonObject config;
  api::Set(&config, "apiVersion", "v1");
  api::Set(&config, "kind", "Config");
  api::Set(&config, "current-context", api::JsonView(kName));
  api::Set(&config, "clusters", Named("cluster", std::move(cluster)));
  api::Set(&config, "users", Named("user", std::move(user)));
  api::Set(&config, "contexts", Named("context", std::move(context)));
  return api::Dump(config) + "\n";
}

absl::Status WriteKubeconfig(const std::string& path, const KubeconfigOptions& options) {
  Env* env = Env::Posix();
  const std::string unfinished = path + ".tmp";
  {
    ASSIGN_OR_RETURN(const std::unique_ptr<File> file,
                     env->Open(unfinished, OpenMode::kReadWriteCreate));
    RETURN_IF_ERROR(file->Truncate(0));
    RETURN_IF_ERROR(file->WriteAt(0, Kubeconfig(options)));
  }
  return env->Rename(unfinished, path);
}

}  // namespace socle::plane
