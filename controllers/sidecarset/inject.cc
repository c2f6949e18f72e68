#include "controllers/sidecarset/inject.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <absl/status/statusor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controllers/api/json_patch.h"
#include "controllers/api/timestamp.h"
#include "controllers/sidecarset/annotations.h"
#include "kv/base/bytes.h"
#include "kv/base/status_macros.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::string_view kTokenMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";

// The list, made where there is none.
JsonArray& EnsureArray(JsonObject* object, std::string_view member) {
  Json* list = object->if_contains(api::JsonView(member));
  if (list == nullptr || !list->is_array()) {
    api::Set(object, member, JsonArray());
    list = object->if_contains(api::JsonView(member));
  }
  return list->get_array();
}

JsonArray& EnsureArray(Json* root, api::JsonPath parent, std::string_view member) {
  return EnsureArray(&api::EnsureObject(root, parent), member);
}

// Elements of lists are told apart by this member.
Json* FindBy(std::string_view key, std::string_view value, JsonArray* list) {
  const auto found = std::find_if(list->begin(), list->end(), [&](const Json& element) {
    return api::StringAt(element, {key}) == value;
  });
  return found == list->end() ? nullptr : &*found;
}

// Appends what the list does not have yet.
void MergeBy(std::string_view key, const Json& element, JsonArray* list) {
  if (FindBy(key, api::StringAt(element, {key}), list) == nullptr) {
    list->push_back(element);
  }
}

const JsonArray& ListAt(const Json& root, api::JsonPath path) {
  static const JsonArray& empty = *new JsonArray();
  const JsonArray* list = api::FindArray(root, path);
  return list == nullptr ? empty : *list;
}

// Names of the variables in `$(A)-$(B)`; `$$(A)` is an escape.
std::vector<std::string_view> VariablesOf(std::string_view text) {
  std::vector<std::string_view> names;
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    if (text[i] != '$') {
      continue;
    }
    if (text[i + 1] == '(') {
      const size_t end = text.find(')', i);
      if (end != std::string_view::npos) {
        names.push_back(text.substr(i + 2, end - i - 2));
      }
    }
    ++i;
  }
  return names;
}

// The containers of the pod that no set has put there, nor will.
std::vector<const Json*> AppContainers(const Json& pod, const StringSet& sidecars) {
  std::vector<const Json*> apps;
  for (const Json& container : ListAt(pod, {"spec", "containers"})) {
    if (!IsInjected(container) && !sidecars.contains(api::StringAt(container, {"name"}))) {
      apps.push_back(&container);
    }
  }
  return apps;
}

// App containers, and init containers of the pod's own that stay.
std::vector<const Json*> ResourceTargets(const Json& pod, const std::vector<const Json*>& apps,
                                         const StringSet& sidecars) {
  std::vector<const Json*> targets = apps;
  for (const Json& container : ListAt(pod, {"spec", "initContainers"})) {
    if (api::StringAt(container, {"restartPolicy"}) == "Always" && !IsInjected(container) &&
        !sidecars.contains(api::StringAt(container, {"name"}))) {
      targets.push_back(&container);
    }
  }
  return targets;
}

// -------------------------------------------------------------------------------- one container

void ShareVolumes(const std::vector<const Json*>& apps, JsonObject* container) {
  JsonArray& mounts = EnsureArray(container, "volumeMounts");
  for (const Json* app : apps) {
    for (const Json& mount : ListAt(*app, {"volumeMounts"})) {
      if (api::StringAt(mount, {"mountPath"}) == kTokenMountPath) {
        continue;
      }
      MergeBy("mountPath", mount, &mounts);
      for (const std::string_view name : VariablesOf(api::StringAt(mount, {"subPathExpr"}))) {
        for (const Json& variable : ListAt(*app, {"env"})) {
          if (api::StringAt(variable, {"name"}) == name) {
            MergeBy("name", variable, &EnsureArray(container, "env"));
          }
        }
      }
    }
  }
}

void ShareDevices(const std::vector<const Json*>& apps, JsonObject* container) {
  JsonArray& devices = EnsureArray(container, "volumeDevices");
  for (const Json* app : apps) {
    for (const Json& device : ListAt(*app, {"volumeDevices"})) {
      MergeBy("devicePath", device, &devices);
    }
  }
}

void TransferEnv(const std::vector<EnvTransfer>& transfers, const Json& pod,
                 const std::vector<const Json*>& apps, JsonObject* container) {
  for (const EnvTransfer& transfer : transfers) {
    const std::string_view source = transfer.container_from.empty()
                                        ? std::string_view(transfer.container)
                                        : FieldPathValue(transfer.container_from, pod);
    const auto app = std::find_if(apps.begin(), apps.end(), [&](const Json* candidate) {
      return api::StringAt(*candidate, {"name"}) == source;
    });
    if (source.empty() || app == apps.end()) {
      continue;
    }
    for (const std::string& name : transfer.names) {
      for (const Json& variable : ListAt(**app, {"env"})) {
        if (api::StringAt(variable, {"name"}) == name) {
          MergeBy("name", variable, &EnsureArray(container, "env"));
        }
      }
    }
  }
}

struct Surroundings {
  const Json* pod = nullptr;
  std::vector<const Json*> apps;
  std::vector<const Json*> resource_targets;
};

// The container of the sidecar as this pod gets it.
absl::StatusOr<Json> Fit(const Sidecar& sidecar, const Surroundings& around) {
  Json container = sidecar.container;
  JsonObject& members = container.get_object();
  if (sidecar.shares_volumes) {
    ShareVolumes(around.apps, &members);
  }
  if (sidecar.shares_devices) {
    ShareDevices(around.apps, &members);
  }
  TransferEnv(sidecar.transfers, *around.pod, around.apps, &members);
  if (sidecar.resources != nullptr) {
    RETURN_IF_ERROR(ApplyResourcesPolicy(*sidecar.resources, around.resource_targets, &container));
  }
  return container;
}

Json FieldRefVariable(std::string_view name, std::string_view annotation) {
  JsonObject field;
  api::Set(&field, "apiVersion", "v1");
  api::Set(&field, "fieldPath", Text(fmt::format("metadata.annotations['{}']", annotation)));
  JsonObject source;
  api::Set(&source, "fieldRef", std::move(field));
  JsonObject variable;
  api::Set(&variable, "name", Text(name));
  api::Set(&variable, "valueFrom", std::move(source));
  return Json(std::move(variable));
}

Json HotContainer(const Json& container, std::string_view name, std::string_view image) {
  Json hot = container;
  JsonObject& members = hot.get_object();
  api::Set(&members, "name", Text(name));
  api::Set(&members, "image", Text(image));
  JsonArray& env = EnsureArray(&members, "env");
  env.push_back(FieldRefVariable(kVersionEnv, fmt::format("{}{}", kVersionPrefix, name)));
  env.push_back(FieldRefVariable(kVersionAltEnv, fmt::format("{}{}", kVersionAltPrefix, name)));
  return hot;
}

// ------------------------------------------------------------------------------ the whole pod

// Containers that go before and after those of the pod; one of the name that is there is replaced.
struct Placement {
  JsonArray before;
  JsonArray after;

  void Add(Json container, bool is_before, JsonArray* present) {
    if (Json* same = FindBy("name", api::StringAt(container, {"name"}), present)) {
      *same = std::move(container);
      return;
    }
    (is_before ? before : after).push_back(std::move(container));
  }

  void Apply(JsonArray* present) {
    if (before.empty()) {
      std::move(after.begin(), after.end(), std::back_inserter(*present));
      return;
    }
    JsonArray all = std::move(before);
    std::move(present->begin(), present->end(), std::back_inserter(all));
    std::move(after.begin(), after.end(), std::back_inserter(all));
    *present = std::move(all);
  }
};

StringSet NamesOf(const std::vector<Injection>& sets) {
  StringSet names;
  for (const Injection& set : sets) {
    names.insert(set.content->container_names.begin(), set.content->container_names.end());
    for (const Sidecar& sidecar : set.content->init_sidecars) {
      names.insert(sidecar.name);
    }
  }
  return names;
}

absl::Status PlaceContainers(const std::vector<Injection>& sets, Json* pod) {
  const StringSet names = NamesOf(sets);
  Surroundings around{.pod = pod, .apps = AppContainers(*pod, names)};
  around.resource_targets = ResourceTargets(*pod, around.apps, names);
  // All are fitted to the pod as it came; `around` points into it until then.
  std::vector<std::pair<const Sidecar*, Json>> fitted;
  std::vector<std::pair<const Sidecar*, Json>> fitted_inits;
  for (const Injection& set : sets) {
    for (const Sidecar& sidecar : set.content->sidecars) {
      ASSIGN_OR_RETURN(Json container, Fit(sidecar, around));
      fitted.emplace_back(&sidecar, std::move(container));
    }
    for (const Sidecar& sidecar : set.content->init_sidecars) {
      ASSIGN_OR_RETURN(Json container, Fit(sidecar, around));
      fitted_inits.emplace_back(&sidecar, std::move(container));
    }
  }
  JsonArray& containers = EnsureArray(pod, {"spec"}, "containers");
  Placement placement;
  for (auto& [sidecar, container] : fitted) {
    if (sidecar->is_hot) {
      HotPair pair = MakeHotPair(*sidecar, container);
      placement.Add(std::move(pair.first), sidecar->is_before_app, &containers);
      placement.Add(std::move(pair.second), sidecar->is_before_app, &containers);
    } else {
      placement.Add(std::move(container), sidecar->is_before_app, &containers);
    }
  }
  placement.Apply(&containers);
  if (fitted_inits.empty()) {
    return absl::OkStatus();
  }
  std::stable_sort(fitted_inits.begin(), fitted_inits.end(),
                   [](const auto& a, const auto& b) { return a.first->name < b.first->name; });
  JsonArray& inits = EnsureArray(pod, {"spec"}, "initContainers");
  Placement init_placement;
  for (auto& [sidecar, container] : fitted_inits) {
    init_placement.Add(std::move(container), sidecar->is_before_app, &inits);
  }
  init_placement.Apply(&inits);
  return absl::OkStatus();
}

// Volumes of one name are one, but items of downward ones are put together.
void MergeVolume(const Json& volume, JsonArray* volumes) {
  Json* same = FindBy("name", api::StringAt(volume, {"name"}), volumes);
  if (same == nullptr) {
    volumes->push_back(volume);
    return;
  }
  if (api::Find(*same, {"downwardAPI"}) == nullptr ||
      api::Find(volume, {"downwardAPI"}) == nullptr) {
    return;
  }
  JsonArray& items = EnsureArray(same, {"downwardAPI"}, "items");
  for (const Json& item : ListAt(volume, {"downwardAPI", "items"})) {
    MergeBy("path", item, &items);
  }
}

void MergeVolumes(const Content& content, Json* pod) {
  StringSet used;
  for (const std::vector<Sidecar>* group : {&content.sidecars, &content.init_sidecars}) {
    for (const Sidecar& sidecar : *group) {
      for (const std::string_view list : {"volumeMounts", "volumeDevices"}) {
        for (const Json& mount : ListAt(sidecar.container, {list})) {
          used.emplace(api::StringAt(mount, {"name"}));
        }
      }
    }
  }
  for (const auto& [name, volume] : content.volumes) {
    if (used.contains(name)) {
      MergeVolume(volume, &EnsureArray(pod, {"spec"}, "volumes"));
    }
  }
}

void MergeSecrets(const Content& content, Json* pod) {
  for (const Json& secret : content.pull_secrets) {
    MergeBy("name", secret, &EnsureArray(pod, {"spec"}, "imagePullSecrets"));
  }
}

// ------------------------------------------------------------------------------------ metadata

void PatchAnnotation(PatchPolicy policy, const std::string& key, const std::string& value,
                     Json* pod) {
  const bool is_present = api::Find(*pod, {"metadata", "annotations", key}) != nullptr;
  if (policy == PatchPolicy::kRetain && is_present) {
    return;
  }
  if (policy != PatchPolicy::kMergePatchJson || !is_present) {
    SetAnnotation(pod, key, value);
    return;
  }
  absl::StatusOr<Json> document = api::ParseJson(AnnotationOf(*pod, key));
  const absl::StatusOr<Json> patch = api::ParseJson(value);
  if (!document.ok() || !patch.ok()) {
    return;  // the pod's own text is no JSON: it stays
  }
  api::ApplyMergePatch(*patch, &*document);
  SetAnnotation(pod, key, api::Dump(*document));
}

void MarkHot(const Content& content, Json* pod) {
  if (!content.has_hot) {
    return;
  }
  TextMap working = ParseTextMap(AnnotationOf(*pod, kWorkingContainersAnnotation));
  for (const Sidecar& sidecar : content.sidecars) {
    if (!sidecar.is_hot) {
      continue;
    }
    const std::string first = FirstHotName(sidecar.name);
    const std::string second = SecondHotName(sidecar.name);
    working[sidecar.name] = first;
    SetAnnotation(pod, fmt::format("{}{}", kVersionPrefix, first), "1");
    SetAnnotation(pod, fmt::format("{}{}", kVersionAltPrefix, first), "0");
    SetAnnotation(pod, fmt::format("{}{}", kVersionPrefix, second), "0");
    SetAnnotation(pod, fmt::format("{}{}", kVersionAltPrefix, second), "1");
  }
  SetAnnotation(pod, kWorkingContainersAnnotation, FormatTextMap(working));
}

void Mark(const std::vector<Injection>& sets, int64_t wall_nanos, Json* pod) {
  InjectionMarks marks;
  InjectionMarks marks_without_image;
  std::vector<std::string_view> names;
  const std::string now = api::FormatTime(wall_nanos);
  for (const Injection& set : sets) {
    InjectionMark mark{.hash = set.content->hash,
                       .updated_at = now,
                       .containers = set.content->container_names,
                       .revision = set.revision};
    marks.emplace(set.set, mark);
    mark.hash = set.content->hash_without_image;
    marks_without_image.emplace(set.set, std::move(mark));
    names.push_back(set.set);
  }
  SetAnnotation(pod, kHashAnnotation, FormatMarks(marks));
  SetAnnotation(pod, kHashWithoutImageAnnotation, FormatMarks(marks_without_image));
  SetAnnotation(pod, kInjectedListAnnotation, fmt::format("{}", fmt::join(names, ",")));
}

}  // namespace

std::string_view FieldPathValue(std::string_view path, const Json& pod) {
  for (const std::string_view group : {"labels", "annotations"}) {
    const std::string prefix = fmt::format("metadata.{}['", group);
    if (path.starts_with(prefix) && path.ends_with("']")) {
      path.remove_prefix(prefix.size());
      path.remove_suffix(2);
      return api::StringAt(pod, {"metadata", group, path});
    }
  }
  return {};
}

HotPair MakeHotPair(const Sidecar& sidecar, const Json& container) {
  return {.first = HotContainer(container, FirstHotName(sidecar.name), sidecar.image),
          .second = HotContainer(container, SecondHotName(sidecar.name), sidecar.empty_image)};
}

absl::Status Inject(const std::vector<Injection>& sets, int64_t wall_nanos, Json* pod) {
  if (sets.empty()) {
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(PlaceContainers(sets, pod));
  for (const Injection& set : sets) {
    MergeVolumes(*set.content, pod);
    MergeSecrets(*set.content, pod);
    MarkHot(*set.content, pod);
    for (const MetadataPatch& patch : set.content->patches) {
      for (const auto& [key, value] : patch.annotations) {
        PatchAnnotation(patch.policy, key, value, pod);
      }
    }
  }
  Mark(sets, wall_nanos, pod);
  return absl::OkStatus();
}

}  // namespace socle::sidecarset
