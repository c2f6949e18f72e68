// Object: one stored object as it was at one revision: its bytes, and the few fields that are looked up.
//
// Laws     1. Immutable. Two Objects of one key with one mod_revision are the same.
//          2. The document is the stored form: `{"kind":…,"apiVersion":…,"metadata":{…`, no
//             resourceVersion in it: that is mod_revision, and AppendServed writes it.
// Threads  immutable.
// Memory   the document, plus about 200 bytes and the labels. A parsed document is three times as big:
//          parse for a use, do not keep.
// Source   DESIGN 4 (caches hold encoded documents and extracted fields).
#ifndef SOCLE_CONTROLLERS_REGISTRY_OBJECT_H_
#define SOCLE_CONTROLLERS_REGISTRY_OBJECT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/api/kind.h"

namespace socle::registry {

struct OwnerReference {
  std::string api_version;
  std::string kind;
  std::string name;
  std::string uid;
  bool is_controller = false;
  bool blocks_deletion = false;
};

struct Object {
  const api::Kind* kind = nullptr;  // the kind that stores it: InplaceSet for both of its names
  std::string ns;                   // empty: cluster-scoped
  std::string name;
  std::string uid;
  std::string document;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  std::vector<std::pair<std::string, std::string>> labels;  // sorted by key
  std::vector<std::string> fields;                          // texts of kind->fields, in their order
  std::vector<OwnerReference> owners;
  std::vector<std::string> finalizers;
  bool is_deleting = false;  // has a deletionTimestamp

  // Empty when there is no such label.
  std::string_view Label(std::string_view key) const;
  bool HasLabel(std::string_view key) const;
  // The text of a selectable field of the kind, `spec.nodeName`; empty for an unknown one.
  std::string_view FieldText(std::string_view label) const;
  // The owner with controller: true, or nullptr.
  const OwnerReference* Controller() const;
  // The whole document, with metadata.resourceVersion set: what guarded updates start from.
  api::Json Parse() const;
};

using ObjectRef = std::shared_ptr<const Object>;

// `/registry/pods/default/a`; `/registry/apps.kruise.io/inplacesets/default/a`. Empty name: the prefix
// of the namespace, with its slash; empty namespace too: that of the resource.
std::string ObjectKey(const api::Kind& kind, std::string_view ns, std::string_view name);
// What all keys of the plane begin with.
inline constexpr std::string_view kKeyPrefix = "/registry/";

// The document of an object that was defaulted, admitted and validated; drops resourceVersion and
// selfLink. `object` is in the storage form (api::ToStored).
std::string EncodeStored(const api::Kind& kind, const api::Json& object);

// The Object of a stored document. DataLoss names the key of a document that can't be read.
absl::StatusOr<ObjectRef> DecodeObject(const api::Kind& kind, std::string_view key,
                                       std::string_view document, int64_t create_revision,
                                       int64_t mod_revision);

// Appends the JSON of the stored document as `served` shows it, resourceVersion set. Copies bytes when
// the version hides nothing, parses otherwise.
void AppendServed(const api::ServedKind& served, std::string_view document, int64_t mod_revision,
                  std::string* out);
// The same as a document, for tables and selectors that need one.
api::Json ParseServed(const api::ServedKind& served, std::string_view document,
                      int64_t mod_revision);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_OBJECT_H_
