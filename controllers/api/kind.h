// Kind: what the plane knows of one kind of object; one file of kinds/ describes each.
//
// Laws     1. A rule about a kind stands in its description, and nowhere in the HTTP front.
//          2. The stored form is the union of what the versions show; each version hides the rest.
// Threads  built once, then immutable.
// Errors   causes (causes.h).
#ifndef SOCLE_CONTROLLERS_API_KIND_H_
#define SOCLE_CONTROLLERS_API_KIND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controllers/api/causes.h"
#include "controllers/api/field_selector.h"
#include "controllers/api/json.h"
#include "controllers/api/schema.h"

namespace socle::api {

// A cell of a Table: text, or a number.
using CellText = Json (*)(const Json& object, int64_t now_nanos);

// A column of `kubectl get`; priority 1 shows with `-o wide`.
struct Column {
  std::string_view name;
  std::string_view type = "string";  // string, integer, date
  std::string_view format = {};      // "name" for the name of the object
  std::string_view description = {};
  int priority = 0;
  // Where the value stands; or, when empty, what computes it.
  std::vector<std::string_view> path = {};
  CellText cell = nullptr;
};

struct Subresource {
  std::string_view name;     // status
  std::string_view group;    // of the body
  std::string_view version;  // of the body; empty: that of the kind
  std::string_view kind;
  std::vector<std::string_view> verbs;
};

// Where autoscaling/v1 Scale reads and writes.
struct ScalePaths {
  std::vector<std::string_view> spec_replicas;
  std::vector<std::string_view> status_replicas;
  std::vector<std::string_view> status_selector;
};

struct Kind {
  std::string_view group;                  // empty: the core group
  std::vector<std::string_view> versions;  // preferred first
  std::string_view storage_version;
  std::string_view kind;
  std::string_view list_kind;
  std::string_view resource;  // plural, as in URLs
  std::string_view singular;
  // Objects of two kinds that differ in name only are stored under the resource of one.
  std::string_view storage_resource;
  std::vector<std::string_view> short_names = {};
  std::vector<std::string_view> categories = {};
  bool is_namespaced = true;
  std::vector<std::string_view> verbs = {"create", "delete", "deletecollection", "get",
                                         "list",   "patch",  "update",           "watch"};
  std::vector<Subresource> subresources = {};
  std::optional<ScalePaths> scale = {};
  std::vector<Column> columns = {};
  std::vector<SelectableField> fields = {};
  Format name_format = Format::kDnsSubdomain;
  bool has_strategic_merge = true;  // kinds of the kruise group take merge and JSON patches only
  bool has_generation = false;      // counts changes of spec
  bool has_status = false;          // status is written through its subresource only
  bool may_create_on_update = false;
  bool may_update_unconditionally = true;
  std::string_view definition_prefix = {};  // io.k8s.api.core
  Schema schema = Object();
  // Rules beyond the schema, on a whole object; `old` is nullptr on create.
  void (*validate)(const Json& object, const Json* old, Causes* causes) = nullptr;
  // The kind whose resource is storage_resource, mostly this one. Set by the KindRegistry.
  const Kind* storing_kind = nullptr;

  bool HasSubresource(std::string_view name) const;
};

// A kind as one version serves it.
struct ServedKind {
  const Kind* kind = nullptr;
  std::string_view version;
  Schema schema = Object();  // what this version shows
  // The version shows every described member of the stored form. Set by the KindRegistry.
  bool hides_nothing = false;

  // apps.kruise.io/v1beta1, or v1
  std::string ApiVersion() const;
};

// The form that objects are kept in, under the name that stores them.
std::string StorageApiVersion(const Kind& kind);

// Fills defaults of the version, in place.
void DefaultObject(const ServedKind& served, Json* object);

// All that is wrong with a new object. The document is defaulted.
Causes ValidateCreate(const ServedKind& served, const Json& object);
// All that is wrong with `object` in the place of `old`.
Causes ValidateUpdate(const ServedKind& served, const Json& object, const Json& old);

// The stored form as `served` shows it: apiVersion, kind, hidden members gone.
void ToServed(const ServedKind& served, Json* object);
// What a write through `served` is stored as; hidden members come from `stored` (nullptr: none).
void ToStored(const ServedKind& served, const Json* stored, Json* object);

// The cells of the object's row, in the order of the columns.
JsonArray RowCells(const Kind& kind, const Json& object, int64_t now_nanos);

// Verbs of a status subresource of the kind.
Subresource StatusOf(std::string_view kind);

// How long ago the timestamp at `path` is, as a cell; `<unknown>` when missing.
std::string AgeText(const Json& object, JsonPath path, int64_t now_nanos);

// NAME and AGE, as the kinds share them.
Column NameColumn();
Column AgeColumn();

// metadata.name and, where namespaced, metadata.namespace, then `more`.
std::vector<SelectableField> FieldsWithNames(bool is_namespaced,
                                             std::vector<SelectableField> more = {});

}  // namespace socle::api

#endif  // SOCLE_CONTROLLERS_API_KIND_H_
