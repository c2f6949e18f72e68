// Event: a line about what happened to an object.
#include <string>

#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

Json Text(const std::string& text) {
  return Json(JsonView(text));
}

Json LastSeenCell(const Json& event, int64_t now_nanos) {
  for (const std::string_view member : {"lastTimestamp", "eventTime", "firstTimestamp"}) {
    if (!StringAt(event, {member}).empty()) {
      return Text(AgeText(event, {member}, now_nanos));
    }
  }
  return Json("<unknown>");
}

Json ObjectCell(const Json& event, int64_t) {
  std::string kind(StringAt(event, {"involvedObject", "kind"}));
  for (char& c : kind) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return Text(fmt::format("{}/{}", kind, StringAt(event, {"involvedObject", "name"})));
}

Json SourceCell(const Json& event, int64_t) {
  const std::string_view component = StringAt(event, {"source", "component"});
  const std::string_view host = StringAt(event, {"source", "host"});
  return Text(host.empty() ? std::string(component) : fmt::format("{}, {}", component, host));
}

void ValidateEvent(const Json& event, const Json*, Causes* causes) {
  const std::string_view about = StringAt(event, {"involvedObject", "namespace"});
  const std::string_view own = StringAt(event, {"metadata", "namespace"});
  if (own != about && !(about.empty() && own == "default")) {
    causes->Invalid("involvedObject.namespace", Json(JsonView(about)),
                    "does not match event.namespace");
  }
}

}  // namespace

Kind EventKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Event",
      .list_kind = "EventList",
      .resource = "events",
      .singular = "event",
      .storage_resource = "events",
      .short_names = {"ev"},
      .columns = {{.name = "Last Seen", .cell = &LastSeenCell},
                  {.name = "Type", .path = {"type"}},
                  {.name = "Reason", .path = {"reason"}},
                  {.name = "Object", .cell = &ObjectCell},
                  {.name = "Subobject", .priority = 1, .path = {"involvedObject", "fieldPath"}},
                  {.name = "Source", .priority = 1, .cell = &SourceCell},
                  {.name = "Message", .path = {"message"}},
                  {.name = "First Seen", .type = "date", .priority = 1, .path = {"firstTimestamp"}},
                  {.name = "Count", .type = "integer", .priority = 1, .path = {"count"}},
                  {.name = "Name", .format = "name", .priority = 1, .path = {"metadata", "name"}}},
      .fields = FieldsWithNames(
          true, {{"involvedObject.kind", {"involvedObject", "kind"}},
                 {"involvedObject.namespace", {"involvedObject", "namespace"}},
                 {"involvedObject.name", {"involvedObject", "name"}},
                 {"involvedObject.uid", {"involvedObject", "uid"}},
                 {"involvedObject.apiVersion", {"involvedObject", "apiVersion"}},
                 {"involvedObject.resourceVersion", {"involvedObject", "resourceVersion"}},
                 {"involvedObject.fieldPath", {"involvedObject", "fieldPath"}},
                 {"reason", {"reason"}},
                 {"reportingComponent", {"reportingComponent"}},
                 {"source", {"source", "component"}},
                 {"type", {"type"}}}),
      .may_create_on_update = true,
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("A line about what happened to an object.")
                    .Field("involvedObject", Schema(ObjectReference()).Required())
                    .Field("reason", String().MaxBytes(128))
                    .Field("message", String().MaxBytes(64 * 1024))
                    .Field("type", String())
                    .Field("count", Int32())
                    .Field("firstTimestamp", Time())
                    .Field("lastTimestamp", Time())
                    .Field("eventTime", MicroTime())
                    .Field("action", String())
                    .Field("related", ObjectReference())
                    .Field("reportingComponent", String())
                    .Field("reportingInstance", String())
                    .Field("series", Free())
                    .Field("source", Object()
                                         .Field("component", String())
                                         .Field("host", String())
                                         .Default(JsonObject())),
      .validate = &ValidateEvent,
  };
}

}  // namespace socle::api
