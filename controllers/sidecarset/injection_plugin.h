// InjectionPlugin: SidecarSets at the door: puts their containers into new pods, and refuses sets that others
// or the pods' annotations forbid.
//
//   write of a set, namespace, revision ──► Stored, before it is answered ──┐
//   the cache's watch ──► Observe ──────────────────────────────────────────┴──► what is known: newest wins
//   create of a pod ──► Admit: match by index, Inject
//
// Laws     1. What was answered before a create began is in force for it: the plugin hears of a write before
//             its writer does. Only writes of another process on the same store come with the cache's delay.
//          2. A create that comes before Attach, or that can't be injected, fails: no pod goes without.
//          3. Admit waits for nothing; matching costs the labels of the pod and the sets that match.
//          4. Of a set with deletePolicy Remove, the finalizer is there from the write that asks for it.
// Threads  thread-safe.
// Memory   outlives neither the cache nor the Registry that owns it: Detach before the cache goes first.
// Errors   ApiError: Unavailable before Attach, Invalid with causes for sets.
// Source   spec controllers 4.4, 4.5, 4.9, 6.3; 7.6 E21.
#ifndef SOCLE_CONTROLLERS_SIDECARSET_INJECTION_PLUGIN_H_
#define SOCLE_CONTROLLERS_SIDECARSET_INJECTION_PLUGIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <absl/base/thread_annotations.h>
#include <absl/status/status.h>
#include <absl/status/statusor.h>

#include "controllers/api/json.h"
#include "controllers/api/kind_registry.h"
#include "controllers/registry/admission.h"
#include "controllers/registry/object_cache.h"
#include "controllers/sidecarset/inject.h"
#include "controllers/sidecarset/set_index.h"
#include "controllers/sidecarset/write_order.h"
#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"

namespace socle::sidecarset {

class InjectionPlugin final : public registry::AdmissionPlugin {
 public:
  // Both outlive it.
  InjectionPlugin(const api::KindRegistry* kinds, Clock* clock);
  ~InjectionPlugin() override;

  // Learns what there is and follows it. Once; the cache is as the store was, or newer.
  void Attach(registry::ObjectCache* cache);
  void Detach();

  std::string_view name() const override { return "SidecarSetInjection"; }

  absl::Status Admit(const registry::AdmissionRequest& request, api::Json* object) override;
  absl::Status Check(const registry::AdmissionRequest& request, const api::Json& object) override;
  void Stored(const registry::StoredWrite& write) override;

 private:
  // A revision of a set.
  struct OldForm {
    std::string name;
    std::string set;
    std::string custom_version;
    int64_t number = 0;
    SidecarSetRef form;  // a set with this content
  };

  // What an object has become, parsed before the lock is taken.
  struct News {
    std::string key;  // namespace/name, or name
    SidecarSetRef set;
    api::SortedLabels labels;  // of a namespace
    OldForm revision;
  };

  // What is known of one kind.
  struct Followed {
    const api::Kind* kind = nullptr;
    WriteOrder order;
    std::vector<registry::ChangeRef> early;  // changes that came before the start was read
    bool is_started = false;
  };

  enum : size_t { kSets, kNamespaces, kRevisions, kFollowedCount };

  void OnChange(size_t which, const registry::ChangeRef& change);
  static News Read(size_t which, const api::Json& document, int64_t revision);
  void Follow(size_t which, registry::ObjectCache* cache);
  void Learn(size_t which, News news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Unlearn(size_t which, const News& news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void LearnChange(size_t which, const registry::Change& change, News news)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  absl::Status AdmitPod(const registry::AdmissionRequest& request, api::Json* pod);
  absl::Status CheckSet(const registry::AdmissionRequest& request, const api::Json& document);
  absl::StatusOr<Injection> Choose(const SidecarSet& set, const api::Json& pod) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);
  const OldForm* FindPinned(std::string_view set, const PinnedRevision& pinned) const
      ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const api::KindRegistry* const kinds_;
  Clock* const clock_;
  const api::Kind* const pod_kind_;
  const api::Kind* const set_kind_;

  mutable SharedMutex mu_;
  Followed followed_[kFollowedCount] ABSL_GUARDED_BY(mu_);
  bool is_attached_ ABSL_GUARDED_BY(mu_) = false;
  registry::ObjectCache* cache_ ABSL_GUARDED_BY(mu_) = nullptr;
  SetIndex sets_ ABSL_GUARDED_BY(mu_);
  StringMap<api::SortedLabels> namespaces_ ABSL_GUARDED_BY(mu_);
  StringMap<StringMap<OldForm>> old_forms_ ABSL_GUARDED_BY(mu_);  // by set, by namespace/name
  // Attach and Detach, which the owner calls one after the other.
  std::vector<registry::Observation> observations_;
};

// Whether the pod gets the pinned revision of the set instead of the current one.
bool GetsPinned(const SidecarSet& set, const api::Json& pod);

// The name that the revision of the set's current form has or will have.
std::string CurrentRevisionName(const SidecarSet& set);

}  // namespace socle::sidecarset

#endif  // SOCLE_CONTROLLERS_SIDECARSET_INJECTION_PLUGIN_H_
