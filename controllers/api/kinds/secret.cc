// Secret: settings that are not for everybody.
#include <cstdint>
#include <string>
#include <utility>

#include "controllers/api/fragments/meta.h"
#include "controllers/api/kinds/kinds.h"

namespace socle::api {
namespace {

constexpr int64_t kBytesMax = 1024 * 1024;

std::string Base64(std::string_view bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view three = bytes.substr(i, 3);
    uint32_t bits = 0;
    for (size_t k = 0; k < 3; ++k) {
      bits = bits << 8U | (k < three.size() ? static_cast<uint8_t>(three[k]) : 0U);
    }
    for (size_t k = 0; k < 4; ++k) {
      out.push_back(k <= three.size() ? kDigits[bits >> (18U - 6U * k) & 63U] : '=');
    }
  }
  return out;
}

// stringData is for writing only: it ends as data.
void FillSecret(JsonObject* secret) {
  const Json* plain = Find(*secret, "stringData");
  if (plain == nullptr || !plain->is_object()) {
    return;
  }
  JsonObject bytes;
  if (const Json* given = Find(*secret, "data"); given != nullptr && given->is_object()) {
    bytes = given->get_object();
  }
  for (const auto& member : plain->get_object()) {
    if (!member.value().is_string()) {
      return;  // validation refuses it
    }
    bytes[member.key()] = JsonView(Base64(View(member.value().get_string())));
  }
  Set(secret, "data", std::move(bytes));
  secret->erase("stringData");
}

void ValidateSecret(const Json& secret, const Json* old, Causes* causes) {
  int64_t size = 0;
  const JsonObject* bytes = FindObject(secret, {"data"});
  for (const auto& member : bytes == nullptr ? JsonObject() : *bytes) {
    size += member.value().is_string()
                ? static_cast<int64_t>(member.value().get_string().size()) * 3 / 4
                : 0;
  }
  if (size > kBytesMax) {
    causes->TooLong("data", kBytesMax);
  }
  if (old == nullptr || !BoolAt(*old, {"immutable"})) {
    return;
  }
  if (!BoolAt(secret, {"immutable"})) {
    causes->Forbidden("immutable", "field is immutable when `immutable` is set");
  }
  const Json* after = Find(secret, {"data"});
  const Json* before = Find(*old, {"data"});
  if (after == nullptr || before == nullptr ? after != before : *after != *before) {
    causes->Forbidden("data", "field is immutable when `immutable` is set");
  }
}

}  // namespace

Kind SecretKind() {
  return Kind{
      .group = "",
      .versions = {"v1"},
      .storage_version = "v1",
      .kind = "Secret",
      .list_kind = "SecretList",
      .resource = "secrets",
      .singular = "secret",
      .storage_resource = "secrets",
      .columns = {NameColumn(),
                  {.name = "Type", .path = {"type"}},
                  {.name = "Data",
                   .type = "integer",
                   .cell =
                       [](const Json& object, int64_t) {
                         const JsonObject* bytes = FindObject(object, {"data"});
                         return Json(bytes == nullptr ? size_t{0} : bytes->size());
                       }},
                  AgeColumn()},
      .fields = FieldsWithNames(true, {{"type", {"type"}}}),
      .definition_prefix = "io.k8s.api.core",
      .schema = TopLevel("Settings that are not for everybody.")
                    .Field("data", MapOf(Bytes()).KeysLike(Format::kConfigKey))
                    .Field("stringData", MapOf(String()).KeysLike(Format::kConfigKey))
                    .Field("type", String().Default("Opaque").Immutable())
                    .Field("immutable", Bool("True fixes the data for good."))
                    .Fill(&FillSecret),
      .validate = &ValidateSecret,
  };
}

}  // namespace socle::api
