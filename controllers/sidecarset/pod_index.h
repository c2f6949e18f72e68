// PodIndex: which pods carry which sets, followed through the cache, so that a change of one pod costs its own
// sets only, and a pass over a set its own pods only.
//
//   change of a pod ──► ScanInjectedList of its document ──► members of each set ──► on_change(set)
//
// Laws     1. Membership is what the pod's annotation says, not what selectors say.
//          2. It follows the cache by a moment; a set whose members changed is always reported afterwards.
//          3. Nothing is reported before Start returns: a set with half its members known must not be acted on.
// Threads  thread-safe; on_change runs on the cache's feeder thread.
// Memory   about 100 bytes per pod and set.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_POD_INDEX_H_
#define SOCLE_CONTROLLERS_SIDECARSET_POD_INDEX_H_

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/registry/object_cache.h"
#include "controllers/runtime/runtime.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::sidecarset {

class PodIndex {
 public:
  // `members`: of the set, after the change.
  using OnChange = std::function<void(std::string_view set, size_t members)>;

  explicit PodIndex(OnChange on_change) : on_change_(std::move(on_change)) {}

  // Reads the pods that there are; keep the Observation while the index is used. Sets are to be looked at
  // afterwards, all of them.
  [[nodiscard]] registry::Observation Start(const runtime::Runtime& runtime);

  // namespace/name of the pods of the set, sorted.
  std::vector<std::string> PodsOf(std::string_view set) const;

 private:
  void Apply(const registry::Change& change);
  void Report(const std::string& set, size_t members) const;
  void Add(const std::vector<std::string>& sets, const std::string& pod);
  void Remove(const std::vector<std::string>& sets, const std::string& pod);

  const OnChange on_change_;
  // Set at the end of Start, read by the feeder thread; what it misses by a moment, Start has read.
  std::atomic<bool> is_started_{false};
  mutable Mutex mu_;
  StringMap<StringSet> members_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_POD_INDEX_H_
