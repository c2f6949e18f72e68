// OrphanIndex: pods without a controller, by the set that their name would make them a member of.
//
// Threads  thread-safe.
// Memory   the names of pods nobody controls.
#ifndef SOCLE_CONTROLLERS_INPLACESET_ORPHANS_H_
#define SOCLE_CONTROLLERS_INPLACESET_ORPHANS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/registry/object.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"

namespace socle::inplaceset {

// `web` of `web-3`; nullopt when no ordinal ends the name.
std::optional<std::string_view> SetOfPodName(std::string_view pod);

class OrphanIndex {
 public:
  // Takes note of the pod as it is now; `is_gone`: it is not any more. Returns the key (namespace/name) of
  // the set that may want it, when it is an orphan.
  std::optional<std::string> Note(const registry::Object& pod, bool is_gone);
  // Names of orphans for the set.
  std::vector<std::string> Of(std::string_view set_key) const;

 private:
  mutable Mutex mu_;
  StringMap<StringSet> by_set_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::inplaceset

#endif  // SOCLE_CONTROLLERS_INPLACESET_ORPHANS_H_
