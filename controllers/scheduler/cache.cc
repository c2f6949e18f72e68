#include "controllers/scheduler/cache.h"

#include <algorithm>
#include <utility>

#include "controllers/workload/raw_member.h"
#include "kv/base/check.h"

namespace socle::scheduler {
namespace {

double Inverse(int64_t amount) {
  return amount > 0 ? 1.0 / static_cast<double>(amount) : 0.0;
}

void AppendClaims(const api::Json& spec, std::vector<std::string>* claims) {
  const api::JsonArray* volumes = api::FindArray(spec, {"volumes"});
  for (size_t i = 0; volumes != nullptr && i < volumes->size(); ++i) {
    const std::string_view claim =
        api::StringAt((*volumes)[i], {"persistentVolumeClaim", "claimName"});
    if (!claim.empty()) {
      claims->emplace_back(claim);
    }
  }
}

}  // namespace

Cache::Cache() : classes_(&affinity_, [this](TermId term) { CountPlaced(term); }) {}

int32_t Cache::SlotOf(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found != by_name_.end() && slot(found->second).is_present ? found->second : -1;
}

int32_t Cache::SlotFor(std::string_view name) {
  if (const auto found = by_name_.find(name); found != by_name_.end()) {
    return found->second;
  }
  int32_t at = static_cast<int32_t>(slots_.size());
  if (free_.empty()) {
    slots_.emplace_back();
    nodes_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  nodes_[static_cast<size_t>(at)].facts.name = name;
  affinity_.SetNode(at, node(at).facts);
  by_name_.emplace(name, at);
  return at;
}

void Cache::FreeIfUnused(int32_t at) {
  if (slot(at).is_present || !node(at).pods.empty()) {
    return;
  }
  by_name_.erase(node(at).facts.name);
  nodes_[static_cast<size_t>(at)] = NodeRecord();
  slots_[static_cast<size_t>(at)] = NodeSlot();
  classes_.ForgetVerdicts(at);
  free_.push_back(at);
}

void Cache::RefreshSlot(int32_t at) {
  const NodeRecord& record = node(at);
  NodeSlot& fast = slots_[static_cast<size_t>(at)];
  const workload::Resources& have = record.facts.allocatable;
  const workload::Resources& used = record.use.used;
  fast.has_avoided = std::any_of(
      record.facts.taints.begin(), record.facts.taints.end(),
      [](const auto& taint) { return taint.effect == workload::TaintEffect::kPreferNoSchedule; });
  fast.free_milli_cpu = have.milli_cpu - used.milli_cpu;
  fast.free_memory_bytes = have.memory_bytes - used.memory_bytes;
  fast.free_pods = have.pods - used.pods;
  fast.per_milli_cpu = Inverse(have.milli_cpu);
  fast.per_memory_byte = Inverse(have.memory_bytes);
}

bool Cache::SetNode(const registry::Object& object) {
  workload::NodeFacts facts = workload::FactsOf(object);
  const int32_t at = SlotFor(facts.name);
  NodeRecord& record = nodes_[static_cast<size_t>(at)];
  NodeSlot& fast = slots_[static_cast<size_t>(at)];
  if (fast.is_present && record.facts == facts) {
    return false;  // law 4
  }
  nodes_present_ += fast.is_present ? 0 : 1;
  fast.is_present = true;
  const bool are_labels_new = record.facts.labels != facts.labels;
  if (are_labels_new) {
    for (PodRecord* pod : record.pods) {
      affinity_.CountMatching(pod->selecting, at, -1);
      affinity_.CountHolder(pod->pod_class->anti_terms, at, -1);
    }
  }
  record.facts = std::move(facts);
  if (are_labels_new) {
    affinity_.SetNode(at, record.facts);
    for (PodRecord* pod : record.pods) {
      affinity_.CountMatching(pod->selecting, at, 1);
      affinity_.CountHolder(pod->pod_class->anti_terms, at, 1);
    }
  }
  classes_.ForgetVerdicts(at);
  RefreshSlot(at);
  ++generation_;
  return true;
}

void Cache::RemoveNode(std::string_view name) {
  const int32_t at = SlotOf(name);
  if (at < 0) {
    return;
  }
  slots_[static_cast<size_t>(at)].is_present = false;
  --nodes_present_;
  ++generation_;  // its share of the refusals' texts goes
  FreeIfUnused(at);
}

PodRecord* Cache::Find(std::string_view uid) {
  const auto found = pods_.find(uid);
  return found == pods_.end() ? nullptr : found->second.get();
}

PodRecord* Cache::Add(const registry::ObjectRef& object) {
  auto added = std::make_unique<PodRecord>();
  added->object = object;
  PodRecord* const pod = added.get();
  const bool is_new = pods_.emplace(object->uid, std::move(added)).second;
  CHECK(is_new);
  return pod;
}

void Cache::Remove(PodRecord* pod) {
  CHECK(pod->waiting == Waiting::kNowhere);
  if (pod->slot >= 0) {
    Unplace(pod);
  }
  const std::string uid = pod->object->uid;  // the record goes with the entry
  pods_.erase(uid);
}

bool Cache::ReadSpec(PodRecord* pod) {
  const api::Json spec = workload::ParseMember(pod->object->document, {"spec"});
  pod->pod_class = classes_.Intern(spec, pod->object->ns);
  pod->priority = api::IntAt(spec, {"priority"}).value_or(0);
  pod->claims.clear();
  AppendClaims(spec, &pod->claims);
  const api::JsonArray* gates = api::FindArray(spec, {"schedulingGates"});
  return gates == nullptr || gates->empty();
}

void Cache::Place(PodRecord* pod, std::string_view node_name) {
  PlaceAt(pod, SlotFor(node_name));
}

void Cache::PlaceAt(PodRecord* pod, int32_t at) {
  CHECK_EQ(pod->slot, -1);
  pod->slot = at;
  if (const registry::OwnerReference* owner = pod->object->Controller()) {
    std::unique_ptr<SpreadGroup>& group = groups_[owner->uid];
    if (group == nullptr) {
      group = std::make_unique<SpreadGroup>();
      group->owner_uid = owner->uid;
    }
    pod->group = group.get();
  }
  pod->selecting = affinity_.Selecting(pod->object->ns, pod->object->labels);
  std::vector<PodRecord*>& pods = nodes_[static_cast<size_t>(at)].pods;
  pod->place_in_slot = static_cast<uint32_t>(pods.size());
  pods.push_back(pod);
  Count(pod, 1);
}

void Cache::Unplace(PodRecord* pod) {
  const int32_t at = pod->slot;
  CHECK_GE(at, 0);
  Count(pod, -1);
  std::vector<PodRecord*>& pods = nodes_[static_cast<size_t>(at)].pods;
  pods[pod->place_in_slot] = pods.back();
  pods[pod->place_in_slot]->place_in_slot = pod->place_in_slot;
  pods.pop_back();
  pod->slot = -1;
  pod->is_assumed = false;
  pod->group = nullptr;
  pod->selecting.clear();
  ++generation_;
  FreeIfUnused(at);
}

void Cache::Count(PodRecord* pod, int32_t by) {
  NodeRecord& record = nodes_[static_cast<size_t>(pod->slot)];
  NodeSlot& fast = slots_[static_cast<size_t>(pod->slot)];
  const workload::PodRequests& amounts = pod->pod_class->needs.amounts;
  if (by > 0) {
    record.use.used.Add(amounts.requests);
    const auto& ports = pod->pod_class->needs.host_ports;
    record.use.ports.insert(record.use.ports.end(), ports.begin(), ports.end());
  } else {
    record.use.used.Subtract(amounts.requests);
    for (const workload::HostPort& port : pod->pod_class->needs.host_ports) {
      const auto found = std::find(record.use.ports.begin(), record.use.ports.end(), port);
      CHECK(found != record.use.ports.end());
      record.use.ports.erase(found);
    }
  }
  fast.free_milli_cpu -= by * amounts.requests.milli_cpu;
  fast.free_memory_bytes -= by * amounts.requests.memory_bytes;
  fast.free_pods -= by;
  fast.scored_milli_cpu += by * amounts.scored_milli_cpu;
  fast.scored_memory_bytes += by * amounts.scored_memory_bytes;
  affinity_.CountMatching(pod->selecting, pod->slot, by);
  affinity_.CountHolder(pod->pod_class->anti_terms, pod->slot, by);
  if (SpreadGroup* group = pod->group) {
    group->pods += by;
    int32_t& here = group->pods_at[pod->slot];
    here += by;
    if (here == 0) {
      group->pods_at.erase(pod->slot);
    }
    if (group->pods == 0) {
      const std::string owner_uid = group->owner_uid;  // the group goes with the entry
      groups_.erase(owner_uid);
      pod->group = nullptr;
    }
  }
}

void Cache::CountPlaced(TermId term) {
  for (const auto& [uid, pod] : pods_) {
    if (pod->slot >= 0 && affinity_.Selects(term, pod->object->ns, pod->object->labels)) {
      pod->selecting.push_back(term);
      affinity_.CountMatching({term}, pod->slot, 1);
    }
  }
}

const SpreadGroup* Cache::GroupOf(const PodRecord& pod) const {
  const registry::OwnerReference* owner = pod.object->Controller();
  if (owner == nullptr) {
    return nullptr;
  }
  const auto found = groups_.find(owner->uid);
  return found == groups_.end() ? nullptr : found->second.get();
}

void Cache::CheckInvariants() const {
  size_t present = 0;
  size_t placed = 0;
  for (size_t at = 0; at < slots_.size(); ++at) {
    const NodeRecord& record = nodes_[at];
    const NodeSlot& fast = slots_[at];
    workload::Resources used;
    int64_t scored_milli_cpu = 0;
    size_t ports = 0;
    for (size_t i = 0; i < record.pods.size(); ++i) {
      const PodRecord& pod = *record.pods[i];
      CHECK_EQ(pod.place_in_slot, i);
      CHECK_EQ(static_cast<size_t>(pod.slot), at);
      used.Add(pod.pod_class->needs.amounts.requests);
      scored_milli_cpu += pod.pod_class->needs.amounts.scored_milli_cpu;
      ports += pod.pod_class->needs.host_ports.size();
    }
    placed += record.pods.size();
    present += fast.is_present ? 1 : 0;
    CHECK_EQ(used.milli_cpu, record.use.used.milli_cpu);
    CHECK_EQ(used.memory_bytes, record.use.used.memory_bytes);
    CHECK_EQ(used.pods, record.use.used.pods);
    CHECK_EQ(ports, record.use.ports.size());
    CHECK_EQ(scored_milli_cpu, fast.scored_milli_cpu);
    if (fast.is_present) {
      CHECK_EQ(fast.free_milli_cpu, record.facts.allocatable.milli_cpu - used.milli_cpu);
      CHECK_EQ(fast.free_pods, record.facts.allocatable.pods - used.pods);
    }
  }
  CHECK_EQ(present, nodes_present_);
  size_t grouped = 0;
  for (const auto& [uid, group] : groups_) {
    grouped += static_cast<size_t>(group->pods);
  }
  size_t expected = 0;
  for (const auto& [uid, pod] : pods_) {
    placed -= pod->slot >= 0 ? 1 : 0;
    expected += pod->slot >= 0 && pod->object->Controller() != nullptr ? 1 : 0;
  }
  CHECK_EQ(placed, 0U);
  CHECK_EQ(grouped, expected);
}

}  // namespace socle::scheduler
