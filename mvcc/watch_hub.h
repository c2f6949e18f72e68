// WatchHub: takes the store's changes in order and gives them to the watchers that want them.
//
//   write loop ──Publish──►  FIFO  ◄──Create, Cancel, Progress── streams
//                             │ hub thread, one step at a time
//                 synced watchers: by key, by range      lagging watchers: read history together
//                             └──► response queue of each stream ──Next──► consumer
//
// Laws     1. One FIFO carries changes and commands: whatever a caller saw answered before its
//             command is processed before it; progress at R is queued behind every event <= R.
//          2. A watcher is synced (next event comes from the FIFO) or lagging (next event comes
//             from history up to the last revision the FIFO has brought). It moves between the two
//             without gap or repetition.
//          3. A stream's queue is bounded in bytes; a watcher that finds it full becomes lagging. A
//             put that matches no watcher costs a hash lookup and a walk over the range watchers.
// Threads  Publish: the write loop. Streams: any thread. All matching and reading of history: the
//          hub thread.
// Source   spec etcd 1.5; etcd#16839, etcd#15220, etcd#17529 (what went wrong there).
#ifndef SOCLE_MVCC_WATCH_HUB_H_
#define SOCLE_MVCC_WATCH_HUB_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <absl/status/statusor.h>

#include "kv/base/bytes.h"
#include "kv/base/clock.h"
#include "kv/base/mutex.h"
#include "kv/base/thread.h"
#include "mvcc/applier.h"
#include "mvcc/read_view.h"
#include "mvcc/watch.h"
#include "mvcc/watch_stream.h"

namespace socle::mvcc {

// The changes of one published batch.
struct EventBatch {
  int64_t revision = 0;  // newest revision of the batch
  std::vector<ChangeEvent> events;
  std::shared_ptr<const kv::BackendSnapshot> storage;  // what the events' views point into
  bool is_incomplete = false;  // applied while nobody watched: the events are only in history
};

struct WatchStats {
  int64_t streams = 0;
  int64_t watchers = 0;
  int64_t slow_watchers = 0;
  uint64_t events_sent = 0;
};

class WatchHub {
 public:
  // `take_view` returns the newest published view; callable from any thread.
  WatchHub(std::function<ReadViewRef()> take_view, Clock* clock, int64_t progress_interval_nanos);
  // Requires that every stream is destroyed.
  ~WatchHub();
  WatchHub(const WatchHub&) = delete;
  WatchHub& operator=(const WatchHub&) = delete;

  // True while there are streams: the write loop then collects events.
  bool has_streams() const { return stream_count_.load(std::memory_order_seq_cst) > 0; }

  // After the batch's view was published and before its writers are answered.
  void Publish(EventBatch batch);

  std::unique_ptr<WatchStream> NewStream(std::function<void()> on_ready);

  WatchStats Stats() const;

 private:
  friend class HubStream;

  struct Watcher {
    std::shared_ptr<StreamQueue> stream;
    int64_t id = 0;
    std::string key;
    std::string range_end;
    int64_t next_revision = 0;  // first revision not yet delivered or passed
    int64_t last_event_nanos = 0;
    bool progress_notify = false;
    bool no_put = false;
    bool no_delete = false;
    bool prev_kv = false;
    bool fragment = false;
    bool is_synced = false;
    std::vector<WatchEvent> gathered;  // of the revision or the piece of history at hand
  };

  struct CreateCommand {
    std::shared_ptr<StreamQueue> stream;
    WatchRequest request;
    // Newest revision that could be read when the command was given: the view is published before
    // the batch is, so that it may be ahead of the FIFO.
    int64_t seen_revision = 0;
  };

  struct CancelCommand {
    std::shared_ptr<StreamQueue> stream;
    int64_t watch_id = 0;
  };

  struct ProgressCommand {
    std::shared_ptr<StreamQueue> stream;
  };

  struct CloseCommand {
    std::shared_ptr<StreamQueue> stream;
  };

  // From `revision` on every batch is published: earlier ones may have been left out, nobody
  // watched.
  struct OpenCommand {
    int64_t revision = 0;
  };

  using Item = std::variant<EventBatch, CreateCommand, CancelCommand, ProgressCommand, CloseCommand,
                            OpenCommand>;

  struct StreamState {
    int64_t next_id = 0;
    absl::flat_hash_map<int64_t, std::unique_ptr<Watcher>> watchers;
  };

  void Push(Item item);
  void Wake();
  void Loop();
  void Handle(EventBatch& batch);
  void Handle(CreateCommand& command);
  void Handle(CancelCommand& command);
  void Handle(ProgressCommand& command);
  void Handle(CloseCommand& command);
  void Handle(OpenCommand& command);

  void Refuse(const CreateCommand& command, std::string reason);
  void Offer(Watcher* watcher, const ChangeEvent& event);
  // Sends what Offer gathered, as of one revision; `pin` keeps the events' memory.
  void SendTouched(int64_t header_revision, const Pin& pin);
  void FillPrevious(const ReadState& state, WatchResponse* response);

  void AddSynced(Watcher* watcher);
  void RemoveSynced(Watcher* watcher);
  void RemoveLagging(Watcher* watcher);
  void MakeLagging(Watcher* watcher, int64_t next_revision);
  void MakeAllLagging(int64_t up_to_revision);
  void Remove(Watcher* watcher);
  void CatchUp();
  std::vector<Watcher*> LaggardsWithRoom() const;
  // Removes the watcher; the response becomes its cancellation.
  void End(Watcher* watcher, WatchResponse response);
  // Offers history from the lowest wanted revision on; returns the last revision it went through.
  absl::StatusOr<int64_t> ReadHistory(const ReadState& state, const std::vector<Watcher*>& group);
  void NotifyProgress();

  const std::function<ReadViewRef()> take_view_;
  Clock* const clock_;
  const int64_t progress_interval_nanos_;
  std::atomic<int64_t> stream_count_{0};
  std::atomic<int64_t> watcher_count_{0};
  std::atomic<int64_t> lagging_count_{0};
  std::atomic<uint64_t> events_sent_{0};

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<Item> queue_ ABSL_GUARDED_BY(mu_);
  bool is_stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool has_room_ ABSL_GUARDED_BY(mu_) = false;  // a stream with lagging watchers was drained

  // The hub thread's.
  int64_t revision_ = 1;  // newest revision that the FIFO has brought
  absl::flat_hash_map<StreamQueue*, StreamState> streams_;
  StringMap<std::vector<Watcher*>> by_key_;
  std::vector<Watcher*> by_range_;
  std::vector<Watcher*> lagging_;
  std::vector<Watcher*> touched_;  // watchers with a response being filled
  int64_t progress_watchers_ = 0;
  int64_t next_progress_nanos_ = 0;

  Thread thread_;
};

}  // namespace socle::mvcc

#endif  // SOCLE_MVCC_WATCH_HUB_H_
