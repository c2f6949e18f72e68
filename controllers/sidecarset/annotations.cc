#include "controllers/sidecarset/annotations.h"

#include <algorithm>
#include <utility>

#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "kv/base/bytes.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

// The members of a JSON object in `text`; none for anything else.
JsonObject ParseMembers(std::string_view text) {
  if (text.empty()) {
    return {};
  }
  absl::StatusOr<Json> parsed = api::ParseJson(text);
  if (!parsed.ok() || !parsed->is_object()) {
    return {};
  }
  return std::move(parsed->get_object());
}

InjectionMark ParseMark(const Json& value) {
  InjectionMark mark;
  if (value.is_string()) {
    mark.hash = api::View(value.get_string());
    return mark;
  }
  mark.hash = api::StringAt(value, {"hash"});
  mark.updated_at = api::StringAt(value, {"updateTimestamp"});
  mark.revision = api::StringAt(value, {"controllerRevision"});
  const JsonArray* list = api::FindArray(value, {"sidecarList"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    if ((*list)[i].is_string()) {
      mark.containers.emplace_back(api::View((*list)[i].get_string()));
    }
  }
  return mark;
}

}  // namespace

Json Text(std::string_view text) {
  return Json(api::JsonView(text));
}

std::string_view AnnotationOf(const Json& pod, std::string_view key) {
  return api::StringAt(pod, {"metadata", "annotations", key});
}

void SetAnnotation(Json* pod, std::string_view key, std::string_view value) {
  api::Set(&api::EnsureObject(pod, {"metadata", "annotations"}), key, Text(value));
}

void RemoveAnnotation(Json* pod, std::string_view key) {
  if (api::FindObject(*pod, {"metadata", "annotations"}) != nullptr) {
    api::EnsureObject(pod, {"metadata", "annotations"}).erase(api::JsonView(key));
  }
}

InjectionMarks ParseMarks(std::string_view text) {
  InjectionMarks marks;
  for (const auto& member : ParseMembers(text)) {
    marks.emplace(api::View(member.key()), ParseMark(member.value()));
  }
  return marks;
}

std::string FormatMarks(const InjectionMarks& marks) {
  JsonObject object;
  for (const auto& [set, mark] : marks) {
    JsonArray containers;
    for (const std::string& name : mark.containers) {
      containers.push_back(Text(name));
    }
    JsonObject value;
    api::Set(&value, "updateTimestamp", Text(mark.updated_at));
    api::Set(&value, "hash", Text(mark.hash));
    api::Set(&value, "sidecarSetName", Text(set));
    api::Set(&value, "sidecarList", std::move(containers));
    if (!mark.revision.empty()) {
      api::Set(&value, "controllerRevision", Text(mark.revision));
    }
    api::Set(&object, set, std::move(value));
  }
  return api::Dump(Json(std::move(object)));
}

std::vector<std::string> ParseInjectedList(std::string_view text) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) {
      names.emplace_back(text.substr(0, comma));
    }
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return names;
}

std::vector<std::string> ScanInjectedList(std::string_view document) {
  // The encoder writes members without spaces; names of sets need no escapes.
  static const std::string& member =
      *new std::string(fmt::format("\"{}\":\"", kInjectedListAnnotation));
  const size_t at = document.find(member);
  if (at == std::string_view::npos) {
    return {};
  }
  const std::string_view rest = document.substr(at + member.size());
  const size_t end = rest.find('"');
  return end == std::string_view::npos ? std::vector<std::string>()
                                       : ParseInjectedList(rest.substr(0, end));
}

TextMap ParseTextMap(std::string_view text) {
  TextMap map;
  for (const auto& member : ParseMembers(text)) {
    if (member.value().is_string()) {
      map.emplace(api::View(member.key()), api::View(member.value().get_string()));
    }
  }
  return map;
}

std::string FormatTextMap(const TextMap& map) {
  JsonObject object;
  for (const auto& [key, value] : map) {
    api::Set(&object, key, Text(value));
  }
  return api::Dump(Json(std::move(object)));
}

ImageIds ParseUpdateState(std::string_view text) {
  ImageIds ids;
  for (const auto& member : ParseMembers(text)) {
    TextMap& of_set = ids[std::string(api::View(member.key()))];
    const JsonObject* statuses = api::FindObject(member.value(), {"lastContainerStatuses"});
    if (statuses == nullptr) {
      continue;
    }
    for (const auto& status : *statuses) {
      of_set.emplace(api::View(status.key()), api::StringAt(status.value(), {"imageID"}));
    }
  }
  return ids;
}

std::string WithUpdateState(std::string_view before, std::string_view set,
                            const UpdateState& state) {
  JsonObject all = ParseMembers(before);
  JsonObject statuses;
  for (const auto& [container, id] : state.image_ids) {
    JsonObject status;
    api::Set(&status, "imageID", Text(id));
    api::Set(&statuses, container, std::move(status));
  }
  JsonObject value;
  api::Set(&value, "revision", Text(state.hash));
  api::Set(&value, "updateTimestamp", Text(state.updated_at));
  api::Set(&value, "lastContainerStatuses", std::move(statuses));
  api::Set(&all, set, std::move(value));
  return api::Dump(Json(std::move(all)));
}

std::string WithoutUpdateState(std::string_view before, std::string_view set) {
  JsonObject all = ParseMembers(before);
  all.erase(api::JsonView(set));
  return all.empty() ? std::string() : api::Dump(Json(std::move(all)));
}

bool IsInjected(const Json& container) {
  const JsonArray* env = api::FindArray(container, {"env"});
  return env != nullptr && std::any_of(env->begin(), env->end(), [](const Json& variable) {
           return api::StringAt(variable, {"name"}) == kInjectedEnv &&
                  api::StringAt(variable, {"value"}) == "true";
         });
}

}  // namespace socle::sidecarset
