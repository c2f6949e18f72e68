// RevisionWaiters: who waits for the cache to have come to a revision.
//
// Laws     1. Callbacks run once, without locks held, in Reached, Fail or the call itself.
// Threads  thread-safe.
#ifndef SOCLE_CONTROLLERS_REGISTRY_REVISION_WAITERS_H_
#define SOCLE_CONTROLLERS_REGISTRY_REVISION_WAITERS_H_

#include <cstdint>
#include <map>

#include <absl/functional/any_invocable.h>
#include <absl/status/status.h>

#include "kv/base/mutex.h"

namespace socle::registry {

class RevisionWaiters {
 public:
  using Done = absl::AnyInvocable<void(absl::Status)>;

  // `nudge` is called when somebody begins to wait.
  explicit RevisionWaiters(absl::AnyInvocable<void() const> nudge) : nudge_(std::move(nudge)) {}

  absl::Status WaitFor(int64_t revision);
  void WhenReached(int64_t revision, Done done);

  void Reached(int64_t revision);
  // All who wait and will wait get this. Only the first failure counts.
  void Fail(const absl::Status& why);

  bool has_waiters() const;

 private:
  const absl::AnyInvocable<void() const> nudge_;

  mutable Mutex mu_;
  CondVar changed_;
  int64_t reached_ ABSL_GUARDED_BY(mu_) = 0;
  absl::Status failed_ ABSL_GUARDED_BY(mu_);
  int waiting_threads_ ABSL_GUARDED_BY(mu_) = 0;
  std::multimap<int64_t, Done> callbacks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_REVISION_WAITERS_H_
