// CacheIndex: the objects of the cache, by key, and the ways to look them up.
//
// Laws     1. Every object of the key order is in each of the other orders, and no other is.
//          2. Orders are those of the keys in the store: a page from here ends where one from there does.
// Threads  thread-compatible: the cache's lock guards it.
// Memory   about 16 bytes per object and order.
#ifndef SOCLE_CONTROLLERS_REGISTRY_CACHE_INDEX_H_
#define SOCLE_CONTROLLERS_REGISTRY_CACHE_INDEX_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>
#include <absl/container/flat_hash_map.h>

#include "controllers/api/kind_registry.h"
#include "controllers/registry/object_cache.h"
#include "kv/base/bytes.h"

namespace socle::registry {

struct NameView {
  std::string_view ns;
  std::string_view name;
};

// The order of `ns/name` as text: no namespace has a slash.
struct KeyOrder {
  using is_transparent = void;

  static NameView NameOf(const ObjectRef& object) { return {object->ns, object->name}; }

  static NameView NameOf(const NameView& name) { return name; }

  static int Compare(const NameView& a, const NameView& b);

  template <typename A, typename B>
  bool operator()(const A& a, const B& b) const {
    return Compare(NameOf(a), NameOf(b)) < 0;
  }
};

// By resource, then as above.
struct ResourceOrder {
  bool operator()(const ObjectRef& a, const ObjectRef& b) const;
};

using ObjectSet = absl::btree_set<ObjectRef, KeyOrder>;

// Which of a kind's fields have an order of their own; positions are those of Kind::fields.
struct IndexedField {
  std::string_view label;
  size_t position = 0;
};

std::vector<IndexedField> IndexedFieldsOf(const api::Kind& kind);

// The exact term of the selection on one of these fields.
struct IndexedTerm {
  size_t field = 0;  // of IndexedFieldsOf
  std::string_view value;
};

std::optional<IndexedTerm> IndexedTermOf(const Selection& selection,
                                         const std::vector<IndexedField>& fields);

// The objects of one stored resource.
class ResourceIndex {
 public:
  explicit ResourceIndex(const api::Kind* kind);

  const api::Kind& kind() const { return *kind_; }

  const std::vector<IndexedField>& fields() const { return fields_; }

  size_t size() const { return objects_.size(); }

  const ObjectSet& objects() const { return objects_; }

  // Each returns what was there before.
  ObjectRef Put(const ObjectRef& object);
  ObjectRef Remove(std::string_view ns, std::string_view name);

  ObjectRef Get(std::string_view ns, std::string_view name) const;
  std::vector<ObjectRef> List(const Selection& selection) const;
  // Empty when the field has no order.
  std::vector<ObjectRef> ByField(std::string_view field, std::string_view value) const;

 private:
  void AddToFields(const ObjectRef& object);
  void RemoveFromFields(const ObjectRef& object);

  const api::Kind* const kind_;
  const std::vector<IndexedField> fields_;
  ObjectSet objects_;
  std::vector<StringMap<ObjectSet>> by_field_;  // in step with fields_
};

class CacheIndex {
 public:
  explicit CacheIndex(const api::KindRegistry& kinds);
  CacheIndex(const CacheIndex&) = delete;
  CacheIndex& operator=(const CacheIndex&) = delete;

  // Resources are numbered from 0; kinds that share a stored resource share the number.
  size_t resource_count() const { return resources_.size(); }

  // nullopt for a kind of another registry.
  std::optional<size_t> NumberOf(const api::Kind& kind) const;

  const ResourceIndex& resource(size_t number) const { return resources_[number]; }

  ObjectRef Put(size_t resource, const ObjectRef& object);
  ObjectRef Remove(size_t resource, std::string_view ns, std::string_view name);

  ObjectRef ByUid(std::string_view uid) const;
  // `resource` nullopt: any.
  std::vector<ObjectRef> OwnedBy(std::optional<size_t> resource, std::string_view uid) const;

 private:
  using OwnedSet = absl::btree_set<ObjectRef, ResourceOrder>;

  void AddReferences(const ObjectRef& object);
  void RemoveReferences(const ObjectRef& object);

  std::deque<ResourceIndex> resources_;
  absl::flat_hash_map<const api::Kind*, size_t> numbers_;
  StringMap<ObjectRef> by_uid_;
  StringMap<OwnedSet> by_owner_;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_CACHE_INDEX_H_
