#include "controllers/sidecarset/pod_index.h"

#include <algorithm>

#include "controllers/runtime/controller_loop.h"
#include "controllers/sidecarset/annotations.h"

namespace socle::sidecarset {

using registry::ChangeRef;
using registry::ChangeType;
using registry::ObjectRef;

registry::Observation PodIndex::Start(const runtime::Runtime& runtime) {
  const api::Kind* pods = runtime.Served("", "pods")->kind;
  registry::Observation observation =
      runtime.cache()->Observe(pods, [this](const ChangeRef& change) { Apply(*change); });
  for (const ObjectRef& pod : runtime.cache()->List({.kind = pods})) {
    const std::vector<std::string> sets = ScanInjectedList(pod->document);
    if (sets.empty()) {
      continue;
    }
    const std::string key = runtime::KeyOf(*pod);
    Add(sets, key);
    // It may have gone between the listing and the adding, and been reported before it was added.
    if (runtime.cache()->Get(*pods, pod->ns, pod->name) == nullptr) {
      Remove(sets, key);
    }
  }
  is_started_ = true;
  return observation;
}

void PodIndex::Report(const std::string& set, size_t members) const {
  if (is_started_) {
    on_change_(set, members);
  }
}

std::vector<std::string> PodIndex::PodsOf(std::string_view set) const {
  std::vector<std::string> pods;
  {
    const MutexLock lock(&mu_);
    const auto found = members_.find(set);
    if (found == members_.end()) {
      return pods;
    }
    pods.assign(found->second.begin(), found->second.end());
  }
  std::sort(pods.begin(), pods.end());
  return pods;
}

void PodIndex::Add(const std::vector<std::string>& sets, const std::string& pod) {
  for (const std::string& set : sets) {
    size_t count = 0;
    {
      const MutexLock lock(&mu_);
      StringSet& members = members_[set];
      members.insert(pod);
      count = members.size();
    }
    Report(set, count);
  }
}

void PodIndex::Remove(const std::vector<std::string>& sets, const std::string& pod) {
  for (const std::string& set : sets) {
    size_t count = 0;
    {
      const MutexLock lock(&mu_);
      const auto found = members_.find(set);
      if (found == members_.end()) {
        continue;
      }
      found->second.erase(pod);
      count = found->second.size();
      if (count == 0) {
        members_.erase(found);
      }
    }
    Report(set, count);
  }
}

void PodIndex::Apply(const registry::Change& change) {
  if (change.object == nullptr) {
    return;
  }
  const std::string pod = runtime::KeyOf(*change.object);
  std::vector<std::string> before;
  if (change.previous != nullptr) {
    before = ScanInjectedList(change.previous->document);
  }
  std::vector<std::string> now;
  if (change.type != ChangeType::kDeleted) {
    now = ScanInjectedList(change.object->document);
  }
  std::vector<std::string> gone;
  std::copy_if(before.begin(), before.end(), std::back_inserter(gone), [&](const std::string& set) {
    return std::find(now.begin(), now.end(), set) == now.end();
  });
  Remove(gone, pod);
  Add(now, pod);
}

}  // namespace socle::sidecarset
