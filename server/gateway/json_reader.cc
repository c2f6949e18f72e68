#include "server/gateway/json_reader.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <system_error>

#include <fmt/format.h>

#include "kv/base/probe.h"
#include "kv/base/status_macros.h"
#include "server/gateway/json_scanner.h"
#include "server/gateway/json_text.h"

namespace socle::server::gateway {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::EnumDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

constexpr std::string_view kObjectType = "map[string]json.RawMessage";
constexpr std::string_view kArrayType = "[]json.RawMessage";

absl::Status WrongType(std::string_view what, std::string_view type) {
  return absl::InvalidArgumentError(
      fmt::format("json: cannot unmarshal {} into Go value of type {}", what, type));
}

// The type's name in etcd's Go code: what is nested hangs on with an underscore.
std::string GoNameOf(const EnumDescriptor& type) {
  std::string name = type.full_name();
  const size_t package = type.file()->package().size() + 1;
  for (size_t i = package; i < name.size(); ++i) {
    if (name[i] == '.') {
      name[i] = '_';
    }
  }
  return name;
}

template <typename Integer>
bool ParseInteger(std::string_view text, Integer* value) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), *value);
  return parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
}

// Walks over JSON that was found to be whole.
class Walk {
 public:
  explicit Walk(std::string_view json) : json_(json) {}

  // The first byte of the next token, which says what it is.
  char Peek() {
    SkipSpace();
    return at_ < json_.size() ? json_[at_] : '\0';
  }

  // A token: a number, a literal, a string with its quotes, or one punctuation mark.
  std::string_view Take() {
    SkipSpace();
    const size_t start = at_;
    if (at_ == json_.size()) {
      return {};
    }
    if (json_[at_] == '"') {
      TakeString();
    } else if (constexpr std::string_view kMarks = "{}[],:"; Is(kMarks)) {
      ++at_;
    } else {
      constexpr std::string_view kAfterScalar = "{}[],: \t\r\n\"";
      while (at_ < json_.size() && !Is(kAfterScalar)) {
        ++at_;
      }
    }
    return json_.substr(start, at_ - start);
  }

  // A whole value, however deep.
  void Skip() {
    size_t depth = 0;
    do {
      const std::string_view token = Take();
      if (token == "{" || token == "[") {
        ++depth;
      } else if (token == "}" || token == "]") {
        --depth;
      } else if (token.empty()) {
        return;
      }
    } while (depth > 0);
  }

  // Takes null, if it is next.
  bool TakeNull() {
    if (Peek() != 'n') {
      return false;
    }
    Take();
    return true;
  }

  // After '{' or '[' and after each value: true when a value follows, its comma taken; false at the end, which it takes.
  bool TakeNext() {
    const char c = Peek();
    if (c == ',') {
      Take();
      return true;
    }
    if (c == '}' || c == ']' || c == '\0') {
      Take();
      return false;
    }
    return true;
  }

 private:
  bool Is(std::string_view set) const { return set.find(json_[at_]) != std::string_view::npos; }

  void SkipSpace() {
    constexpr std::string_view kSpace = " \t\r\n";
    while (at_ < json_.size() && Is(kSpace)) {
      ++at_;
    }
  }

  void TakeString() {
    for (++at_; at_ < json_.size() && json_[at_] != '"'; ++at_) {
      if (json_[at_] == '\\') {
        ++at_;
      }
    }
    ++at_;
  }

  const std::string_view json_;
  size_t at_ = 0;
};

// What the next value is, as Go says it.
std::string_view KindOf(char first) {
  switch (first) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "bool";
    case 'n':
      return "null";
    default:
      return "number";
  }
}

absl::Status ReadMessage(Walk* walk, int depth, Message* message);

// A number, as it is or in quotes.
template <typename Integer>
absl::Status ReadInteger(Walk* walk, std::string_view type, Integer* value) {
  const char first = walk->Peek();
  std::string_view text;
  if (first == '"') {
    // jsonpb takes the quotes off and reads on, escapes and all.
    text = walk->Take();
    text = text.substr(1, text.size() - 2);
    RETURN_IF_ERROR(CheckWholeJson(text));
    Walk inner(text);
    return inner.TakeNull() ? absl::OkStatus() : ReadInteger(&inner, type, value);
  }
  if (first == '-' || (first >= '0' && first <= '9')) {
    text = walk->Take();
    return ParseInteger(text, value) ? absl::OkStatus()
                                     : WrongType(fmt::format("number {}", text), type);
  }
  return WrongType(KindOf(first), type);
}

absl::StatusOr<int> ReadEnum(Walk* walk, const EnumDescriptor& type) {
  const char first = walk->Peek();
  if (first == '"') {
    // jsonpb does not resolve escapes: names need none.
    const std::string_view token = walk->Take();
    const std::string name(token.substr(1, token.size() - 2));
    const google::protobuf::EnumValueDescriptor* const value = type.FindValueByName(name);
    if (value == nullptr) {
      return absl::InvalidArgumentError(
          fmt::format("unknown value \"{}\" for enum {}", GoQuoted(name), GoNameOf(type)));
    }
    return value->number();
  }
  int32_t number = 0;
  RETURN_IF_ERROR(ReadInteger(walk, GoNameOf(type), &number));
  return number;
}

absl::StatusOr<bool> ReadBool(Walk* walk) {
  const char first = walk->Peek();
  if (first != 't' && first != 'f') {
    return WrongType(KindOf(first), "bool");
  }
  return walk->Take() == "true";
}

absl::StatusOr<std::string> ReadString(Walk* walk) {
  if (const char first = walk->Peek(); first != '"') {
    return WrongType(KindOf(first), "string");
  }
  return UnquoteJson(walk->Take());
}

absl::Status ReadByte(Walk* walk, uint8_t* byte) {
  if (walk->Peek() == '"') {
    return WrongType("string", "uint8");
  }
  return walk->TakeNull() ? absl::OkStatus() : ReadInteger(walk, "uint8", byte);
}

absl::StatusOr<std::string> ReadBytes(Walk* walk) {
  const char first = walk->Peek();
  if (first == '"') {
    const std::string_view token = walk->Take();
    const std::string_view text = token.substr(1, token.size() - 2);
    return text.find('\\') == std::string_view::npos ? ParseBase64(text)
                                                     : ParseBase64(UnquoteJson(token));
  }
  if (first != '[') {
    return WrongType(KindOf(first), "[]uint8");
  }
  walk->Take();
  std::string bytes;
  while (walk->TakeNext()) {
    uint8_t byte = 0;
    if (absl::Status read = ReadByte(walk, &byte); !read.ok()) {
      return read;
    }
    bytes += static_cast<char>(byte);
  }
  return bytes;
}

// As ReadInteger, or 0 for null.
template <typename Integer>
absl::StatusOr<Integer> IntegerOf(Walk* walk, bool is_null, std::string_view type) {
  Integer value = 0;
  RETURN_IF_ERROR(is_null ? absl::OkStatus() : ReadInteger(walk, type, &value));
  return value;
}

absl::StatusOr<std::string> TextOf(Walk* walk, bool is_null, const FieldDescriptor& field) {
  if (is_null) {
    return std::string();
  }
  return field.type() == FieldDescriptor::TYPE_BYTES ? ReadBytes(walk) : ReadString(walk);
}

// Sets or adds what is next.
absl::Status ReadValue(Walk* walk, const FieldDescriptor* field, int depth, Message* message) {
  const Reflection* const reflection = message->GetReflection();
  const bool adds = field->is_repeated();
  // null is the default; a message of null is not there, but for one among others.
  const bool is_null = walk->TakeNull();
  const auto store = [&](auto add, auto set, auto value) {
    if (!value.ok()) {
      return value.status();
    }
    (reflection->*(adds ? add : set))(message, field, *std::move(value));
    return absl::OkStatus();
  };
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_MESSAGE: {
      if (is_null && !adds) {
        return absl::OkStatus();
      }
      Message* const inner = adds ? reflection->AddMessage(message, field)
                                  : reflection->MutableMessage(message, field);
      return is_null ? absl::OkStatus() : ReadMessage(walk, depth + 1, inner);
    }
    case FieldDescriptor::CPPTYPE_INT64:
      return store(&Reflection::AddInt64, &Reflection::SetInt64,
                   IntegerOf<int64_t>(walk, is_null, "int64"));
    case FieldDescriptor::CPPTYPE_UINT64:
      return store(&Reflection::AddUInt64, &Reflection::SetUInt64,
                   IntegerOf<uint64_t>(walk, is_null, "uint64"));
    case FieldDescriptor::CPPTYPE_INT32:
      return store(&Reflection::AddInt32, &Reflection::SetInt32,
                   IntegerOf<int32_t>(walk, is_null, "int32"));
    case FieldDescriptor::CPPTYPE_UINT32:
      return store(&Reflection::AddUInt32, &Reflection::SetUInt32,
                   IntegerOf<uint32_t>(walk, is_null, "uint32"));
    case FieldDescriptor::CPPTYPE_ENUM:
      return store(&Reflection::AddEnumValue, &Reflection::SetEnumValue,
                   is_null ? absl::StatusOr<int>(0) : ReadEnum(walk, *field->enum_type()));
    case FieldDescriptor::CPPTYPE_BOOL:
      return store(&Reflection::AddBool, &Reflection::SetBool,
                   is_null ? absl::StatusOr<bool>(false) : ReadBool(walk));
    case FieldDescriptor::CPPTYPE_STRING:
      return store(&Reflection::AddString, &Reflection::SetString, TextOf(walk, is_null, *field));
    default:
      return absl::InvalidArgumentError(
          fmt::format("field {} has a type that no request of etcd has", field->full_name()));
  }
}

absl::Status ReadField(Walk* walk, const FieldDescriptor* field, int depth, Message* message) {
  message->GetReflection()->ClearField(message, field);  // the last of a name counts
  if (!field->is_repeated()) {
    return ReadValue(walk, field, depth, message);
  }
  if (walk->TakeNull()) {
    return absl::OkStatus();
  }
  if (const char first = walk->Peek(); first != '[') {
    return WrongType(KindOf(first), kArrayType);
  }
  walk->Take();
  while (walk->TakeNext()) {
    RETURN_IF_ERROR(ReadValue(walk, field, depth, message));
  }
  return absl::OkStatus();
}

const FieldDescriptor* FieldOf(const Descriptor& type, const std::string& name) {
  const FieldDescriptor* const field = type.FindFieldByName(name);
  return field != nullptr ? field : type.FindFieldByCamelcaseName(name);
}

absl::Status ReadMessage(Walk* walk, int depth, Message* message) {
  if (depth > kMessageDepthMax) {
    PROBE("gateway: messages nested too deep");
    return absl::InvalidArgumentError(
        fmt::format("the request is nested more than {} messages deep", kMessageDepthMax));
  }
  if (const char first = walk->Peek(); first != '{') {
    return WrongType(KindOf(first), kObjectType);
  }
  walk->Take();
  while (walk->TakeNext()) {
    const std::string name = UnquoteJson(walk->Take());
    walk->Take();  // the colon
    const FieldDescriptor* const field = FieldOf(*message->GetDescriptor(), name);
    if (field == nullptr) {
      walk->Skip();
      continue;
    }
    if (absl::Status read = ReadField(walk, field, depth, message); !read.ok()) {
      return read;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ReadJson(std::string_view json, Message* message) {
  Walk walk(json);
  return walk.TakeNull() ? absl::OkStatus() : ReadMessage(&walk, 1, message);
}

}  // namespace socle::server::gateway
