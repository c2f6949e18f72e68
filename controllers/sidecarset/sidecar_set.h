// SidecarSet: one set as the plane reads it, from either of its versions.
//
// Threads  immutable; content() is made at its first use, which is thread-safe.
// Memory   shares the stored document; content is made only for sets that meet a pod.
// Errors   none for what validation lets through; a selector that can't be read matches nothing.
// Source   spec controllers 4.1.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_SIDECAR_SET_H_
#define SOCLE_CONTROLLERS_SIDECARSET_SIDECAR_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <absl/base/thread_annotations.h>

#include "controllers/api/json.h"
#include "controllers/api/label_selector.h"
#include "controllers/registry/object.h"
#include "controllers/sidecarset/content.h"
#include "kv/base/mutex.h"

namespace socle::sidecarset {

struct WeightTerm {
  int64_t weight = 0;
  api::LabelSelector labels;
};

// Where a pod with this label value stands in the order; "*": each value that is seen.
struct ScatterTerm {
  std::string key;
  std::string value;
};

struct UpdateStrategy {
  bool is_rolling = true;  // false: NotUpdate
  bool is_paused = false;
  std::optional<api::LabelSelector> selector;
  api::Json partition = 0;
  api::Json max_unavailable = 1;
  std::vector<WeightTerm> weights;
  std::vector<std::string> order_keys;
  std::vector<ScatterTerm> scatter;
};

// An old revision that new pods get.
struct PinnedRevision {
  std::string name;
  std::string custom_version;
  bool is_partial = false;
};

class SidecarSet {
 public:
  // `document` in stored form, or as a version serves it; `mod_revision` 0 when it isn't stored.
  static std::shared_ptr<const SidecarSet> Parse(const api::Json& document, int64_t mod_revision);

  std::string name;
  std::string uid;
  int64_t generation = 0;
  int64_t mod_revision = 0;
  int64_t collision_count = 0;
  bool is_deleting = false;
  bool has_cleanup_finalizer = false;

  api::LabelSelector selector = api::LabelSelector::Nothing();
  api::LabelSelector namespaces = api::LabelSelector::Everything();
  bool is_canary = false;
  std::string base;  // of a canary

  UpdateStrategy strategy;
  bool is_injection_paused = false;
  std::optional<PinnedRevision> pinned;
  std::string custom_version;
  int64_t history_limit = 10;
  bool removes_on_deletion = false;

  // Everything that a revision keeps, as canonical JSON.
  const std::string& revision_text() const { return revision_text_; }

  // What two sets may be at odds over when both go into one pod: each container, volume and annotation, as
  // `container/agent`, `volume/logs`, `annotation/a`. Each once.
  const std::vector<std::string>& claims() const { return claims_; }

  ContentRef content() const;

  // Whether it may touch pods of the namespace: those of the system only when they are named.
  bool CoversNamespace(std::string_view ns, const api::SortedLabels& labels) const;

 private:
  std::string revision_text_;
  std::vector<std::string> claims_;
  mutable Mutex mu_;
  mutable ContentRef content_ ABSL_GUARDED_BY(mu_);
};

using SidecarSetRef = std::shared_ptr<const SidecarSet>;

// kube-system, kube-public, kube-node-lease.
bool IsSystemNamespace(std::string_view ns);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_SIDECAR_SET_H_
