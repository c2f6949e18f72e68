#include "controllers/api/kind_registry.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "controllers/api/kinds/kinds.h"
#include "kv/base/check.h"

namespace socle::api {
namespace {

std::string KeyOf(const GroupKindVersion& wanted) {
  return fmt::format("{}/{}/{}", wanted.group, wanted.version, wanted.name);
}

const ServedKind* Lookup(const StringMap<const ServedKind*>& map, const std::string& key) {
  const auto found = map.find(key);
  return found == map.end() ? nullptr : found->second;
}

// Whether every member that `stored` describes is in `shown`.
bool ShowsAll(const Schema& shown, const Schema& stored) {
  if (&shown == &stored) {
    return true;
  }
  for (const Property& member : stored.members) {
    const Property* visible = shown.Member(member.name);
    if (visible == nullptr || !ShowsAll(*visible->schema, *member.schema)) {
      return false;
    }
  }
  return stored.items == nullptr ||
         (shown.items != nullptr && ShowsAll(*shown.items, *stored.items));
}

}  // namespace

KindRegistry::KindRegistry(std::vector<Kind> kinds) {
  for (Kind& given : kinds) {
    kinds_.push_back(std::move(given));
    const Kind& kind = kinds_.back();
    if (std::find(groups_.begin(), groups_.end(), kind.group) == groups_.end()) {
      groups_.push_back(kind.group);
    }
    for (const std::string_view version : kind.versions) {
      const bool is_only = kind.versions.size() == 1;
      served_.push_back(
          ServedKind{&kind, version, is_only ? kind.schema : kind.schema.ForVersion(version)});
      served_.back().hides_nothing = ShowsAll(served_.back().schema, kind.schema);
      const ServedKind* served = &served_.back();
      CHECK(by_resource_.emplace(KeyOf({kind.group, version, kind.resource}), served).second);
      CHECK(by_kind_.emplace(KeyOf({kind.group, version, kind.kind}), served).second);
    }
  }
  for (Kind& kind : kinds_) {
    const ServedKind* storing = Preferred(kind.group, kind.storage_resource);
    CHECK(storing != nullptr);
    kind.storing_kind = storing->kind;
  }
}

const KindRegistry& KindRegistry::Builtin() {
  static const KindRegistry& registry = *new KindRegistry(AllKinds());
  return registry;
}

const ServedKind* KindRegistry::ByResource(const GroupKindVersion& wanted) const {
  return Lookup(by_resource_, KeyOf(wanted));
}

const ServedKind* KindRegistry::ByKind(const GroupKindVersion& wanted) const {
  return Lookup(by_kind_, KeyOf(wanted));
}

const ServedKind* KindRegistry::Preferred(std::string_view group, std::string_view resource) const {
  for (const ServedKind& served : served_) {
    if (served.kind->group == group && served.kind->resource == resource) {
      return &served;
    }
  }
  return nullptr;
}

std::vector<std::string_view> KindRegistry::VersionsOf(std::string_view group) const {
  std::vector<std::string_view> versions;
  for (const Kind& kind : kinds_) {
    if (kind.group != group) {
      continue;
    }
    for (const std::string_view version : kind.versions) {
      if (std::find(versions.begin(), versions.end(), version) == versions.end()) {
        versions.push_back(version);
      }
    }
  }
  return versions;
}

}  // namespace socle::api
