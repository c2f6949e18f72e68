#include "controllers/registry/cache_index.h"

#include <algorithm>
#include <utility>

namespace socle::registry {
namespace {

// What is looked up often enough to pay for an order: a node's pods, an object's events.
struct FieldOfKind {
  std::string_view group;
  std::string_view resource;
  std::string_view label;
};

constexpr FieldOfKind kIndexed[] = {
    {"", "pods", "spec.nodeName"},
    {"", "events", "involvedObject.uid"},
    {"", "events", "involvedObject.name"},
};

std::string_view TextAt(const Object& object, size_t position) {
  return position < object.fields.size() ? std::string_view(object.fields[position])
                                         : std::string_view();
}

}  // namespace

int KeyOrder::Compare(const NameView& a, const NameView& b) {
  if (a.ns == b.ns) {
    return a.name.compare(b.name);
  }
  const size_t shared = std::min(a.ns.size(), b.ns.size());
  const int order = a.ns.substr(0, shared).compare(b.ns.substr(0, shared));
  if (order != 0) {
    return order;
  }
  // One is the beginning of the other: its slash against the other's next character.
  const auto next = [shared](std::string_view ns) {
    return shared < ns.size() ? static_cast<uint8_t>(ns[shared]) : static_cast<uint8_t>('/');
  };
  return next(a.ns) < next(b.ns) ? -1 : 1;
}

bool ResourceOrder::operator()(const ObjectRef& a, const ObjectRef& b) const {
  if (a->kind != b->kind) {
    const auto resource = [](const ObjectRef& object) {
      return std::pair(object->kind->group, object->kind->storage_resource);
    };
    const auto of_a = resource(a);
    const auto of_b = resource(b);
    if (of_a != of_b) {
      return of_a < of_b;
    }
  }
  return KeyOrder()(a, b);
}

std::vector<IndexedField> IndexedFieldsOf(const api::Kind& kind) {
  std::vector<IndexedField> fields;
  for (const FieldOfKind& wanted : kIndexed) {
    if (wanted.group != kind.group || wanted.resource != kind.storage_resource) {
      continue;
    }
    for (size_t i = 0; i < kind.fields.size(); ++i) {
      if (kind.fields[i].label == wanted.label) {
        fields.push_back({wanted.label, i});
      }
    }
  }
  return fields;
}

std::optional<IndexedTerm> IndexedTermOf(const Selection& selection,
                                         const std::vector<IndexedField>& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (const std::string* value = selection.fields.ExactValue(fields[i].label)) {
      return IndexedTerm{.field = i, .value = *value};
    }
  }
  return std::nullopt;
}

ResourceIndex::ResourceIndex(const api::Kind* kind)
    : kind_(kind), fields_(IndexedFieldsOf(*kind)), by_field_(fields_.size()) {}

ObjectRef ResourceIndex::Put(const ObjectRef& object) {
  const auto at = objects_.find(object);
  if (at == objects_.end()) {
    objects_.insert(object);
    AddToFields(object);
    return nullptr;
  }
  ObjectRef before = *at;
  RemoveFromFields(before);
  objects_.insert(objects_.erase(at), object);
  AddToFields(object);
  return before;
}

ObjectRef ResourceIndex::Remove(std::string_view ns, std::string_view name) {
  const auto at = objects_.find(NameView{ns, name});
  if (at == objects_.end()) {
    return nullptr;
  }
  ObjectRef before = *at;
  RemoveFromFields(before);
  objects_.erase(at);
  return before;
}

void ResourceIndex::AddToFields(const ObjectRef& object) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    by_field_[i][TextAt(*object, fields_[i].position)].insert(object);
  }
}

void ResourceIndex::RemoveFromFields(const ObjectRef& object) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    const auto at = by_field_[i].find(TextAt(*object, fields_[i].position));
    at->second.erase(object);
    if (at->second.empty()) {
      by_field_[i].erase(at);
    }
  }
}

ObjectRef ResourceIndex::Get(std::string_view ns, std::string_view name) const {
  const auto at = objects_.find(NameView{ns, name});
  return at == objects_.end() ? nullptr : *at;
}

std::vector<ObjectRef> ResourceIndex::List(const Selection& selection) const {
  std::vector<ObjectRef> found;
  const auto take = [&found, &selection](const ObjectRef& object) {
    if (selection.Matches(*object)) {
      found.push_back(object);
    }
  };
  const std::string* name = selection.fields.ExactValue("metadata.name");
  if (name != nullptr && (!selection.ns.empty() || !kind_->is_namespaced)) {
    if (const ObjectRef object = Get(selection.ns, *name)) {
      take(object);
    }
    return found;
  }
  if (const auto term = IndexedTermOf(selection, fields_)) {
    const auto at = by_field_[term->field].find(term->value);
    if (at != by_field_[term->field].end()) {
      std::for_each(at->second.begin(), at->second.end(), take);
    }
    return found;
  }
  if (selection.ns.empty() && selection.labels.is_everything() &&
      selection.fields.is_everything()) {
    return {objects_.begin(), objects_.end()};
  }
  auto at =
      selection.ns.empty() ? objects_.begin() : objects_.lower_bound(NameView{selection.ns, ""});
  for (; at != objects_.end() && (selection.ns.empty() || (*at)->ns == selection.ns); ++at) {
    take(*at);
  }
  return found;
}

std::vector<ObjectRef> ResourceIndex::ByField(std::string_view field,
                                              std::string_view value) const {
  for (size_t i = 0; i < fields_.size(); ++i) {
    if (fields_[i].label == field) {
      const auto at = by_field_[i].find(value);
      if (at == by_field_[i].end()) {
        return {};
      }
      return {at->second.begin(), at->second.end()};
    }
  }
  return {};
}

CacheIndex::CacheIndex(const api::KindRegistry& kinds) {
  StringMap<size_t> known;  // by the prefix of their keys
  const auto add = [&](const api::Kind& kind) {
    const auto [at, is_new] = known.emplace(ObjectKey(kind, "", ""), resources_.size());
    if (is_new) {
      resources_.emplace_back(&kind);
    }
    numbers_.emplace(&kind, at->second);
  };
  // The kind that gives the resource its name comes first: objects carry it.
  for (const api::Kind& kind : kinds.kinds()) {
    if (kind.resource == kind.storage_resource) {
      add(kind);
    }
  }
  for (const api::Kind& kind : kinds.kinds()) {
    add(kind);
  }
}

std::optional<size_t> CacheIndex::NumberOf(const api::Kind& kind) const {
  const auto at = numbers_.find(&kind);
  return at == numbers_.end() ? std::nullopt : std::optional(at->second);
}

ObjectRef CacheIndex::Put(size_t resource, const ObjectRef& object) {
  ObjectRef before = resources_[resource].Put(object);
  if (before != nullptr) {
    RemoveReferences(before);
  }
  AddReferences(object);
  return before;
}

ObjectRef CacheIndex::Remove(size_t resource, std::string_view ns, std::string_view name) {
  ObjectRef before = resources_[resource].Remove(ns, name);
  if (before != nullptr) {
    RemoveReferences(before);
  }
  return before;
}

void CacheIndex::AddReferences(const ObjectRef& object) {
  if (!object->uid.empty()) {
    by_uid_[object->uid] = object;
  }
  for (const OwnerReference& owner : object->owners) {
    by_owner_[owner.uid].insert(object);
  }
}

void CacheIndex::RemoveReferences(const ObjectRef& object) {
  // A restored object may have the uid of another: each takes away only what is its own.
  const auto own = by_uid_.find(object->uid);
  if (own != by_uid_.end() && own->second == object) {
    by_uid_.erase(own);
  }
  for (const OwnerReference& owner : object->owners) {
    const auto at = by_owner_.find(owner.uid);
    if (at == by_owner_.end()) {
      continue;  // The same owner twice.
    }
    at->second.erase(object);
    if (at->second.empty()) {
      by_owner_.erase(at);
    }
  }
}

ObjectRef CacheIndex::ByUid(std::string_view uid) const {
  const auto at = by_uid_.find(uid);
  return at == by_uid_.end() ? nullptr : at->second;
}

std::vector<ObjectRef> CacheIndex::OwnedBy(std::optional<size_t> resource,
                                           std::string_view uid) const {
  const auto at = by_owner_.find(uid);
  if (at == by_owner_.end()) {
    return {};
  }
  std::vector<ObjectRef> owned;
  for (const ObjectRef& object : at->second) {
    if (!resource.has_value() || numbers_.at(object->kind) == *resource) {
      owned.push_back(object);
    }
  }
  return owned;
}

}  // namespace socle::registry
