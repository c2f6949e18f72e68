#include "controllers/registry/cache_feed.h"

#include <chrono>
#include <utility>

#include "controllers/storage/errors.h"
#include "kv/base/clock.h"
#include "kv/base/log.h"
#include "kv/base/probe.h"
#include "kv/base/status_macros.h"

namespace socle::registry {
namespace {

constexpr int64_t kPageObjects = 1'000;
constexpr int kLoadAttempts = 5;
constexpr std::chrono::milliseconds kBookmarkPatience(20);
constexpr std::chrono::milliseconds kLoadPatience(200);

bool IsExpired(const absl::Status& status) {
  return storage::ErrorOf(status) == storage::StorageError::kExpired;
}

}  // namespace

CacheFeed::CacheFeed(storage::StateStore* store, const api::KindRegistry& kinds)
    : store_(store), keys_(kinds) {}

CacheFeed::~CacheFeed() {
  Stop();
}

void CacheFeed::Stop() {
  {
    MutexLock lock(&mu_);
    is_stopping_ = true;
    changed_.SignalAll();
  }
  thread_.Join();
  watch_.reset();
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    MutexLock lock(&mu_);
    tasks.swap(tasks_);
  }
  for (auto& task : tasks) {
    task();
  }
}

ObjectRef CacheFeed::Decode(const storage::ObjectView& view) {
  const std::optional<StoredKey> key = keys_.Parse(view.key);
  if (!key.has_value()) {
    const std::string_view resource = view.key.substr(0, view.key.find('/', kKeyPrefix.size()));
    if (warned_.emplace(resource).second) {
      LogWarning("objects of an unknown kind are passed over", {{"key", view.key}});
    }
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

absl::StatusOr<LoadedState> CacheFeed::LoadOnce() {
  LoadedState state;
  storage::ListRequest request{.prefix = std::string(kKeyPrefix), .limit = kPageObjects};
  while (true) {
    ASSIGN_OR_RETURN(const storage::ListPage page, store_->List(request));
    state.revision = page.revision;
    for (const storage::ObjectView& view : page.objects) {
      if (ObjectRef object = Decode(view)) {
        state.objects.push_back(std::move(object));
      }
    }
    if (page.continue_token.empty()) {
      return state;
    }
    request.continue_token = page.continue_token;
  }
}

absl::StatusOr<LoadedState> CacheFeed::Load() {
  absl::StatusOr<LoadedState> state = LoadOnce();
  for (int attempt = 1; attempt < kLoadAttempts && IsExpired(state.status()); ++attempt) {
    state = LoadOnce();
  }
  return state;
}

void CacheFeed::OpenWatch(int64_t after_revision) {
  watch_ = store_->NewWatch({.prefix = std::string(kKeyPrefix), .after_revision = after_revision},
                            [this] {
                              MutexLock lock(&mu_);
                              is_ready_ = true;
                              changed_.Signal();
                            });
}

void CacheFeed::Start(int64_t after_revision, FeedSink* sink) {
  sink_ = sink;
  OpenWatch(after_revision);
  thread_ = Thread("cache feed", [this] { Loop(); });
}

void CacheFeed::Nudge() {
  MutexLock lock(&mu_);
  is_nudged_ = true;
  changed_.Signal();
}

void CacheFeed::RunSoon(absl::AnyInvocable<void()> task) {
  MutexLock lock(&mu_);
  tasks_.push_back(std::move(task));
  changed_.Signal();
}

void CacheFeed::Loop() {
  while (Wait()) {
    while (Drain()) {
    }
  }
}

bool CacheFeed::Wait() {
  while (true) {
    const bool wants_bookmark = sink_->wants_bookmark();
    std::vector<absl::AnyInvocable<void()>> tasks;
    bool is_impatient = false;
    bool is_ready = false;
    {
      MutexLock lock(&mu_);
      while (!is_ready_ && !is_stopping_ && !is_nudged_ && tasks_.empty() && !is_impatient) {
        if (wants_bookmark) {
          is_impatient = !changed_.WaitFor(&mu_, kBookmarkPatience);
        } else {
          changed_.Wait(&mu_);
        }
      }
      if (is_stopping_) {
        return false;
      }
      is_nudged_ = false;
      is_ready = std::exchange(is_ready_, false);
      tasks.swap(tasks_);
    }
    for (auto& task : tasks) {
      task();
    }
    if (is_ready) {
      return true;
    }
    if (is_impatient) {
      PROBE("cache: the store is ahead without events");
      watch_->RequestBookmark();
    }
  }
}

bool CacheFeed::Pause() {
  MutexLock lock(&mu_);
  if (!is_stopping_) {
    changed_.WaitFor(&mu_, kLoadPatience);
  }
  return !is_stopping_;
}

void CacheFeed::AppendEvents(const storage::EventBatch& batch, std::vector<FeedEvent>* events) {
  for (const storage::Event& event : batch.events) {
    ObjectRef object = Decode(event.object);
    if (object != nullptr) {
      events->push_back(
          {.is_deletion = event.type == storage::EventType::kDeleted, .object = std::move(object)});
    }
  }
}

bool CacheFeed::Drain() {
  std::vector<FeedEvent> events;
  int64_t revision = 0;
  absl::Status ended;
  bool is_empty = false;
  // What came together is applied together: one turn of locks, one round of wake-ups.
  while (events.size() < kEventsPerApply) {
    absl::StatusOr<std::optional<storage::EventBatch>> batch = watch_->Next();
    if (!batch.ok()) {
      ended = batch.status();
      break;
    }
    if (!batch->has_value()) {
      is_empty = true;
      break;
    }
    revision = (*batch)->revision;
    AppendEvents(**batch, &events);
  }
  if (revision > 0) {
    sink_->Apply(std::move(events), revision);
  }
  if (!ended.ok()) {
    if (IsExpired(ended)) {
      Expired();
    } else {
      Fail(ended);
    }
    return false;
  }
  return !is_empty;
}

void CacheFeed::Expired() {
  PROBE("cache: the store has forgotten what the cache has not seen");
  absl::StatusOr<LoadedState> state = Load();
  while (storage::ErrorOf(state.status()) == storage::StorageError::kUnavailable && Pause()) {
    state = Load();
  }
  if (!state.ok()) {
    Fail(state.status());
    return;
  }
  const int64_t revision = state->revision;
  sink_->Reload(*std::move(state));
  OpenWatch(revision);
}

void CacheFeed::Fail(const absl::Status& why) {
  LogError("the cache does not follow the store any more", {{"error", why}});
  sink_->Failed(why);
}

}  // namespace socle::registry
