#include "controllers/api/strategic_merge.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controllers/api/causes.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::api {
namespace {

constexpr std::string_view kPatchDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kDeletePrefix = "$deleteFromPrimitiveList/";
constexpr std::string_view kOrderPrefix = "$setElementOrder/";
// Elements are looked up one by one; the product of two lists beyond this is nobody's patch.
constexpr size_t kComparisonsMax = size_t{1} << 24U;

absl::Status Malformed(const std::string& text) {
  return absl::InvalidArgumentError(AbslView(text));
}

absl::Status CheckWork(size_t patch_size, size_t list_size) {
  if (patch_size > 0 && patch_size * (patch_size + list_size) > kComparisonsMax) {
    return Malformed("lists are too long to be merged");
  }
  return absl::OkStatus();
}

bool IsDirective(std::string_view key) {
  return key == kPatchDirective || key == kRetainKeys || key.starts_with(kDeletePrefix) ||
         key.starts_with(kOrderPrefix);
}

const Schema* MemberSchema(const Schema* schema, std::string_view name) {
  if (schema == nullptr) {
    return nullptr;
  }
  if (schema->type == Type::kMap) {
    return schema->items.get();
  }
  const Property* member = schema->Member(name);
  return member == nullptr ? nullptr : member->schema.get();
}

// What a patch means where nothing was: directives and nulls fall away.
Json WithoutDirectives(const Json& patch) {
  if (const JsonArray* list = patch.if_array()) {
    JsonArray kept;
    for (const Json& element : *list) {
      const std::string_view directive = StringAt(element, {kPatchDirective});
      if (directive == "delete" || (directive == "replace" && element.get_object().size() == 1)) {
        continue;
      }
      kept.push_back(WithoutDirectives(element));
    }
    return kept;
  }
  const JsonObject* object = patch.if_object();
  if (object == nullptr) {
    return patch;
  }
  JsonObject kept;
  if (StringAt(patch, {kPatchDirective}) == "delete") {
    return kept;
  }
  for (const auto& member : *object) {
    if (!IsDirective(View(member.key())) && !member.value().is_null()) {
      kept[member.key()] = WithoutDirectives(member.value());
    }
  }
  return kept;
}

// What tells one element of a merged list from another.
std::string IdentityOf(const Json& element, std::string_view merge_key) {
  if (merge_key.empty()) {
    return Dump(element);
  }
  const Json* key = Find(element, {merge_key});
  return key == nullptr ? std::string() : Dump(*key);
}

std::optional<size_t> PlaceIn(const std::vector<std::string>& order, const std::string& id) {
  const auto at = std::find(order.begin(), order.end(), id);
  return at == order.end() ? std::nullopt : std::optional<size_t>(at - order.begin());
}

std::vector<std::string> IdentitiesOf(const JsonArray& list, std::string_view merge_key) {
  std::vector<std::string> ids;
  ids.reserve(list.size());
  for (const Json& element : list) {
    ids.push_back(IdentityOf(element, merge_key));
  }
  return ids;
}

// Puts the elements that `order` names in that order; those that only the server has keep their
// place relative to the neighbours they had in `server_order`.
JsonArray Reordered(JsonArray merged, const JsonArray& order, std::string_view merge_key,
                    const std::vector<std::string>& server_order) {
  const std::vector<std::string> wanted = IdentitiesOf(order, merge_key);

  struct Placed {
    size_t place;
    std::string id;
    Json element;
  };

  std::vector<Placed> ordered;
  std::vector<Placed> server_only;
  for (Json& element : merged) {
    std::string id = IdentityOf(element, merge_key);
    if (const std::optional<size_t> place = PlaceIn(wanted, id)) {
      ordered.push_back({*place, std::move(id), std::move(element)});
    } else {
      const size_t server_place = PlaceIn(server_order, id).value_or(server_order.size());
      server_only.push_back({server_place, std::move(id), std::move(element)});
    }
  }
  const auto by_place = [](const Placed& a, const Placed& b) { return a.place < b.place; };
  std::stable_sort(ordered.begin(), ordered.end(), by_place);
  std::stable_sort(server_only.begin(), server_only.end(), by_place);
  JsonArray result;
  size_t next = 0;
  for (Placed& placed : ordered) {
    const std::optional<size_t> server_place = PlaceIn(server_order, placed.id);
    while (next < server_only.size() && server_place.has_value() &&
           server_only[next].place < *server_place) {
      result.push_back(std::move(server_only[next++].element));
    }
    result.push_back(std::move(placed.element));
  }
  for (; next < server_only.size(); ++next) {
    result.push_back(std::move(server_only[next].element));
  }
  return result;
}

class Merger {
 public:
  absl::Status MergeObject(const Schema* schema, const JsonObject& patch, JsonObject* original) {
    if (const Json* directive = patch.if_contains(JsonView(kPatchDirective))) {
      const std::string_view word =
          directive->is_string() ? View(directive->get_string()) : std::string_view();
      if (word == "delete") {
        original->clear();
        return absl::OkStatus();
      }
      if (word == "replace") {
        *original = WithoutPatchWord(patch);
        return absl::OkStatus();
      }
      if (word != "merge") {
        return Malformed(fmt::format("Unknown patch type found: {}", Shown(*directive)));
      }
    }
    RETURN_IF_ERROR(RetainKeys(patch, original));
    for (const auto& member : patch) {
      RETURN_IF_ERROR(
          ApplyListDirective(schema, patch, View(member.key()), member.value(), original));
    }
    for (const auto& member : patch) {
      const std::string_view name = View(member.key());
      if (!IsDirective(name)) {
        RETURN_IF_ERROR(MergeMember(schema, patch, name, member.value(), original));
      }
    }
    return absl::OkStatus();
  }

 private:
  static JsonObject WithoutPatchWord(const JsonObject& patch) {
    JsonObject kept = patch;
    kept.erase(JsonView(kPatchDirective));
    return WithoutDirectives(kept).get_object();
  }

  static absl::Status RetainKeys(const JsonObject& patch, JsonObject* original) {
    const Json* directive = patch.if_contains(JsonView(kRetainKeys));
    if (directive == nullptr) {
      return absl::OkStatus();
    }
    const JsonArray* list = directive->if_array();
    StringSet kept;
    for (const Json& name : list == nullptr ? JsonArray() : *list) {
      if (!name.is_string()) {
        list = nullptr;
        break;
      }
      kept.emplace(View(name.get_string()));
    }
    if (list == nullptr) {
      return Malformed("invalid patch format of retainKeys: not a list of strings");
    }
    for (const auto& member : patch) {
      if (!IsDirective(View(member.key())) && !member.value().is_null() &&
          !kept.contains(View(member.key()))) {
        return Malformed(fmt::format(
            "invalid patch format of retainKeys: \"{}\" is not in the list", View(member.key())));
      }
    }
    std::vector<std::string> dropped;
    for (const auto& member : *original) {
      if (!kept.contains(View(member.key()))) {
        dropped.emplace_back(View(member.key()));
      }
    }
    for (const std::string& name : dropped) {
      original->erase(JsonView(name));
    }
    return absl::OkStatus();
  }

  // Directives that stand beside the list they speak of.
  static absl::Status ApplyListDirective(const Schema* schema, const JsonObject& patch,
                                         std::string_view key, const Json& value,
                                         JsonObject* original) {
    const bool is_delete = key.starts_with(kDeletePrefix);
    const bool is_order = key.starts_with(kOrderPrefix);
    if (!is_delete && !is_order) {
      return absl::OkStatus();
    }
    const JsonArray* list = value.if_array();
    if (list == nullptr) {
      return Malformed(fmt::format("invalid patch format: {} is not a list", key));
    }
    const std::string_view name =
        key.substr(is_delete ? kDeletePrefix.size() : kOrderPrefix.size());
    Json* member = original->if_contains(JsonView(name));
    if (member == nullptr || !member->is_array()) {
      return absl::OkStatus();
    }
    JsonArray& elements = member->get_array();
    RETURN_IF_ERROR(CheckWork(list->size(), elements.size()));
    if (is_delete) {
      for (const Json& gone : *list) {
        elements.erase(std::remove(elements.begin(), elements.end(), gone), elements.end());
      }
    } else if (!patch.contains(JsonView(name))) {
      // The list itself is not in the patch: only its order changes.
      const Schema* described = MemberSchema(schema, name);
      const std::string_view merge_key =
          described == nullptr ? std::string_view() : described->merge_key;
      std::vector<std::string> server_order = IdentitiesOf(elements, merge_key);
      elements = Reordered(std::move(elements), *list, merge_key, server_order);
    }
    return absl::OkStatus();
  }

  absl::Status MergeMember(const Schema* schema, const JsonObject& patch, std::string_view name,
                           const Json& value, JsonObject* original) {
    if (value.is_null()) {
      original->erase(JsonView(name));
      return absl::OkStatus();
    }
    const Schema* described = MemberSchema(schema, name);
    Json* current = original->if_contains(JsonView(name));
    if (current != nullptr && value.is_object() && current->is_object()) {
      return MergeObject(described, value.get_object(), &current->get_object());
    }
    const bool is_merged = described != nullptr && described->is_merged;
    if (value.is_array() && is_merged &&
        (current == nullptr || current->is_null() || current->is_array())) {
      if (current == nullptr || current->is_null()) {
        Set(original, name, JsonArray());
        current = original->if_contains(JsonView(name));
      }
      const Json* order =
          patch.if_contains(JsonView(std::string(kOrderPrefix) + std::string(name)));
      return MergeList(*described, value.get_array(),
                       order == nullptr ? nullptr : order->if_array(), &current->get_array());
    }
    Set(original, name, WithoutDirectives(value));
    return absl::OkStatus();
  }

  absl::Status MergeList(const Schema& schema, const JsonArray& patch, const JsonArray* order,
                         JsonArray* original) {
    const std::string_view merge_key = schema.merge_key;
    RETURN_IF_ERROR(CheckWork(patch.size(), original->size()));
    if (order != nullptr) {
      RETURN_IF_ERROR(CheckWork(order->size(), original->size() + patch.size()));
      RETURN_IF_ERROR(CheckOrder(patch, *order, merge_key));
    }
    const std::vector<std::string> server_order = IdentitiesOf(*original, merge_key);
    for (const Json& element : patch) {
      if (StringAt(element, {kPatchDirective}) == "replace") {
        *original = WithoutDirectives(patch).get_array();
        return absl::OkStatus();
      }
    }
    for (const Json& element : patch) {
      RETURN_IF_ERROR(merge_key.empty() ? MergeScalar(element, original)
                                        : MergeElement(schema, element, original));
    }
    if (order != nullptr) {
      *original = Reordered(std::move(*original), *order, merge_key, server_order);
    }
    return absl::OkStatus();
  }

  // The elements of the patch stand in $setElementOrder, in the same order.
  static absl::Status CheckOrder(const JsonArray& patch, const JsonArray& order,
                                 std::string_view merge_key) {
    const std::vector<std::string> wanted = IdentitiesOf(order, merge_key);
    size_t next = 0;
    for (const Json& element : patch) {
      if (!StringAt(element, {kPatchDirective}).empty()) {
        continue;
      }
      const std::string id = IdentityOf(element, merge_key);
      while (next < wanted.size() && wanted[next] != id) {
        ++next;
      }
      if (next == wanted.size()) {
        return Malformed(
            fmt::format("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                        Shown(patch), Shown(order)));
      }
    }
    return absl::OkStatus();
  }

  static absl::Status MergeScalar(const Json& element, JsonArray* original) {
    if (element.is_object() || element.is_array()) {
      return Malformed("list of scalars has an element that is no scalar");
    }
    if (std::find(original->begin(), original->end(), element) == original->end()) {
      original->push_back(element);
    }
    return absl::OkStatus();
  }

  absl::Status MergeElement(const Schema& schema, const Json& element, JsonArray* original) {
    const Json* key = Find(element, {schema.merge_key});
    if (key == nullptr) {
      return Malformed(fmt::format("map: {} does not contain declared merge key: {}",
                                   Shown(element), schema.merge_key));
    }
    const auto is_same = [&](const Json& other) {
      const Json* other_key = Find(other, {schema.merge_key});
      return other_key != nullptr && *other_key == *key;
    };
    if (StringAt(element, {kPatchDirective}) == "delete") {
      original->erase(std::remove_if(original->begin(), original->end(), is_same), original->end());
      return absl::OkStatus();
    }
    const auto found = std::find_if(original->begin(), original->end(), is_same);
    if (found == original->end()) {
      original->push_back(WithoutDirectives(element));
      return absl::OkStatus();
    }
    return MergeObject(schema.items.get(), element.get_object(), &found->get_object());
  }
};

}  // namespace

absl::Status ApplyStrategicMerge(const Schema& schema, const Json& patch, Json* document) {
  if (!patch.is_object()) {
    return Malformed("a strategic merge patch is an object");
  }
  if (!document->is_object()) {
    document->emplace_object();
  }
  return Merger().MergeObject(&schema, patch.get_object(), &document->get_object());
}

}  // namespace socle::api
