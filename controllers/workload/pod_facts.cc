#include "controllers/workload/pod_facts.h"

#include <algorithm>

#include "controllers/api/timestamp.h"
#include "controllers/workload/document_edits.h"
#include "kv/base/clock.h"

namespace socle::workload {
namespace {

using api::Json;
using api::JsonArray;
using api::JsonObject;

PodPhase ParsePhase(std::string_view text) {
  if (text == "Running") {
    return PodPhase::kRunning;
  }
  if (text == "Succeeded") {
    return PodPhase::kSucceeded;
  }
  if (text == "Failed") {
    return PodPhase::kFailed;
  }
  return text == "Unknown" ? PodPhase::kUnknown : PodPhase::kPending;
}

int64_t TimeAt(const Json& root, api::JsonPath path) {
  const std::string_view text = api::StringAt(root, path);
  return text.empty() ? 0 : api::ParseTime(text).value_or(0);
}

void ReadContainerStatus(const Json& status, ContainerFacts* container) {
  container->has_status = true;
  container->status_image = api::StringAt(status, {"image"});
  container->image_id = api::StringAt(status, {"imageID"});
  container->container_id = api::StringAt(status, {"containerID"});
  container->waiting_reason = api::StringAt(status, {"state", "waiting", "reason"});
  container->restart_count = api::IntAt(status, {"restartCount"}).value_or(0);
  container->is_ready = api::BoolAt(status, {"ready"});
  container->is_running = api::Find(status, {"state", "running"}) != nullptr;
  if (const Json* ended = api::Find(status, {"state", "terminated"})) {
    container->exit_code = api::IntAt(*ended, {"exitCode"}).value_or(0);
  }
}

std::vector<ContainerFacts> ReadContainers(const Json& pod, std::string_view specs,
                                           std::string_view statuses) {
  std::vector<ContainerFacts> containers;
  const JsonArray* list = api::FindArray(pod, {"spec", specs});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    ContainerFacts container;
    container.name = api::StringAt((*list)[i], {"name"});
    container.image = api::StringAt((*list)[i], {"image"});
    if (const Json* status = ElementNamed(pod, {"status", statuses}, container.name)) {
      ReadContainerStatus(*status, &container);
    }
    containers.push_back(std::move(container));
  }
  return containers;
}

void ReadConditions(const Json& pod, PodFacts* facts) {
  const JsonArray* list = api::FindArray(pod, {"status", "conditions"});
  for (size_t i = 0; list != nullptr && i < list->size(); ++i) {
    const Json& one = (*list)[i];
    facts->conditions.push_back({.type = std::string(api::StringAt(one, {"type"})),
                                 .reason = std::string(api::StringAt(one, {"reason"})),
                                 .message = std::string(api::StringAt(one, {"message"})),
                                 .is_true = api::StringAt(one, {"status"}) == "True",
                                 .since_nanos = TimeAt(one, {"lastTransitionTime"})});
    if (facts->conditions.back().type == "Ready") {
      facts->is_ready = facts->conditions.back().is_true;
      facts->ready_since_nanos = facts->conditions.back().since_nanos;
    }
  }
}

void ReadSpec(const Json& pod, PodFacts* facts) {
  facts->node = api::StringAt(pod, {"spec", "nodeName"});
  facts->hostname = api::StringAt(pod, {"spec", "hostname"});
  facts->subdomain = api::StringAt(pod, {"spec", "subdomain"});
  facts->restart_policy = api::StringAt(pod, {"spec", "restartPolicy"});
  const JsonArray* gates = api::FindArray(pod, {"spec", "readinessGates"});
  for (size_t i = 0; gates != nullptr && i < gates->size(); ++i) {
    facts->readiness_gates.emplace_back(api::StringAt((*gates)[i], {"conditionType"}));
  }
  const JsonArray* volumes = api::FindArray(pod, {"spec", "volumes"});
  for (size_t i = 0; volumes != nullptr && i < volumes->size(); ++i) {
    const std::string_view claim =
        api::StringAt((*volumes)[i], {"persistentVolumeClaim", "claimName"});
    if (!claim.empty()) {
      facts->claim_volumes.emplace_back(api::StringAt((*volumes)[i], {"name"}), claim);
    }
  }
}

void ReadLabels(const registry::Object& object, PodFacts* facts) {
  for (const auto& [key, value] : object.labels) {
    facts->is_marked_unavailable |= std::string_view(key).starts_with(kUnavailableLabelPrefix);
    if (key == kSpecifiedDeleteLabel) {
      facts->is_specified_delete = value != "false";
    } else if (key == kRevisionLabel) {
      facts->revision = value;
    } else if (key == kLifecycleStateLabel) {
      facts->lifecycle = ParseLifecycleState(value);
    }
  }
}

}  // namespace

bool PodFacts::IsAvailable(int64_t min_ready_seconds, int64_t now_nanos) const {
  return is_healthy() && AvailableAt(min_ready_seconds) <= now_nanos;
}

int64_t PodFacts::AvailableAt(int64_t min_ready_seconds) const {
  return min_ready_seconds <= 0 ? 0 : ready_since_nanos + min_ready_seconds * kNanosPerSecond;
}

std::string_view PodFacts::Annotation(std::string_view key) const {
  for (const auto& [name, value] : annotations) {
    if (name == key) {
      return value;
    }
  }
  return {};
}

const ConditionFacts* PodFacts::Condition(std::string_view type) const {
  for (const ConditionFacts& one : conditions) {
    if (one.type == type) {
      return &one;
    }
  }
  return nullptr;
}

const ContainerFacts* PodFacts::Container(std::string_view container_name) const {
  for (const ContainerFacts& one : containers) {
    if (one.name == container_name) {
      return &one;
    }
  }
  return nullptr;
}

bool PodFacts::HasReadinessGate(std::string_view type) const {
  return std::find(readiness_gates.begin(), readiness_gates.end(), type) != readiness_gates.end();
}

PodFacts ReadPod(const registry::ObjectRef& object) {
  PodFacts facts;
  facts.object = object;
  const Json pod = object->Parse();
  facts.phase = ParsePhase(api::StringAt(pod, {"status", "phase"}));
  facts.reason = api::StringAt(pod, {"status", "reason"});
  facts.created_nanos = TimeAt(pod, {"metadata", "creationTimestamp"});
  facts.started_nanos = TimeAt(pod, {"status", "startTime"});
  facts.is_deleting = object->is_deleting;
  ReadLabels(*object, &facts);
  ReadSpec(pod, &facts);
  ReadConditions(pod, &facts);
  facts.containers = ReadContainers(pod, "containers", "containerStatuses");
  facts.init_containers = ReadContainers(pod, "initContainers", "initContainerStatuses");
  if (const JsonObject* annotations = api::FindObject(pod, {"metadata", "annotations"})) {
    for (const auto& one : *annotations) {
      const std::string_view key = api::View(one.key());
      if (key.find("kruise.io/") != std::string_view::npos && one.value().is_string()) {
        facts.annotations.emplace_back(key, api::View(one.value().get_string()));
      }
    }
  }
  facts.in_place = ReadInPlace(pod);
  return facts;
}

std::vector<PodFactsRef> PodFactsCache::Read(std::string_view owner,
                                             const std::vector<registry::ObjectRef>& pods) {
  std::shared_ptr<const FactsByUid> known;
  {
    MutexLock lock(&mu_);
    const auto found = owners_.find(owner);
    known = found == owners_.end() ? nullptr : found->second;
  }
  uint64_t parses = 0;
  std::vector<PodFactsRef> facts;
  facts.reserve(pods.size());
  for (const registry::ObjectRef& pod : pods) {
    const auto found = known == nullptr ? FactsByUid::const_iterator() : known->find(pod->uid);
    if (known != nullptr && found != known->end() &&
        found->second->object->mod_revision == pod->mod_revision) {
      facts.push_back(found->second);
    } else {
      ++parses;
      facts.push_back(std::make_shared<const PodFacts>(ReadPod(pod)));
    }
  }
  if (parses == 0 && known != nullptr && known->size() == pods.size()) {
    return facts;
  }
  auto shown = std::make_shared<FactsByUid>();
  shown->reserve(facts.size());
  for (const PodFactsRef& one : facts) {
    shown->insert_or_assign(one->uid(), one);
  }
  MutexLock lock(&mu_);
  owners_.insert_or_assign(std::string(owner), std::move(shown));
  parses_ += parses;
  return facts;
}

void PodFactsCache::Forget(std::string_view owner) {
  MutexLock lock(&mu_);
  owners_.erase(owner);
}

size_t PodFactsCache::size() const {
  MutexLock lock(&mu_);
  size_t total = 0;
  for (const auto& [owner, facts] : owners_) {
    total += facts->size();
  }
  return total;
}

uint64_t PodFactsCache::parses() const {
  MutexLock lock(&mu_);
  return parses_;
}

}  // namespace socle::workload
