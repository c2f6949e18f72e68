#include "controllers/workload/document_edits.h"

#include <utility>

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

std::string_view MetadataText(const Json& object, std::string_view member, std::string_view key) {
  const JsonObject* map = api::FindObject(object, {"metadata", member});
  return map == nullptr ? std::string_view() : api::StringAt(*map, key);
}

bool SetText(std::string_view member, std::string_view key, std::string_view value, Json* object) {
  JsonObject& map = api::EnsureObject(object, {"metadata", member});
  const Json* old = map.if_contains(JsonView(key));
  if (old != nullptr && old->is_string() && api::View(old->get_string()) == value) {
    return false;
  }
  map[JsonView(key)] = JsonView(value);
  return true;
}

bool EraseText(std::string_view member, std::string_view key, Json* object) {
  if (api::FindObject(*object, {"metadata", member}) == nullptr) {
    return false;
  }
  return api::EnsureObject(object, {"metadata", member}).erase(JsonView(key)) > 0;
}

// The list of metadata, made when there is none.
JsonArray& MetadataList(std::string_view member, Json* object) {
  Json& list = api::EnsureObject(object, {"metadata"})[JsonView(member)];
  if (!list.is_array()) {
    list = JsonArray();
  }
  return list.get_array();
}

}  // namespace

std::string_view LabelOf(const Json& object, std::string_view key) {
  return MetadataText(object, "labels", key);
}

std::string_view AnnotationOf(const Json& object, std::string_view key) {
  return MetadataText(object, "annotations", key);
}

bool SetLabel(std::string_view key, std::string_view value, Json* object) {
  return SetText("labels", key, value, object);
}

bool EraseLabel(std::string_view key, Json* object) {
  return EraseText("labels", key, object);
}

bool SetAnnotation(std::string_view key, std::string_view value, Json* object) {
  return SetText("annotations", key, value, object);
}

bool EraseAnnotation(std::string_view key, Json* object) {
  return EraseText("annotations", key, object);
}

bool AddFinalizer(std::string_view finalizer, Json* object) {
  JsonArray& list = MetadataList("finalizers", object);
  for (const Json& one : list) {
    if (one.is_string() && api::View(one.get_string()) == finalizer) {
      return false;
    }
  }
  list.emplace_back(JsonView(finalizer));
  return true;
}

bool AddOwner(Json reference, Json* object) {
  const std::string uid(api::StringAt(reference, {"uid"}));
  JsonArray& list = MetadataList("ownerReferences", object);
  for (Json& one : list) {
    if (api::StringAt(one, {"uid"}) == uid) {
      const bool is_changed = one != reference;
      one = std::move(reference);
      return is_changed;
    }
  }
  list.push_back(std::move(reference));
  return true;
}

bool RemoveOwner(std::string_view uid, Json* object) {
  if (api::FindArray(*object, {"metadata", "ownerReferences"}) == nullptr) {
    return false;
  }
  JsonArray& list = MetadataList("ownerReferences", object);
  bool is_changed = false;
  for (size_t i = list.size(); i > 0; --i) {
    if (api::StringAt(list[i - 1], {"uid"}) == uid) {
      list.erase(list.begin() + static_cast<std::ptrdiff_t>(i - 1));
      is_changed = true;
    }
  }
  if (list.empty()) {
    api::EnsureObject(object, {"metadata"}).erase("ownerReferences");
  }
  return is_changed;
}

const Json* ElementNamed(const Json& root, api::JsonPath list, std::string_view name) {
  const JsonArray* elements = api::FindArray(root, list);
  for (size_t i = 0; elements != nullptr && i < elements->size(); ++i) {
    if (api::StringAt((*elements)[i], {"name"}) == name) {
      return &(*elements)[i];
    }
  }
  return nullptr;
}

Json* ElementNamed(Json* root, api::JsonPath list, std::string_view name) {
  // The document is the caller's own and not const.
  return const_cast<Json*>(ElementNamed(*root, list, name));
}

}  // namespace socle::workload
