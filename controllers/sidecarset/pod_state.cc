#include "controllers/sidecarset/pod_state.h"

#include <xxhash.h>

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "controllers/sidecarset/annotations.h"

namespace socle::sidecarset {
namespace {

using workload::ContainerFacts;
using workload::PodFacts;

// With its tag: nginx is nginx:latest.
std::string Tagged(std::string_view image) {
  const size_t slash = image.rfind('/');
  const std::string_view last = slash == std::string_view::npos ? image : image.substr(slash + 1);
  const bool is_tagged = last.find(':') != std::string_view::npos ||
                         last.find('@') != std::string_view::npos || image.empty();
  return is_tagged ? std::string(image) : fmt::format("{}:latest", image);
}

// The containers of the set as the pod has them.
std::vector<const ContainerFacts*> SidecarsOf(const PodFacts& pod, const InjectionMark& mark) {
  std::vector<const ContainerFacts*> sidecars;
  for (const std::string& name : mark.containers) {
    if (const ContainerFacts* container = pod.Container(name)) {
      sidecars.push_back(container);
    }
  }
  return sidecars;
}

bool IsFlippable(const PodFacts& pod, const Content& content,
                 const std::vector<const ContainerFacts*>& sidecars, bool is_consistent) {
  if (!content.has_hot || !is_consistent) {
    return false;
  }
  const TextMap working = ParseTextMap(pod.Annotation(kWorkingContainersAnnotation));
  bool has_full_pair = false;
  for (const Sidecar& sidecar : content.sidecars) {
    if (!sidecar.is_hot) {
      continue;
    }
    const ContainerFacts* first = pod.Container(FirstHotName(sidecar.name));
    const ContainerFacts* second = pod.Container(SecondHotName(sidecar.name));
    has_full_pair |= first != nullptr && second != nullptr && working.contains(sidecar.name) &&
                     first->image != sidecar.empty_image && second->image != sidecar.empty_image;
  }
  return has_full_pair &&
         std::all_of(sidecars.begin(), sidecars.end(),
                     [](const ContainerFacts* sidecar) { return sidecar->is_ready; });
}

Upgradable ReadUpgradable(const PodFacts& pod, std::string_view set) {
  const workload::ConditionFacts* condition = pod.Condition(kUpgradableCondition);
  if (condition == nullptr) {
    return Upgradable::kUnsaid;
  }
  const absl::StatusOr<api::Json> message = api::ParseJson(condition->message);
  const api::Json* said = message.ok() ? api::Find(*message, {set}) : nullptr;
  if (said == nullptr || !said->is_bool()) {
    return Upgradable::kUnsaid;
  }
  return said->get_bool() ? Upgradable::kYes : Upgradable::kNo;
}

}  // namespace

uint64_t Fingerprint(std::string_view text) {
  return XXH3_64bits(text.data(), text.size());
}

bool IsSameImage(std::string_view a, std::string_view b) {
  return a == b || Tagged(a) == Tagged(b);
}

bool IsImageRunning(const ContainerFacts& container, std::string_view image_id_before) {
  if (!container.has_status) {
    return false;
  }
  // The image id alone decides when the tag is an alias of what ran before: the text says it then.
  return IsSameImage(container.image, container.status_image) ||
         (!image_id_before.empty() && !container.image_id.empty() &&
          container.image_id != image_id_before);
}

std::optional<PodState> ReadPodState(const PodFacts& pod, std::string_view set,
                                     const Content& content) {
  const InjectionMarks marks = ParseMarks(pod.Annotation(kHashAnnotation));
  const auto found = marks.find(set);
  if (found == marks.end()) {
    return std::nullopt;
  }
  InjectionMark mark = found->second;
  if (mark.containers.empty()) {
    mark.containers = content.container_names;
  }
  PodState state{.hash = Fingerprint(mark.hash),
                 .revision = Fingerprint(mark.revision),
                 .is_active = pod.is_active(),
                 .is_assigned = !pod.node.empty(),
                 .phase = pod.phase,
                 .is_ready = pod.is_ready,
                 .is_consistent = true,
                 .upgradable = ReadUpgradable(pod, set),
                 .ready_since_nanos = pod.ready_since_nanos,
                 .created_nanos = pod.created_nanos};
  const InjectionMarks without_image = ParseMarks(pod.Annotation(kHashWithoutImageAnnotation));
  if (const auto hash = without_image.find(set); hash != without_image.end()) {
    state.hash_without_image = Fingerprint(hash->second.hash);
  }
  const ImageIds ids = ParseUpdateState(pod.Annotation(kUpdateStateAnnotation));
  const auto ids_of_set = ids.find(set);
  const std::vector<const ContainerFacts*> sidecars = SidecarsOf(pod, mark);
  state.has_sidecars = !sidecars.empty();
  bool are_ready = true;
  for (const ContainerFacts* sidecar : sidecars) {
    are_ready &= sidecar->is_ready;
    std::string_view before;
    if (ids_of_set != ids.end()) {
      const auto id = ids_of_set->second.find(sidecar->name);
      before = id == ids_of_set->second.end() ? std::string_view() : std::string_view(id->second);
    }
    state.is_consistent &= IsImageRunning(*sidecar, before);
  }
  state.is_interrupted = ids_of_set != ids.end() && !(state.is_consistent && are_ready);
  for (const ContainerFacts& container : pod.containers) {
    state.restart_count += container.restart_count;
  }
  state.is_flippable = IsFlippable(pod, content, sidecars, state.is_consistent);
  return state;
}

bool ShowsRemoved(const api::Json& pod) {
  const api::JsonArray* statuses = api::FindArray(pod, {"status", "containerStatuses"});
  const api::JsonArray* specs = api::FindArray(pod, {"spec", "containers"});
  if (statuses == nullptr || specs == nullptr) {
    return false;
  }
  return std::any_of(statuses->begin(), statuses->end(), [&](const api::Json& status) {
    return std::none_of(specs->begin(), specs->end(), [&](const api::Json& container) {
      return api::StringAt(container, {"name"}) == api::StringAt(status, {"name"});
    });
  });
}

}  // namespace socle::sidecarset
