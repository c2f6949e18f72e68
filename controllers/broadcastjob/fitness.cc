#include "controllers/broadcastjob/fitness.h"

#include <utility>

#include "controllers/workload/raw_member.h"

namespace socle::broadcastjob {
namespace {

bool IsFinished(const registry::Object& pod) {
  const std::string_view phase = pod.FieldText("status.phase");
  return phase == "Succeeded" || phase == "Failed";
}

}  // namespace

Fitness::FactsRef Fitness::FactsOf(const registry::Object& node) {
  {
    MutexLock lock(&mu_);
    const auto known = facts_.find(node.name);
    if (known != facts_.end() && known->second.mod_revision == node.mod_revision) {
      return known->second.facts;
    }
  }
  auto facts = std::make_shared<const workload::NodeFacts>(workload::FactsOf(node));
  MutexLock lock(&mu_);
  facts_[node.name] = {.mod_revision = node.mod_revision, .facts = facts};
  return facts;
}

std::shared_ptr<const Fitness::PodUse> Fitness::UseOf(const registry::Object& pod) {
  {
    MutexLock lock(&mu_);
    if (const auto known = uses_.find(pod.uid); known != uses_.end()) {
      return known->second;
    }
  }
  workload::PodRequirements needs =
      workload::RequirementsOf(workload::ParseMember(pod.document, {"spec"}), pod.ns);
  auto use = std::make_shared<const PodUse>(
      PodUse{.requests = std::move(needs.amounts.requests), .ports = std::move(needs.host_ports)});
  MutexLock lock(&mu_);
  uses_[pod.uid] = use;
  return use;
}

void Fitness::ForgetPod(std::string_view uid) {
  MutexLock lock(&mu_);
  if (const auto known = uses_.find(uid); known != uses_.end()) {
    uses_.erase(known);
  }
}

bool Fitness::HasRoom(const workload::NodeFacts& node, const workload::PodRequirements& pod) {
  const workload::Resources& wanted = pod.amounts.requests;
  // A template that asks for nothing but a place is answered by counting.
  const bool needs_amounts = wanted.milli_cpu > 0 || wanted.memory_bytes > 0 ||
                             !wanted.others.empty() || !pod.host_ports.empty();
  workload::NodeUse use;
  for (const registry::ObjectRef& other : cache_->ByField(*pods_, "spec.nodeName", node.name)) {
    if (IsFinished(*other)) {
      continue;
    }
    if (!needs_amounts) {
      ++use.used.pods;
      continue;
    }
    const std::shared_ptr<const PodUse> one = UseOf(*other);
    use.used.Add(one->requests);
    use.ports.insert(use.ports.end(), one->ports.begin(), one->ports.end());
  }
  return !workload::HasPortConflict(use, pod) && workload::LackingResources(node, use, pod).empty();
}

void Fitness::DropNodesBut(size_t present) {
  MutexLock lock(&mu_);
  if (facts_.size() > 2 * present + 64) {
    facts_.clear();  // nodes came and went: those that are there are read again
  }
}

std::vector<JobNode> Fitness::Judge(const workload::PodRequirements& pod,
                                    const StringSet& with_pod) {
  const std::vector<registry::ObjectRef> objects = cache_->List({.kind = nodes_});
  std::vector<JobNode> judged;
  judged.reserve(objects.size());
  for (const registry::ObjectRef& object : objects) {
    const FactsRef facts = FactsOf(*object);
    JobNode node{.name = object->name, .is_deleting = object->is_deleting};
    node.fits = workload::Fits(*facts, workload::NodeUse(), pod).empty();
    node.has_room = !node.fits || with_pod.contains(node.name) || HasRoom(*facts, pod);
    judged.push_back(std::move(node));
  }
  DropNodesBut(objects.size());
  return judged;
}

}  // namespace socle::broadcastjob
