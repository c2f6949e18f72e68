#include "controllers/inplaceset/orphans.h"

#include <fmt/format.h>

#include "controllers/inplaceset/identity.h"

namespace socle::inplaceset {

std::optional<std::string_view> SetOfPodName(std::string_view pod) {
  const size_t dash = pod.rfind('-');
  if (dash == std::string_view::npos || dash == 0 ||
      !OrdinalOf(pod.substr(0, dash), pod).has_value()) {
    return std::nullopt;
  }
  return pod.substr(0, dash);
}

std::optional<std::string> OrphanIndex::Note(const registry::Object& pod, bool is_gone) {
  const std::optional<std::string_view> set = SetOfPodName(pod.name);
  if (!set.has_value()) {
    return std::nullopt;
  }
  const bool is_orphan = !is_gone && pod.Controller() == nullptr;
  std::string key = fmt::format("{}/{}", pod.ns, *set);
  MutexLock lock(&mu_);
  if (is_orphan) {
    by_set_[key].insert(pod.name);
    return key;
  }
  const auto found = by_set_.find(key);
  if (found != by_set_.end()) {
    found->second.erase(pod.name);
    if (found->second.empty()) {
      by_set_.erase(found);
    }
  }
  return std::nullopt;
}

std::vector<std::string> OrphanIndex::Of(std::string_view set_key) const {
  MutexLock lock(&mu_);
  const auto found = by_set_.find(set_key);
  if (found == by_set_.end()) {
    return {};
  }
  return {found->second.begin(), found->second.end()};
}

}  // namespace socle::inplaceset
