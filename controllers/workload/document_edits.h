// Document edits: labels, annotations, finalizers and owners of an object's document, by name.
//
// Laws     1. Each returns whether it changed anything.
// Threads  pure functions.
#ifndef SOCLE_CONTROLLERS_WORKLOAD_DOCUMENT_EDITS_H_
#define SOCLE_CONTROLLERS_WORKLOAD_DOCUMENT_EDITS_H_

#include <string_view>

#include "controllers/api/json.h"

namespace socle::workload {

// Empty when there is none. The view lives as long as the document is unchanged.
std::string_view LabelOf(const api::Json& object, std::string_view key);
std::string_view AnnotationOf(const api::Json& object, std::string_view key);

bool SetLabel(std::string_view key, std::string_view value, api::Json* object);
bool EraseLabel(std::string_view key, api::Json* object);
bool SetAnnotation(std::string_view key, std::string_view value, api::Json* object);
bool EraseAnnotation(std::string_view key, api::Json* object);
bool AddFinalizer(std::string_view finalizer, api::Json* object);
// Of metadata.ownerReferences, by uid. Adding replaces the one with the same uid.
bool AddOwner(api::Json reference, api::Json* object);
bool RemoveOwner(std::string_view uid, api::Json* object);

// The element of the list of objects at the path whose `name` is this, or nullptr.
api::Json* ElementNamed(api::Json* root, api::JsonPath list, std::string_view name);
const api::Json* ElementNamed(const api::Json& root, api::JsonPath list, std::string_view name);

}  // namespace socle::workload

#endif  // SOCLE_CONTROLLERS_WORKLOAD_DOCUMENT_EDITS_H_
