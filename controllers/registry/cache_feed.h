// CacheFeed: the one watch that feeds the cache, and the thread that reads it.
//
//   store ──List, page by page──► Load                         (at Open, and when the watch expired)
//   store ──Watch /registry/────► decode ──► Apply, Reload ──► cache
//
// Laws     1. After Load the sink gets every later change once, in order; when the store has forgotten
//             some, it gets the whole state again (Reload).
//          2. Documents that can't be read and keys of unknown kinds are logged and passed over: the
//             sink keeps what it had.
// Threads  the sink is called by the feed's thread only.
#ifndef SOCLE_CONTROLLERS_REGISTRY_CACHE_FEED_H_
#define SOCLE_CONTROLLERS_REGISTRY_CACHE_FEED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <absl/functional/any_invocable.h>
#include <absl/status/statusor.h>

#include "controllers/registry/object.h"
#include "controllers/registry/stored_key.h"
#include "controllers/storage/state_store.h"
#include "kv/base/bytes.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"

namespace socle::registry {

// An object as it is from a revision on: its mod_revision.
struct FeedEvent {
  bool is_deletion = false;
  ObjectRef object;  // of a deletion its last state
};

struct LoadedState {
  int64_t revision = 0;
  std::vector<ObjectRef> objects;  // by key
};

class FeedSink {
 public:
  virtual ~FeedSink() = default;
  virtual void Apply(std::vector<FeedEvent> events, int64_t revision) = 0;
  virtual void Reload(LoadedState state) = 0;
  // Nothing comes any more.
  virtual void Failed(const absl::Status& why) = 0;
  // Somebody waits for a revision: bookmarks are asked for while nothing comes.
  virtual bool wants_bookmark() = 0;
};

class CacheFeed {
 public:
  CacheFeed(storage::StateStore* store, const api::KindRegistry& kinds);
  CacheFeed(const CacheFeed&) = delete;
  CacheFeed& operator=(const CacheFeed&) = delete;
  ~CacheFeed();  // stops

  absl::StatusOr<LoadedState> Load();
  // Follows from `after_revision` on.
  void Start(int64_t after_revision, FeedSink* sink);
  void Stop();

  // wants_bookmark may have changed.
  void Nudge();
  // Runs on the feed's thread, or where the feed is stopped: for what must not end where it is let go of.
  void RunSoon(absl::AnyInvocable<void()> task);

 private:
  static constexpr size_t kEventsPerApply = 4'096;

  absl::StatusOr<LoadedState> LoadOnce();
  // nullptr when it is to be passed over.
  ObjectRef Decode(const storage::ObjectView& view);
  void AppendEvents(const storage::EventBatch& batch, std::vector<FeedEvent>* events);
  void OpenWatch(int64_t after_revision);
  void Loop();
  // False: nothing is there now.
  bool Drain();
  void Expired();
  void Fail(const absl::Status& why);
  bool Wait();   // false: stop
  bool Pause();  // a moment; false: stop

  storage::StateStore* const store_;
  const StoredKeys keys_;
  FeedSink* sink_ = nullptr;
  StringSet warned_;  // the thread's: resources that are unknown
  std::unique_ptr<storage::Watch> watch_;
  Thread thread_;

  Mutex mu_;
  CondVar changed_;
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  bool is_nudged_ ABSL_GUARDED_BY(mu_) = false;
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<absl::AnyInvocable<void()>> tasks_ ABSL_GUARDED_BY(mu_);
};

}  // namespace socle::registry

#endif  // SOCLE_CONTROLLERS_REGISTRY_CACHE_FEED_H_
