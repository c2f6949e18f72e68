// Kubeconfig: the file that points kubectl at a plane.
//
// Threads  pure functions.
#ifndef SOCLE_CONTROLLERS_PLANE_KUBECONFIG_H_
#define SOCLE_CONTROLLERS_PLANE_KUBECONFIG_H_

#include <string>

#include <absl/status/status.h>

namespace socle::plane {

struct KubeconfigOptions {
  std::string server;              // https://127.0.0.1:8443
  std::string authority_pem = {};  // certificates that clients trust; empty: plain HTTP
  std::string token = {};          // empty: none
};

// JSON, which is YAML too: kubectl reads both.
std::string Kubeconfig(const KubeconfigOptions& options);

// Writes it, readable by its owner only, and at once: nobody sees half a file.
absl::Status WriteKubeconfig(const std::string& path, const KubeconfigOptions& options);

}  // namespace socle::plane

#endif  // SOCLE_CONTROLLERS_PLANE_KUBECONFIG_H_
