// The protobuf form of OpenAPI v2 documents, by hand: only the fields that openapi.cc writes.
//
// Numbers are those of gnostic's openapi.v2 messages; vendor extensions travel as YAML text, and
// JSON is YAML.
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "controllers/api/openapi.h"
#include "kv/base/bytes.h"

namespace socle::api {
namespace {

// Field numbers, by message.
enum class DocumentField : uint32_t { kSwagger = 1, kAbout = 2, kPaths = 8, kDefinitions = 9 };
enum class SchemaField : uint32_t {
  kRef = 1,
  kFormat = 2,
  kDescription = 4,
  kDefault = 5,
  kMaximum = 7,
  kMinimum = 9,
  kRequired = 19,
  kEnum = 20,
  kAdditional = 21,
  kType = 22,
  kItems = 23,
  kProperties = 25,
  kExtension = 31,
};
enum class OperationField : uint32_t { kId = 5, kParameters = 8, kResponses = 9, kExtension = 13 };

class Message {
 public:
  template <typename Field>
  Message& Text(Field field, std::string_view text) {
    Tag(static_cast<uint32_t>(field), 2);
    AppendLengthPrefixed(text, &bytes_);
    return *this;
  }

  template <typename Field>
  Message& Sub(Field field, const Message& message) {
    return Text(field, message.bytes_);
  }

  template <typename Field>
  Message& Flag(Field field, bool value) {
    Tag(static_cast<uint32_t>(field), 0);
    bytes_.push_back(value ? 1 : 0);
    return *this;
  }

  template <typename Field>
  Message& Double(Field field, double value) {
    Tag(static_cast<uint32_t>(field), 1);
    char raw[sizeof(value)];
    std::memcpy(raw, &value, sizeof(value));
    bytes_.append(raw, sizeof(raw));
    return *this;
  }

  std::string Take() { return std::move(bytes_); }

 private:
  void Tag(uint32_t field, uint32_t wire_type) { AppendVarint(field << 3U | wire_type, &bytes_); }

  std::string bytes_;
};

template <typename Field>
void CopyText(const JsonObject& from, std::string_view name, Field field, Message* to) {
  const std::string_view text = StringAt(from, name);
  if (!text.empty()) {
    to->Text(field, text);
  }
}

Message Named(std::string_view name, const Message& value) {
  Message out;
  out.Text(1U, name).Sub(2U, value);
  return out;
}

Message AnyOf(const Json& value) {
  Message out;
  out.Text(2U, Dump(value));
  return out;
}

template <typename Field>
void AddExtensions(const JsonObject& from, Field field, Message* to) {
  for (const auto& member : from) {
    if (View(member.key()).starts_with("x-")) {
      to->Sub(field, Named(View(member.key()), AnyOf(member.value())));
    }
  }
}

Message SchemaMessage(const Json& schema);

Message NamedSchemas(const JsonObject& schemas) {
  Message out;
  for (const auto& member : schemas) {
    out.Sub(1U, Named(View(member.key()), SchemaMessage(member.value())));
  }
  return out;
}

void AddLists(const JsonObject& members, Message* out) {
  if (const Json* required = Find(members, "required");
      required != nullptr && required->is_array()) {
    for (const Json& name : required->get_array()) {
      out->Text(SchemaField::kRequired, View(name.as_string()));
    }
  }
  if (const Json* values = Find(members, "enum"); values != nullptr && values->is_array()) {
    for (const Json& value : values->get_array()) {
      out->Sub(SchemaField::kEnum, AnyOf(value));
    }
  }
}

Message SchemaMessage(const Json& schema) {
  Message out;
  const JsonObject* given = schema.if_object();
  if (given == nullptr) {
    return out;
  }
  const JsonObject& members = *given;
  CopyText(members, "$ref", SchemaField::kRef, &out);
  CopyText(members, "format", SchemaField::kFormat, &out);
  CopyText(members, "description", SchemaField::kDescription, &out);
  if (const Json* value = Find(members, "default")) {
    out.Sub(SchemaField::kDefault, AnyOf(*value));
  }
  if (const Json* maximum = Find(members, "maximum")) {
    out.Double(SchemaField::kMaximum, static_cast<double>(AsInt(*maximum).value_or(0)));
  }
  if (const Json* minimum = Find(members, "minimum")) {
    out.Double(SchemaField::kMinimum, static_cast<double>(AsInt(*minimum).value_or(0)));
  }
  AddLists(members, &out);
  if (const Json* additional = Find(members, "additionalProperties")) {
    Message item;
    out.Sub(SchemaField::kAdditional, item.Sub(1U, SchemaMessage(*additional)));
  }
  if (const std::string_view type = StringAt(members, "type"); !type.empty()) {
    Message item;
    out.Sub(SchemaField::kType, item.Text(1U, type));
  }
  if (const Json* items = Find(members, "items")) {
    Message item;
    out.Sub(SchemaField::kItems, item.Sub(1U, SchemaMessage(*items)));
  }
  if (const Json* properties = Find(members, "properties");
      properties != nullptr && properties->is_object()) {
    out.Sub(SchemaField::kProperties, NamedSchemas(properties->get_object()));
  }
  AddExtensions(members, SchemaField::kExtension, &out);
  return out;
}

// ParametersItem.parameter: a body, or a parameter of the query.
Message ParameterMessage(const Json& given) {
  Message parameter;
  const JsonObject* members = given.if_object();
  if (members == nullptr) {
    return parameter;
  }
  if (StringAt(*members, "in") == "body") {
    Message body;
    CopyText(*members, "name", 2U, &body);
    CopyText(*members, "in", 3U, &body);
    body.Flag(4U, BoolAt(given, {"required"}));
    if (const Json* schema = Find(*members, "schema")) {
      body.Sub(5U, SchemaMessage(*schema));
    }
    parameter.Sub(1U, body);
  } else {
    Message query;
    CopyText(*members, "in", 2U, &query);
    CopyText(*members, "description", 3U, &query);
    CopyText(*members, "name", 4U, &query);
    CopyText(*members, "type", 6U, &query);
    query.Flag(20U, BoolAt(given, {"uniqueItems"}));
    Message other;
    parameter.Sub(2U, other.Sub(3U, query));
  }
  Message item;
  item.Sub(1U, parameter);
  return item;
}

Message ResponsesMessage(const JsonObject& responses) {
  Message out;
  for (const auto& member : responses) {
    Message response;
    response.Text(1U, StringAt(member.value(), {"description"}));
    if (const Json* schema = Find(member.value(), {"schema"})) {
      Message item;
      response.Sub(2U, item.Sub(1U, SchemaMessage(*schema)));
    }
    Message value;
    out.Sub(1U, Named(View(member.key()), value.Sub(1U, response)));
  }
  return out;
}

Message OperationMessage(const Json& operation) {
  Message out;
  const JsonObject* members = operation.if_object();
  if (members == nullptr) {
    return out;
  }
  CopyText(*members, "operationId", OperationField::kId, &out);
  if (const JsonArray* parameters = FindArray(operation, {"parameters"})) {
    for (const Json& parameter : *parameters) {
      out.Sub(OperationField::kParameters, ParameterMessage(parameter));
    }
  }
  if (const JsonObject* responses = FindObject(operation, {"responses"})) {
    out.Sub(OperationField::kResponses, ResponsesMessage(*responses));
  }
  AddExtensions(*members, OperationField::kExtension, &out);
  return out;
}

Message PathMessage(const Json& path) {
  constexpr std::pair<std::string_view, uint32_t> kMethods[] = {
      {"get", 2}, {"put", 3}, {"post", 4}, {"delete", 5}, {"patch", 8}};
  Message out;
  for (const auto& [method, field] : kMethods) {
    if (const Json* operation = Find(path, {method})) {
      out.Sub(field, OperationMessage(*operation));
    }
  }
  return out;
}

}  // namespace

std::string OpenApiV2Proto(const Json& document) {
  Message out;
  out.Text(DocumentField::kSwagger, StringAt(document, {"swagger"}));
  Message about;
  about.Text(1U, StringAt(document, {"info", "title"}))
      .Text(2U, StringAt(document, {"info", "version"}));
  out.Sub(DocumentField::kAbout, about);
  if (const JsonObject* paths = FindObject(document, {"paths"})) {
    Message all;
    for (const auto& member : *paths) {
      all.Sub(2U, Named(View(member.key()), PathMessage(member.value())));
    }
    out.Sub(DocumentField::kPaths, all);
  }
  if (const JsonObject* definitions = FindObject(document, {"definitions"})) {
    out.Sub(DocumentField::kDefinitions, NamedSchemas(*definitions));
  }
  return out.Take();
}

}  // namespace socle::api
