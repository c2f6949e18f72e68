#include "server/gateway/json_writer.h"

#include <iterator>
#include <vector>

#include <fmt/format.h>

#include "kv/base/check.h"
#include "server/gateway/json_text.h"

namespace socle::server::gateway {
namespace {

using ::google::protobuf::EnumValueDescriptor;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::Message;
using ::google::protobuf::Reflection;

template <typename Number>
void AppendNumber(Number number, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "{}", number);
}

// 64 bits: more than JavaScript's numbers hold.
template <typename Number>
void AppendQuoted(Number number, std::string* out) {
  fmt::format_to(std::back_inserter(*out), "\"{}\"", number);
}

// One value of a field: the only one, or number `index` of a repeated one.
class Value {
 public:
  Value(const Message& message, const FieldDescriptor* field, int index)
      : message_(message), reflection_(*message.GetReflection()), field_(field), index_(index) {}

  template <typename One, typename Repeated>
  auto Get(One one, Repeated repeated) const {
    return field_->is_repeated() ? (reflection_.*repeated)(message_, field_, index_)
                                 : (reflection_.*one)(message_, field_);
  }

  void AppendTo(std::string* out) const {
    switch (field_->cpp_type()) {
      case FieldDescriptor::CPPTYPE_MESSAGE:
        AppendJson(is_repeated() ? reflection_.GetRepeatedMessage(message_, field_, index_)
                                 : reflection_.GetMessage(message_, field_),
                   out);
        return;
      case FieldDescriptor::CPPTYPE_INT64:
        AppendQuoted(Get(&Reflection::GetInt64, &Reflection::GetRepeatedInt64), out);
        return;
      case FieldDescriptor::CPPTYPE_UINT64:
        AppendQuoted(Get(&Reflection::GetUInt64, &Reflection::GetRepeatedUInt64), out);
        return;
      case FieldDescriptor::CPPTYPE_INT32:
        AppendNumber(Get(&Reflection::GetInt32, &Reflection::GetRepeatedInt32), out);
        return;
      case FieldDescriptor::CPPTYPE_UINT32:
        AppendNumber(Get(&Reflection::GetUInt32, &Reflection::GetRepeatedUInt32), out);
        return;
      case FieldDescriptor::CPPTYPE_BOOL:
        *out += Get(&Reflection::GetBool, &Reflection::GetRepeatedBool) ? "true" : "false";
        return;
      case FieldDescriptor::CPPTYPE_ENUM:
        AppendEnum(Get(&Reflection::GetEnumValue, &Reflection::GetRepeatedEnumValue), out);
        return;
      case FieldDescriptor::CPPTYPE_STRING:
        AppendText(out);
        return;
      default:
        CHECK(false);  // no message of etcd has floats
    }
  }

 private:
  bool is_repeated() const { return field_->is_repeated(); }

  void AppendEnum(int number, std::string* out) const {
    const EnumValueDescriptor* const value = field_->enum_type()->FindValueByNumber(number);
    if (value != nullptr) {
      AppendJsonString(value->name(), out);
    } else {
      AppendNumber(number, out);
    }
  }

  void AppendText(std::string* out) const {
    std::string scratch;
    const std::string& text =
        is_repeated() ? reflection_.GetRepeatedStringReference(message_, field_, index_, &scratch)
                      : reflection_.GetStringReference(message_, field_, &scratch);
    if (field_->type() == FieldDescriptor::TYPE_BYTES) {
      *out += '"';
      AppendBase64(text, out);
      *out += '"';
    } else {
      AppendJsonString(text, out);
    }
  }

  const Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor* const field_;
  const int index_;
};

}  // namespace

void AppendJson(const Message& message, std::string* out) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  *out += '{';
  bool is_first = true;
  for (const FieldDescriptor* const field : fields) {
    *out += is_first ? "\"" : ",\"";
    is_first = false;
    *out += field->name();
    *out += "\":";
    if (!field->is_repeated()) {
      Value(message, field, 0).AppendTo(out);
      continue;
    }
    const int size = reflection.FieldSize(message, field);
    for (int i = 0; i < size; ++i) {
      *out += i == 0 ? '[' : ',';
      Value(message, field, i).AppendTo(out);
    }
    *out += ']';
  }
  *out += '}';
}

}  // namespace socle::server::gateway
