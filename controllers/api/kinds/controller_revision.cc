// ControllerRevision: one past or present form of a workload's template.
#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

Json ControllerCell(const Json& revision, int64_t) {
  const JsonArray* owners = FindArray(revision, {"metadata", "ownerReferences"});
  for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
    const Json& owner = (*owners)[i];
    if (!BoolAt(owner, {"controller"})) {
      continue;
    }
    const std::string_view version = StringAt(owner, {"apiVersion"});
    const size_t slash = version.find('/');
    std::string kind(StringAt(owner, {"kind"}));
    for (char& c : kind) {
      c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
    const std::string group = slash == std::string_view::npos
                                  ? std::string()
                                  : fmt::format(".{}", version.substr(0, slash));
    return Json(JsonView(fmt::format("{}{}/{}", kind, group, StringAt(owner, {"name"}))));
  }
  return Json("<none>");
}

}  // namespace

Kind ControllerRevisionKind() {
  return Kind{
      .group = "apps",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "ControllerRevision",
      .list_kind = "ControllerRevisionList",
      .resource = "controllerrevisions",
      .singular = "controllerrevision",
      .storage_resource = "controllerrevisions",
      .columns = {NameColumn(),
                  {.name = "Controller", .cell = &ControllerCell},
                  {.name = "Revision", .type = "integer", .path = {"revision"}},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .definition_prefix = "io.k8s.api.apps",
      .schema = TopLevel("One past or present form of a workload's template.")
                    .Field("data", Free("The form; never changes.").Required().Immutable())
                    .Field("revision",
                           Int64("Counts forms; a form used again is raised.").Required().Min(0)),
  };
}

}  // namespace socle::api
