// ConfigMap: settings as text.
#include <fmt/format.h>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

constexpr int64_t kBytesMax = 1024 * 1024;

size_t CountMembers(const Json& object, JsonPath path) {
  const JsonObject* found = FindObject(object, path);
  return found == nullptr ? 0 : found->size();
}

void ValidateConfigMap(const Json& object, const Json* old, Causes* causes) {
  int64_t size = 0;
  const JsonObject* text = FindObject(object, {"data"});
  const JsonObject* bytes = FindObject(object, {"binaryData"});
  for (const JsonObject* part : {text, bytes}) {
    for (const auto& member : part == nullptr ? JsonObject() : *part) {
      size +=
          member.value().is_string() ? static_cast<int64_t>(member.value().get_string().size()) : 0;
      if (part == bytes && text != nullptr && text->contains(member.key())) {
        causes->Invalid(fmt::format("data[{}]", View(member.key())), Json(member.key()),
                        "duplicate of key present in binaryData");
      }
    }
  }
  if (size > kBytesMax) {
    causes->TooLong("", kBytesMax);
  }
  if (old == nullptr || !BoolAt(*old, {"immutable"})) {
    return;
  }
  if (!BoolAt(object, {"immutable"})) {
    causes->Forbidden("immutable", "field is immutable when `immutable` is set");
  }
  for (const std::string_view member : {"data", "binaryData"}) {
    const Json* after = Find(object, {member});
    const Json* before = Find(*old, {member});
    if (after == nullptr || before == nullptr ? after != before : *after != *before) {
      causes->Forbidden(member, "field is immutable when `immutable` is set");
    }
  }
}

}  // namespace

Kind ConfigMapKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "ConfigMap",
      .list_kind = "ConfigMapList",
      .resource = "configmaps",
      .singular = "configmap",
      .storage_resource = "configmaps",
      .short_names = {"cm"},
      .columns = {NameColumn(),
                  {.name = "Data",
                   .type = "integer",
                   .description = "How many keys there are.",
                   .cell =
                       [](const Json& object, int64_t) {
                         return Json(CountMembers(object, {"data"}) +
                                     CountMembers(object, {"binaryData"}));
                       }},
                  AgeColumn()},
      .fields = FieldsWithNames(true),
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("Settings as text.")
                    .Field("data", MapOf(String()).KeysLike(Format::kConfigKey))
                    .Field("binaryData", MapOf(Bytes()).KeysLike(Format::kConfigKey))
                    .Field("immutable", Bool("True fixes the data for good.")),
      .validate = &ValidateConfigMap,
  };
}

}  // namespace socle::api
