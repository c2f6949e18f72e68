// SubscriptionQueue: the changes that wait for one subscriber; SubscriptionTable: who gets which.
//
// Laws     1. A change is looked at for those subscribers only whose exact field, name or namespace it
//             has, and for those of its resource that have none.
//          2. on_ready is called after Next has come back empty, once, and never after Close.
//          3. Beyond its bound a queue ends and is dropped; nobody waits for its owner.
// Threads  queues are thread-safe; the table is guarded by the cache.
#ifndef SOCLE_CONTROLLERS_REGISTRY_SUBSCRIPTION_QUEUE_H_
#define SOCLE_CONTROLLERS_REGISTRY_SUBSCRIPTION_QUEUE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controllers/registry/cache_index.h"
#include "controllers/registry/object_cache.h"
#include "kv/base/mutex.h"

namespace socle::registry {

// `too old resource version: A (B)`, kExpired.
absl::Status TooOld(int64_t wanted, int64_t oldest);

class SubscriptionQueue {
 public:
  // Where it begins: the objects that are there, and changes later than `after_revision`.
  struct Start {
    int64_t after_revision = 0;
    std::vector<ObjectRef> present;
    std::vector<ChangeRef> missed;  // looked through when they are taken
  };

  SubscriptionQueue(Selection selection, Start start, size_t events_max,
                    std::function<void()> on_ready);

  const Selection& selection() const { return selection_; }

  // What comes live. True: SayReady is due.
  bool Offer(const ChangeRef& change);
  bool End(const absl::Status& why);
  void SayReady();

  absl::StatusOr<std::vector<SelectedChange>> Next(size_t max);
  // `dispatched`: all changes up to here were offered before the call.
  int64_t BookmarkRevision(int64_t dispatched) const;
  void Close();

 private:
  void TakeStart(size_t max, std::vector<SelectedChange>* taken) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool TakeWish() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Selection selection_;
  const size_t events_max_;

  mutable Mutex mu_;
  Start start_ ABSL_GUARDED_BY(mu_);
  size_t start_taken_ ABSL_GUARDED_BY(mu_) = 0;  // of `present`, then of `missed`
  std::deque<SelectedChange> queue_ ABSL_GUARDED_BY(mu_);
  absl::Status ended_ ABSL_GUARDED_BY(mu_);
  bool wants_ready_ ABSL_GUARDED_BY(mu_) = true;
  int64_t taken_revision_ ABSL_GUARDED_BY(mu_) = 0;

  Mutex callback_mu_;  // before mu_
  std::function<void()> on_ready_ ABSL_GUARDED_BY(callback_mu_);
};

using QueueRef = std::shared_ptr<SubscriptionQueue>;

// The subscriptions of one resource.
class SubscriptionTable {
 public:
  explicit SubscriptionTable(std::vector<IndexedField> fields)
      : fields_(std::move(fields)), by_field_(fields_.size()) {}

  void Add(const QueueRef& queue);
  void Remove(const QueueRef& queue);

  // Appends the queues whose SayReady is due; returns for how many queues the change was looked at.
  size_t Dispatch(const ChangeRef& change, std::vector<QueueRef>* ready) const;
  void EndAll(const absl::Status& why, std::vector<QueueRef>* ready) const;

 private:
  using Queues = std::vector<QueueRef>;

  // Where the queue stands.
  Queues* ListOf(const Selection& selection);

  const std::vector<IndexedField> fields_;
  Queues all_;
  StringMap<Queues> by_namespace_;
  StringMap<Queues> by_name_;
  std::vector<StringMap<Queues>> by_field_;  // in step with fields_
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_SUBSCRIPTION_QUEUE_H_
