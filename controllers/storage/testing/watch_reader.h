// WatchReader: a watch whose batches a test waits for, and copies of what it saw.
// Threads  thread-compatible.
#ifndef SOCLE_CONTROLLERS_STORAGE_TESTING_WATCH_READER_H_
#define SOCLE_CONTROLLERS_STORAGE_TESTING_WATCH_READER_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include <absl/status/statusor.h>

#include "controllers/storage/state_store.h"
#include "kv/base/mutex.h"

namespace socle::storage {

// An event without pins.
struct SeenEvent {
  EventType type = EventType::kAdded;
  std::string key;
  std::string document;
  int64_t revision = 0;
  std::string previous;  // its document
  int64_t previous_revision = 0;

  bool operator==(const SeenEvent&) const = default;

  friend void PrintTo(const SeenEvent& event, std::ostream* out) {
    constexpr const char* kNames[] = {"added", "modified", "deleted"};
    *out << kNames[static_cast<int>(event.type)] << " " << event.key << "@" << event.revision
         << "='" << event.document.substr(0, 40) << "' was @" << event.previous_revision << "='"
         << event.previous.substr(0, 40) << "'";
  }
};

inline SeenEvent Copy(const Event& event) {
  SeenEvent seen{.type = event.type,
                 .key = std::string(event.object.key),
                 .document = std::string(event.object.document),
                 .revision = event.object.mod_revision};
  if (event.previous) {
    seen.previous = event.previous->document;
    seen.previous_revision = event.previous->mod_revision;
  }
  return seen;
}

class WatchReader {
 public:
  using OpenWatch = std::function<std::unique_ptr<Watch>(std::function<void()> on_ready)>;

  explicit WatchReader(const OpenWatch& open)
      : watch_(open([this] {
          MutexLock lock(&mu_);
          is_ready_ = true;
          changed_.Signal();
        })) {}

  WatchReader(StateStore* store, const WatchRequest& request)
      : WatchReader([store, &request](std::function<void()> on_ready) {
          return store->NewWatch(request, std::move(on_ready));
        }) {}

  // DeadlineExceeded when nothing comes for 20 s.
  absl::StatusOr<EventBatch> NextBatch() {
    while (true) {
      absl::StatusOr<std::optional<EventBatch>> batch = watch_->Next();
      if (!batch.ok()) {
        return batch.status();
      }
      if (*batch) {
        return **std::move(batch);
      }
      MutexLock lock(&mu_);
      while (!is_ready_) {
        if (!changed_.WaitFor(&mu_, std::chrono::seconds(20)) && !is_ready_) {
          return absl::DeadlineExceededError("no event within 20 s");
        }
      }
      is_ready_ = false;
    }
  }

  // At least `count` events, passing over bookmarks; revision() is then that of the last batch.
  absl::StatusOr<std::vector<SeenEvent>> NextEvents(size_t count) {
    std::vector<SeenEvent> events;
    while (events.size() < count) {
      const absl::StatusOr<EventBatch> batch = NextBatch();
      if (!batch.ok()) {
        return batch.status();
      }
      revision_ = batch->revision;
      for (const Event& event : batch->events) {
        events.push_back(Copy(event));
      }
    }
    return events;
  }

  int64_t revision() const { return revision_; }

  Watch* watch() { return watch_.get(); }

 private:
  int64_t revision_ = 0;
  Mutex mu_;
  CondVar changed_;
  bool is_ready_ ABSL_GUARDED_BY(mu_) = false;
  const std::unique_ptr<Watch> watch_;  // goes first: it calls back
};

}  // namespace socle::storage

#endif  // SOCLE_CONTROLLERS_STORAGE_TESTING_WATCH_READER_H_
