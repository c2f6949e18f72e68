// ObjectCache: all objects of the plane in memory, as of one revision, with indexes, kept up to date by
// one watch of the store; it feeds selective lists, watches of clients and controllers of the process.
//
// Laws     1. The cache is always the state of the store at one revision(); it only moves forward.
//          2. A subscriber gets every event of its selection once, in revision order, after the cache
//             shows it.
//          3. A subscriber with an exact term on an indexed field costs nothing to events of others.
//          4. A queue that overflows ends with kExpired; nobody else waits for its owner.
// Threads  thread-safe. Observers and on_ready run on the feeder thread: quick, no waiting for the store.
// Memory   objects are shared by cache, history and queues. History per resource is bounded by events
//          and bytes; what is older comes from the store.
// Source   DESIGN 4; spec controllers 8.7, 9.2.
#ifndef SOCLE_CONTROLLERS_REGISTRY_OBJECT_CACHE_H_
#define SOCLE_CONTROLLERS_REGISTRY_OBJECT_CACHE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "controllers/api/field_selector.h"
#include "controllers/api/kind_registry.h"
#include "controllers/api/label_selector.h"
#include "controllers/registry/object.h"
#include "controllers/storage/state_store.h"

namespace socle::registry {

enum class ChangeType : uint8_t { kAdded, kModified, kDeleted, kBookmark };

// Encoded forms of a change, kept by whoever encodes them (the HTTP front), so that one change is encoded
// once however many watchers get it.
class ChangeEncodings {
 public:
  // The bytes of slot `id`, made by `encode` at the first call. Thread-safe.
  std::shared_ptr<const std::string> Get(uint64_t id,
                                         absl::AnyInvocable<std::string() const> encode) const;

 private:
  struct Slots;
  mutable std::shared_ptr<Slots> slots_;
};

struct Change {
  ChangeType type = ChangeType::kAdded;
  int64_t revision = 0;
  ObjectRef object;    // kDeleted: the last state, with mod_revision of the deletion
  ObjectRef previous;  // kModified, kDeleted: as it was before
  ChangeEncodings encodings;
};

using ChangeRef = std::shared_ptr<const Change>;

// Which objects: of one stored resource, and with all of these properties.
struct Selection {
  const api::Kind* kind = nullptr;
  std::string ns;  // empty: all
  api::LabelSelector labels = api::LabelSelector::Everything();
  api::FieldSelector fields;

  bool Matches(const Object& object) const;
};

// What the change is to a watcher of the selection: an object that leaves it is deleted with its last
// matching state, one that enters it is added. nullopt: nothing.
std::optional<ChangeType> TypeFor(const Selection& selection, const Change& change);

struct SelectedChange {
  ChangeType type = ChangeType::kAdded;  // as TypeFor
  ChangeRef change;                      // null for a bookmark
  int64_t revision = 0;
};

// One client's stream. Confined to one thread at a time; the destructor returns when on_ready runs no
// more, and is not to be called from on_ready.
class Subscription {
 public:
  virtual ~Subscription() = default;
  // Up to `max` changes that are there; empty: on_ready is called when there are some again. Nobody calls
  // on_ready for what is there at the beginning. An error (ApiError kExpired: list again) ends the stream
  // and is repeated.
  virtual absl::StatusOr<std::vector<SelectedChange>> Next(size_t max) = 0;
  // Every change of the selection up to here has been returned by Next: the revision of a bookmark sent
  // now. 0: there is none, because objects that were present are still to come, or because it is over.
  // Less than the last one returned while the rest of its revision is being dispatched.
  virtual int64_t BookmarkRevision() = 0;
};

using Observation = std::shared_ptr<const void>;

struct CacheOptions {
  size_t history_events_max = 16'384;  // per resource
  size_t history_bytes_max = size_t{64} << 20U;
  size_t queue_events_max = 8'192;  // per subscription
};

class ObjectCache {
 public:
  // Loads everything there is, then follows. The store outlives the cache, the cache its subscriptions.
  static absl::StatusOr<std::unique_ptr<ObjectCache>> Open(storage::StateStore* store,
                                                           const api::KindRegistry* kinds,
                                                           CacheOptions options = {});
  virtual ~ObjectCache() = default;

  virtual int64_t revision() const = 0;
  // Blocks until revision() is at least this and observers have been shown what led to it. An error when
  // the feeder has failed or was stopped.
  virtual absl::Status WaitFor(int64_t wanted_revision) = 0;
  // Calls `done` then; at once when it is there already.
  virtual void WhenReached(int64_t wanted_revision,
                           absl::AnyInvocable<void(absl::Status)> done) = 0;
  // WaitFor the store's revision of now: afterwards the cache shows every write answered before.
  virtual absl::Status WaitUntilFresh() = 0;
  virtual void WhenFresh(absl::AnyInvocable<void(absl::Status)> done) = 0;

  virtual ObjectRef Get(const api::Kind& kind, std::string_view ns,
                        std::string_view name) const = 0;
  // By key order. Uses an index for an exact term on an indexed field or for a namespace.
  virtual std::vector<ObjectRef> List(const Selection& selection) const = 0;
  // The same with the revision that it shows, both of one moment.
  virtual std::vector<ObjectRef> ListAt(const Selection& selection, int64_t* shown) const = 0;
  // Objects of the kind (nullptr: any) with an owner reference to this uid.
  virtual std::vector<ObjectRef> OwnedBy(const api::Kind* kind, std::string_view uid) const = 0;
  // The object of any kind with this uid, or nullptr.
  virtual ObjectRef ByUid(std::string_view uid) const = 0;
  // Pods whose spec.nodeName is this; in general objects whose indexed field has the value.
  virtual std::vector<ObjectRef> ByField(const api::Kind& kind, std::string_view field,
                                         std::string_view value) const = 0;
  virtual size_t Count(const api::Kind& kind) const = 0;

  // Changes later than `after_revision`; 0: the present objects first, as kAdded, then changes.
  // ApiError kExpired when the history is gone, kTimeout with cause ResourceVersionTooLarge when it is
  // ahead of the store.
  virtual absl::StatusOr<std::unique_ptr<Subscription>> Subscribe(
      Selection selection, int64_t after_revision, std::function<void()> on_ready) = 0;

  // Controllers of the process: called for every change of the kind (nullptr: of all kinds) that comes
  // after this call, on the feeder thread, after the cache shows it. Present objects are not shown: list
  // them. Dropping the Observation ends it, and returns when the observer runs no more; not to be done
  // from an observer.
  virtual Observation Observe(const api::Kind* kind,
                              std::function<void(const ChangeRef& change)> observer) = 0;
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_OBJECT_CACHE_H_
