// CatchUp: a subscription that begins before the cache's history: it reads the store's own history until
// the cache can go on.
//
// Laws     1. No gap and no repetition where one takes over from the other.
//          2. Nothing comes from the store that the cache does not show yet: the cache's history reaches
//             further back than that.
// Threads  as Subscription.
#ifndef SOCLE_CONTROLLERS_REGISTRY_CATCH_UP_H_
#define SOCLE_CONTROLLERS_REGISTRY_CATCH_UP_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <vector>

#include "controllers/registry/object_cache.h"
#include "controllers/registry/stored_key.h"
#include "controllers/storage/state_store.h"

namespace socle::registry {

// What the cache does for it.
class LiveSource {
 public:
  virtual ~LiveSource() = default;
  // nullptr when the history does not go back to `after_revision` (not 0) any more.
  virtual std::unique_ptr<Subscription> TryLive(const Selection& selection, int64_t after_revision,
                                                std::function<void()> on_ready) = 0;
  virtual int64_t HistoryStart(const Selection& selection) = 0;
  // Destroys it on a thread where that is allowed.
  virtual void LetGo(std::unique_ptr<storage::Watch> watch) = 0;
};

std::unique_ptr<Subscription> MakeCatchUp(LiveSource* source, storage::StateStore* store,
                                          const StoredKeys* keys, Selection selection,
                                          int64_t after_revision, std::function<void()> on_ready);

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_CATCH_UP_H_
