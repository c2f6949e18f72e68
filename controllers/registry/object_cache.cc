#include "controllers/registry/object_cache.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <fmt/format.h>

#include "controllers/registry/cache_feed.h"
#include "controllers/registry/cache_index.h"
#include "controllers/registry/catch_up.h"
#include "controllers/registry/change_history.h"
#include "controllers/registry/errors.h"
#include "controllers/registry/revision_waiters.h"
#include "controllers/registry/subscription_queue.h"
#include "kv/base/check.h"
#include "kv/base/mutex.h"
#include "kv/base/status_macros.h"

namespace socle::registry {
namespace {

absl::Status TooNew(int64_t wanted, int64_t current) {
  return MakeStatus(
      {.reason = Reason::kTimeout,
       .message = fmt::format("Too large resource version: {}, current: {}", wanted, current),
       .causes = {{"ResourceVersionTooLarge", "Too large resource version", ""}},
       .retry_after_seconds = 1});
}

// One observer; `mu` is held while it runs.
struct Observer {
  std::optional<size_t> resource;
  Mutex mu;
  std::function<void(const ChangeRef&)> run ABSL_GUARDED_BY(mu);
};

// Outlives the cache in the Observations.
struct ObserverList {
  Mutex mu;
  std::vector<std::shared_ptr<Observer>> observers ABSL_GUARDED_BY(mu);
};

// What happens with each batch, on the feed's thread:
//
//   dispatch_mu_ {  mu_ { index, shown revision }   history   queues of subscribers  }
//   observers   on_ready of subscribers   who waits for the revision
//
// dispatch_mu_ comes before mu_. Subscribe holds it too: nothing falls between what a new subscriber is
// shown and what it is told.
class LiveCache final : public ObjectCache, private FeedSink, private LiveSource {
 public:
  LiveCache(storage::StateStore* store, const api::KindRegistry* kinds, CacheOptions options)
      : store_(store),
        options_(options),
        keys_(*kinds),
        index_(*kinds),
        waiters_([this] { feed_.Nudge(); }),
        observers_(std::make_shared<ObserverList>()),
        feed_(store, *kinds) {}

  ~LiveCache() override {
    feed_.Stop();
    waiters_.Fail(absl::UnavailableError("the cache is stopped"));
  }

  absl::Status Start() {
    ASSIGN_OR_RETURN(LoadedState state, feed_.Load());
    {
      MutexLock dispatch_lock(&dispatch_mu_);
      WriterLock lock(&mu_);
      for (const ObjectRef& object : state.objects) {
        index_.Put(ResourceOf(*object), object);
      }
      for (size_t i = 0; i < index_.resource_count(); ++i) {
        histories_.push_back(ChangeHistory(
            {.events_max = options_.history_events_max, .bytes_max = options_.history_bytes_max},
            state.revision));
        subscriptions_.emplace_back(index_.resource(i).fields());
      }
      shown_revision_ = state.revision;
    }
    dispatched_revision_.store(state.revision, std::memory_order_release);
    waiters_.Reached(state.revision);
    feed_.Start(state.revision, this);
    return absl::OkStatus();
  }

  int64_t revision() const override {
    ReaderLock lock(&mu_);
    return shown_revision_;
  }

  absl::Status WaitFor(int64_t wanted_revision) override {
    return waiters_.WaitFor(wanted_revision);
  }

  void WhenReached(int64_t wanted_revision, absl::AnyInvocable<void(absl::Status)> done) override {
    waiters_.WhenReached(wanted_revision, std::move(done));
  }

  absl::Status WaitUntilFresh() override {
    ASSIGN_OR_RETURN(const int64_t now, store_->CurrentRevision());
    return waiters_.WaitFor(now);
  }

  void WhenFresh(absl::AnyInvocable<void(absl::Status)> done) override {
    const absl::StatusOr<int64_t> now = store_->CurrentRevision();
    if (!now.ok()) {
      done(now.status());
      return;
    }
    waiters_.WhenReached(*now, std::move(done));
  }

  ObjectRef Get(const api::Kind& kind, std::string_view ns, std::string_view name) const override {
    ReaderLock lock(&mu_);
    const std::optional<size_t> resource = index_.NumberOf(kind);
    return resource.has_value() ? index_.resource(*resource).Get(ns, name) : nullptr;
  }

  std::vector<ObjectRef> List(const Selection& selection) const override {
    int64_t shown = 0;
    return ListAt(selection, &shown);
  }

  std::vector<ObjectRef> ListAt(const Selection& selection, int64_t* shown) const override {
    ReaderLock lock(&mu_);
    *shown = shown_revision_;
    const std::optional<size_t> resource = index_.NumberOf(*selection.kind);
    return resource.has_value() ? index_.resource(*resource).List(selection)
                                : std::vector<ObjectRef>();
  }

  std::vector<ObjectRef> OwnedBy(const api::Kind* kind, std::string_view uid) const override {
    ReaderLock lock(&mu_);
    if (kind == nullptr) {
      return index_.OwnedBy(std::nullopt, uid);
    }
    const std::optional<size_t> resource = index_.NumberOf(*kind);
    return resource.has_value() ? index_.OwnedBy(resource, uid) : std::vector<ObjectRef>();
  }

  ObjectRef ByUid(std::string_view uid) const override {
    ReaderLock lock(&mu_);
    return index_.ByUid(uid);
  }

  std::vector<ObjectRef> ByField(const api::Kind& kind, std::string_view field,
                                 std::string_view value) const override {
    ReaderLock lock(&mu_);
    const std::optional<size_t> resource = index_.NumberOf(kind);
    return resource.has_value() ? index_.resource(*resource).ByField(field, value)
                                : std::vector<ObjectRef>();
  }

  size_t Count(const api::Kind& kind) const override {
    ReaderLock lock(&mu_);
    const std::optional<size_t> resource = index_.NumberOf(kind);
    return resource.has_value() ? index_.resource(*resource).size() : 0;
  }

  absl::StatusOr<std::unique_ptr<Subscription>> Subscribe(Selection selection,
                                                          int64_t after_revision,
                                                          std::function<void()> on_ready) override;
  Observation Observe(const api::Kind* kind,
                      std::function<void(const ChangeRef& change)> observer) override;

 private:
  class Live;

  // Requires an object of a kind of the cache's registry: others were not decoded.
  size_t ResourceOf(const Object& object) const ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    const std::optional<size_t> resource = index_.NumberOf(*object.kind);
    CHECK(resource.has_value());
    return *resource;
  }

  // FeedSink
  void Apply(std::vector<FeedEvent> events, int64_t revision) override;
  void Reload(LoadedState state) override;
  void Failed(const absl::Status& why) override;

  bool wants_bookmark() override { return waiters_.has_waiters(); }

  // LiveSource
  std::unique_ptr<Subscription> TryLive(const Selection& selection, int64_t after_revision,
                                        std::function<void()> on_ready) override;
  int64_t HistoryStart(const Selection& selection) override;

  void LetGo(std::unique_ptr<storage::Watch> watch) override {
    feed_.RunSoon([watch = std::move(watch)]() mutable { watch.reset(); });
  }

  void Unsubscribe(const QueueRef& queue);

  struct Applied {
    size_t resource = 0;
    ChangeRef change;
  };

  // Brings the index to the revision; what that changed.
  std::vector<Applied> Show(std::vector<FeedEvent> events, int64_t revision)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(dispatch_mu_);
  // Everybody but the subscribers' queues.
  void Tell(const std::vector<Applied>& applied, const std::vector<QueueRef>& ready,
            const std::vector<std::shared_ptr<Observer>>& observers, int64_t revision);
  std::vector<std::shared_ptr<Observer>> Observers() const;

  storage::StateStore* const store_;
  const CacheOptions options_;
  const StoredKeys keys_;

  // What new subscribers must not see half.
  Mutex dispatch_mu_;
  std::vector<ChangeHistory> histories_ ABSL_GUARDED_BY(dispatch_mu_);
  std::vector<SubscriptionTable> subscriptions_ ABSL_GUARDED_BY(dispatch_mu_);
  absl::Status failed_ ABSL_GUARDED_BY(dispatch_mu_);
  // Written by the feed after the queues have everything up to it; read by subscribers, acquire.
  std::atomic<int64_t> dispatched_revision_{0};

  mutable SharedMutex mu_;
  CacheIndex index_ ABSL_GUARDED_BY(mu_);
  int64_t shown_revision_ ABSL_GUARDED_BY(mu_) = 0;

  RevisionWaiters waiters_;
  const std::shared_ptr<ObserverList> observers_;
  CacheFeed feed_;  // last: its thread uses the others
};

class LiveCache::Live final : public Subscription {
 public:
  Live(LiveCache* cache, QueueRef queue) : cache_(cache), queue_(std::move(queue)) {}

  ~Live() override {
    cache_->Unsubscribe(queue_);
    queue_->Close();
  }

  absl::StatusOr<std::vector<SelectedChange>> Next(size_t max) override {
    return queue_->Next(max);
  }

  int64_t BookmarkRevision() override {
    return queue_->BookmarkRevision(cache_->dispatched_revision_.load(std::memory_order_acquire));
  }

 private:
  LiveCache* const cache_;
  const QueueRef queue_;
};

std::vector<std::shared_ptr<Observer>> LiveCache::Observers() const {
  MutexLock lock(&observers_->mu);
  return observers_->observers;
}

std::vector<LiveCache::Applied> LiveCache::Show(std::vector<FeedEvent> events, int64_t revision) {
  std::vector<Applied> applied;
  applied.reserve(events.size());
  WriterLock lock(&mu_);
  for (FeedEvent& event : events) {
    auto change = std::make_shared<Change>();
    change->object = std::move(event.object);
    change->revision = change->object->mod_revision;
    const size_t resource = ResourceOf(*change->object);
    if (event.is_deletion) {
      change->previous = index_.Remove(resource, change->object->ns, change->object->name);
      if (change->previous == nullptr) {
        continue;
      }
      change->type = ChangeType::kDeleted;
    } else {
      change->previous = index_.Put(resource, change->object);
      change->type = change->previous != nullptr ? ChangeType::kModified : ChangeType::kAdded;
    }
    applied.push_back({.resource = resource, .change = std::move(change)});
  }
  shown_revision_ = std::max(shown_revision_, revision);
  return applied;
}

void LiveCache::Apply(std::vector<FeedEvent> events, int64_t revision) {
  std::vector<Applied> applied;
  std::vector<QueueRef> ready;
  std::vector<std::shared_ptr<Observer>> observers;
  {
    MutexLock lock(&dispatch_mu_);
    applied = Show(std::move(events), revision);
    for (const Applied& one : applied) {
      histories_[one.resource].Add(one.change);
      subscriptions_[one.resource].Dispatch(one.change, &ready);
    }
    observers = Observers();
    dispatched_revision_.store(revision, std::memory_order_release);
  }
  Tell(applied, ready, observers, revision);
}

void LiveCache::Tell(const std::vector<Applied>& applied, const std::vector<QueueRef>& ready,
                     const std::vector<std::shared_ptr<Observer>>& observers, int64_t revision) {
  for (const Applied& one : applied) {
    for (const std::shared_ptr<Observer>& observer : observers) {
      if (observer->resource.has_value() && *observer->resource != one.resource) {
        continue;
      }
      MutexLock lock(&observer->mu);
      if (observer->run != nullptr) {
        observer->run(one.change);
      }
    }
  }
  for (const QueueRef& queue : ready) {
    queue->SayReady();
  }
  waiters_.Reached(revision);
}

void LiveCache::Reload(LoadedState state) {
  std::vector<FeedEvent> events;
  {
    StringSet present;
    ReaderLock lock(&mu_);
    for (ObjectRef& object : state.objects) {
      present.insert(ObjectKey(*object->kind, object->ns, object->name));
      const ObjectRef known = index_.resource(ResourceOf(*object)).Get(object->ns, object->name);
      if (known == nullptr || known->mod_revision != object->mod_revision) {
        events.push_back({.object = std::move(object)});
      }
    }
    for (size_t i = 0; i < index_.resource_count(); ++i) {
      for (const ObjectRef& object : index_.resource(i).objects()) {
        if (!present.contains(ObjectKey(*object->kind, object->ns, object->name))) {
          auto last = std::make_shared<Object>(*object);
          last->mod_revision = state.revision;
          events.push_back({.is_deletion = true, .object = std::move(last)});
        }
      }
    }
  }
  std::stable_sort(events.begin(), events.end(), [](const FeedEvent& a, const FeedEvent& b) {
    return a.object->mod_revision < b.object->mod_revision;
  });
  std::vector<Applied> applied;
  std::vector<QueueRef> ready;
  std::vector<std::shared_ptr<Observer>> observers;
  {
    MutexLock lock(&dispatch_mu_);
    const int64_t before = dispatched_revision_.load(std::memory_order_relaxed);
    applied = Show(std::move(events), state.revision);
    // What lies between is lost to them, though not to observers, who look at state.
    for (ChangeHistory& history : histories_) {
      history.Restart(state.revision);
    }
    for (const SubscriptionTable& table : subscriptions_) {
      table.EndAll(TooOld(before, state.revision), &ready);
    }
    observers = Observers();
    dispatched_revision_.store(state.revision, std::memory_order_release);
  }
  Tell(applied, ready, observers, state.revision);
}

void LiveCache::Failed(const absl::Status& why) {
  const absl::Status told =
      MakeStatus({.reason = Reason::kUnavailable,
                  .message = fmt::format("the cache has lost the store: {}", MessageOf(why))});
  std::vector<QueueRef> ready;
  {
    MutexLock lock(&dispatch_mu_);
    failed_ = told;
    for (const SubscriptionTable& table : subscriptions_) {
      table.EndAll(told, &ready);
    }
  }
  for (const QueueRef& queue : ready) {
    queue->SayReady();
  }
  waiters_.Fail(told);
}

absl::StatusOr<std::unique_ptr<Subscription>> LiveCache::Subscribe(Selection selection,
                                                                   int64_t after_revision,
                                                                   std::function<void()> on_ready) {
  {
    ReaderLock lock(&mu_);
    if (!index_.NumberOf(*selection.kind).has_value()) {
      return MakeStatus({.reason = Reason::kInternal,
                         .message = fmt::format("no kind {} here", selection.kind->kind)});
    }
  }
  if (after_revision > dispatched_revision_.load(std::memory_order_acquire)) {
    ASSIGN_OR_RETURN(const int64_t now, store_->CurrentRevision());
    if (after_revision > now) {
      return TooNew(after_revision, now);
    }
  }
  {
    MutexLock lock(&dispatch_mu_);
    RETURN_IF_ERROR(failed_);
  }
  std::unique_ptr<Subscription> live = TryLive(selection, after_revision, on_ready);
  if (live != nullptr) {
    return live;
  }
  return MakeCatchUp(this, store_, &keys_, std::move(selection), after_revision,
                     std::move(on_ready));
}

std::unique_ptr<Subscription> LiveCache::TryLive(const Selection& selection, int64_t after_revision,
                                                 std::function<void()> on_ready) {
  MutexLock dispatch_lock(&dispatch_mu_);
  SubscriptionQueue::Start start{.after_revision = after_revision};
  size_t resource = 0;
  {
    ReaderLock lock(&mu_);
    const std::optional<size_t> number = index_.NumberOf(*selection.kind);
    CHECK(number.has_value());
    resource = *number;
    if (after_revision == 0) {
      start.present = index_.resource(resource).List(selection);
      start.after_revision = shown_revision_;
    }
  }
  if (after_revision > 0) {
    if (after_revision < histories_[resource].start()) {
      return nullptr;
    }
    start.missed = histories_[resource].After(after_revision);
  }
  auto queue = std::make_shared<SubscriptionQueue>(selection, std::move(start),
                                                   options_.queue_events_max, std::move(on_ready));
  if (!failed_.ok()) {
    queue->End(failed_);
  }
  subscriptions_[resource].Add(queue);
  return std::make_unique<Live>(this, std::move(queue));
}

int64_t LiveCache::HistoryStart(const Selection& selection) {
  MutexLock dispatch_lock(&dispatch_mu_);
  ReaderLock lock(&mu_);
  return histories_[*index_.NumberOf(*selection.kind)].start();
}

void LiveCache::Unsubscribe(const QueueRef& queue) {
  MutexLock dispatch_lock(&dispatch_mu_);
  size_t resource = 0;
  {
    ReaderLock lock(&mu_);
    resource = *index_.NumberOf(*queue->selection().kind);
  }
  subscriptions_[resource].Remove(queue);
}

Observation LiveCache::Observe(const api::Kind* kind,
                               std::function<void(const ChangeRef& change)> observer) {
  auto entry = std::make_shared<Observer>();
  if (kind != nullptr) {
    ReaderLock lock(&mu_);
    entry->resource = index_.NumberOf(*kind);
    CHECK(entry->resource.has_value());
  }
  {
    MutexLock lock(&entry->mu);
    entry->run = std::move(observer);
  }
  {
    // Not in the middle of a batch: the cache would show what this observer is not told.
    MutexLock dispatch_lock(&dispatch_mu_);
    MutexLock lock(&observers_->mu);
    observers_->observers.push_back(entry);
  }
  Observer* const raw = entry.get();
  return {raw, [list = observers_, entry = std::move(entry)](const void*) mutable {
            {
              MutexLock lock(&list->mu);
              std::erase(list->observers, entry);
            }
            MutexLock lock(&entry->mu);
            entry->run = nullptr;
          }};
}

}  // namespace

absl::StatusOr<std::unique_ptr<ObjectCache>> ObjectCache::Open(storage::StateStore* store,
                                                               const api::KindRegistry* kinds,
                                                               CacheOptions options) {
  auto cache = std::make_unique<LiveCache>(store, kinds, options);
  RETURN_IF_ERROR(cache->Start());
  return std::unique_ptr<ObjectCache>(std::move(cache));
}

}  // namespace socle::registry
