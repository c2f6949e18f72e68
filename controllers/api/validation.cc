#include "controllers/api/validation.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/quantity.h"
#include "controllers/api/timestamp.h"
#include "kv/base/bytes.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

constexpr size_t kUnknownMax = 64;

bool IsBase64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return false;
  }
  size_t padding = 0;
  while (padding < 2 && padding < text.size() && text[text.size() - 1 - padding] == '=') {
    ++padding;
  }
  const std::string_view body = text.substr(0, text.size() - padding);
  return std::all_of(body.begin(), body.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
           c == '/';
  });
}

// Problems of label and annotation keys, and of label values, are told of the map as a whole.
bool IsToldOfTheMap(Format format) {
  return format == Format::kQualifiedName || format == Format::kLabelValue;
}

class Walker {
 public:
  Walker(std::string_view path, Causes* causes) : path_(path), causes_(causes) {}

  void Visit(const Schema& schema, const Json& value) {
    if (causes_->full()) {
      PROBE("api: validation stops at the bound of causes");
      return;
    }
    switch (schema.type) {
      case Type::kObject:
        VisitObject(schema, value);
        break;
      case Type::kMap:
        VisitMap(schema, value);
        break;
      case Type::kList:
        VisitList(schema, value);
        break;
      case Type::kInt32:
      case Type::kInt64:
        VisitInteger(schema, value);
        break;
      case Type::kFree:
        RunChecks(schema, value);
        break;
      default:
        VisitScalar(schema, value);
    }
  }

 private:
  // Appends a step for the time of a visit.
  class Step {
   public:
    Step(std::string* path, std::string_view name) : path_(path), size_(path->size()) {
      if (!path->empty()) {
        path->push_back('.');
      }
      path->append(name);
    }

    Step(std::string* path, size_t index) : path_(path), size_(path->size()) {
      path->append(fmt::format("[{}]", index));
    }

    Step(const Step&) = delete;
    Step& operator=(const Step&) = delete;

    ~Step() { path_->resize(size_); }

   private:
    std::string* path_;
    size_t size_;
  };

  void RunChecks(const Schema& schema, const Json& value) {
    for (const Check check : schema.checks) {
      check(value, path_, causes_);
    }
  }

  void Mistyped(const Schema& schema, const Json& value) {
    causes_->TypeInvalid(path_, value, TypeName(schema.type));
  }

  void VisitObject(const Schema& schema, const Json& value) {
    const JsonObject* object = value.if_object();
    if (object == nullptr) {
      Mistyped(schema, value);
      return;
    }
    for (const Property& member : schema.members) {
      const Json* found = Find(*object, member.name);
      const bool is_empty_text =
          found != nullptr && found->is_string() && found->get_string().empty();
      const Step step(&path_, member.name);
      if (found == nullptr || (is_empty_text && member.schema->is_required)) {
        if (member.schema->is_required) {
          causes_->Required(path_);
        }
      } else if (!is_empty_text || member.schema->type != Type::kString) {
        Visit(*member.schema, *found);
      }
    }
    RunChecks(schema, value);
  }

  void VisitMap(const Schema& schema, const Json& value) {
    const JsonObject* object = value.if_object();
    if (object == nullptr) {
      Mistyped(schema, value);
      return;
    }
    for (const auto& member : *object) {
      CheckKey(schema, View(member.key()));
      if (IsToldOfTheMap(schema.items->format)) {
        Visit(*schema.items, member.value());
      } else {
        const size_t size = path_.size();
        path_ += fmt::format("[{}]", View(member.key()));
        Visit(*schema.items, member.value());
        path_.resize(size);
      }
    }
    RunChecks(schema, value);
  }

  void CheckKey(const Schema& schema, std::string_view key) {
    const std::string field =
        IsToldOfTheMap(schema.key_format) ? path_ : fmt::format("{}[{}]", path_, key);
    for (const std::string& problem : FormatProblems(schema.key_format, key)) {
      causes_->Invalid(field, Json(JsonView(key)), problem);
    }
  }

  void VisitList(const Schema& schema, const Json& value) {
    const JsonArray* list = value.if_array();
    if (list == nullptr) {
      Mistyped(schema, value);
      return;
    }
    if (schema.items_min.has_value() && static_cast<int64_t>(list->size()) < *schema.items_min) {
      causes_->Required(path_);
    }
    for (size_t i = 0; i < list->size(); ++i) {
      const Step step(&path_, i);
      if ((*list)[i].is_null()) {
        Mistyped(*schema.items, (*list)[i]);
      } else {
        Visit(*schema.items, (*list)[i]);
      }
    }
    CheckUnique(schema, *list);
    RunChecks(schema, value);
  }

  void CheckUnique(const Schema& schema, const JsonArray& list) {
    if ((!schema.is_set && schema.map_keys.empty()) || list.size() < 2) {
      return;
    }
    StringSet seen;
    for (size_t i = 0; i < list.size(); ++i) {
      const Step step(&path_, i);
      if (schema.is_set) {
        if (!seen.insert(Dump(list[i])).second) {
          causes_->Duplicate(path_, list[i]);
        }
        continue;
      }
      JsonObject keys;
      for (const std::string_view name : schema.map_keys) {
        if (const Json* key = Find(list[i], {name})) {
          Set(&keys, name, *key);
        }
      }
      // An element without keys is refused for that already.
      if (!keys.empty() && !seen.insert(Dump(keys)).second) {
        if (schema.map_keys.size() == 1) {
          const Step key_step(&path_, schema.map_keys.front());
          causes_->Duplicate(path_, keys.begin()->value());
        } else {
          causes_->Duplicate(path_, keys);
        }
      }
    }
  }

  void VisitInteger(const Schema& schema, const Json& value) {
    const std::optional<int64_t> number = AsInt(value);
    const bool fits = number.has_value() && (schema.type == Type::kInt64 ||
                                             (*number >= INT32_MIN && *number <= INT32_MAX));
    if (!fits) {
      Mistyped(schema, value);
      return;
    }
    CheckRange(schema, value, *number);
    RunChecks(schema, value);
  }

  void CheckRange(const Schema& schema, const Json& value, int64_t number) {
    const bool is_low = schema.min.has_value() && number < *schema.min;
    const bool is_high = schema.max.has_value() && number > *schema.max;
    if (!is_low && !is_high) {
      return;
    }
    if (schema.min.has_value() && schema.max.has_value()) {
      causes_->Invalid(
          path_, value,
          fmt::format("must be between {} and {}, inclusive", *schema.min, *schema.max));
    } else if (is_low) {
      causes_->Invalid(path_, value,
                       fmt::format("must be greater than or equal to {}", *schema.min));
    } else {
      causes_->Invalid(path_, value, fmt::format("must be less than or equal to {}", *schema.max));
    }
  }

  void VisitScalar(const Schema& schema, const Json& value) {
    if (schema.type == Type::kIntOrString && AsInt(value).has_value()) {
      CheckRange(schema, value, *AsInt(value));
    } else if (schema.type == Type::kQuantity) {
      VisitQuantity(schema, value);
    } else if (schema.type == Type::kBool || schema.type == Type::kNumber) {
      if (schema.type == Type::kBool ? !value.is_bool() : !value.is_number()) {
        Mistyped(schema, value);
        return;
      }
    } else if (!value.is_string()) {
      Mistyped(schema, value);
      return;
    } else {
      VisitText(schema, value);
    }
    RunChecks(schema, value);
  }

  void VisitQuantity(const Schema& schema, const Json& value) {
    if (!value.is_string() && !value.is_number()) {
      Mistyped(schema, value);
      return;
    }
    const absl::StatusOr<Quantity> amount = Quantity::FromJson(value);
    if (!amount.ok()) {
      causes_->Invalid(path_, value, MessageOf(amount.status()));
    } else if (schema.min.has_value() && *amount < Quantity::FromUnits(*schema.min)) {
      causes_->Invalid(path_, value,
                       fmt::format("must be greater than or equal to {}", *schema.min));
    }
  }

  void VisitText(const Schema& schema, const Json& value) {
    const std::string_view text = View(value.get_string());
    if (schema.bytes_max.has_value() && static_cast<int64_t>(text.size()) > *schema.bytes_max) {
      causes_->TooLong(path_, *schema.bytes_max);
      return;
    }
    if (!schema.values.empty() &&
        std::find(schema.values.begin(), schema.values.end(), text) == schema.values.end()) {
      causes_->NotSupported(path_, value, schema.values);
    }
    for (const std::string& problem : FormatProblems(schema.format, text)) {
      causes_->Invalid(path_, value, problem);
    }
    if ((schema.type == Type::kTime || schema.type == Type::kMicroTime) && !ParseTime(text)) {
      causes_->Invalid(path_, value, "must be a time in RFC 3339 form");
    }
    if (schema.type == Type::kBytes && !IsBase64(text)) {
      causes_->Invalid(path_, value, "must be base64");
    }
  }

  std::string path_;
  Causes* causes_;
};

std::string Joined(std::string_view path, std::string_view name) {
  return path.empty() ? std::string(name) : fmt::format("{}.{}", path, name);
}

void CollectUnknown(const Schema& schema, const Json& value, const std::string& path,
                    std::vector<std::string>* found) {
  const JsonObject* object = value.if_object();
  if (schema.type == Type::kObject && object != nullptr) {
    for (const auto& member : *object) {
      if (found->size() >= kUnknownMax) {
        return;
      }
      const std::string here = Joined(path, View(member.key()));
      const Property* described = schema.Member(View(member.key()));
      if (described == nullptr) {
        found->push_back(here);
      } else {
        CollectUnknown(*described->schema, member.value(), here, found);
      }
    }
  } else if (schema.type == Type::kMap && object != nullptr) {
    for (const auto& member : *object) {
      CollectUnknown(*schema.items, member.value(), Joined(path, View(member.key())), found);
    }
  } else if (schema.type == Type::kList && value.is_array()) {
    const JsonArray& list = value.get_array();
    for (size_t i = 0; i < list.size(); ++i) {
      CollectUnknown(*schema.items, list[i], fmt::format("{}[{}]", path, i), found);
    }
  }
}

}  // namespace

void ValidateAgainst(const Schema& schema, const Json& value, std::string_view path,
                     Causes* causes) {
  Walker(path, causes).Visit(schema, value);
}

void ValidateImmutable(const Schema& schema, const Json& value, const Json& old,
                       std::string_view path, Causes* causes) {
  if (schema.type != Type::kObject || !value.is_object() || !old.is_object()) {
    return;
  }
  for (const Property& member : schema.members) {
    const Json* after = Find(value, {member.name});
    const Json* before = Find(old, {member.name});
    const std::string here = Joined(path, member.name);
    if (member.schema->is_immutable) {
      const bool is_same =
          after == nullptr || before == nullptr ? after == before : *after == *before;
      if (!is_same) {
        causes->Invalid(here, after == nullptr ? Json(nullptr) : *after, "field is immutable");
      }
    } else if (after != nullptr && before != nullptr) {
      ValidateImmutable(*member.schema, *after, *before, here, causes);
    }
  }
}

std::vector<std::string> UnknownFields(const Schema& schema, const Json& value) {
  std::vector<std::string> found;
  CollectUnknown(schema, value, "", &found);
  return found;
}

std::string StrictDecodingMessage(const std::vector<std::string>& unknown,
                                  const std::vector<std::string>& duplicates) {
  std::vector<std::string> problems;
  for (const std::string& field : unknown) {
    problems.push_back(fmt::format("unknown field \"{}\"", field));
  }
  for (const std::string& field : duplicates) {
    problems.push_back(fmt::format("duplicate field \"{}\"", field));
  }
  return fmt::format("strict decoding error: {}", fmt::join(problems, ", "));
}

}  // namespace socle::api
