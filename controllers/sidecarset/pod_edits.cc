#include "controllers/sidecarset/pod_edits.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/timestamp.h"
#include "controllers/sidecarset/annotations.h"
#include "controllers/sidecarset/pod_state.h"
#include "controllers/workload/document_edits.h"
#include "kv/base/bytes.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

bool IsActive(const Json& pod) {
  const std::string_view phase = api::StringAt(pod, {"status", "phase"});
  return api::Find(pod, {"metadata", "deletionTimestamp"}) == nullptr && phase != "Succeeded" &&
         phase != "Failed";
}

Json* ContainerIn(Json* pod, std::string_view name) {
  return workload::ElementNamed(pod, {"spec", "containers"}, name);
}

std::string_view ImageOf(const Json& container) {
  return api::StringAt(container, {"image"});
}

const Json* StatusOf(const Json& pod, std::string_view container) {
  return workload::ElementNamed(pod, {"status", "containerStatuses"}, container);
}

bool IsReady(const Json& pod, std::string_view container) {
  const Json* status = StatusOf(pod, container);
  return status != nullptr && api::BoolAt(*status, {"ready"}) &&
         IsSameImage(api::StringAt(*status, {"image"}),
                     ImageOf(*workload::ElementNamed(pod, {"spec", "containers"}, container)));
}

// Sets the image, noting what runs until then.
bool PutImage(std::string_view name, std::string_view image, Json* pod, TextMap* image_ids) {
  Json* container = ContainerIn(pod, name);
  if (container == nullptr || ImageOf(*container) == image) {
    return false;
  }
  const Json* status = StatusOf(*pod, name);
  image_ids->insert_or_assign(
      std::string(name), std::string(status == nullptr ? "" : api::StringAt(*status, {"imageID"})));
  api::Set(&container->get_object(), "image", Text(image));
  return true;
}

std::string VersionKey(std::string_view container) {
  return fmt::format("{}{}", kVersionPrefix, container);
}

std::string VersionAltKey(std::string_view container) {
  return fmt::format("{}{}", kVersionAltPrefix, container);
}

// Which of the pair gets the new image: the empty one, else one that is not ready, else the one that is
// not working.
struct Roles {
  std::string target;
  std::string other;
};

Roles RolesFor(const Sidecar& sidecar, std::string_view working, const Json& pod) {
  const std::string first = FirstHotName(sidecar.name);
  const std::string second = SecondHotName(sidecar.name);
  const Json* one = workload::ElementNamed(pod, {"spec", "containers"}, first);
  const Json* two = workload::ElementNamed(pod, {"spec", "containers"}, second);
  if (one == nullptr || two == nullptr) {
    return {};
  }
  const bool first_is_empty = ImageOf(*one) == sidecar.empty_image;
  const bool second_is_empty = ImageOf(*two) == sidecar.empty_image;
  bool takes_first = working == second;
  if (first_is_empty || second_is_empty) {
    takes_first = first_is_empty;
  } else if (IsReady(pod, first) != IsReady(pod, second)) {
    takes_first = !IsReady(pod, first);
  }
  return takes_first ? Roles{.target = first, .other = second}
                     : Roles{.target = second, .other = first};
}

bool UpgradeHot(const SetForm& set, const Sidecar& sidecar, TextMap* working, Json* pod,
                TextMap* image_ids) {
  const std::string& now_working = (*working)[sidecar.name];
  const Json* present = workload::ElementNamed(*pod, {"spec", "containers"}, now_working);
  if (present != nullptr && ImageOf(*present) == sidecar.image) {
    return false;  // Only another container of the set has changed.
  }
  const Roles roles = RolesFor(sidecar, now_working, *pod);
  if (roles.target.empty()) {
    return false;
  }
  PutImage(roles.target, sidecar.image, pod, image_ids);
  (*working)[sidecar.name] = roles.target;
  SetAnnotation(pod, VersionKey(roles.target), set.version);
  SetAnnotation(pod, VersionAltKey(roles.other), set.version);
  return true;
}

// Puts hash, time and revision of the set's content into one of the two annotations.
void PutMark(std::string_view key, std::string_view hash, const SetForm& set,
             const std::string& now, Json* pod) {
  InjectionMarks marks = ParseMarks(AnnotationOf(*pod, key));
  InjectionMark& mark = marks[set.name];
  mark.hash = hash;
  mark.updated_at = now;
  mark.revision = set.revision;
  SetAnnotation(pod, key, FormatMarks(marks));
}

std::string HashIn(const Json& pod, std::string_view key, std::string_view set) {
  const InjectionMarks marks = ParseMarks(AnnotationOf(pod, key));
  const auto found = marks.find(set);
  return found == marks.end() ? std::string() : found->second.hash;
}

// -------------------------------------------------------------------------------------- strip

// Injected containers of these names.
void EraseIf(JsonArray* list, const StringSet& names) {
  list->erase(std::remove_if(list->begin(), list->end(),
                             [&](const Json& container) {
                               return names.contains(api::StringAt(container, {"name"})) &&
                                      IsInjected(container);
                             }),
              list->end());
}

JsonArray* ArrayAt(Json* pod, std::string_view member) {
  if (api::FindArray(*pod, {"spec", member}) == nullptr) {
    return nullptr;
  }
  return &api::EnsureObject(pod, {"spec"}).at(api::JsonView(member)).get_array();
}

StringSet NamesOfSet(const SetForm& set, const Json& pod) {
  StringSet names(set.content->container_names.begin(), set.content->container_names.end());
  for (const Sidecar& sidecar : set.content->init_sidecars) {
    names.insert(sidecar.name);
  }
  const InjectionMarks marks = ParseMarks(AnnotationOf(pod, kHashAnnotation));
  if (const auto mark = marks.find(set.name); mark != marks.end()) {
    names.insert(mark->second.containers.begin(), mark->second.containers.end());
  }
  return names;
}

StringSet MountedVolumes(const Json& pod) {
  StringSet mounted;
  for (const std::string_view group : {"containers", "initContainers"}) {
    const JsonArray* containers = api::FindArray(pod, {"spec", group});
    for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
      for (const std::string_view list : {"volumeMounts", "volumeDevices"}) {
        const JsonArray* mounts = api::FindArray((*containers)[i], {list});
        for (size_t j = 0; mounts != nullptr && j < mounts->size(); ++j) {
          mounted.emplace(api::StringAt((*mounts)[j], {"name"}));
        }
      }
    }
  }
  return mounted;
}

void StripVolumes(const Content& content, Json* pod) {
  JsonArray* volumes = ArrayAt(pod, "volumes");
  if (volumes == nullptr || content.volumes.empty()) {
    return;
  }
  const StringSet mounted = MountedVolumes(*pod);
  const auto is_unused = [&](const Json& volume) {
    const std::string_view name = api::StringAt(volume, {"name"});
    const bool is_ours =
        std::any_of(content.volumes.begin(), content.volumes.end(), [&](const auto& of_set) {
          return of_set.first == name &&
                 api::CanonicalDump(of_set.second) == api::CanonicalDump(volume);
        });
    return is_ours && !mounted.contains(name);
  };
  volumes->erase(std::remove_if(volumes->begin(), volumes->end(), is_unused), volumes->end());
}

void EraseMark(std::string_view key, std::string_view set, Json* pod) {
  InjectionMarks marks = ParseMarks(AnnotationOf(*pod, key));
  if (const auto found = marks.find(set); found != marks.end()) {
    marks.erase(found);
  }
  if (marks.empty()) {
    RemoveAnnotation(pod, key);
  } else {
    SetAnnotation(pod, key, FormatMarks(marks));
  }
}

void EraseHotMarks(const SetForm& set, Json* pod) {
  if (!set.content->has_hot) {
    return;
  }
  TextMap working = ParseTextMap(AnnotationOf(*pod, kWorkingContainersAnnotation));
  for (const Sidecar& sidecar : set.content->sidecars) {
    if (!sidecar.is_hot) {
      continue;
    }
    working.erase(sidecar.name);
    for (const std::string& name : {FirstHotName(sidecar.name), SecondHotName(sidecar.name)}) {
      RemoveAnnotation(pod, VersionKey(name));
      RemoveAnnotation(pod, VersionAltKey(name));
    }
  }
  if (working.empty()) {
    RemoveAnnotation(pod, kWorkingContainersAnnotation);
  } else {
    SetAnnotation(pod, kWorkingContainersAnnotation, FormatTextMap(working));
  }
}

void ErasePatches(const Content& content, Json* pod) {
  for (const MetadataPatch& patch : content.patches) {
    for (const auto& [key, value] : patch.annotations) {
      if (AnnotationOf(*pod, key) == value) {
        RemoveAnnotation(pod, key);
      }
    }
  }
}

// ----------------------------------------------------------------------------------- condition

// The words of the sets in the condition.
JsonObject WordsOf(const Json* condition) {
  if (condition == nullptr) {
    return {};
  }
  absl::StatusOr<Json> message = api::ParseJson(api::StringAt(*condition, {"message"}));
  return message.ok() && message->is_object() ? std::move(message->get_object()) : JsonObject();
}

Json* ConditionIn(Json* pod) {
  if (api::FindArray(*pod, {"status", "conditions"}) == nullptr) {
    return nullptr;
  }
  JsonArray& conditions = api::EnsureObject(pod, {"status"}).at("conditions").get_array();
  const auto found = std::find_if(conditions.begin(), conditions.end(), [](const Json& condition) {
    return api::StringAt(condition, {"type"}) == kUpgradableCondition;
  });
  return found == conditions.end() ? nullptr : &*found;
}

void PutWords(const JsonObject& words, int64_t wall_nanos, Json* pod) {
  const bool are_all = std::all_of(words.begin(), words.end(), [](const auto& word) {
    return word.value().is_bool() && word.value().get_bool();
  });
  Json* condition = ConditionIn(pod);
  if (condition == nullptr) {
    JsonObject& status = api::EnsureObject(pod, {"status"});
    if (!status.contains("conditions") || !status.at("conditions").is_array()) {
      api::Set(&status, "conditions", JsonArray());
    }
    JsonArray& conditions = status.at("conditions").get_array();
    conditions.push_back(JsonObject());
    condition = &conditions.back();
    api::Set(&condition->get_object(), "type", Text(kUpgradableCondition));
  }
  JsonObject& members = condition->get_object();
  const std::string_view status = are_all ? "True" : "False";
  if (api::StringAt(members, "status") != status) {
    api::Set(&members, "status", Text(status));
    api::Set(&members, "lastTransitionTime", Text(api::FormatTime(wall_nanos)));
  }
  api::Set(&members, "reason",
           are_all ? Json("AllSidecarsetUpgradable") : Json("UpdateImmutableField"));
  api::Set(&members, "message", Text(api::CanonicalDump(Json(words))));
}

void EraseWord(std::string_view set, Json* pod) {
  Json* condition = ConditionIn(pod);
  if (condition == nullptr) {
    return;
  }
  JsonObject words = WordsOf(condition);
  words.erase(api::JsonView(set));
  if (!words.empty()) {
    const std::optional<int64_t> since =
        api::ParseTime(api::StringAt(*condition, {"lastTransitionTime"}));
    PutWords(words, since.value_or(0), pod);
    return;
  }
  JsonArray& conditions = api::EnsureObject(pod, {"status"}).at("conditions").get_array();
  conditions.erase(conditions.begin() + (condition - conditions.data()));
}

}  // namespace

bool UpgradePod(const SetForm& set, int64_t wall_nanos, Json* pod) {
  const Content& content = *set.content;
  const std::string hash = HashIn(*pod, kHashAnnotation, set.name);
  if (!IsActive(*pod) || hash.empty() || hash == content.hash ||
      HashIn(*pod, kHashWithoutImageAnnotation, set.name) != content.hash_without_image) {
    return false;
  }
  TextMap image_ids;
  TextMap working = ParseTextMap(AnnotationOf(*pod, kWorkingContainersAnnotation));
  for (const Sidecar& sidecar : content.sidecars) {
    if (sidecar.is_hot) {
      UpgradeHot(set, sidecar, &working, pod, &image_ids);
    } else {
      PutImage(sidecar.name, sidecar.image, pod, &image_ids);
    }
  }
  if (content.has_hot) {
    SetAnnotation(pod, kWorkingContainersAnnotation, FormatTextMap(working));
  }
  const std::string now = api::FormatTime(wall_nanos);
  PutMark(kHashAnnotation, content.hash, set, now, pod);
  PutMark(kHashWithoutImageAnnotation, content.hash_without_image, set, now, pod);
  SetAnnotation(pod, kUpdateStateAnnotation,
                WithUpdateState(
                    AnnotationOf(*pod, kUpdateStateAnnotation), set.name,
                    {.hash = content.hash, .updated_at = now, .image_ids = std::move(image_ids)}));
  return true;
}

bool FlipPod(const SetForm& set, Json* pod) {
  if (!IsActive(*pod)) {
    return false;
  }
  const TextMap working = ParseTextMap(AnnotationOf(*pod, kWorkingContainersAnnotation));
  bool has_flipped = false;
  for (const Sidecar& sidecar : set.content->sidecars) {
    const auto found = working.find(sidecar.name);
    if (!sidecar.is_hot || found == working.end()) {
      continue;
    }
    const std::string first = FirstHotName(sidecar.name);
    const std::string& serving = found->second;
    const std::string old = serving == first ? SecondHotName(sidecar.name) : first;
    Json* container = ContainerIn(pod, old);
    const Json* server = ContainerIn(pod, serving);
    if (container == nullptr || server == nullptr || !IsReady(*pod, serving) ||
        ImageOf(*server) == sidecar.empty_image || ImageOf(*container) == sidecar.empty_image) {
      continue;
    }
    api::Set(&container->get_object(), "image", Text(sidecar.empty_image));
    SetAnnotation(pod, VersionKey(old), "0");
    SetAnnotation(pod, VersionAltKey(serving), "0");
    has_flipped = true;
  }
  return has_flipped;
}

bool SetUpgradable(std::string_view set, bool is_upgradable, int64_t wall_nanos, Json* pod) {
  JsonObject words = WordsOf(ConditionIn(pod));
  const Json* said = api::Find(words, set);
  if (!IsActive(*pod) || (said != nullptr && *said == Json(is_upgradable))) {
    return false;
  }
  api::Set(&words, set, is_upgradable);
  PutWords(words, wall_nanos, pod);
  return true;
}

bool StripContainers(const SetForm& set, Json* pod) {
  if (!IsActive(*pod)) {
    return false;
  }
  const StringSet names = NamesOfSet(set, *pod);
  const Json before = *pod;
  if (JsonArray* containers = ArrayAt(pod, "containers")) {
    const JsonArray all = *containers;
    EraseIf(containers, names);
    if (containers->empty()) {
      *containers = all;
    }
  }
  if (JsonArray* inits = ArrayAt(pod, "initContainers")) {
    EraseIf(inits, names);
  }
  StripVolumes(*set.content, pod);
  // A pod that nothing can be taken from is done with.
  return *pod != before || StripAnnotations(set, pod);
}

bool StripAnnotations(const SetForm& set, Json* pod) {
  const Json before = *pod;
  EraseMark(kHashAnnotation, set.name, pod);
  EraseMark(kHashWithoutImageAnnotation, set.name, pod);
  std::vector<std::string> list = ParseInjectedList(AnnotationOf(*pod, kInjectedListAnnotation));
  list.erase(std::remove(list.begin(), list.end(), set.name), list.end());
  if (list.empty()) {
    RemoveAnnotation(pod, kInjectedListAnnotation);
  } else {
    SetAnnotation(pod, kInjectedListAnnotation, fmt::format("{}", fmt::join(list, ",")));
  }
  const std::string state =
      WithoutUpdateState(AnnotationOf(*pod, kUpdateStateAnnotation), set.name);
  if (state.empty()) {
    RemoveAnnotation(pod, kUpdateStateAnnotation);
  } else {
    SetAnnotation(pod, kUpdateStateAnnotation, state);
  }
  EraseHotMarks(set, pod);
  ErasePatches(*set.content, pod);
  EraseWord(set.name, pod);
  return *pod != before;
}

}  // namespace socle::sidecarset
