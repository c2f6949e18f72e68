#include "controllers/workload/in_place_update.h"

#include <algorithm>
#include <set>

#include "controllers/api/timestamp.h"
#include "controllers/workload/container_update.h"
#include "controllers/workload/document_edits.h"
#include "controllers/workload/pod_facts.h"
#include "controllers/workload/pod_readiness.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;
using api::JsonView;

constexpr int64_t kGraceSecondsMax = 366 * 24 * 3600;

// ------------------------------------------------------------------------------------ annotations

Json ReadState(const Json& pod) {
  return ReadAnnotationJson(pod, kInPlaceStateKey, kOldInPlaceStateKey);
}

Json ReadGrace(const Json& pod) {
  return ReadAnnotationJson(pod, kInPlaceGraceKey, kOldInPlaceGraceKey);
}

void DropGrace(Json* pod) {
  EraseAnnotation(kInPlaceGraceKey, pod);
  EraseAnnotation(kOldInPlaceGraceKey, pod);
}

JsonObject MemberObject(const Json& root, std::string_view name) {
  const JsonObject* found = api::FindObject(root, {name});
  return found == nullptr ? JsonObject() : *found;
}

Json EncodePending(const InPlaceUpdate& update) {
  JsonObject images;
  for (const auto& [container, image] : update.images) {
    images[JsonView(container)] = JsonView(image);
  }
  JsonObject resources;
  for (const auto& [container, amounts] : update.resources) {
    resources[JsonView(container)] = amounts;
  }
  return JsonObject{{"revision", JsonView(update.revision)},
                    {"containerImages", std::move(images)},
                    {"containerResources", std::move(resources)},
                    {"metaDataPatch",
                     JsonObject{{"labels", update.labels}, {"annotations", update.annotations}}}};
}

// What is pending under these names of an annotation, added to `update` where it has no word of its own.
void TakeOver(const JsonObject& images, const JsonObject& resources, const JsonObject& labels,
              const JsonObject& annotations, InPlaceUpdate* update) {
  const auto has = [](const auto& list, std::string_view name) {
    return std::any_of(list.begin(), list.end(),
                       [&](const auto& one) { return one.first == name; });
  };
  for (const auto& image : images) {
    const std::string name(api::View(image.key()));
    if (image.value().is_string() && !has(update->images, name)) {
      update->images.emplace_back(name, api::View(image.value().get_string()));
    }
  }
  for (const auto& amounts : resources) {
    const std::string name(api::View(amounts.key()));
    if (!has(update->resources, name)) {
      update->resources.emplace_back(name, amounts.value());
    }
  }
  for (const auto& label : labels) {
    update->labels.insert(label);  // keeps what is there
  }
  for (const auto& annotation : annotations) {
    update->annotations.insert(annotation);
  }
}

void TakeOverGrace(const Json& grace, InPlaceUpdate* update) {
  const Json metadata = MemberObject(grace, "metaDataPatch");
  TakeOver(MemberObject(grace, "containerImages"), MemberObject(grace, "containerResources"),
           MemberObject(metadata, "labels"), MemberObject(metadata, "annotations"), update);
}

void TakeOverBatches(const Json& state, InPlaceUpdate* update) {
  TakeOver(MemberObject(state, "nextContainerImages"),
           MemberObject(state, "nextContainerResources"), {}, {}, update);
  for (const auto& container : MemberObject(state, "nextContainerRefMetadata")) {
    TakeOver({}, {}, MemberObject(container.value(), "labels"),
             MemberObject(container.value(), "annotations"), update);
  }
}

// ---------------------------------------------------------------------------------------- batches

// What an update does to one container.
struct ContainerPart {
  std::string name;
  int64_t priority = 0;
  const std::string* image = nullptr;
  const Json* resources = nullptr;
  std::set<std::pair<std::string, std::string>> keys;  // that change and that its variables read

  bool restarts() const { return image != nullptr || !keys.empty(); }
};

// By priority, highest first; the order of the spec within.
std::vector<ContainerPart> PartsOf(const InPlaceUpdate& update, const Json& pod) {
  std::vector<ContainerPart> parts;
  const JsonArray* containers = api::FindArray(pod, {"spec", "containers"});
  for (size_t i = 0; containers != nullptr && i < containers->size(); ++i) {
    const Json& container = (*containers)[i];
    ContainerPart part{.name = std::string(api::StringAt(container, {"name"})),
                       .priority = PriorityOf(container)};
    for (const auto& [name, image] : update.images) {
      part.image = name == part.name ? &image : part.image;
    }
    for (const auto& [name, resources] : update.resources) {
      part.resources = name == part.name ? &resources : part.resources;
    }
    for (const auto& key : KeysReadBy(container)) {
      const JsonObject& patch = key.first == "labels" ? update.labels : update.annotations;
      if (patch.contains(JsonView(key.second))) {
        part.keys.insert(key);
      }
    }
    if (part.restarts() || part.resources != nullptr) {
      parts.push_back(std::move(part));
    }
  }
  std::stable_sort(parts.begin(), parts.end(), [](const ContainerPart& a, const ContainerPart& b) {
    return a.priority > b.priority;
  });
  return parts;
}

void PatchMap(std::string_view member, const JsonObject& patch, Json* pod) {
  for (const auto& one : patch) {
    JsonObject& map = api::EnsureObject(pod, {"metadata", member});
    if (one.value().is_null()) {
      map.erase(one.key());
    } else {
      map[one.key()] = one.value();
    }
  }
}

// Puts off the keys that only containers of later batches read: they would restart at once.
JsonObject PutOffMetadata(const std::vector<ContainerPart>& parts, size_t first_count,
                          InPlaceUpdate* update) {
  std::set<std::pair<std::string, std::string>> now;
  for (size_t i = 0; i < first_count; ++i) {
    now.insert(parts[i].keys.begin(), parts[i].keys.end());
  }
  JsonObject later;
  for (size_t i = first_count; i < parts.size(); ++i) {
    for (const auto& key : parts[i].keys) {
      JsonObject& patch = key.first == "labels" ? update->labels : update->annotations;
      if (now.contains(key) || !patch.contains(JsonView(key.second))) {
        continue;
      }
      Json& place = later[JsonView(parts[i].name)];
      api::EnsureObject(&place, {key.first})[JsonView(key.second)] = patch.at(JsonView(key.second));
      patch.erase(JsonView(key.second));
    }
  }
  return later;
}

void ApplyPart(const ContainerPart& part, Json* pod) {
  Json* container = ElementNamed(pod, {"spec", "containers"}, part.name);
  if (container == nullptr || !container->is_object()) {
    return;
  }
  if (part.image != nullptr) {
    container->get_object()["image"] = JsonView(*part.image);
  }
  if (part.resources != nullptr) {
    container->get_object()["resources"] = *part.resources;
  }
}

// Containers of an earlier update whose node has not finished: they stay under observation.
JsonObject Unfinished(const Json& state, const Json& pod) {
  JsonObject kept;
  for (const auto& one : MemberObject(state, "lastContainerStatuses")) {
    if (!IsContainerUpdated(pod, state, api::View(one.key()))) {
      kept[one.key()] = one.value();
    }
  }
  return kept;
}

void NoteBatch(const std::vector<ContainerPart>& parts, size_t count, int64_t now_nanos,
               const Json& pod, JsonObject* state) {
  JsonArray names;
  Json& statuses = (*state)["lastContainerStatuses"];
  if (!statuses.is_object()) {
    statuses = JsonObject();
  }
  JsonObject& last = statuses.get_object();
  for (size_t i = 0; i < count; ++i) {
    const Json* status = StatusOfContainer(pod, parts[i].name);
    const std::string_view image_id =
        status == nullptr ? std::string_view() : api::StringAt(*status, {"imageID"});
    last[JsonView(parts[i].name)] = JsonObject{{"imageID", JsonView(image_id)}};
    names.emplace_back(JsonView(parts[i].name));
    for (const auto& [member, is_true] :
         {std::pair{"updateImages", parts[i].image != nullptr},
          std::pair{"updateEnvFromMetadata", !parts[i].keys.empty()},
          std::pair{"updateResources", parts[i].resources != nullptr}}) {
      if (is_true) {
        (*state)[member] = true;
      }
    }
  }
  Json& record = (*state)["containerBatchesRecord"];
  if (!record.is_array()) {
    record = JsonArray();
  }
  if (!names.empty()) {
    record.get_array().push_back(
        JsonObject{{"timestamp", JsonView(api::FormatMicroTime(now_nanos))},
                   {"containers", std::move(names)}});
  }
}

void NoteNext(const std::vector<ContainerPart>& parts, size_t first_count,
              JsonObject later_metadata, JsonObject* state) {
  JsonObject images;
  JsonObject resources;
  for (size_t i = first_count; i < parts.size(); ++i) {
    if (parts[i].image != nullptr) {
      images[JsonView(parts[i].name)] = JsonView(*parts[i].image);
    }
    if (parts[i].resources != nullptr) {
      resources[JsonView(parts[i].name)] = *parts[i].resources;
    }
  }
  for (auto& [name, pending] :
       {std::pair<std::string_view, JsonObject&>{"nextContainerImages", images},
        {"nextContainerResources", resources},
        {"nextContainerRefMetadata", later_metadata}}) {
    if (pending.empty()) {
      state->erase(JsonView(name));
    } else {
      (*state)[JsonView(name)] = std::move(pending);
    }
  }
  state->erase("preCheckBeforeNext");
  if (first_count < parts.size()) {
    JsonArray required;
    for (size_t i = 0; i < first_count; ++i) {
      required.emplace_back(JsonView(parts[i].name));
    }
    (*state)["preCheckBeforeNext"] = JsonObject{{"containersRequiredReady", std::move(required)}};
  }
}

// Writes the first batch of the update, and what is left of it into the state.
void ApplyUpdate(InPlaceUpdate update, JsonObject state, int64_t now_nanos, Json* pod) {
  const std::vector<ContainerPart> parts = PartsOf(update, *pod);
  size_t first_count = 0;
  while (first_count < parts.size() && parts[first_count].priority == parts[0].priority) {
    ++first_count;
  }
  JsonObject later = PutOffMetadata(parts, first_count, &update);
  NoteBatch(parts, first_count, now_nanos, *pod, &state);
  NoteNext(parts, first_count, std::move(later), &state);
  for (size_t i = 0; i < first_count; ++i) {
    ApplyPart(parts[i], pod);
  }
  PatchMap("labels", update.labels, pod);
  PatchMap("annotations", update.annotations, pod);
  EraseAnnotation(kOldInPlaceStateKey, pod);
  SetAnnotation(kInPlaceStateKey, api::Dump(state), pod);
}

JsonObject NewState(std::string_view revision, int64_t now_nanos, const Json& pod) {
  const Json before = ReadState(pod);
  JsonObject state{{"revision", JsonView(revision)},
                   {"updateTimestamp", JsonView(api::FormatMicroTime(now_nanos))},
                   {"lastContainerStatuses", Unfinished(before, pod)}};
  if (!state["lastContainerStatuses"].get_object().empty() &&
      api::BoolAt(before, {"updateEnvFromMetadata"})) {
    state["updateEnvFromMetadata"] = true;
  }
  return state;
}

void CloseGate(int64_t now_nanos, Json* pod) {
  SetPodCondition(
      {.type = kInPlaceReadyCondition, .is_true = false, .reason = "StartInPlaceUpdate"}, now_nanos,
      pod);
  SetPodCondition({.type = kReadyCondition,
                   .is_true = false,
                   .reason = "ReadinessGatesNotReady",
                   .message = "the pod is being updated in place"},
                  now_nanos, pod);
}

bool IsClosed(const Json& pod) {
  const Json* condition = FindPodCondition(pod, kInPlaceReadyCondition);
  return condition != nullptr && api::StringAt(*condition, {"status"}) == "False";
}

bool AreRequiredReady(const Json& pod, const Json& state) {
  const JsonArray* required =
      api::FindArray(state, {"preCheckBeforeNext", "containersRequiredReady"});
  for (size_t i = 0; required != nullptr && i < required->size(); ++i) {
    const std::string_view name =
        (*required)[i].is_string() ? api::View((*required)[i].get_string()) : std::string_view();
    const Json* status = StatusOfContainer(pod, name);
    if (status == nullptr || !api::BoolAt(*status, {"ready"})) {
      return false;
    }
  }
  return true;
}

bool HasNext(const Json& state) {
  return api::Find(state, {"nextContainerImages"}) != nullptr ||
         api::Find(state, {"nextContainerResources"}) != nullptr ||
         api::Find(state, {"nextContainerRefMetadata"}) != nullptr;
}

int64_t GraceEnd(const Json& grace, const Json& pod) {
  std::string_view since = api::StringAt(grace, {"updateTimestamp"});
  if (since.empty()) {  // as OpenKruise writes it
    const Json* condition = FindPodCondition(pod, kInPlaceReadyCondition);
    since = condition == nullptr ? since : api::StringAt(*condition, {"lastTransitionTime"});
  }
  return api::ParseTime(since).value_or(0) +
         std::clamp<int64_t>(api::IntAt(grace, {"graceSeconds"}).value_or(0), 0, kGraceSecondsMax) *
             kNanosPerSecond;
}

}  // namespace

void StartInPlace(const InPlaceUpdate& update, int64_t grace_seconds, int64_t now_nanos,
                  Json* pod) {
  InPlaceUpdate whole = update;
  TakeOverGrace(ReadGrace(*pod), &whole);
  TakeOverBatches(ReadState(*pod), &whole);
  DropGrace(pod);
  SetLabel(kRevisionLabel, update.revision, pod);
  const std::vector<ContainerPart> parts = PartsOf(whole, *pod);
  const bool restarts = std::any_of(parts.begin(), parts.end(),
                                    [](const ContainerPart& part) { return part.restarts(); });
  if (restarts) {
    CloseGate(now_nanos, pod);
  }
  if (restarts && grace_seconds > 0) {
    Json pending = EncodePending(whole);
    pending.get_object()["graceSeconds"] = grace_seconds;
    pending.get_object()["updateTimestamp"] = JsonView(api::FormatMicroTime(now_nanos));
    SetAnnotation(kInPlaceGraceKey, api::Dump(pending), pod);
    return;
  }
  ApplyUpdate(std::move(whole), NewState(update.revision, now_nanos, *pod), now_nanos, pod);
}

InPlaceFacts ReadInPlace(const Json& pod) {
  InPlaceFacts facts;
  const Json grace = ReadGrace(pod);
  if (!grace.is_null()) {
    facts.revision = api::StringAt(grace, {"revision"});
    facts.grace_until_nanos = GraceEnd(grace, pod);
    facts.stage = facts.revision == LabelOf(pod, kRevisionLabel) ? InPlaceStage::kGrace
                                                                 : InPlaceStage::kGraceOutdated;
    return facts;
  }
  const Json state = ReadState(pod);
  const bool is_closed = IsClosed(pod);
  facts.revision = api::StringAt(state, {"revision"});
  if (!is_closed && !api::BoolAt(state, {"updateResources"}) && !HasNext(state)) {
    return facts;
  }
  for (const auto& one : MemberObject(state, "lastContainerStatuses")) {
    if (!IsContainerUpdated(pod, state, api::View(one.key()))) {
      facts.unfinished.emplace_back(api::View(one.key()));
    }
  }
  if (!facts.unfinished.empty()) {
    facts.stage = InPlaceStage::kWaiting;
  } else if (HasNext(state)) {
    facts.stage = AreRequiredReady(pod, state) ? InPlaceStage::kNextBatch : InPlaceStage::kWaiting;
  } else if (is_closed) {
    facts.stage = InPlaceStage::kDone;
  }
  return facts;
}

bool AdvanceInPlace(int64_t now_nanos, Json* pod) {
  const InPlaceFacts facts = ReadInPlace(*pod);
  switch (facts.stage) {
    case InPlaceStage::kIdle:
    case InPlaceStage::kWaiting:
      return false;
    case InPlaceStage::kGrace: {
      if (now_nanos < facts.grace_until_nanos) {
        return false;
      }
      InPlaceUpdate update{.revision = facts.revision};
      TakeOverGrace(ReadGrace(*pod), &update);
      DropGrace(pod);
      ApplyUpdate(std::move(update), NewState(facts.revision, now_nanos, *pod), now_nanos, pod);
      return true;
    }
    case InPlaceStage::kGraceOutdated:
      DropGrace(pod);
      return true;
    case InPlaceStage::kNextBatch: {
      Json state = ReadState(*pod);
      InPlaceUpdate update{.revision = facts.revision};
      TakeOverBatches(state, &update);
      ApplyUpdate(std::move(update), std::move(state.get_object()), now_nanos, pod);
      return true;
    }
    case InPlaceStage::kDone:
      return SetPodCondition({.type = kInPlaceReadyCondition, .is_true = true}, now_nanos, pod);
  }
  return false;
}

}  // namespace socle::workload
