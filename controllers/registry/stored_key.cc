#include "controllers/registry/stored_key.h"

#include <string>

#include "controllers/registry/object.h"

namespace socle::registry {

StoredKeys::StoredKeys(const api::KindRegistry& kinds) {
  for (const api::Kind& kind : kinds.kinds()) {
    std::string prefix = ObjectKey(kind, "", "");
    if (kind.resource == kind.storage_resource) {
      by_prefix_[prefix] = &kind;
    } else {
      by_prefix_.emplace(std::move(prefix), &kind);
    }
  }
}

std::optional<StoredKey> StoredKeys::Parse(std::string_view key) const {
  if (!key.starts_with(kKeyPrefix)) {
    return std::nullopt;
  }
  // The prefix ends with the first slash for the core group, with the second for the others.
  size_t end = key.find('/', kKeyPrefix.size());
  for (int slashes = 0; slashes < 2 && end != std::string_view::npos; ++slashes) {
    const auto at = by_prefix_.find(key.substr(0, end + 1));
    if (at == by_prefix_.end()) {
      end = key.find('/', end + 1);
      continue;
    }
    StoredKey found{.kind = at->second};
    const std::string_view rest = key.substr(end + 1);
    const size_t slash = rest.find('/');
    if (found.kind->is_namespaced != (slash != std::string_view::npos)) {
      return std::nullopt;
    }
    if (found.kind->is_namespaced) {
      found.ns = rest.substr(0, slash);
      found.name = rest.substr(slash + 1);
    } else {
      found.name = rest;
    }
    return found;
  }
  return std::nullopt;
}

}  // namespace socle::registry
