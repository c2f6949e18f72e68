// KindRegistry: the kinds that the plane serves, by what requests and objects call them.
//
// Threads  built at the first use, then immutable.
#ifndef SOCLE_CONTROLLERS_API_KIND_REGISTRY_H_
#define SOCLE_CONTROLLERS_API_KIND_REGISTRY_H_

#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/kind.h"
#include "kv/base/bytes.h"

namespace socle::api {

struct GroupKindVersion {
  std::string_view group;
  std::string_view version;
  std::string_view name;  // of the kind, or of the resource
};

class KindRegistry {
 public:
  explicit KindRegistry(std::vector<Kind> kinds);
  KindRegistry(const KindRegistry&) = delete;
  KindRegistry& operator=(const KindRegistry&) = delete;

  // All kinds of kinds/.
  static const KindRegistry& Builtin();

  // nullptr when unknown; lives as long as the registry.
  const ServedKind* ByResource(const GroupKindVersion& wanted) const;
  const ServedKind* ByKind(const GroupKindVersion& wanted) const;
  // The preferred version of a resource that requests name without one.
  const ServedKind* Preferred(std::string_view group, std::string_view resource) const;

  const std::deque<Kind>& kinds() const { return kinds_; }

  const std::deque<ServedKind>& served() const { return served_; }

  // In the order of discovery: the core group first, the kruise group last (its short name `sts`
  // must lose against that of apps).
  const std::vector<std::string_view>& groups() const { return groups_; }

  // Preferred first.
  std::vector<std::string_view> VersionsOf(std::string_view group) const;

 private:
  std::deque<Kind> kinds_;
  std::deque<ServedKind> served_;
  std::vector<std::string_view> groups_;
  StringMap<const ServedKind*> by_resource_;
  StringMap<const ServedKind*> by_kind_;
};

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_KIND_REGISTRY_H_
