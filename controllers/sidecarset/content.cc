#include "controllers/sidecarset/content.h"

#include <xxhash.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "controllers/api/kind_registry.h"
#include "controllers/api/names.h"
#include "controllers/sidecarset/annotations.h"
#include "kv/base/check.h"

namespace socle::sidecarset {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

constexpr std::array kSetOnlyMembers = {"podInjectPolicy",   "upgradeStrategy",
                                        "shareVolumePolicy", "shareVolumeDevicePolicy",
                                        "transferEnv",       "resourcesPolicy"};

std::string HashText(const Json& value) {
  const std::string text = api::CanonicalDump(value);
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return api::SafeEncode(fmt::format("{:016x}{:016x}", hash.high64, hash.low64));
}

JsonArray ListAt(const Json& spec, std::string_view member) {
  const JsonArray* list = api::FindArray(spec, {member});
  return list == nullptr ? JsonArray() : *list;
}

bool IsNative(const Json& init_container) {
  return api::StringAt(init_container, {"restartPolicy"}) == "Always";
}

void BlankImages(JsonArray* containers) {
  for (Json& container : *containers) {
    if (JsonObject* members = container.if_object()) {
      api::Set(members, "image", "");
    }
  }
}

void Hash(const Json& spec, Content* content) {
  JsonArray containers = ListAt(spec, "containers");
  JsonArray inits = ListAt(spec, "initContainers");
  const bool has_native = std::any_of(inits.begin(), inits.end(), &IsNative);
  const auto hash = [&] {
    JsonArray input = {Json(containers)};
    if (has_native) {
      input.push_back(Json(inits));
    }
    return HashText(Json(std::move(input)));
  };
  content->hash = hash();
  BlankImages(&containers);
  BlankImages(&inits);
  content->hash_without_image = hash();
}

JsonObject EnvVar(std::string_view name, std::string_view value) {
  JsonObject variable;
  api::Set(&variable, "name", Text(name));
  api::Set(&variable, "value", Text(value));
  return variable;
}

// The container as pods have it, but for the defaults.
Json PodContainer(const Json& sidecar) {
  Json container = sidecar;
  JsonObject& members = container.get_object();
  for (const std::string_view member : kSetOnlyMembers) {
    members.erase(api::JsonView(member));
  }
  Json* env = members.if_contains("env");
  if (env == nullptr || !env->is_array()) {
    env = &(members["env"] = JsonArray());
  }
  env->get_array().push_back(EnvVar(kInjectedEnv, "true"));
  return container;
}

// Fills the defaults that pods have, once for all pods.
void DefaultInPod(JsonArray* containers, JsonArray* inits, JsonArray* volumes) {
  static const api::ServedKind& served = [&]() -> const api::ServedKind& {
    const api::ServedKind* found = api::KindRegistry::Builtin().Preferred("", "pods");
    CHECK(found != nullptr);
    return *found;
  }();
  Json pod = JsonObject();
  JsonObject& spec = api::EnsureObject(&pod, {"spec"});
  spec["containers"] = std::move(*containers);
  spec["initContainers"] = std::move(*inits);
  spec["volumes"] = std::move(*volumes);
  api::DefaultObject(served, &pod);
  *containers = ListAt(pod.at("spec"), "containers");
  *inits = ListAt(pod.at("spec"), "initContainers");
  *volumes = ListAt(pod.at("spec"), "volumes");
}

std::vector<EnvTransfer> ParseTransfers(const Json& container) {
  std::vector<EnvTransfer> transfers;
  for (const Json& given : ListAt(container, "transferEnv")) {
    EnvTransfer transfer;
    transfer.container = api::StringAt(given, {"sourceContainerName"});
    transfer.container_from =
        api::StringAt(given, {"sourceContainerNameFrom", "fieldRef", "fieldPath"});
    for (const Json& name : ListAt(given, "envNames")) {
      if (name.is_string()) {
        transfer.names.emplace_back(api::View(name.get_string()));
      }
    }
    const std::string_view single = api::StringAt(given, {"envName"});
    if (!single.empty() &&
        std::find(transfer.names.begin(), transfer.names.end(), single) == transfer.names.end()) {
      transfer.names.emplace_back(single);
    }
    transfers.push_back(std::move(transfer));
  }
  return transfers;
}

// `given` as the set has it, `container` as pods do.
Sidecar ParseSidecar(const Json& given, Json container, bool is_init) {
  Sidecar sidecar;
  sidecar.name = api::StringAt(given, {"name"});
  sidecar.image = api::StringAt(given, {"image"});
  const std::string_view place = api::StringAt(given, {"podInjectPolicy"});
  sidecar.is_before_app = place == "BeforeAppContainer" || (place.empty() && !is_init);
  sidecar.is_native = is_init && IsNative(given);
  sidecar.is_hot =
      !is_init && api::StringAt(given, {"upgradeStrategy", "upgradeType"}) == "HotUpgrade";
  sidecar.empty_image = api::StringAt(given, {"upgradeStrategy", "hotUpgradeEmptyImage"});
  sidecar.shares_volumes = api::StringAt(given, {"shareVolumePolicy", "type"}) == "enabled";
  sidecar.shares_devices = api::StringAt(given, {"shareVolumeDevicePolicy", "type"}) == "enabled";
  sidecar.transfers = ParseTransfers(given);
  sidecar.resources = ParseResourcesPolicy(given);
  sidecar.container = std::move(container);
  return sidecar;
}

void ParseContainers(const Json& spec, Content* content) {
  const auto are_objects = [](JsonArray list) {
    list.erase(std::remove_if(list.begin(), list.end(),
                              [](const Json& element) { return !element.is_object(); }),
               list.end());
    return list;
  };
  const JsonArray given = are_objects(ListAt(spec, "containers"));
  const JsonArray given_inits = are_objects(ListAt(spec, "initContainers"));
  JsonArray containers;
  JsonArray inits;
  JsonArray volumes = are_objects(ListAt(spec, "volumes"));
  std::transform(given.begin(), given.end(), std::back_inserter(containers), &PodContainer);
  std::transform(given_inits.begin(), given_inits.end(), std::back_inserter(inits), &PodContainer);
  DefaultInPod(&containers, &inits, &volumes);
  for (size_t i = 0; i < given.size(); ++i) {
    content->sidecars.push_back(ParseSidecar(given[i], std::move(containers[i]), false));
  }
  for (size_t i = 0; i < given_inits.size(); ++i) {
    content->init_sidecars.push_back(ParseSidecar(given_inits[i], std::move(inits[i]), true));
  }
  std::stable_sort(content->init_sidecars.begin(), content->init_sidecars.end(),
                   [](const Sidecar& a, const Sidecar& b) { return a.name < b.name; });
  for (Json& volume : volumes) {
    std::string name(api::StringAt(volume, {"name"}));
    content->volumes.emplace_back(std::move(name), std::move(volume));
  }
}

std::vector<MetadataPatch> ParsePatches(const Json& spec) {
  std::vector<MetadataPatch> patches;
  for (const Json& given : ListAt(spec, "patchPodMetadata")) {
    MetadataPatch patch;
    const std::string_view policy = api::StringAt(given, {"patchPolicy"});
    patch.policy = policy == "Overwrite"        ? PatchPolicy::kOverwrite
                   : policy == "MergePatchJson" ? PatchPolicy::kMergePatchJson
                                                : PatchPolicy::kRetain;
    const JsonObject* annotations = api::FindObject(given, {"annotations"});
    if (annotations == nullptr) {
      continue;
    }
    for (const auto& member : *annotations) {
      if (member.value().is_string()) {
        patch.annotations.emplace_back(api::View(member.key()),
                                       api::View(member.value().get_string()));
      }
    }
    patches.push_back(std::move(patch));
  }
  return patches;
}

}  // namespace

std::string FirstHotName(std::string_view name) {
  return fmt::format("{}-1", name);
}

std::string SecondHotName(std::string_view name) {
  return fmt::format("{}-2", name);
}

const Sidecar* Content::Find(std::string_view name) const {
  const auto found = std::find_if(sidecars.begin(), sidecars.end(),
                                  [&](const Sidecar& sidecar) { return sidecar.name == name; });
  return found == sidecars.end() ? nullptr : &*found;
}

ContentRef ParseContent(const Json& spec) {
  auto content = std::make_shared<Content>();
  ParseContainers(spec, content.get());
  for (const Json& secret : ListAt(spec, "imagePullSecrets")) {
    content->pull_secrets.push_back(secret);
  }
  content->patches = ParsePatches(spec);
  Hash(spec, content.get());
  for (const Sidecar& sidecar : content->sidecars) {
    if (sidecar.is_hot) {
      content->has_hot = true;
      content->container_names.push_back(FirstHotName(sidecar.name));
      content->container_names.push_back(SecondHotName(sidecar.name));
    } else {
      content->container_names.push_back(sidecar.name);
    }
  }
  return content;
}

Json RevisionData(const Json& spec) {
  JsonObject data;
  for (const std::string_view member :
       {"containers", "imagePullSecrets", "initContainers", "patchPodMetadata", "volumes"}) {
    if (const Json* value = api::Find(spec, {member})) {
      api::Set(&data, member, *value);
    }
  }
  return Json(std::move(data));
}

}  // namespace socle::sidecarset
