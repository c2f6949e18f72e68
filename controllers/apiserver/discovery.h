// Discovery: the documents by which clients learn what there is: /api, /apis and below, in both forms,
// OpenAPI and the version.
//
// Laws     1. Everything is made of the table of kinds; no resource is listed here by hand but those
//             that have no kind.
//          2. The groups of kruise come last: their short name `sts` must lose against that of apps.
// Threads  thread-safe. The OpenAPI document is made at its first use: that request waits for it.
// Source   spec controllers 9.1.
#ifndef SOCLE_CONTROLLERS_APISERVER_DISCOVERY_H_
#define SOCLE_CONTROLLERS_APISERVER_DISCOVERY_H_

#include <mutex>
#include <string>
#include <string_view>

#include "controllers/api/kind_registry.h"
#include "controllers/apiserver/negotiation.h"
#include "kv/base/bytes.h"

namespace socle::apiserver {

class Discovery {
 public:
  // `server_address`: what clients of any address are told.
  Discovery(const api::KindRegistry* kinds, std::string_view server_address);

  // The document of /api, /apis, /apis/<group>, /api/v1, /apis/<group>/<version>, /version or /;
  // nullptr for other paths.
  const std::string* Find(std::string_view path) const;
  // /api and /apis in one document each; nullptr for other paths or kPlain.
  const std::string* FindAggregated(std::string_view path, DiscoveryForm form) const;

  const std::string& OpenApi(OpenApiForm form);

 private:
  const api::KindRegistry* const kinds_;
  StringMap<std::string> documents_;
  StringMap<std::string> aggregated_v2_;
  StringMap<std::string> aggregated_v2beta1_;
  std::once_flag open_api_once_;
  std::string open_api_json_;  // both by open_api_once_, then immutable
  std::string open_api_protobuf_;
};

}  // namespace socle::apiserver

#endif  // SOCLE_CONTROLLERS_APISERVER_DISCOVERY_H_
