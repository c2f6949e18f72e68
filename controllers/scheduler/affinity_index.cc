#include "controllers/scheduler/affinity_index.h"

#include <algorithm>
#include <utility>

#include "kv/base/check.h"

namespace socle::scheduler {
namespace {

std::string BucketKey(std::string_view key, std::string_view value) {
  std::string text(key);
  text.push_back('=');
  text.append(value);
  return text;
}

// One label that every pod has which the selector matches; empty when there is no such label.
std::string BucketOf(const api::LabelSelector& selector) {
  for (const api::LabelRequirement& requirement : selector.requirements()) {
    if (requirement.op == api::LabelRequirement::Op::kIn && requirement.values.size() == 1) {
      return BucketKey(requirement.key, requirement.values.front());
    }
  }
  return {};
}

}  // namespace

AffinityIndex::Topology* AffinityIndex::TopologyOf(const std::string& key) {
  for (const auto& one : topologies_) {
    if (one->key == key) {
      return one.get();
    }
  }
  auto added = std::make_unique<Topology>();
  added->key = key;
  added->of_slot.assign(nodes_.size(), -1);
  for (size_t slot = 0; slot < nodes_.size(); ++slot) {
    if (const std::string* value = nodes_[slot].Label(key)) {
      const auto domain = static_cast<int32_t>(added->domains.size());
      added->of_slot[slot] = added->domains.try_emplace(*value, domain).first->second;
    }
  }
  topologies_.push_back(std::move(added));
  return topologies_.back().get();
}

TermId AffinityIndex::Acquire(const workload::PodTerm& term, bool* is_new) {
  std::string text = term.Text();
  *is_new = false;
  if (const auto found = by_text_.find(text); found != by_text_.end()) {
    ++terms_[static_cast<size_t>(found->second)]->uses;
    return found->second;
  }
  *is_new = true;
  auto added = std::make_unique<Term>();
  added->term = term;
  added->text = text;
  added->bucket = BucketOf(term.labels);
  added->topology = TopologyOf(term.topology_key);
  added->uses = 1;
  const auto id = static_cast<TermId>(terms_.size());
  (added->bucket.empty() ? unbucketed_ : buckets_[added->bucket]).push_back(id);
  terms_.push_back(std::move(added));
  by_text_.emplace(std::move(text), id);
  ++terms_in_use_;
  return id;
}

void AffinityIndex::Release(TermId id) {
  Term* term = terms_[static_cast<size_t>(id)].get();
  if (--term->uses > 0) {
    return;
  }
  CHECK(term->holders.empty());
  if (term->bucket.empty()) {
    std::erase(unbucketed_, id);
  } else {
    const auto bucket = buckets_.find(term->bucket);
    std::erase(bucket->second, id);
    if (bucket->second.empty()) {
      buckets_.erase(bucket);
    }
  }
  by_text_.erase(term->text);
  terms_[static_cast<size_t>(id)].reset();
  --terms_in_use_;
}

void AffinityIndex::SetNode(int32_t slot, const workload::NodeFacts& node) {
  const auto at = static_cast<size_t>(slot);
  if (nodes_.size() <= at) {
    nodes_.resize(at + 1);
  }
  nodes_[at].labels = node.labels;
  for (const auto& topology : topologies_) {
    topology->of_slot.resize(nodes_.size(), -1);
    const std::string* value = node.Label(topology->key);
    const auto next = static_cast<int32_t>(topology->domains.size());
    topology->of_slot[at] =
        value == nullptr ? -1 : topology->domains.try_emplace(*value, next).first->second;
  }
}

void AffinityIndex::AppendSelecting(const std::vector<TermId>& candidates, std::string_view ns,
                                    const api::SortedLabels& labels,
                                    std::vector<TermId>* found) const {
  for (const TermId id : candidates) {
    if (Selects(id, ns, labels)) {
      found->push_back(id);
    }
  }
}

std::vector<TermId> AffinityIndex::Selecting(std::string_view ns,
                                             const api::SortedLabels& labels) const {
  std::vector<TermId> found;
  if (is_empty()) {
    return found;
  }
  AppendSelecting(unbucketed_, ns, labels, &found);
  for (const auto& [key, value] : labels) {
    if (const auto bucket = buckets_.find(BucketKey(key, value)); bucket != buckets_.end()) {
      AppendSelecting(bucket->second, ns, labels, &found);
    }
  }
  return found;
}

bool AffinityIndex::Selects(TermId id, std::string_view ns, const api::SortedLabels& labels) const {
  return terms_[static_cast<size_t>(id)]->term.Matches(ns, labels);
}

int32_t AffinityIndex::DomainAt(const Term& term, int32_t slot) const {
  const auto at = static_cast<size_t>(slot);
  return at < term.topology->of_slot.size() ? term.topology->of_slot[at] : -1;
}

void AffinityIndex::Count(Counts* counts, int32_t domain, int32_t by) {
  int32_t& count = (*counts)[domain];
  count += by;
  CHECK_GE(count, 0);
  if (count == 0) {
    counts->erase(domain);
  }
}

void AffinityIndex::CountMatching(const std::vector<TermId>& selecting, int32_t slot, int32_t by) {
  for (const TermId id : selecting) {
    Term* term = terms_[static_cast<size_t>(id)].get();
    if (term == nullptr) {
      continue;
    }
    if (const int32_t domain = DomainAt(*term, slot); domain >= 0) {
      Count(&term->matching, domain, by);
      term->matching_total += by;
    }
  }
}

void AffinityIndex::CountHolder(const std::vector<TermId>& held, int32_t slot, int32_t by) {
  for (const TermId id : held) {
    Term* term = terms_[static_cast<size_t>(id)].get();
    if (const int32_t domain = DomainAt(*term, slot); domain >= 0) {
      Count(&term->holders, domain, by);
    }
  }
}

int32_t AffinityIndex::MatchingAt(TermId id, int32_t slot) const {
  const Term& term = *terms_[static_cast<size_t>(id)];
  const auto found = term.matching.find(DomainAt(term, slot));
  return found == term.matching.end() ? 0 : found->second;
}

int32_t AffinityIndex::HoldersAt(TermId id, int32_t slot) const {
  const Term& term = *terms_[static_cast<size_t>(id)];
  const auto found = term.holders.find(DomainAt(term, slot));
  return found == term.holders.end() ? 0 : found->second;
}

int32_t AffinityIndex::MatchingAnywhere(TermId id) const {
  return terms_[static_cast<size_t>(id)]->matching_total;
}

bool AffinityIndex::HasHolders(TermId id) const {
  return !terms_[static_cast<size_t>(id)]->holders.empty();
}

bool AffinityIndex::HasDomain(TermId id, int32_t slot) const {
  return DomainAt(*terms_[static_cast<size_t>(id)], slot) >= 0;
}

}  // namespace socle::scheduler
