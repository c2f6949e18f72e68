#include "controllers/scheduler/pod_class.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kv/base/check.h"

namespace socle::scheduler {
namespace {

// Text that is equal for pods with equal requirements.
std::string Fingerprint(const api::Json& pod_spec, const workload::PodRequirements& needs,
                        std::string_view ns) {
  const workload::PodRequests& amounts = needs.amounts;
  std::string text =
      fmt::format("{} {} {} {}", amounts.requests.milli_cpu, amounts.requests.memory_bytes,
                  amounts.scored_milli_cpu, amounts.scored_memory_bytes);
  for (const auto& [name, amount] : amounts.requests.others) {
    text += fmt::format(" {}={}", name, amount);
  }
  for (const workload::HostPort& port : needs.host_ports) {
    text += fmt::format(" {}/{}/{}", port.ip, port.protocol, port.port);
  }
  for (const std::string_view member : {"nodeSelector", "tolerations", "affinity"}) {
    if (const api::Json* part = api::Find(pod_spec, {member})) {
      text += '\n';
      text += api::CanonicalDump(*part);
    }
  }
  if (!needs.affinity.empty() || !needs.anti_affinity.empty()) {
    text += '\n';
    text += ns;  // what terms without namespaces mean
  }
  return text;
}

}  // namespace

ReasonTable::ReasonTable() : texts_(2) {
  for (const std::string_view text :
       {std::string_view("Too many pods"), std::string_view("Insufficient cpu"),
        std::string_view("Insufficient memory"), workload::kReasonPorts,
        workload::kReasonAffinity}) {
    Intern(text);
  }
  CHECK_EQ(Intern(workload::kReasonAffinity), kOtherNode);
}

ReasonId ReasonTable::Intern(std::string_view text) {
  if (const auto found = ids_.find(text); found != ids_.end()) {
    return found->second;
  }
  if (texts_.size() == UINT16_MAX) {
    return UINT16_MAX - 1;  // taints of 65,000 kinds: the last one stands for the rest
  }
  const auto id = static_cast<ReasonId>(texts_.size());
  texts_.emplace_back(text);
  ids_.emplace(text, id);
  return id;
}

PodClassTable::PodClassTable(AffinityIndex* index, std::function<void(TermId)> count_placed)
    : index_(index), count_placed_(std::move(count_placed)) {}

PodClassRef PodClassTable::Intern(const api::Json& pod_spec, std::string_view ns) {
  workload::PodRequirements needs = workload::RequirementsOf(pod_spec, ns);
  std::string text = Fingerprint(pod_spec, needs, ns);
  if (const auto found = classes_.find(text); found != classes_.end()) {
    return found->second;
  }
  if (classes_.size() >= sweep_at_) {
    Sweep();
  }
  auto added = std::make_shared<PodClass>();
  added->only_nodes = needs.OnlyNodes();
  added->needs = std::move(needs);
  const auto acquire = [this](const std::vector<workload::PodTerm>& terms,
                              std::vector<TermId>* ids) {
    for (const workload::PodTerm& term : terms) {
      bool is_new = false;
      ids->push_back(index_->Acquire(term, &is_new));
      if (is_new) {
        count_placed_(ids->back());
      }
    }
  };
  acquire(added->needs.affinity, &added->affinity_terms);
  acquire(added->needs.anti_affinity, &added->anti_terms);
  classes_.emplace(std::move(text), added);
  return added;
}

void PodClassTable::PrepareVerdicts(PodClass* wanted, size_t slots) {
  if (wanted->verdicts.empty() && slots > 0) {
    if (with_verdicts_.size() >= kVerdictClassesMax) {
      for (PodClass* one : with_verdicts_) {
        std::vector<Verdict>().swap(one->verdicts);
      }
      with_verdicts_.clear();
    }
    with_verdicts_.push_back(wanted);
  }
  if (wanted->verdicts.size() < slots) {
    wanted->verdicts.resize(slots);
  }
}

void PodClassTable::ForgetVerdicts(int32_t slot) {
  const auto at = static_cast<size_t>(slot);
  for (PodClass* one : with_verdicts_) {
    if (at < one->verdicts.size()) {
      one->verdicts[at] = Verdict();
    }
  }
}

void PodClassTable::Sweep() {
  absl::erase_if(classes_, [this](const auto& entry) {
    const PodClassRef& one = entry.second;
    if (one.use_count() > 1) {
      return false;
    }
    for (const TermId id : one->affinity_terms) {
      index_->Release(id);
    }
    for (const TermId id : one->anti_terms) {
      index_->Release(id);
    }
    std::erase(with_verdicts_, one.get());
    return true;
  });
  sweep_at_ = std::max<size_t>(1024, classes_.size() * 2);
}

}  // namespace socle::scheduler
