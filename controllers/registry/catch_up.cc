#include "controllers/registry/catch_up.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "controllers/registry/errors.h"
#include "controllers/registry/subscription_queue.h"
#include "controllers/storage/errors.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"

namespace socle::registry {
namespace {

class CatchUp final : public Subscription {
 public:
  CatchUp(LiveSource* source, storage::StateStore* store, const StoredKeys* keys,
          Selection selection, int64_t after_revision, std::function<void()> on_ready)
      : source_(source),
        keys_(keys),
        selection_(std::move(selection)),
        on_ready_(std::move(on_ready)),
        seen_revision_(after_revision),
        watch_(store->NewWatch(
            {.prefix = ObjectKey(*selection_.kind, "", ""), .after_revision = after_revision},
            on_ready_)) {}

  absl::StatusOr<std::vector<SelectedChange>> Next(size_t max) override {
    std::vector<SelectedChange> taken;
    while (taken.size() < max && live_ == nullptr && ended_.ok()) {
      if (GoLive()) {
        break;
      }
      if (!pending_.empty()) {
        Deliver(&taken);
      } else if (!ReadBatch()) {
        break;
      }
    }
    if (!taken.empty()) {
      return taken;
    }
    if (live_ != nullptr) {
      return live_->Next(max);
    }
    if (!ended_.ok()) {
      return ended_;
    }
    return taken;
  }

  int64_t BookmarkRevision() override {
    return live_ != nullptr ? live_->BookmarkRevision() : seen_revision_;
  }

 private:
  // Takes one change of pending_, when it is of the selection.
  void Deliver(std::vector<SelectedChange>* taken) {
    const ChangeRef change = std::move(pending_.front());
    pending_.pop_front();
    StepTo();
    if (const std::optional<ChangeType> type = TypeFor(selection_, *change)) {
      taken->push_back({.type = *type, .change = change, .revision = change->revision});
    }
  }

  // What lies before the next pending change has been seen.
  void StepTo() {
    seen_revision_ = std::max(seen_revision_,
                              pending_.empty() ? batch_revision_ : pending_.front()->revision - 1);
  }

  // Whether the cache has taken over; what is pending is in its history then.
  bool GoLive() {
    if (seen_revision_ < source_->HistoryStart(selection_)) {
      return false;
    }
    live_ = source_->TryLive(selection_, seen_revision_, on_ready_);
    if (live_ != nullptr) {
      // Not here: the caller may be the store's thread, in on_ready.
      source_->LetGo(std::move(watch_));
      pending_.clear();
    }
    return live_ != nullptr;
  }

  // False: there is nothing now, or it is over.
  bool ReadBatch() {
    absl::StatusOr<std::optional<storage::EventBatch>> batch = watch_->Next();
    if (!batch.ok()) {
      ended_ = storage::ErrorOf(batch.status()) == storage::StorageError::kExpired
                   ? TooOld(seen_revision_, source_->HistoryStart(selection_))
                   : batch.status();
      return false;
    }
    if (!batch->has_value()) {
      // With it the cache can take over, however long nothing happens.
      watch_->RequestBookmark();
      return false;
    }
    for (const storage::Event& event : (*batch)->events) {
      if (ChangeRef change = ChangeOf(event)) {
        pending_.push_back(std::move(change));
      }
    }
    batch_revision_ = (*batch)->revision;
    StepTo();
    return true;
  }

  ObjectRef Decode(const storage::ObjectView& view) const {
    const std::optional<StoredKey> key = keys_->Parse(view.key);
    if (!key.has_value()) {
      return nullptr;
    }
    absl::StatusOr<ObjectRef> object =
        DecodeObject(*key->kind, view.key, view.document, view.create_revision, view.mod_revision);
    if (!object.ok()) {
      LogError("a stored object can't be read", {{"key", view.key}, {"error", object.status()}});
      return nullptr;
    }
    return *std::move(object);
  }

  ChangeRef ChangeOf(const storage::Event& event) const {
    auto change = std::make_shared<Change>();
    change->object = Decode(event.object);
    if (change->object == nullptr) {
      return nullptr;
    }
    change->revision = event.object.mod_revision;
    if (event.previous.has_value()) {
      change->previous = Decode(*event.previous);
    }
    change->type = event.type == storage::EventType::kDeleted ? ChangeType::kDeleted
                   : change->previous != nullptr              ? ChangeType::kModified
                                                              : ChangeType::kAdded;
    return change;
  }

  LiveSource* const source_;
  const StoredKeys* const keys_;
  const Selection selection_;
  const std::function<void()> on_ready_;

  int64_t seen_revision_;  // all changes up to here were returned by Next
  int64_t batch_revision_ = 0;
  std::deque<ChangeRef> pending_;  // of the batch that was read last
  absl::Status ended_;
  std::unique_ptr<Subscription> live_;
  std::unique_ptr<storage::Watch> watch_;
};

}  // namespace

std::unique_ptr<Subscription> MakeCatchUp(LiveSource* source, storage::StateStore* store,
                                          const StoredKeys* keys, Selection selection,
                                          int64_t after_revision, std::function<void()> on_ready) {
  PROBE("cache: a subscription begins before the history");
  return std::make_unique<CatchUp>(source, store, keys, std::move(selection), after_revision,
                                   std::move(on_ready));
}

}  // namespace socle::registry
