// StoredKeys: which object a key of the store names.
//
//   /registry/pods/default/a   /registry/nodes/n1   /registry/apps.kruise.io/inplacesets/default/a
//
// Threads  immutable.
// Memory   views point into the key.
#ifndef SOCLE_CONTROLLERS_REGISTRY_STORED_KEY_H_
#define SOCLE_CONTROLLERS_REGISTRY_STORED_KEY_H_

#include <optional>
#include <string_view>

#include "controllers/api/kind_registry.h"
#include "kv/base/bytes.h"

namespace socle::registry {

struct StoredKey {
  const api::Kind* kind = nullptr;  // the one that gives the stored resource its name
  std::string_view ns;
  std::string_view name;
};

class StoredKeys {
 public:
  explicit StoredKeys(const api::KindRegistry& kinds);

  // nullopt for the key of an unknown kind, or for one that no object has.
  std::optional<StoredKey> Parse(std::string_view key) const;

 private:
  StringMap<const api::Kind*> by_prefix_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_STORED_KEY_H_
