#include "controllers/api/json_patch.h"

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

using Tokens = std::vector<std::string>;

absl::StatusOr<Tokens> ParsePointer(std::string_view pointer) {
  Tokens tokens;
  if (pointer.empty()) {
    return tokens;
  }
  if (pointer.front() != '/') {
    return absl::InvalidArgumentError(
        fmt::format("JSON pointer must be empty or start with '/': \"{}\"", pointer));
  }
  for (size_t i = 0; i < pointer.size(); ++i) {
    const char c = pointer[i];
    if (c == '/') {
      tokens.emplace_back();
    } else if (c != '~') {
      tokens.back().push_back(c);
    } else if (i + 1 < pointer.size() && (pointer[i + 1] == '0' || pointer[i + 1] == '1')) {
      tokens.back().push_back(pointer[++i] == '0' ? '~' : '/');
    } else {
      return absl::InvalidArgumentError(
          fmt::format("JSON pointer has a bad escape: \"{}\"", pointer));
    }
  }
  return tokens;
}

absl::Status Missing(std::string_view pointer) {
  return absl::FailedPreconditionError(
      fmt::format("the path \"{}\" does not exist in the document", pointer));
}

// An index of an existing element; "01" and "-" are none.
std::optional<size_t> ParseIndex(std::string_view token) {
  if (token.empty() || (token.size() > 1 && token[0] == '0')) {
    return std::nullopt;
  }
  size_t index = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
  if (error != std::errc() || end != token.data() + token.size()) {
    return std::nullopt;
  }
  return index;
}

Json* Step(Json* at, std::string_view token) {
  if (JsonObject* object = at->if_object()) {
    return object->if_contains(JsonView(token));
  }
  if (JsonArray* list = at->if_array()) {
    const std::optional<size_t> index = ParseIndex(token);
    return index.has_value() && *index < list->size() ? &(*list)[*index] : nullptr;
  }
  return nullptr;
}

Json* Walk(Json* root, const Tokens& tokens, size_t count) {
  Json* at = root;
  for (size_t i = 0; i < count && at != nullptr; ++i) {
    at = Step(at, tokens[i]);
  }
  return at;
}

bool IsPrefix(const Tokens& shorter, const Tokens& longer) {
  return shorter.size() < longer.size() &&
         std::equal(shorter.begin(), shorter.end(), longer.begin());
}

class Applier {
 public:
  explicit Applier(Json* document) : document_(document) {}

  absl::Status Apply(const JsonObject& operation) {
    const Json* op = operation.if_contains("op");
    const Json* path = operation.if_contains("path");
    if (op == nullptr || !op->is_string() || path == nullptr || !path->is_string()) {
      return absl::InvalidArgumentError("operation needs string members \"op\" and \"path\"");
    }
    const std::string_view name = View(op->get_string());
    pointer_ = View(path->get_string());
    ASSIGN_OR_RETURN(const Tokens to, ParsePointer(pointer_));
    if (name == "remove") {
      return Remove(to).status();
    }
    if (name == "add" || name == "replace" || name == "test") {
      const Json* value = operation.if_contains("value");
      if (value == nullptr) {
        return absl::InvalidArgumentError(fmt::format("operation {} needs a \"value\"", name));
      }
      return name == "add"    ? Add(to, *value)
             : name == "test" ? Test(to, *value)
                              : Replace(to, *value);
    }
    if (name == "move" || name == "copy") {
      const Json* from = operation.if_contains("from");
      if (from == nullptr || !from->is_string()) {
        return absl::InvalidArgumentError(fmt::format("operation {} needs a \"from\"", name));
      }
      ASSIGN_OR_RETURN(const Tokens source, ParsePointer(View(from->get_string())));
      return name == "move" ? Move(source, to) : Copy(source, to);
    }
    return absl::InvalidArgumentError(fmt::format("unknown operation \"{}\"", name));
  }

 private:
  absl::Status Add(const Tokens& to, Json value) {
    if (to.empty()) {
      *document_ = std::move(value);
      return absl::OkStatus();
    }
    Json* parent = Walk(document_, to, to.size() - 1);
    if (parent == nullptr) {
      return Missing(pointer_);
    }
    if (JsonObject* object = parent->if_object()) {
      Set(object, to.back(), std::move(value));
      return absl::OkStatus();
    }
    JsonArray* list = parent->if_array();
    if (list == nullptr) {
      return Missing(pointer_);
    }
    const std::optional<size_t> index =
        to.back() == "-" ? std::optional<size_t>(list->size()) : ParseIndex(to.back());
    if (!index.has_value() || *index > list->size()) {
      return absl::FailedPreconditionError(
          fmt::format("invalid array index in path \"{}\"", pointer_));
    }
    list->insert(list->begin() + *index, std::move(value));
    return absl::OkStatus();
  }

  absl::StatusOr<Json> Remove(const Tokens& from) {
    if (from.empty()) {
      return std::exchange(*document_, Json(nullptr));
    }
    Json* parent = Walk(document_, from, from.size() - 1);
    Json* found = parent == nullptr ? nullptr : Step(parent, from.back());
    if (found == nullptr) {
      return Missing(pointer_);
    }
    Json removed = std::move(*found);
    if (JsonObject* object = parent->if_object()) {
      object->erase(JsonView(from.back()));
    } else {
      JsonArray& list = parent->get_array();
      list.erase(list.begin() + (found - list.data()));
    }
    return removed;
  }

  absl::Status Replace(const Tokens& to, const Json& value) {
    Json* found = Walk(document_, to, to.size());
    if (found == nullptr) {
      return Missing(pointer_);
    }
    *found = value;
    return absl::OkStatus();
  }

  absl::Status Test(const Tokens& at, const Json& value) {
    const Json* found = Walk(document_, at, at.size());
    // A missing member equals null, as Kubernetes' library has it.
    const bool is_equal = found == nullptr ? value.is_null() : *found == value;
    if (!is_equal) {
      return absl::FailedPreconditionError(
          fmt::format("testing value {} failed: test failed", pointer_));
    }
    return absl::OkStatus();
  }

  absl::Status Move(const Tokens& from, const Tokens& to) {
    if (IsPrefix(from, to)) {
      return absl::FailedPreconditionError("a value can't move into itself");
    }
    ASSIGN_OR_RETURN(Json value, Remove(from));
    return Add(to, std::move(value));
  }

  absl::Status Copy(const Tokens& from, const Tokens& to) {
    const Json* found = Walk(document_, from, from.size());
    if (found == nullptr) {
      return Missing(pointer_);
    }
    copied_bytes_ += Dump(*found).size();
    if (copied_bytes_ > kPatchCopiedBytesMax) {
      return absl::FailedPreconditionError(
          fmt::format("copies of the patch add more than {} bytes", kPatchCopiedBytesMax));
    }
    return Add(to, Json(*found));
  }

  Json* document_;
  std::string pointer_;
  size_t copied_bytes_ = 0;
};

}  // namespace

absl::Status ApplyJsonPatch(const Json& patch, Json* document) {
  const JsonArray* operations = patch.if_array();
  if (operations == nullptr) {
    return absl::InvalidArgumentError("a JSON patch is an array of operations");
  }
  if (operations->size() > kPatchOperationsMax) {
    return absl::InvalidArgumentError(
        fmt::format("The allowed maximum operations in a JSON patch is {}, got {}",
                    kPatchOperationsMax, operations->size()));
  }
  Json result = *document;
  Applier applier(&result);
  for (const Json& operation : *operations) {
    if (!operation.is_object()) {
      return absl::InvalidArgumentError("an operation of a JSON patch is an object");
    }
    RETURN_IF_ERROR(applier.Apply(operation.get_object()));
  }
  *document = std::move(result);
  return absl::OkStatus();
}

void ApplyMergePatch(const Json& patch, Json* document) {
  const JsonObject* changes = patch.if_object();
  if (changes == nullptr) {
    *document = patch;
    return;
  }
  if (!document->is_object()) {
    document->emplace_object();
  }
  JsonObject& object = document->get_object();
  for (const auto& change : *changes) {
    if (change.value().is_null()) {
      object.erase(change.key());
    } else {
      ApplyMergePatch(change.value(), &object[change.key()]);
    }
  }
}

}  // namespace socle::api
