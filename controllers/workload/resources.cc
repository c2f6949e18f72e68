#include "controllers/workload/resources.h"

#include <algorithm>

#include <absl/status/statusor.h>

#include "controllers/api/quantity.h"

namespace socle::workload {
namespace {

constexpr int64_t kScoredMilliCpu = 100;
constexpr int64_t kScoredMemoryBytes = 200 * 1024 * 1024;

int64_t& OtherIn(Resources* resources, const std::string& name) {
  const auto at =
      std::lower_bound(resources->others.begin(), resources->others.end(), name,
                       [](const auto& one, const std::string& key) { return one.first < key; });
  if (at != resources->others.end() && at->first == name) {
    return at->second;
  }
  return resources->others.emplace(at, name, 0)->second;
}

// Requests of one container, with what scores count beside them.
PodRequests OneContainer(const api::Json& container) {
  PodRequests result;
  result.requests = ParseResources(api::Find(container, {"resources", "requests"}));
  result.scored_milli_cpu =
      result.requests.milli_cpu == 0 ? kScoredMilliCpu : result.requests.milli_cpu;
  result.scored_memory_bytes =
      result.requests.memory_bytes == 0 ? kScoredMemoryBytes : result.requests.memory_bytes;
  return result;
}

void AddTo(PodRequests* sum, const PodRequests& one) {
  sum->requests.Add(one.requests);
  sum->scored_milli_cpu += one.scored_milli_cpu;
  sum->scored_memory_bytes += one.scored_memory_bytes;
}

void Raise(PodRequests* most, const PodRequests& one) {
  most->requests.RaiseTo(one.requests);
  most->scored_milli_cpu = std::max(most->scored_milli_cpu, one.scored_milli_cpu);
  most->scored_memory_bytes = std::max(most->scored_memory_bytes, one.scored_memory_bytes);
}

}  // namespace

int64_t Resources::Other(std::string_view name) const {
  for (const auto& [key, amount] : others) {
    if (key == name) {
      return amount;
    }
  }
  return 0;
}

void Resources::Add(const Resources& more) {
  milli_cpu += more.milli_cpu;
  memory_bytes += more.memory_bytes;
  pods += more.pods;
  for (const auto& [name, amount] : more.others) {
    OtherIn(this, name) += amount;
  }
}

void Resources::Subtract(const Resources& less) {
  milli_cpu -= less.milli_cpu;
  memory_bytes -= less.memory_bytes;
  pods -= less.pods;
  for (const auto& [name, amount] : less.others) {
    OtherIn(this, name) -= amount;
  }
}

void Resources::RaiseTo(const Resources& least) {
  milli_cpu = std::max(milli_cpu, least.milli_cpu);
  memory_bytes = std::max(memory_bytes, least.memory_bytes);
  pods = std::max(pods, least.pods);
  for (const auto& [name, amount] : least.others) {
    int64_t& own = OtherIn(this, name);
    own = std::max(own, amount);
  }
}

Resources ParseResources(const api::Json* list) {
  Resources result;
  const api::JsonObject* members = list == nullptr ? nullptr : list->if_object();
  if (members == nullptr) {
    return result;
  }
  for (const auto& member : *members) {
    const absl::StatusOr<api::Quantity> amount = api::Quantity::FromJson(member.value());
    if (!amount.ok()) {
      continue;
    }
    const std::string_view name = api::View(member.key());
    if (name == "cpu") {
      result.milli_cpu = amount->Millis();
    } else if (name == "memory") {
      result.memory_bytes = amount->Units();
    } else if (name == "pods") {
      result.pods = amount->Units();
    } else {
      OtherIn(&result, std::string(name)) = amount->Units();
    }
  }
  return result;
}

PodRequests RequestsOf(const api::Json& pod_spec) {
  PodRequests running;
  if (const api::JsonArray* containers = api::FindArray(pod_spec, {"containers"})) {
    for (const api::Json& container : *containers) {
      AddTo(&running, OneContainer(container));
    }
  }
  PodRequests staying;  // init containers that go on running, so far
  PodRequests starting;
  if (const api::JsonArray* containers = api::FindArray(pod_spec, {"initContainers"})) {
    for (const api::Json& container : *containers) {
      PodRequests step = OneContainer(container);
      AddTo(&step, staying);
      if (api::StringAt(container, {"restartPolicy"}) == "Always") {
        staying = step;
      }
      Raise(&starting, step);
    }
  }
  AddTo(&running, staying);
  Raise(&running, starting);
  if (const api::Json* whole = api::Find(pod_spec, {"resources", "requests"})) {
    const Resources given = ParseResources(whole);  // for the pod as a whole, where named
    if (given.milli_cpu > 0) {
      running.requests.milli_cpu = running.scored_milli_cpu = given.milli_cpu;
    }
    if (given.memory_bytes > 0) {
      running.requests.memory_bytes = running.scored_memory_bytes = given.memory_bytes;
    }
  }
  if (const api::Json* overhead = api::Find(pod_spec, {"overhead"})) {
    const Resources more = ParseResources(overhead);
    running.requests.Add(more);
    running.scored_milli_cpu += more.milli_cpu;
    running.scored_memory_bytes += more.memory_bytes;
  }
  running.requests.pods = 1;
  std::erase_if(running.requests.others, [](const auto& one) { return one.second == 0; });
  return running;
}

}  // namespace socle::workload
